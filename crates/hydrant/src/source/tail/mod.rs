//! The file tail: each entry of growing, rotating files, once.
//!
//! Pulled, and stateless on disk: every envelope carries a mark (position, generation, fingerprint, last stamp, the
//! splitter's state) that its stream makes durable with it, and from the newest marks the tail goes on after a crash.
//! `docs/tail.md` says which rotations are followed and what cannot be known.
//!
//! It polls, every [`POLL`], since notices of changes are lost on network file systems and in containers. Files are read
//! on the caller's task: reads come from the page cache or are short, and a turn is bounded by [`TURN_BYTES`] and what the
//! splitter may read ahead, some milliseconds of work, after which the task yields. In memory are one round, and for each file an entry that is not decided: a few MiB where it is
//! very long, a few KiB ordinarily. Each file that is followed keeps one handle open. Unix only.

pub mod again;

mod cutting;

mod event;

mod follower;

mod locate;

mod mark;

mod piped;

mod reader;

mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hydrant_transform::entry::Format;
use jiff::tz::TimeZone;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::Packed;
use crate::clock::Clock;
use follower::Follower;

pub use event::{ENTRY_BYTES_MAX, EventPlace, event_place};
pub use piped::{PIPE, Piped};

/// Between two rounds when there is no more at once, so that envelopes do not get too small. It is the age of one.
pub const POLL: Duration = Duration::from_millis(100);

/// Bytes that a round reads, all files together, or that its envelopes have, where lines are so short that they have more;
/// the last turn may go beyond.
pub const ROUND_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes that one file's turn reads.
pub const TURN_BYTES: usize = 256 * 1024;

/// Account id in the envelopes, unless configured.
pub const OWNER: &str = "000000000000";

#[derive(Clone, Debug)]
pub struct Settings {
    pub files: Vec<FileSettings>,
    /// Enters the ids of events, so that the logs of two hosts stay apart.
    pub host: String,
    /// Account id in the envelopes.
    pub owner: String,
    /// Read each file to the end that it has now, and finish.
    pub once: bool,
    /// Gzip the envelopes, as CloudWatch Logs does.
    pub gzip: bool,
    /// Envelopes of one hand-out: what an append takes.
    pub packed_max: usize,
    /// Bytes of one hand-out's envelopes and their partition keys; a single larger one is still handed out, alone.
    pub packed_bytes_max: usize,
}

impl Default for Settings {
    /// No file, and the bounds of Kinesis's `PutRecords`.
    fn default() -> Settings {
        Settings {
            files: Vec::new(),
            host: String::new(),
            owner: OWNER.to_owned(),
            once: false,
            gzip: true,
            packed_max: 500,
            packed_bytes_max: 10 * 1024 * 1024,
        }
    }
}

#[derive(Clone, Debug)]
pub struct FileSettings {
    pub path: PathBuf,
    pub log_group: String,
    /// `None`: the path as it is given, `_` in place of `:` and `*`, its last 512 characters.
    pub log_stream: Option<String>,
    /// Of stamps that name none.
    pub time_zone: TimeZone,
    /// `None`: told from each entry.
    pub format: Option<Format>,
}

/// How far one file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub path: PathBuf,
    /// Counts the files that stood under the path.
    pub generation: u64,
    /// Bytes that are handed out, of the file that is being read.
    pub position: u64,
    /// Bytes that the file has.
    pub length: u64,
    /// Why it is not being read, a sentence.
    pub problem: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot go on with {}: {problem}", path.display())]
    Mark { path: PathBuf, problem: String },
    #[error("{} is given twice with the same log group and log stream", path.display())]
    Twice { path: PathBuf },
    /// Only where a file is to be read once; a file that is followed may appear later.
    #[error("cannot read {}: {problem}", path.display())]
    Unreadable { path: PathBuf, problem: String },
}

/// Several files, in turn.
pub struct Tail {
    followers: Vec<Follower>,
    once: bool,
    clock: Clock,
    packed_max: usize,
    packed_bytes_max: usize,
    /// Packed and not yet handed out.
    ready: VecDeque<Packed>,
    /// Whose turn is first, so that a busy file does not keep the others waiting.
    first: usize,
    /// Not before this is the next round.
    next_round: Option<Instant>,
    /// What all files are read into.
    scratch: Vec<u8>,
}

