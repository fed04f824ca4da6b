//! A segment: one file of a shard's log, a header and then frames. `docs/stream-format.md` draws it.
//!
//! The header holds the newest mark of every producer as of the segment's start, so that marks outlive the records
//! they came with. It is at most [`HEADER_BYTES_MAX`] long: a header that would be longer is never written, the
//! append that asked for it is refused. A segment gets its name when its header is durable, so a named segment with
//! a bad header is damaged, not young.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::frame::{MARK_FIELD_BYTES_MAX, u16_of, u32_of};
use super::storage::{File, Storage};
use super::{fatal, fields, io_error};
use crate::stream::Error;

/// About a thousand producers with the longest names and states, and tens of thousands of ordinary ones.
pub(super) const HEADER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// One entry of the sparse index for every so many bytes: at most 129 entries in a segment of ordinary size.
const INDEX_EVERY_BYTES: u64 = 256 * 1024;

const MAGIC: [u8; 8] = *b"HYDRseg\n";
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 40;
const CRC_BYTES: usize = 4;
const SUFFIX: &str = ".segment";

pub(super) type Marks = BTreeMap<String, Bytes>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) shard_idx: u32,
    /// The counter of the first record that is, or will be, in the segment.
    pub(super) first: u64,
    /// When the segment was begun, which is when the one before it was complete.
    pub(super) begun_ms: i64,
    pub(super) marks: Marks,
}

/// What a mark adds to the header.
pub(super) fn mark_bytes(producer: &str, state: &[u8]) -> usize {
    4 + producer.len() + state.len()
}

