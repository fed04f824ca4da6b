//! A storage in memory that keeps what is live apart from what is durable, and fails on command.
//!
//! A power loss keeps of everything unsynced an arbitrary part: single sectors of writes, lengths, directory entries
//! in any order. A failed sync does the same and then forgets, as Linux does.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::storage::{File, Storage};

const SECTOR_BYTES: usize = 512;

/// Which of the operations that change something fail, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Work,
    /// This one and all after it: the machine has stopped.
    StopAt(u64),
    /// So many from this one on.
    Fail {
        at: u64,
        times: u64,
    },
}

#[derive(Clone)]
pub(super) struct CrashStorage(Arc<Mutex<Machine>>);

struct Machine {
    images: Vec<Image>,
    dirs: BTreeMap<PathBuf, Dir>,
    plan: Plan,
    n_changes: u64,
    random: Random,
}

#[derive(Clone, Default)]
struct Image {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Default)]
struct Dir {
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<Entry>,
}

/// One atomic change of a directory.
#[derive(Clone)]
struct Entry {
    remove: Option<String>,
    add: Option<(String, usize)>,
}

/// Split-mix: small, seeded, good enough.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }
}

impl CrashStorage {
    pub(super) fn new(seed: u64) -> CrashStorage {
        let machine =
            Machine { images: Vec::new(), dirs: BTreeMap::new(), plan: Plan::Work, n_changes: 0, random: Random(seed) };
        CrashStorage(Arc::new(Mutex::new(machine)))
    }

    /// Sets what fails from now on, and counts anew.
    pub(super) fn plan(&self, plan: Plan) {
        let mut machine = self.lock();
        (machine.plan, machine.n_changes) = (plan, 0);
    }

    pub(super) fn n_changes(&self) -> u64 {
        self.lock().n_changes
    }

    /// The power is gone: an arbitrary part of what was not synced is there afterwards.
    pub(super) fn lose_power(&self) {
        let machine = &mut *self.lock();
        let chance = machine.random.below(5);
        for image in &mut machine.images {
            image.settle(&mut machine.random, chance);
            image.live = image.durable.clone();
        }
        for dir in machine.dirs.values_mut() {
            for entry in std::mem::take(&mut dir.pending) {
                if machine.random.below(4) < chance {
                    entry.apply(&mut dir.durable);
                }
            }
            dir.live = dir.durable.clone();
        }
    }

    /// Changes a byte where it lies.
    pub(super) fn flip(&self, path: &Path, offset: usize) {
        let mut machine = self.lock();
        let image = machine.find(path).unwrap();
        let image = &mut machine.images[image];
        image.live[offset] ^= 0x10;
        if let Some(byte) = image.durable.get_mut(offset) {
            *byte ^= 0x10;
        }
    }

    pub(super) fn cut(&self, path: &Path, length: usize) {
        let mut machine = self.lock();
        let image = machine.find(path).unwrap();
        machine.images[image].live.truncate(length);
        machine.images[image].durable.truncate(length);
    }

    /// All files by path, as they are live.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let machine = self.lock();
        let named = |(dir, entries): (&PathBuf, &Dir)| -> Vec<(PathBuf, Vec<u8>)> {
            entries.live.iter().map(|(name, image)| (dir.join(name), machine.images[*image].live.clone())).collect()
        };
        machine.dirs.iter().flat_map(named).collect()
    }

    /// A storage that holds these files, durably.
    pub(super) fn holding(files: &BTreeMap<PathBuf, Vec<u8>>) -> CrashStorage {
        let storage = CrashStorage::new(0);
        {
            let mut machine = storage.lock();
            for (path, bytes) in files {
                let image = machine.images.len();
                machine.images.push(Image { live: bytes.clone(), durable: bytes.clone(), pending: Vec::new() });
                let (dir, name) = split(path);
                let dir = machine.dirs.entry(dir).or_default();
                dir.live.insert(name.clone(), image);
                dir.durable.insert(name, image);
            }
        }
        storage
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap()
    }
}

