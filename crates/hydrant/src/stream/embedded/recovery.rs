//! Opens a shard's folder after a stop or a crash. Reads the headers of all segments and the frames of the newest.
//!
//! Bytes at the end of the newest segment that are no whole frame are either a torn tail or damage:
//! - Every frame says how much of its segment was durable when it was written. A whole frame *behind* the bad bytes
//!   that says they were durable proves damage, and so does a checkpoint that lies behind them.
//! - Otherwise they belong to the last group written, nobody was told that it is durable or it was being written
//!   when the power went: a torn tail. It is cut, with a warning, before anything is appended.
//!
//! So a fault of the disk within the very last group can't be told from a torn write. Damage is left in place and
//! reported by every read that reaches it; records behind it keep their numbers.

use std::path::Path;
use std::sync::Arc;

use super::checkpoint::{self, Stored};
use super::scan::{Found, Scan, Step};
use super::segment::{self, Header, Marks, Segment};
use super::storage::Storage;
use super::{fatal, frame, io_error};
use crate::stream::Error;

/// A shard as it was found.
pub(super) struct Recovered {
    /// Oldest first, at least one.
    pub(super) segments: Vec<Arc<Segment>>,
    /// The counter of the newest record, 0 before the first.
    pub(super) last: u64,
    pub(super) last_arrival_ms: i64,
    pub(super) marks: Marks,
    pub(super) checkpoint: Option<Stored>,
}

/// Makes the folder of a new shard; one that is there stays as it is.
pub(super) fn create(storage: &dyn Storage, dir: &Path, shard_idx: u32, now_ms: i64) -> Result<(), Error> {
    storage.create_dir(dir).map_err(|error| io_error("create", dir, &error))?;
    if segment_names(storage, dir)?.is_empty() {
        let header = Header { shard_idx, first: 1, begun_ms: now_ms, marks: Marks::new() };
        Segment::create(storage, dir, &header)?;
    }
    Ok(())
}

pub(super) fn open(storage: &dyn Storage, dir: &Path, shard_idx: u32) -> Result<Recovered, Error> {
    let checkpoint = checkpoint::load(storage, dir, shard_idx)?;
    let committed = checkpoint.as_ref().map_or(0, |stored| stored.counter);
    let names = segment_names(storage, dir)?;
    let Some((newest, older)) = names.split_last() else {
        return Err(fatal(format!("{} holds no segment", dir.display())));
    };
    let mut segments = Vec::with_capacity(names.len());
    for name in older {
        segments.push(Arc::new(Segment::open(storage, dir, name, shard_idx)?.0));
    }
    let (segment, header) = Segment::open(storage, dir, newest, shard_idx)?;
    if let Some(why) = segment.damage {
        return Err(segment.damaged(0, why));
    }
    let (last, last_arrival_ms) = (header.first.saturating_sub(1), header.begun_ms);
    let mut tail = Tail { last, last_arrival_ms, marks: header.marks };
    tail.walk(&segment, shard_idx, committed)?;
    // What a killed process wrote last may be in the page cache only, and so may the names it gave. Readers are about
    // to see it, so it has to be durable.
    segment.file.sync().map_err(|error| io_error("sync", &segment.path, &error))?;
    storage.sync_dir(dir).map_err(|error| io_error("sync", dir, &error))?;
    if committed > tail.last {
        return Err(fatal(format!(
            "the checkpoint in {} is at record {committed}, but {} ends with record {}: records are missing",
            dir.display(),
            segment.path.display(),
            tail.last
        )));
    }
    segments.push(Arc::new(segment));
    // Only delivered segments are ever removed, so a reader that goes on at the checkpoint must find what follows it.
    let oldest = segments.first().map_or(1, |segment| segment.first);
    if oldest > committed + 1 {
        let next = committed + 1;
        return Err(fatal(format!(
            "{} begins with record {oldest}, but its checkpoint says that record {next} is not delivered yet: segments \
             or the checkpoint are missing",
            dir.display()
        )));
    }
    let Tail { last, last_arrival_ms, marks } = tail;
    Ok(Recovered { segments, last, last_arrival_ms, marks, checkpoint })
}

