//! What a tail took of its files, read again: the same entries under the same ids, as far as the bytes still exist.
//!
//! The newest mark says how far each path was read and how many files stood under it before: its generations. The file
//! of the mark is found by its bytes, as at a start; the rotated files before it are the generations before, newest
//! first. Where documents are known of a place that lies beyond the end of a file, the file is not of that generation, and
//! an older one is tried. A generation without a file, compressed ones included, has no bytes any more.
//!
//! An entry without a stamp, before any stamp, has the time at which it was read: nobody knows it, and its event has the
//! time 0. Its place says which event it is all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use hydrant_transform::entry::split::State;

use super::cutting::{Cutting, Until};
use super::event::{Events, path_hash};
use super::follower::{absolute, log_stream_of, producer};
use super::locate::{self, Family, Opened};
use super::mark::Mark;
use super::window::Window;
use super::{Error, FileSettings, Settings, TURN_BYTES};
use crate::source::subscription::{LogStream, Packer};

/// By path hash and generation: the highest byte offset of which documents are known.
pub type Known = BTreeMap<(u64, u64), u64>;

/// Bytes that were taken and are in no file any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The path that is followed.
    pub path: PathBuf,
    pub generation: u64,
    /// From the first byte to this one; a lower bound where `at_least`.
    pub bytes: u64,
    pub at_least: bool,
}

/// What is known of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reread {
    pub path: PathBuf,
    /// No mark of it: nothing was taken.
    pub is_new: bool,
    /// Names, generations and the bytes that were taken, oldest first.
    pub files: Vec<(PathBuf, u64, u64)>,
    pub gone: Vec<Gone>,
    /// Generations without a file of which no document is known either: first and last of each run of numbers.
    pub unknown: Vec<(u64, u64)>,
    /// Bytes of the file of the mark that are not taken yet.
    pub waiting: u64,
}

/// An envelope, and which part of which file its events are of.
#[derive(Debug)]
pub struct Part {
    pub data: Vec<u8>,
    pub generation: u64,
    /// Of the file as it is called now.
    pub name: PathBuf,
    pub is_taken: bool,
}

/// Tells the files of a path and host apart in event ids.
pub fn path_hash_of(settings: &Settings, file: &FileSettings) -> u64 {
    path_hash(&settings.host, &absolute(&file.path))
}

/// A file and how far it was taken.
struct Found {
    opened: Opened,
    generation: u64,
    taken: u64,
}

/// The generations of a path.
struct Located {
    /// Oldest first.
    found: Vec<Found>,
    gone: Vec<Gone>,
    unknown: Vec<(u64, u64)>,
}

/// Hands the envelopes of one path to `each`, in order. `marks`: those of the stream, by producer.
///
/// # Errors
/// Those of `each`; a mark that is damaged; a file that cannot be read.
pub fn read<E: From<Error>>(
    settings: &Settings,
    file: &FileSettings,
    marks: &BTreeMap<String, Vec<u8>>,
    known: &Known,
    mut each: impl FnMut(Part) -> Result<(), E>,
) -> Result<Reread, E> {
    let path = absolute(&file.path);
    let Some(bytes) = marks.get(&producer(&settings.owner, file)) else {
        return Ok(Reread { path, is_new: true, files: Vec::new(), gone: Vec::new(), unknown: Vec::new(), waiting: 0 });
    };
    let mark = Mark::from_bytes(bytes).map_err(|problem| Error::Mark { path: path.clone(), problem })?;
    let others: Vec<PathBuf> = settings.files.iter().map(|file| absolute(&file.path)).collect();
    let hash = path_hash_of(settings, file);
    let Located { found, gone, unknown } = find(&path, &others, &mark, hash, known);
    let mut events = Events {
        path_hash: hash,
        time_zone: file.time_zone.clone(),
        format: file.format,
        last_stamp: None,
        unstamped_ms: Some(0),
    };
    let log_stream =
        LogStream { owner: settings.owner.clone(), log_group: file.log_group.clone(), log_stream: log_stream_of(file) };
    let mut reread = Reread { path, is_new: false, files: Vec::new(), gone, unknown, waiting: 0 };
    let mut next_generation = 0;
    for found in found {
        if found.generation != next_generation {
            // What stood before is gone, and the last stamp with it.
            events.last_stamp = None;
        }
        next_generation = found.generation + 1;
        let unreadable =
            |error: io::Error| Error::Unreadable { path: found.opened.path.clone(), problem: error.to_string() };
        let length = found.opened.file.metadata().map_err(unreadable)?.len();
        if found.generation == mark.generation {
            reread.waiting = length.saturating_sub(found.taken);
        }
        reread.files.push((found.opened.path.clone(), found.generation, found.taken.min(length)));
        let packer = Packer::new(&log_stream).gzip(false);
        let mut reading = Reading { found: &found, events: &mut events, packer, is_taken: true };
        reading.file(length, &mut each)?;
    }
    Ok(reread)
}

