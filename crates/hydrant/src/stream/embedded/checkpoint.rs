//! The checkpoint of a shard: one small file, replaced atomically. `docs/stream-format.md` draws it.
//!
//! A state of at most [`STATE_BYTES_MAX`]. A damaged file is an error that names it: guessing would deliver twice, or
//! trim what is not delivered.

use std::io;
use std::path::Path;

use bytes::Bytes;

use super::frame::u32_of;
use super::storage::Storage;
use super::{fatal, fields, io_error};
use crate::stream::Error;

pub(super) const STATE_BYTES_MAX: usize = 1024 * 1024;

const FILE_NAME: &str = "checkpoint";
const MAGIC: [u8; 8] = *b"HYDRckp\n";
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 36;
const CRC_BYTES: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// The counter of the last record that is delivered whole.
    pub(super) counter: u64,
    pub(super) state: Bytes,
}

/// Replaces the file. On an error the old one or the new one stands, and after a crash either may.
pub(super) fn store(storage: &dyn Storage, dir: &Path, shard_idx: u32, checkpoint: &Stored) -> Result<(), Error> {
    let path = dir.join(FILE_NAME);
    let young = dir.join("checkpoint.tmp");
    let file = storage.create(&young).map_err(|error| io_error("create", &young, &error))?;
    file.write_at(0, &encode(shard_idx, checkpoint)).map_err(|error| io_error("write", &young, &error))?;
    file.sync().map_err(|error| io_error("sync", &young, &error))?;
    storage.rename(&young, &path).map_err(|error| io_error("rename to", &path, &error))?;
    storage.sync_dir(dir).map_err(|error| io_error("sync", dir, &error))
}

pub(super) fn load(storage: &dyn Storage, dir: &Path, shard_idx: u32) -> Result<Option<Stored>, Error> {
    let path = dir.join(FILE_NAME);
    let file = match storage.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", &path, &error)),
    };
    let length = file.len().map_err(|error| io_error("measure", &path, &error))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length.min(FIXED_BYTES + STATE_BYTES_MAX + CRC_BYTES)];
    file.read_at(0, &mut bytes).map_err(|error| io_error("read", &path, &error))?;
    let version = newer_version(&bytes);
    if let Some(version) = version {
        return Err(fatal(format!(
            "{} has version {version} of the stream format, this program knows up to {VERSION}",
            path.display()
        )));
    }
    let stored = (bytes.len() == length).then(|| decode(&bytes, shard_idx)).flatten();
    stored.map(Some).ok_or_else(|| fatal(format!("{} is damaged: it holds no checkpoint", path.display())))
}

fn encode(shard_idx: u32, checkpoint: &Stored) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIXED_BYTES + checkpoint.state.len() + CRC_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&0_u16.to_le_bytes());
    bytes.extend_from_slice(&shard_idx.to_le_bytes());
    bytes.extend_from_slice(&checkpoint.counter.to_le_bytes());
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes.extend_from_slice(&u32_of(checkpoint.state.len()).to_le_bytes());
    bytes.extend_from_slice(&checkpoint.state);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn newer_version(bytes: &[u8]) -> Option<u16> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    fields::u16(&mut rest).filter(|version| *version > VERSION)
}

fn decode(bytes: &[u8], expected_shard_idx: u32) -> Option<Stored> {
    let (covered, crc) = bytes.split_at_checked(bytes.len().checked_sub(CRC_BYTES)?)?;
    if crc != crc32fast::hash(covered).to_le_bytes() {
        return None;
    }
    let mut rest = covered.strip_prefix(&MAGIC)?;
    let rest = &mut rest;
    fields::u16(rest)?; // version
    fields::u16(rest)?; // reserved
    let shard_idx = fields::u32(rest)?;
    let counter = fields::u64(rest)?;
    fields::u64(rest)?; // sub-sequence
    let state_len = usize::try_from(fields::u32(rest)?).ok()?;
    let state = Bytes::copy_from_slice(fields::take(rest, state_len)?);
    (rest.is_empty() && shard_idx == expected_shard_idx).then_some(Stored { counter, state })
}