/// What the frames of the newest segment amount to.
struct Tail {
    last: u64,
    last_arrival_ms: i64,
    marks: Marks,
}

impl Tail {
    fn walk(&mut self, segment: &Segment, shard_idx: u32, committed: u64) -> Result<(), Error> {
        let end = segment.durable();
        let failed = |error| io_error("read", &segment.path, &error);
        let mut scan = Scan::new(segment.file.as_ref(), segment.salt, segment.header_len, end);
        loop {
            let offset = scan.offset();
            let why = match scan.step().map_err(failed)? {
                Step::End => return Ok(()),
                Step::Frame(found) if found.head.counter == self.last + 1 => {
                    self.take(segment, &found, shard_idx, false)?;
                    continue;
                }
                Step::Frame(_) => "its number is out of order",
                Step::Bad(why) => why,
            };
            scan.go_to(offset + 1);
            let Some(next) = durable_beyond(&mut scan, offset).map_err(failed)? else {
                return self.cut(segment, offset, end, why, committed);
            };
            if next.head.counter <= self.last {
                return Err(segment.damaged(next.offset, "its number is out of order"));
            }
            let damage = segment.damaged(offset, why).to_string();
            tracing::error!(damage, next = next.head.counter, "records before this number cannot be read");
            scan.go_to(next.offset + next.head.length as u64);
            self.take(segment, &next, shard_idx, true)?;
        }
    }

    fn take(&mut self, segment: &Segment, found: &Found, shard_idx: u32, after_damage: bool) -> Result<(), Error> {
        let Some((_, mark)) = frame::decode(&found.bytes, &found.head, shard_idx) else {
            return Err(segment.damaged(found.offset, "its text is not UTF-8"));
        };
        if let Some(mark) = mark {
            self.marks.insert(mark.producer, mark.state);
        }
        self.last = found.head.counter;
        self.last_arrival_ms = self.last_arrival_ms.max(found.head.arrival_ms);
        segment.note(found.head.counter, found.offset, after_damage);
        Ok(())
    }

    fn cut(&self, segment: &Segment, offset: u64, end: u64, why: &str, committed: u64) -> Result<(), Error> {
        if committed > self.last {
            return Err(segment.damaged(offset, &format!("{why}, and the checkpoint lies behind it")));
        }
        tracing::warn!(file = %segment.path.display(), offset, bytes = end - offset, why, "cut a torn tail");
        segment.file.set_len(offset).map_err(|error| io_error("cut", &segment.path, &error))?;
        segment.file.sync().map_err(|error| io_error("sync", &segment.path, &error))?;
        segment.set_durable(offset);
        Ok(())
    }
}

/// The first whole frame from the scan's offset on, if one there proves that the bytes at `suspect` were durable.
fn durable_beyond(scan: &mut Scan<'_>, suspect: u64) -> std::io::Result<Option<Found>> {
    let mut first: Option<Found> = None;
    while let Some(found) = scan.step_to_next_whole()? {
        let proof = found.head.durable > suspect;
        let first = first.get_or_insert(found);
        if proof {
            return Ok(Some(Found { offset: first.offset, head: first.head, bytes: first.bytes.clone() }));
        }
    }
    Ok(None)
}

/// The segments in a folder, oldest first. Files that a crash left half made are removed.
fn segment_names(storage: &dyn Storage, dir: &Path) -> Result<Vec<String>, Error> {
    let names = storage.list(dir).map_err(|error| io_error("list", dir, &error))?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        let path = dir.join(name);
        storage.remove(&path).map_err(|error| io_error("remove", &path, &error))?;
    }
    let mut names: Vec<_> = names.into_iter().filter(|name| segment::first_of(name).is_some()).collect();
    names.sort();
    Ok(names)
}
