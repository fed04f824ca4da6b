//! Objects in a folder: files that only their owner can read, each there whole or not at all.
//!
//! A file is written under `.tmp/`, made durable, renamed to its place, and the folder made durable. The version of
//! the layout stands in `hydrant-failed.json`; a newer one is refused. Files have mode 0600, folders 0700.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hydrant_transform::failed::{VERSION, version_line};
use serde::Deserialize;

use super::{LISTED_MAX, Listed, MARKER, Objects};

const TEMPORARY: &str = ".tmp";

/// A folder of objects.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    /// Names the file that holds the layout's version.
    marker: &'static str,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} has version {version}, this program knows versions up to {VERSION}", path.display())]
    Newer { path: PathBuf, version: u32 },
    #[error("{} is no folder of objects: {problem}", path.display())]
    Foreign { path: PathBuf, problem: String },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl Directory {
    /// Opens a folder of failed documents, or makes it. What a crash left unfinished in it is removed.
    pub fn open(root: &Path) -> Result<Directory, OpenError> {
        let directory = Directory::share(root, MARKER)?;
        let io_error = |error| OpenError::Io { path: root.into(), error };
        for entry in fs::read_dir(root.join(TEMPORARY)).into_iter().flatten() {
            fs::remove_file(entry.map_err(io_error)?.path()).map_err(io_error)?;
        }
        Ok(directory)
    }

    /// Opens a folder, or makes it, beside another process that may write to it. `marker`: the file that holds the
    /// layout's version.
    pub fn share(root: &Path, marker: &'static str) -> Result<Directory, OpenError> {
        let directory = Directory { root: root.into(), marker };
        let io_error = |error| OpenError::Io { path: root.into(), error };
        let marker = root.join(marker);
        match fs::read(&marker) {
            Ok(bytes) => check_version(&marker, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                directory.put_now(directory.marker, &version_line()).map_err(io_error)?;
            }
            Err(error) => return Err(io_error(error)),
        }
        Ok(directory)
    }

    /// Somebody else's folder, which is only read.
    pub fn read_only(root: &Path) -> Directory {
        Directory { root: root.into(), marker: MARKER }
    }

    /// Failed documents for reading only: makes and removes nothing. A folder that is not there holds no object.
    pub fn open_read_only(root: &Path) -> Result<Directory, OpenError> {
        let marker = root.join(MARKER);
        match fs::read(&marker) {
            Ok(bytes) => check_version(&marker, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OpenError::Io { path: root.into(), error }),
        }
        Ok(Directory { root: root.into(), marker: MARKER })
    }

    fn put_now(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.root.join(key);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{key}` names no object")));
        };
        make_folders(folder)?;
        make_folders(&self.root.join(TEMPORARY))?;
        // The two kinds of object of one batch have one name.
        let kind = key.split('/').next().unwrap_or_default();
        let temporary = self.root.join(TEMPORARY).join(format!("{kind}-{}", name.to_string_lossy()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()
    }
}

/// Adds the objects of a folder to `listed`, in the order of their keys, while there is room. `key`: the folder's, with a
/// slash behind it unless it is the root.
fn list_folder(
    folder: &Path,
    key: &str,
    marker: &str,
    after: Option<&str>,
    listed: &mut Vec<Listed>,
) -> io::Result<()> {
    let mut children = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if key.is_empty() && (name == TEMPORARY || name == marker) {
            continue;
        }
        let is_folder = entry.path().is_dir();
        children.push((format!("{key}{name}{}", if is_folder { "/" } else { "" }), entry.path(), is_folder));
    }
    children.sort_unstable();
    for (key, path, is_folder) in children {
        if listed.len() >= LISTED_MAX {
            break;
        }
        // All keys in a folder that is before `after`, and does not hold it, are before it too.
        if after.is_some_and(|after| key.as_str() <= after && !(is_folder && after.starts_with(&key))) {
            continue;
        }
        if is_folder {
            list_folder(&path, &key, marker, after, listed)?;
        } else {
            listed.push(Listed { key, bytes: fs::metadata(&path)?.len() });
        }
    }
    Ok(())
}

/// Makes a folder and those above it, each durable in its parent. That it is there already says nothing: another shard,
/// or a process that was killed, may have made it a moment ago.
fn make_folders(folder: &Path) -> io::Result<()> {
    for folder in folder.ancestors().collect::<Vec<_>>().into_iter().rev() {
        if folder.as_os_str().is_empty() || folder.parent().is_none() {
            continue;
        }
        let made = DirBuilder::new().mode(0o700).create(folder);
        let is_made = match made {
            Ok(()) => true,
            Err(error) if folder.is_dir() => error.kind() == io::ErrorKind::AlreadyExists,
            Err(error) => return Err(error),
        };
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if is_made {
            // A folder far above may be closed to us; it was there before.
            match File::open(parent).and_then(|parent| parent.sync_all()) {
                Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

pub(super) fn check_version(marker: &Path, bytes: &[u8]) -> Result<(), OpenError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice(bytes) {
        Ok(Versioned { version }) if version > VERSION => Err(OpenError::Newer { path: marker.into(), version }),
        Ok(Versioned { .. }) => Ok(()),
        Err(error) => Err(OpenError::Foreign { path: marker.into(), problem: error.to_string() }),
    }
}

impl Objects for Directory {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, io::Result<Option<Vec<u8>>>> {
        let path = self.root.join(key);
        blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, io::Result<()>> {
        let (directory, key) = (Directory { root: self.root.clone(), marker: self.marker }, key.to_owned());
        blocking(move || directory.put_now(&key, &bytes))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, io::Result<Vec<Listed>>> {
        let (root, marker) = (self.root.clone(), self.marker);
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        blocking(move || {
            let mut listed = Vec::new();
            let (folder, key) =
                if prefix.is_empty() { (root, prefix) } else { (root.join(&prefix), format!("{prefix}/")) };
            match list_folder(&folder, &key, marker, after.as_deref(), &mut listed) {
                // Nothing has the name, or an object.
                Err(_) if !folder.is_dir() => Ok(Vec::new()),
                done => done.map(|()| listed),
            }
        })
    }
}

fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> BoxFuture<'static, io::Result<T>> {
    async { tokio::task::spawn_blocking(work).await.map_err(io::Error::other)? }.boxed()
}
