//! The bytes under the stream: files and directory entries, nothing else.
//!
//! A private seam, so that crash tests can stand in with a storage that forgets, tears and reorders what was not
//! synced. Blocking, no caching, no knowledge of what the bytes mean. Unix only (`pread`, `pwrite`, `fsync` of a
//! directory).

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// Directory operations. None of them is durable before [`Storage::sync_dir`] of the directory they changed.
pub(super) trait Storage: Send + Sync {
    /// Makes a directory and what leads to it, durably; one that exists is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in no order. [`io::ErrorKind::NotFound`] when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// A new empty file; one of that name is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Atomic; replaces a file of the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file. A file that was removed stays readable for those who have it open.
pub(super) trait File: Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Fills `into` or fails with [`io::ErrorKind::UnexpectedEof`].
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// May have written a part when it fails.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Content and length are durable when this answers `Ok`, and in no known state when it fails.
    fn sync(&self) -> io::Result<()>;
}

/// The file system. What it makes is readable by its owner only: records hold statements.
pub(super) struct Disk;

impl Storage for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !path.is_dir() {
            self.create_dir(parent)?;
            fs::DirBuilder::new().mode(0o700).create(path)?;
        }
        self.sync_dir(parent)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(DiskFile(fs::OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }
}

struct DiskFile(fs::File);

impl File for DiskFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The file system, for reading what another process may be writing: nothing is made, changed or removed.
pub(super) struct ReadOnly;

impl Storage for ReadOnly {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        refuse(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        refuse(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(ReadOnlyFile(DiskFile(fs::File::open(path)?))))
    }

    fn rename(&self, _: &Path, to: &Path) -> io::Result<()> {
        refuse(to)
    }

    /// What a crash left half made stays where it is.
    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    /// What is read may not be durable yet; nobody is told that it is.
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

fn refuse<T>(path: &Path) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is open for reading only", path.display())))
}

struct ReadOnlyFile(DiskFile);

impl File for ReadOnlyFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, into)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is open for reading only"))
    }

    /// A torn end, or one that is being written: readers stop before it.
    fn set_len(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