impl Tail {
    /// `marks`: by producer, the newest that a stream holds. Those of files that are not followed any more are ignored.
    ///
    /// # Errors
    /// A mark that is damaged or of a newer version; a file given twice; under `once` a file that cannot be read. A file
    /// that cannot be read otherwise is said, and tried again.
    pub fn open(settings: Settings, marks: Vec<(String, Vec<u8>)>, clock: Clock) -> Result<Tail, Error> {
        let marks: BTreeMap<String, Vec<u8>> = marks.into_iter().collect();
        let paths: Arc<[PathBuf]> = settings.files.iter().map(|file| follower::absolute(&file.path)).collect();
        let mut seen = BTreeSet::new();
        let mut followers = Vec::with_capacity(settings.files.len());
        for (file, path) in settings.files.iter().zip(paths.iter()) {
            // One file may have several spellings, and a log stream is named after the one that is given.
            let real = std::fs::canonicalize(path).unwrap_or_else(|_error| path.clone());
            if !seen.insert((real, &file.log_group, &file.log_stream)) {
                return Err(Error::Twice { path: file.path.clone() });
            }
            let mark = marks.get(&follower::producer(&settings.owner, file)).map(Vec::as_slice);
            followers.push(Follower::open(&settings, file, Arc::clone(&paths), mark)?);
        }
        Ok(Tail {
            followers,
            once: settings.once,
            clock,
            packed_max: settings.packed_max,
            packed_bytes_max: settings.packed_bytes_max,
            ready: VecDeque::new(),
            first: 0,
            next_round: None,
            scratch: vec![0; TURN_BYTES],
        })
    }

    /// The next envelopes, in each log stream's order, within the settings' bounds. Waits until there are any; answers
    /// none only when [finished](Tail::finished). May be dropped while it waits: what it has not answered comes with
    /// the next call.
    pub async fn next(&mut self) -> Result<Vec<Packed>, Error> {
        loop {
            if !self.ready.is_empty() || self.finished() {
                return Ok(self.hand_out());
            }
            if let Some(at) = self.next_round {
                sleep_until(at).await;
            }
            let more = self.round().await?;
            self.next_round = (!more).then(|| Instant::now() + POLL);
        }
    }

    /// Under `once`: every file is handed out to its end.
    pub fn finished(&self) -> bool {
        self.once && self.ready.is_empty() && self.followers.iter().all(|follower| follower.finished)
    }

    /// Of each file, in the order of the settings.
    pub fn progress(&self) -> Vec<Progress> {
        self.followers.iter().map(Follower::progress).collect()
    }

    /// All files have a turn, again and again while one has more, until the round is full. Answers whether there is more
    /// at once. Others on the thread have their turn after each that read something.
    async fn round(&mut self) -> Result<bool, Error> {
        let now_ms = self.clock.now_ms();
        let count = self.followers.len();
        let mut bytes = 0;
        let mut packed = Vec::new();
        loop {
            let mut more = false;
            for _ in 0..count {
                let Some(follower) = self.followers.get_mut(self.first) else { break };
                let turn = follower.turn(now_ms, &mut self.scratch, &mut packed)?;
                let packed_bytes: usize = packed.iter().map(|packed| packed.data.len()).sum();
                self.ready.extend(packed.drain(..));
                self.first = (self.first + 1) % count;
                more |= turn.more;
                bytes += turn.bytes.max(packed_bytes as u64);
                // Not between opening a file and reading it: until then it is not known by its bytes.
                if turn.bytes > 0 {
                    yield_now().await;
                }
                if bytes >= ROUND_BYTES {
                    return Ok(true);
                }
            }
            if !more {
                return Ok(false);
            }
        }
    }

    fn hand_out(&mut self) -> Vec<Packed> {
        let mut bytes = 0;
        let fitting = self.ready.iter().take(self.packed_max).take_while(|packed| {
            bytes += packed.data.len() + packed.partition_key.len();
            bytes <= self.packed_bytes_max
        });
        let count = fitting.count().max(1).min(self.ready.len());
        self.ready.drain(..count).collect()
    }
}