impl Machine {
    /// Counts a change; an error if it is to fail.
    fn change(&mut self) -> io::Result<()> {
        let now = self.n_changes;
        self.n_changes += 1;
        let fails = match self.plan {
            Plan::Work => false,
            Plan::StopAt(at) => now >= at,
            Plan::Fail { at, times } => (at..at + times).contains(&now),
        };
        if fails { Err(io::Error::from(ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn stopped(&self) -> bool {
        matches!(self.plan, Plan::StopAt(at) if self.n_changes > at + 1)
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let (dir, name) = split(path);
        let found = self.dirs.get(&dir).and_then(|dir| dir.live.get(&name));
        found.copied().ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }

    fn enter(&mut self, dir: PathBuf, entry: Entry) -> io::Result<()> {
        let dir = self.dirs.get_mut(&dir).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        entry.apply(&mut dir.live);
        dir.pending.push(entry);
        Ok(())
    }
}

impl Image {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    /// Makes an arbitrary part of what is pending durable and forgets the rest.
    fn settle(&mut self, random: &mut Random, chance: u64) {
        let length = self.durable.len();
        for change in std::mem::take(&mut self.pending) {
            for part in change.sectors() {
                if random.below(4) < chance {
                    part.apply(&mut self.durable);
                }
            }
        }
        // The length is metadata of its own.
        if self.durable.len() > length && random.below(4) > chance {
            let grown = self.durable.len() - length;
            self.durable.truncate(length + random.index(grown));
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Length(length) => bytes.resize(*length, 0),
            Change::Write(offset, written) => {
                let end = offset + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset..end].copy_from_slice(written);
            }
        }
    }

    /// A write as one write per sector.
    fn sectors(self) -> Vec<Change> {
        let Change::Write(mut offset, written) = self else { return vec![self] };
        let mut parts = Vec::new();
        let mut rest = written.as_slice();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(SECTOR_BYTES - offset % SECTOR_BYTES));
            parts.push(Change::Write(offset, part.to_vec()));
            offset += part.len();
            rest = after;
        }
        parts
    }
}

impl Entry {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(name) = &self.remove {
            names.remove(name);
        }
        if let Some((name, image)) = &self.add {
            names.insert(name.clone(), *image);
        }
    }
}

fn split(path: &Path) -> (PathBuf, String) {
    (path.parent().unwrap().to_owned(), path.file_name().unwrap().to_str().unwrap().to_owned())
}

impl Storage for CrashStorage {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut machine = self.lock();
        machine.change()?;
        machine.dirs.entry(path.parent().unwrap().to_owned()).or_default();
        machine.dirs.entry(path.to_owned()).or_default();
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let machine = self.lock();
        let dir = machine.dirs.get(dir).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        Ok(dir.live.keys().cloned().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut machine = self.lock();
        machine.change()?;
        let image = match machine.find(path) {
            Ok(image) => {
                machine.images[image].change(Change::Length(0));
                image
            }
            Err(_) => {
                let image = machine.images.len();
                machine.images.push(Image::default());
                let (dir, name) = split(path);
                machine.enter(dir, Entry { remove: None, add: Some((name, image)) })?;
                image
            }
        };
        Ok(Box::new(CrashFile { storage: self.clone(), image }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let image = self.lock().find(path)?;
        Ok(Box::new(CrashFile { storage: self.clone(), image }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut machine = self.lock();
        machine.change()?;
        let image = machine.find(from)?;
        let ((dir, from), (_, to)) = (split(from), split(to));
        machine.enter(dir, Entry { remove: Some(from), add: Some((to, image)) })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut machine = self.lock();
        machine.change()?;
        machine.find(path)?;
        let (dir, name) = split(path);
        machine.enter(dir, Entry { remove: Some(name), add: None })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut machine = self.lock();
        machine.change()?;
        let dir = machine.dirs.get_mut(dir).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        dir.pending.clear();
        dir.durable = dir.live.clone();
        Ok(())
    }
}

struct CrashFile {
    storage: CrashStorage,
    image: usize,
}

impl File for CrashFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.storage.lock().images[self.image].live.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let machine = self.storage.lock();
        let offset = usize::try_from(offset).unwrap();
        let bytes = machine.images[self.image].live.get(offset..offset + into.len());
        into.copy_from_slice(bytes.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let machine = &mut *self.storage.lock();
        let outcome = machine.change();
        let written = match &outcome {
            Ok(()) => bytes.len(),
            Err(_) if machine.stopped() => 0,
            Err(_) => machine.random.index(bytes.len() + 1),
        };
        let change = Change::Write(usize::try_from(offset).unwrap(), bytes[..written].to_vec());
        machine.images[self.image].change(change);
        outcome
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut machine = self.storage.lock();
        machine.change()?;
        machine.images[self.image].change(Change::Length(usize::try_from(length).unwrap()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let machine = &mut *self.storage.lock();
        let outcome = machine.change();
        // When the machine stops nobody sees the failure, and nothing is forgotten yet.
        let stops = matches!(machine.plan, Plan::StopAt(_));
        let image = &mut machine.images[self.image];
        match &outcome {
            Ok(()) => {
                for change in image.pending.drain(..) {
                    change.apply(&mut image.durable);
                }
            }
            Err(_) if stops => {}
            Err(_) => {
                let chance = machine.random.below(5);
                image.settle(&mut machine.random, chance);
            }
        }
        outcome
    }
}
