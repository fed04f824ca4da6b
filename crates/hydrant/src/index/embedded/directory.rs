//! The files of one index, durable at the moments that tantivy and we rely on.
//!
//! tantivy syncs the data of each segment file when it is complete (`fdatasync`), syncs the directory before it
//! replaces `meta.json`, and replaces that by a synced temporary file and a rename. It does not sync the directory
//! after the rename, so that a commit could be forgotten, or its old segments deleted first: [`Files`] does.
//!
//! tantivy also keeps the list of its files in a file, `.managed.json`, that it would replace and sync six times a
//! commit. Here the list is made from the folder when it is opened and then kept in memory: a file that no commit
//! knows is deleted by the next commit's clean-up, also when a crash left it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, WatchCallback, WatchHandle, WritePtr,
};

/// tantivy's name for the list of its files.
const MANAGED: &str = ".managed.json";

/// How tantivy names the temporary files of its atomic writes.
const TEMPORARY: &str = ".tmp";

/// Hexadecimal digits at the beginning of the name of each segment file.
const SEGMENT_ID_DIGITS: usize = 32;

/// A tantivy directory whose atomic writes are durable when they return.
#[derive(Clone, Debug)]
pub(super) struct Files {
    inner: Box<dyn Directory>,
    managed: Arc<Mutex<Vec<u8>>>,
    has_segments: bool,
}

impl Files {
    /// The files of a folder.
    pub(super) fn open(folder: &Path) -> io::Result<Files> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        let inner = MmapDirectory::open(folder).map_err(io::Error::other)?;
        Ok(Files::new(Box::new(inner), names))
    }

    /// `names` are those of all files in the directory.
    pub(super) fn new(inner: Box<dyn Directory>, names: Vec<String>) -> Files {
        let segment_files: Vec<String> = names.into_iter().filter(|name| is_segment_file(name)).collect();
        let has_segments = !segment_files.is_empty();
        let managed = serde_json::to_vec(&segment_files).unwrap_or_else(|_| b"[]".to_vec());
        Files { inner, managed: Arc::new(Mutex::new(managed)), has_segments }
    }

    /// Whether there were segment files when it was opened.
    pub(super) fn has_segments(&self) -> bool {
        self.has_segments
    }
}

fn is_segment_file(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(id, _)| id.len() == SEGMENT_ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Directory for Files {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.inner.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.inner.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        if path == Path::new(MANAGED) {
            return Ok(self.managed.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        self.inner.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        if path == Path::new(MANAGED) {
            data.clone_into(&mut self.managed.lock().unwrap_or_else(PoisonError::into_inner));
            return Ok(());
        }
        self.inner.atomic_write(path, data)?;
        self.inner.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.inner.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}

/// Makes the entries of a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Removes the temporary files of atomic writes that a crash left. The folder must be known to be ours.
pub(super) fn remove_temporary_files(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Bytes of all files in a folder, not of folders in it. Files that vanish meanwhile count nothing.
pub(super) fn bytes(folder: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        match entry?.metadata() {
            Ok(metadata) => total += metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
