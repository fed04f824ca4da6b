//! Entries of all hops on disk, in parts by their keys, and then the entries of one key after another.
//!
//! A part is read whole and sorted in memory; one that is larger than [`Bounds::part_bytes_max`] is parted again by the
//! next byte of the key. So memory is bounded whatever the number of entries, and so is the number of open files. Some 31
//! bytes of disk an entry, and 16 or the length of the id more where the id is not the key itself.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::entry::{Entry, Kept};

/// Parts of one level: one for each value of a byte of the key.
const PARTS: usize = 256;

/// Bytes that are gathered for a part before they are written.
const WRITE_BYTES: usize = 64 * 1024;

/// Memory of a reconciliation: a part, its sorted keys, and what is gathered for the parts of one level.
pub const MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Of a sorted key.
const SORTED_BYTES: usize = size_of::<(u128, u32)>();

const PART_BYTES_MAX: usize = 64 * 1024 * 1024;

const _: () = assert!(
    PART_BYTES_MAX + PART_BYTES_MAX / Entry::BYTES_MIN * SORTED_BYTES + 2 * PARTS * WRITE_BYTES < MEMORY_BYTES_MAX,
    "what is in memory at a time"
);

/// Bytes of a key: parting by one after the other comes to an end.
const LEVELS: usize = size_of::<u128>();

/// What tests make smaller.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub part_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { part_bytes_max: PART_BYTES_MAX }
    }
}

/// Takes entries in any order.
pub struct Spill {
    parts: Parts,
    bounds: Bounds,
    entries: u64,
    scratch: Vec<u8>,
}

/// The parts of one level, each made with its first entry.
struct Parts {
    folder: PathBuf,
    /// Begins the names of its files.
    name: String,
    /// The byte of the key that tells the part.
    level: usize,
    files: Vec<Option<(BufWriter<File>, u64)>>,
}

impl Spill {
    /// `folder`: one of its own, which the caller removes.
    pub fn new(folder: &Path, bounds: Bounds) -> Spill {
        let parts = Parts::new(folder.to_owned(), "part".to_owned(), 0);
        Spill { parts, bounds, entries: 0, scratch: Vec::new() }
    }

    /// # Errors
    /// The disk's.
    pub fn push(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.scratch.clear();
        entry.write(&mut self.scratch);
        self.entries += 1;
        self.parts.push(entry.key, &self.scratch)
    }

    /// How many there are.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Hands the entries of each key together to `each`, in the order of the keys. A key with more than
    /// [`super::entry::KEPT_MAX`] different entries of one hop may be handed on without some of those.
    ///
    /// # Errors
    /// The disk's.
    pub fn groups(self, each: &mut dyn FnMut(&[Entry<'_>])) -> io::Result<()> {
        settle(self.parts, self.bounds, each)
    }
}

impl Parts {
    fn new(folder: PathBuf, name: String, level: usize) -> Parts {
        Parts { folder, name, level, files: (0..PARTS).map(|_| None).collect() }
    }

    fn path(&self, part: usize) -> PathBuf {
        self.folder.join(format!("{}-{part:02x}", self.name))
    }

    fn push(&mut self, key: u128, bytes: &[u8]) -> io::Result<()> {
        let part = usize::from(key.to_be_bytes().get(self.level).copied().unwrap_or(0));
        let path = self.path(part);
        let Some(file) = self.files.get_mut(part) else { unreachable!("a part for each value of a byte") };
        if file.is_none() {
            // Ids are no statements, but the paths of logs are nobody else's business either.
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            *file = Some((BufWriter::with_capacity(WRITE_BYTES, made), 0));
        }
        if let Some((file, length)) = file {
            file.write_all(bytes)?;
            *length += bytes.len() as u64;
        }
        Ok(())
    }

    /// The files with their lengths; nothing more can come to them.
    fn close(mut self) -> io::Result<Vec<(String, PathBuf, u64)>> {
        let mut closed = Vec::new();
        for part in 0..PARTS {
            let path = self.path(part);
            if let Some((mut file, length)) = self.files.get_mut(part).and_then(Option::take) {
                file.flush()?;
                closed.push((format!("{}-{part:02x}", self.name), path, length));
            }
        }
        Ok(closed)
    }
}

fn settle(parts: Parts, bounds: Bounds, each: &mut dyn FnMut(&[Entry<'_>])) -> io::Result<()> {
    let (folder, level) = (parts.folder.clone(), parts.level + 1);
    for (name, path, length) in parts.close()? {
        let fits = usize::try_from(length).ok().filter(|length| *length <= bounds.part_bytes_max);
        match fits {
            Some(length) => sort(&path, length, each)?,
            // All its entries have one key.
            None if level == LEVELS => fold(&path, each)?,
            None => {
                let mut finer = Parts::new(folder.clone(), name, level);
                read(&path, &mut |entry, bytes| finer.push(entry.key, bytes))?;
                std::fs::remove_file(&path)?;
                settle(finer, bounds, each)?;
                continue;
            }
        }
        std::fs::remove_file(&path)?;
    }
    Ok(())
}

fn sort(path: &Path, length: usize, each: &mut dyn FnMut(&[Entry<'_>])) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(length);
    File::open(path)?.read_to_end(&mut bytes)?;
    let mut places: Vec<(u128, u32)> = Vec::with_capacity(length / Entry::BYTES_MIN);
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let place = u32::try_from(bytes.len() - rest.len()).map_err(io::Error::other)?;
        let entry = Entry::read(&mut rest).ok_or_else(|| damaged(path))?;
        places.push((entry.key, place));
    }
    places.sort_unstable();
    for group in places.chunk_by(|a, b| a.0 == b.0) {
        let entry = |(_, place): &(u128, u32)| Entry::read(&mut bytes.get(usize::try_from(*place).ok()?..)?);
        match group.len() {
            ..=super::entry::KEPT_MAX => each(&group.iter().filter_map(entry).collect::<Vec<_>>()),
            _ => {
                let mut kept = Kept::default();
                group.iter().filter_map(entry).for_each(|entry| kept.push(&entry));
                each(&kept.entries());
            }
        }
    }
    Ok(())
}

fn fold(path: &Path, each: &mut dyn FnMut(&[Entry<'_>])) -> io::Result<()> {
    let mut kept = Kept::default();
    read(path, &mut |entry, _| {
        kept.push(entry);
        Ok(())
    })?;
    each(&kept.entries());
    Ok(())
}

/// Hands each entry of a file to `each`, with its bytes.
fn read(path: &Path, each: &mut dyn FnMut(&Entry<'_>, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufReader::with_capacity(WRITE_BYTES, File::open(path)?);
    let (mut held, mut chunk) = (Vec::new(), vec![0; WRITE_BYTES]);
    loop {
        let length = file.read(&mut chunk)?;
        held.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let mut rest = held.as_slice();
        loop {
            let before = rest;
            let Some(entry) = Entry::read(&mut rest) else {
                rest = before;
                break;
            };
            each(&entry, before.get(..before.len() - rest.len()).unwrap_or_default())?;
        }
        let left = rest.len();
        held.drain(..held.len() - left);
        if length == 0 {
            return if held.is_empty() { Ok(()) } else { Err(damaged(path)) };
        }
    }
}

fn damaged(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} does not hold what was written to it", path.display()))
}
