//! A disk in memory that tells what is written from what would survive a loss of power, and that can fail.
//!
//! What is synced survives. Of the rest, each change of a name and each file's unsynced bytes survive or not, in any
//! combination: forgotten, kept, cut short, or zeros in their place.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, FileSlice, Lock, TerminatingWrite, WatchCallback, WatchHandle, WritePtr,
};

/// Names and bytes after a loss of power.
pub(super) type Image = BTreeMap<PathBuf, Vec<u8>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    state: Arc<Mutex<State>>,
    /// How many batches were acknowledged.
    acknowledged: Arc<AtomicUsize>,
    locks: Arc<Locks>,
}

/// The locks that are held, and the sign that one was freed.
type Locks = (Mutex<HashSet<PathBuf>>, Condvar);

struct Held {
    locks: Arc<Locks>,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.0.lock().unwrap().remove(&self.path);
        self.locks.1.notify_all();
    }
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    files: Vec<File>,
    /// The names as of the last sync of the directory, and the changes since.
    synced: BTreeMap<PathBuf, usize>,
    changes: Vec<(PathBuf, Option<usize>)>,
    operations: usize,
    fails_from: Option<usize>,
    records: Option<Vec<(usize, Image)>>,
}

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced_length: usize,
}

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Forgotten,
    Kept,
    /// By the bits of a number that is different for each crash.
    Mixed(u64),
}

/// A small generator of numbers (SplitMix64), so that runs can be told apart by their seed.
fn mix(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *seed;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Disk {
    pub(super) fn from_image(image: &Image) -> Disk {
        let disk = Disk::default();
        let mut state = disk.state.lock().unwrap();
        for (path, bytes) in image {
            let file = File { bytes: bytes.clone(), synced_length: bytes.len() };
            let number = state.files.len();
            state.files.push(file);
            state.names.insert(path.clone(), number);
            state.synced.insert(path.clone(), number);
        }
        drop(state);
        disk
    }

    pub(super) fn names(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.names.keys().map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    /// Notes what a loss of power would leave, at each operation from now on.
    pub(super) fn record(&self) {
        self.state.lock().unwrap().records = Some(Vec::new());
    }

    /// The images, each with the number of batches that were acknowledged before.
    pub(super) fn records(&self) -> Vec<(usize, Image)> {
        self.state.lock().unwrap().records.take().unwrap_or_default()
    }

    pub(super) fn acknowledge(&self) {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
    }

    /// Every operation after the next `count` ones fails, until this is called with `None`.
    pub(super) fn fail_after(&self, count: Option<usize>) {
        let mut state = self.state.lock().unwrap();
        state.fails_from = count.map(|count| state.operations + count);
    }

    pub(super) fn operations(&self) -> usize {
        self.state.lock().unwrap().operations
    }

    /// What the disk holds if every unsynced change is lost.
    pub(super) fn durable(&self) -> Image {
        self.state.lock().unwrap().image(Fate::Forgotten)
    }

    /// Counts an operation, and makes it fail if it is time.
    fn operate<T>(&self, work: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let mut state = self.state.lock().unwrap();
        state.operations += 1;
        if state.fails_from.is_some_and(|from| state.operations > from) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on the disk of the test"));
        }
        let done = work(&mut state);
        if state.records.is_some() {
            let acknowledged = self.acknowledged.load(Ordering::SeqCst);
            let seed = state.operations as u64;
            for fate in [Fate::Forgotten, Fate::Kept, Fate::Mixed(seed), Fate::Mixed(!seed)] {
                let record = (acknowledged, state.image(fate));
                let records = state.records.as_mut().unwrap();
                if records.last() != Some(&record) {
                    records.push(record);
                }
            }
        }
        Ok(done)
    }
}

impl State {
    fn create(&mut self, path: &Path, file: File) -> usize {
        let number = self.files.len();
        self.files.push(file);
        self.names.insert(path.to_owned(), number);
        self.changes.push((path.to_owned(), Some(number)));
        number
    }

    fn image(&self, fate: Fate) -> Image {
        let mut names = self.synced.clone();
        let mut seed = match fate {
            Fate::Forgotten | Fate::Kept => 0,
            Fate::Mixed(seed) => seed,
        };
        for (path, file) in &self.changes {
            let survives = match fate {
                Fate::Forgotten => false,
                Fate::Kept => true,
                Fate::Mixed(_) => mix(&mut seed) & 1 == 0,
            };
            match file {
                Some(file) if survives => drop(names.insert(path.clone(), *file)),
                None if survives => drop(names.remove(path)),
                Some(_) | None => {}
            }
        }
        names.into_iter().map(|(path, file)| (path, self.files[file].survivor(fate, &mut seed))).collect()
    }
}

impl File {
    fn survivor(&self, fate: Fate, seed: &mut u64) -> Vec<u8> {
        let unsynced = self.bytes.len() - self.synced_length;
        match fate {
            Fate::Forgotten => self.bytes[..self.synced_length].to_vec(),
            Fate::Kept => self.bytes.clone(),
            Fate::Mixed(_) => {
                let kept = usize::try_from(mix(seed) % (unsynced as u64 + 1)).unwrap();
                let mut bytes = self.bytes[..self.synced_length + kept].to_vec();
                if mix(seed) & 1 == 0 {
                    bytes.resize(self.bytes.len(), 0);
                }
                bytes
            }
        }
    }
}

struct Writing {
    disk: Disk,
    file: usize,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.operate(|state| state.files[self.file].bytes.extend_from_slice(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Writing {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.disk.operate(|state| {
            let file = &mut state.files[self.file];
            file.synced_length = file.bytes.len();
        })
    }
}

impl Directory for Disk {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(FileSlice::from(self.atomic_read(path)?)))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let deleted = self.operate(|state| {
            state.changes.push((path.to_owned(), None));
            state.names.remove(path)
        });
        match deleted {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(DeleteError::FileDoesNotExist(path.to_owned())),
            Err(error) => Err(DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() }),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.state.lock().unwrap().names.contains_key(path))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        if self.exists(path).unwrap() {
            return Err(OpenWriteError::FileAlreadyExists(path.to_owned()));
        }
        let file = self
            .operate(|state| state.create(path, File::default()))
            .map_err(|error| OpenWriteError::wrap_io_error(error, path.to_owned()))?;
        Ok(BufWriter::new(Box::new(Writing { disk: self.clone(), file })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let state = self.state.lock().unwrap();
        let file = state.names.get(path).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))?;
        Ok(state.files[*file].bytes.clone())
    }

    /// As tantivy does it: a synced temporary file, renamed; the directory is not synced.
    fn atomic_write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.operate(|state| {
            state.create(path, File { bytes: bytes.to_vec(), synced_length: bytes.len() });
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.operate(|state| {
            state.synced = state.names.clone();
            state.changes.clear();
        })
    }

    /// Locks end with their process: none survives in an image.
    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let (held, freed) = &*self.locks;
        let mut held = held.lock().unwrap();
        while !held.insert(lock.filepath.clone()) {
            if !lock.is_blocking {
                return Err(LockError::LockBusy);
            }
            held = freed.wait(held).unwrap();
        }
        Ok(DirectoryLock::from(Box::new(Held { locks: Arc::clone(&self.locks), path: lock.filepath.clone() })))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}