/// The length of a header that holds marks of this many bytes.
pub(super) fn header_bytes(marks_bytes: usize) -> usize {
    FIXED_BYTES + marks_bytes + CRC_BYTES
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = header_bytes(self.marks.iter().map(|(producer, state)| mark_bytes(producer, state)).sum());
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0_u16.to_le_bytes());
        bytes.extend_from_slice(&u32_of(length).to_le_bytes());
        bytes.extend_from_slice(&self.shard_idx.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.begun_ms.to_le_bytes());
        bytes.extend_from_slice(&u32_of(self.marks.len()).to_le_bytes());
        for (producer, state) in &self.marks {
            bytes.extend_from_slice(&u16_of(producer.len()).to_le_bytes());
            bytes.extend_from_slice(&u16_of(state.len()).to_le_bytes());
            bytes.extend_from_slice(producer.as_bytes());
            bytes.extend_from_slice(state);
        }
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` when the bytes are no header.
    fn decode(bytes: &[u8]) -> Option<Header> {
        let (covered, crc) = bytes.split_at_checked(bytes.len().checked_sub(CRC_BYTES)?)?;
        if crc != crc32fast::hash(covered).to_le_bytes() {
            return None;
        }
        let mut rest = covered.get(16..)?;
        let rest = &mut rest;
        let shard_idx = fields::u32(rest)?;
        let first = fields::u64(rest)?;
        let begun_ms = fields::i64(rest)?;
        let n_marks = fields::u32(rest)?;
        let mut marks = Marks::new();
        for _ in 0..n_marks {
            let producer_len = usize::from(fields::u16(rest)?);
            let state_len = usize::from(fields::u16(rest)?);
            if producer_len.max(state_len) > MARK_FIELD_BYTES_MAX {
                return None;
            }
            let producer = fields::text(rest, producer_len)?;
            marks.insert(producer, Bytes::copy_from_slice(fields::take(rest, state_len)?));
        }
        rest.is_empty().then_some(Header { shard_idx, first, begun_ms, marks })
    }
}

/// An open segment, shared by the writer and all readers.
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn File>,
    pub(super) first: u64,
    pub(super) begun_ms: i64,
    pub(super) header_len: u64,
    /// Enters every frame's checksum: the checksum of the header.
    pub(super) salt: u32,
    /// Why nothing can be read from it, if so.
    pub(super) damage: Option<&'static str>,
    durable: AtomicU64,
    /// Counter and offset of some frames, ascending.
    index: Mutex<Vec<(u64, u64)>>,
}

impl Segment {
    /// Makes a segment, durable with its directory entry.
    pub(super) fn create(storage: &dyn Storage, dir: &Path, header: &Header) -> Result<Segment, Error> {
        let path = dir.join(file_name(header.first));
        let young = dir.join("segment.tmp");
        let bytes = header.encode();
        let file = storage.create(&young).map_err(|error| io_error("create", &young, &error))?;
        file.write_at(0, &bytes).map_err(|error| io_error("write", &young, &error))?;
        file.sync().map_err(|error| io_error("sync", &young, &error))?;
        storage.rename(&young, &path).map_err(|error| io_error("rename to", &path, &error))?;
        storage.sync_dir(dir).map_err(|error| io_error("sync", dir, &error))?;
        let length = bytes.len() as u64;
        Ok(Segment::new(path, file, header, salt_of(&bytes), length, length))
    }

    /// Opens a segment without looking at its frames. A bad header is an error in the newest segment, whose marks are
    /// needed; an older one is opened as damaged.
    pub(super) fn open(
        storage: &dyn Storage,
        dir: &Path,
        name: &str,
        shard_idx: u32,
    ) -> Result<(Segment, Header), Error> {
        let path = dir.join(name);
        let file = storage.open(&path).map_err(|error| io_error("open", &path, &error))?;
        let length = file.len().map_err(|error| io_error("measure", &path, &error))?;
        let bytes = read_header(file.as_ref(), length, &path)?;
        let first = first_of(name).unwrap_or(0);
        let header = Header::decode(&bytes).filter(|header| header.first == first && header.shard_idx == shard_idx);
        let damage = header.is_none().then_some("its header is damaged");
        let header = header.unwrap_or(Header { shard_idx, first, begun_ms: 0, marks: Marks::new() });
        let mut segment = Segment::new(path, file, &header, salt_of(&bytes), bytes.len() as u64, length);
        segment.damage = damage;
        Ok((segment, header))
    }

    fn new(path: PathBuf, file: Box<dyn File>, header: &Header, salt: u32, header_len: u64, durable: u64) -> Segment {
        let (first, begun_ms, damage) = (header.first, header.begun_ms, None);
        let index = Mutex::new(vec![(first, header_len)]);
        Segment { path, file, first, begun_ms, header_len, salt, damage, durable: AtomicU64::new(durable), index }
    }

    /// Readers see nothing at or after this offset.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(super) fn set_durable(&self, offset: u64) {
        self.durable.store(offset, Ordering::Release);
    }

    /// The nearest known frame at or before that of `counter`, as (counter, offset).
    pub(super) fn seek(&self, counter: u64) -> (u64, u64) {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let after = index.partition_point(|(known, _)| *known <= counter);
        let found = after.checked_sub(1).and_then(|i| index.get(i)).copied();
        found.unwrap_or((self.first, self.header_len))
    }

    /// Remembers a frame, if it is far enough from the last remembered one, or in any case with `always`.
    pub(super) fn note(&self, counter: u64, offset: u64, always: bool) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let last = index.last().map_or(0, |(_, last)| *last);
        if offset > last && (always || offset - last >= INDEX_EVERY_BYTES) {
            index.push((counter, offset));
        }
    }

    pub(super) fn damaged(&self, offset: u64, why: &str) -> Error {
        fatal(format!("{} is damaged at byte {offset}: {why}", self.path.display()))
    }
}

/// The name of a segment is the counter of its first record, so that names sort in order.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The counter in a segment's name, `None` for other files.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The bytes of the header, as far as its length can be believed. A newer version is refused by name.
fn read_header(file: &dyn File, file_len: u64, path: &Path) -> Result<Vec<u8>, Error> {
    let read = |len: usize| -> Result<Option<Vec<u8>>, Error> {
        if (len as u64) > file_len {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        file.read_at(0, &mut bytes).map_err(|error| io_error("read", path, &error))?;
        Ok(Some(bytes))
    };
    let Some(start) = read(16)? else { return Ok(Vec::new()) };
    let mut rest = start.as_slice();
    if fields::take(&mut rest, MAGIC.len()) != Some(&MAGIC[..]) {
        return Ok(Vec::new());
    }
    let version = fields::u16(&mut rest).unwrap_or_default();
    if version > VERSION {
        return Err(fatal(format!(
            "{} has version {version} of the stream format, this program knows up to {VERSION}",
            path.display()
        )));
    }
    fields::u16(&mut rest);
    let length = fields::u32(&mut rest).and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    if length > HEADER_BYTES_MAX {
        return Ok(Vec::new());
    }
    Ok(read(length)?.unwrap_or_default())
}

fn salt_of(header: &[u8]) -> u32 {
    header.last_chunk::<CRC_BYTES>().map_or(0, |crc| u32::from_le_bytes(*crc))
}
