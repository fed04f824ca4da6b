//! How far a replay is: so that one that was cut off goes on behind the last object that it has finished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const VERSION: u32 = 1;

/// What became of the failed documents that were read: each is counted in `read` and in one of the others, but
/// `objects` and `documents`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub objects: u64,
    pub read: u64,
    pub replayed: u64,
    pub already_there: u64,
    pub filtered: u64,
    pub dropped: u64,
    pub failed_again: u64,
    pub unreadable: u64,
    /// That were written: one failed document may give several.
    pub documents: u64,
}

impl Counts {
    /// Whether each failed document that was read is told of once.
    pub fn reconcile(&self) -> bool {
        let Counts { read, replayed, already_there, filtered, dropped, failed_again, unreadable, .. } = *self;
        read == replayed + already_there + filtered + dropped + failed_again + unreadable
    }
}

/// Where a replay goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last object that is finished.
    pub after: Option<String>,
    pub counts: Counts,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// Of what is replayed, and how: another replay does not go on here.
    replay: String,
    after: Option<String>,
    counts: Counts,
}

/// Keeps the progress of one replay.
#[derive(Debug)]
pub struct ProgressFile {
    path: PathBuf,
    replay: String,
}

/// Why a progress file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProgressError {
    #[error("{} has version {version}, this program knows versions up to {VERSION}", path.display())]
    Newer { path: PathBuf, version: u32 },
    #[error("{} is the progress of another replay: name another file with --progress, or begin anew with --restart", path.display())]
    Other { path: PathBuf },
    #[error("{} is no progress file: {problem}", path.display())]
    Foreign { path: PathBuf, problem: String },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl ProgressFile {
    /// `what`: all that decides what is replayed, and how.
    pub fn new(path: PathBuf, what: &str) -> ProgressFile {
        ProgressFile { path, replay: ProgressFile::name(what) }
    }

    /// A name for a replay.
    pub fn name(what: &str) -> String {
        Sha256::digest(what).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// `None`: nothing was begun, or all is done.
    pub fn read(&self) -> Result<Option<Progress>, ProgressError> {
        let path = || self.path.clone();
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ProgressError::Io { path: path(), error }),
        };
        let stored: Stored = serde_json::from_slice(&bytes)
            .map_err(|error| ProgressError::Foreign { path: path(), problem: error.to_string() })?;
        match stored {
            Stored { version, .. } if version > VERSION => Err(ProgressError::Newer { path: path(), version }),
            Stored { replay, .. } if replay != self.replay => Err(ProgressError::Other { path: path() }),
            Stored { after, counts, .. } => Ok(Some(Progress { after, counts })),
        }
    }

    /// Durable when this returns.
    pub fn write(&self, progress: &Progress) -> io::Result<()> {
        let Progress { after, counts } = progress.clone();
        let stored = Stored { version: VERSION, replay: self.replay.clone(), after, counts };
        let bytes = serde_json::to_vec(&stored)?;
        let temporary = self.path.with_extension("tmp");
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        File::open(folder)?.sync_all()
    }

    /// All is done, or is to begin anew.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_of_one_replay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress.json");
        let file = ProgressFile::new(path.clone(), "a");
        assert_eq!(file.read().unwrap(), None);
        let counts = Counts { read: 3, replayed: 2, filtered: 1, ..Counts::default() };
        assert!(counts.reconcile() && !Counts { read: 4, ..counts }.reconcile());
        let progress = Progress { after: Some("k".to_owned()), counts };
        file.write(&progress).unwrap();
        assert_eq!(file.read().unwrap(), Some(progress));
        let error = ProgressFile::new(path.clone(), "b").read().unwrap_err().to_string();
        assert!(error.contains("another replay"), "{error}");
        std::fs::write(&path, r#"{"version":2,"replay":"a","after":null,"counts":{}}"#).unwrap();
        assert!(file.read().is_err());
        file.remove().unwrap();
        file.remove().unwrap();
        assert_eq!(file.read().unwrap(), None);
    }
}
