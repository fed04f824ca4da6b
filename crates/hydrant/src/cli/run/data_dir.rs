//! The data folder: one process at a time, and a version that says who may read it.
//!
//! ```text
//! DIR/hydrant.json   {"version":1}
//! DIR/lock           locked by the running process, which writes its id into it
//! DIR/stream/  DIR/index/  DIR/deliver/  DIR/failed/
//! ```

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

const MARKER: &str = "hydrant.json";

/// Holds the lock until it is dropped or the process ends.
#[derive(Debug)]
pub(in crate::cli) struct DataDir {
    path: PathBuf,
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    version: u32,
}

impl DataDir {
    pub(in crate::cli) fn open(path: &Path) -> anyhow::Result<DataDir> {
        let shown = path.display();
        // It holds statements: nobody else may read it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot create the data folder {shown}"))?;
        let lock = lock(path)?;
        if !check_version(path)? {
            write_marker(path, &path.join(MARKER))?;
        }
        Ok(DataDir { path: path.to_owned(), _lock: lock })
    }

    pub(in crate::cli) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Whether the folder says its version.
///
/// # Errors
/// It is of a newer version, or what says so is damaged.
pub(in crate::cli) fn check_version(path: &Path) -> anyhow::Result<bool> {
    let marker = path.join(MARKER);
    let bytes = match fs::read(&marker) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", marker.display())),
    };
    let found: Marker = serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", marker.display()))?;
    if found.version > VERSION {
        bail!(
            "the data folder {} is of version {}, made by a newer Hydrant; this one reads version {VERSION}",
            path.display(),
            found.version
        );
    }
    Ok(true)
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let name = path.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .with_context(|| format!("cannot write to the data folder {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = (&mut file).take(20).read_to_string(&mut holder);
            let holder =
                if read.is_ok() && !holder.trim().is_empty() { format!(" {}", holder.trim()) } else { String::new() };
            bail!("the data folder {} is in use by process{holder}; give --data another folder", path.display());
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", name.display()));
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

fn write_marker(path: &Path, marker: &Path) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let temporary = path.join("hydrant.json.new");
        let mut file = File::create(&temporary)?;
        serde_json::to_writer(&mut file, &Marker { version: VERSION })?;
        file.sync_all()?;
        fs::rename(&temporary, marker)?;
        File::open(path)?.sync_all()
    };
    write().with_context(|| format!("cannot write to the data folder {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::DataDir;

    #[test]
    fn a_second_process_is_told_who_holds_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::open(dir.path()).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
        drop(held);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_folder_of_a_newer_version_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hydrant.json"), r#"{"version":2}"#).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("is of version 2") && error.contains(&dir.path().display().to_string()), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let error = format!("{:#}", DataDir::open(&file.join("data")).unwrap_err());
        assert!(
            error.starts_with(&format!("cannot create the data folder {}", file.join("data").display())),
            "{error}"
        );
    }
}