/// The files of the generations up to the mark's, and which have none: the mark says how many there were.
fn find(path: &Path, others: &[PathBuf], mark: &Mark, hash: u64, known: &Known) -> Located {
    let mut family = Family::of(path, others);
    let matches = |opened: &Opened| locate::matching(opened, mark.position, &mark.fingerprint).is_some();
    let own = family.place(mark.identity).filter(|idx| family.files.get(*idx).is_some_and(matches));
    let own = own.or_else(|| family.copy(mark.position, &mark.fingerprint, mark.modified_ns, None));
    let mut found = Vec::new();
    let mut older: Vec<Opened> = match own {
        Some(idx) => {
            family.files.truncate(idx + 1);
            found.extend(family.files.pop().map(|opened| Found {
                opened,
                generation: mark.generation,
                taken: mark.position,
            }));
            family.files
        }
        // What was last written before the mark's file was is older.
        None => family.files.into_iter().filter(|opened| opened.modified_ns < mark.modified_ns).collect(),
    };
    let mut generation = mark.generation;
    while let Some(opened) = older.pop() {
        let length = opened.file.metadata().map_or(0, |metadata| metadata.len());
        let fits = |generation: u64| known.get(&(hash, generation)).is_none_or(|highest| *highest < length);
        let Some(fitting) = (0..generation).rev().find(|generation| fits(*generation)) else { break };
        generation = fitting;
        found.push(Found { opened, generation, taken: u64::MAX });
    }
    found.reverse();
    let has = |number: u64| found.iter().any(|found| found.generation == number);
    let older = known.range((hash, 0)..(hash, mark.generation)).map(|((_, number), highest)| (*number, *highest + 1));
    let mut gone: Vec<Gone> = older
        .filter(|(number, _)| !has(*number))
        .map(|(generation, bytes)| Gone { path: path.to_owned(), generation, bytes, at_least: true })
        .collect();
    if !has(mark.generation) {
        let (path, generation, bytes) = (path.to_owned(), mark.generation, mark.position);
        gone.push(Gone { path, generation, bytes, at_least: false });
    }
    let told = found.iter().map(|found| found.generation).chain(gone.iter().map(|gone| gone.generation)).collect();
    let unknown = runs_without(mark.generation, &told);
    Located { found, gone, unknown }
}

/// The numbers below `end` that are none of these: first and last of each run.
fn runs_without(end: u64, told: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let (mut runs, mut next) = (Vec::new(), 0);
    for number in told.range(..end).copied().chain([end]) {
        if number > next {
            runs.push((next, number - 1));
        }
        next = number.saturating_add(1);
    }
    runs
}

struct Reading<'a> {
    found: &'a Found,
    events: &'a mut Events,
    packer: Packer,
    /// Whether what is packed was taken.
    is_taken: bool,
}

impl Reading<'_> {
    /// Up to `length`, which it had when it was opened.
    fn file<E: From<Error>>(&mut self, length: u64, each: &mut impl FnMut(Part) -> Result<(), E>) -> Result<(), E> {
        let mut cutting = Cutting::new(Window::default(), self.events.format, State::default());
        let mut scratch = vec![0; TURN_BYTES];
        let mut is_hole = self.found.generation > 0;
        loop {
            let at = cutting.window.read();
            let room = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX).min(scratch.len());
            let into = scratch.get_mut(..room).unwrap_or_default();
            let bytes = match self.found.opened.file.read_at(into, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| Error::Unreadable {
                    path: self.found.opened.path.clone(),
                    problem: error.to_string(),
                })?,
            };
            if bytes == 0 {
                self.cut(&mut cutting, Until::End, each)?;
                return self.seal(each);
            }
            cutting.window.push(scratch.get(..bytes).unwrap_or_default());
            if is_hole {
                // The NULs that a writer leaves which does not append are no entry.
                let waiting = cutting.window.waiting();
                let nuls = waiting.iter().take_while(|byte| **byte == 0).count();
                is_hole = nuls == waiting.len();
                cutting.window.take(nuls);
            }
            self.cut(&mut cutting, Until::Certain, each)?;
            cutting.give_up_long();
            cutting.window.settle();
        }
    }

    fn cut<E>(
        &mut self,
        cutting: &mut Cutting,
        until: Until,
        each: &mut impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(taken) = cutting.next(until) {
            let is_taken = taken.offset < self.found.taken;
            if is_taken != self.is_taken {
                self.seal(each)?;
                self.is_taken = is_taken;
            }
            // No stamp is suspect for being ahead of the clock: flags do not matter here.
            self.packer.push(&self.events.event(taken, self.found.generation, i64::MAX / 2));
            if self.packer.is_full() {
                self.seal(each)?;
            }
        }
        Ok(())
    }

    fn seal<E>(&mut self, each: &mut impl FnMut(Part) -> Result<(), E>) -> Result<(), E> {
        if self.packer.events() == 0 {
            return Ok(());
        }
        let (generation, name, is_taken) = (self.found.generation, self.found.opened.path.clone(), self.is_taken);
        each(Part { data: self.packer.seal().data, generation, name, is_taken })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_told_are_runs() {
        for (end, told, runs) in [
            (0, vec![0], vec![]),
            (2, vec![2], vec![(0, 1)]),
            (3, vec![0, 1, 2, 3], vec![]),
            (9, vec![2, 3, 7, 9], vec![(0, 1), (4, 6), (8, 8)]),
            (1, vec![5], vec![(0, 0)]),
        ] {
            assert_eq!(runs_without(end, &told.into_iter().collect()), runs, "{end}");
        }
    }
}
