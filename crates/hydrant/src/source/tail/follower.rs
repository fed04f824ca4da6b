//! One path followed over all the files that stand under it.
//!
//! The file that is open is read to its end before the next one begins, each a generation of its own. After a rename
//! that is the old file by its handle; after a truncation, or a rotation while nobody looked, the rotated copy that goes
//! on where the position is. The files that come behind it are opened with it, [`locate::ROTATED_MAX`] at most, so
//! that a further rotation hides none of them.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hydrant_transform::entry::split::State;

use super::cutting::Until;
use super::event::{Events, path_hash};
use super::locate::{self, Family, Opened};
use super::mark::{Fingerprint, Mark, Place};
use super::reader::{Look, QUIET, Reader, UNFINISHED};
use super::window::Window;
use super::{Error, FileSettings, Progress, Settings};
use crate::source::Packed;
use crate::source::subscription::{LogStream, Packer};

/// After so many failures in a row, ten seconds of them, a file is opened anew: its handle may be stale though the path
/// is sound.
const READ_FAILURES_MAX: u32 = 100;

pub(super) struct Follower {
    path: PathBuf,
    /// Paths that are followed beside it.
    others: Arc<[PathBuf]>,
    producer: String,
    log_stream: LogStream,
    events: Events,
    reader: Option<Reader>,
    /// The files behind the reader's, oldest first.
    next: VecDeque<Opened>,
    /// Of the newest envelope.
    newest: Option<Mark>,
    /// Where to go on once there is something to read.
    resume: Option<Mark>,
    read_failures: u32,
    /// Of the reader's file; of the next one while none is open.
    generation: u64,
    once: bool,
    gzip: bool,
    /// Under `once`: everything is read.
    pub(super) finished: bool,
    /// Where the newest envelope ends.
    packed_to: u64,
    /// Said once, until it changes.
    problem: Option<String>,
}

impl Follower {
    /// `others`: all paths that are followed.
    pub(super) fn open(
        settings: &Settings,
        file: &FileSettings,
        others: Arc<[PathBuf]>,
        mark: Option<&[u8]>,
    ) -> Result<Follower, Error> {
        let path = absolute(&file.path);
        let producer = producer(&settings.owner, file);
        let mark = mark.map(Mark::from_bytes).transpose();
        let mark = mark.map_err(|problem| Error::Mark { path: path.clone(), problem })?;
        let mut follower = Follower {
            producer,
            log_stream: LogStream {
                owner: settings.owner.clone(),
                log_group: file.log_group.clone(),
                log_stream: log_stream_of(file),
            },
            events: Events {
                path_hash: path_hash(&settings.host, &path),
                time_zone: file.time_zone.clone(),
                format: file.format,
                last_stamp: mark.as_ref().and_then(|mark| mark.last_stamp),
                unstamped_ms: None,
            },
            path,
            others,
            reader: None,
            next: VecDeque::new(),
            newest: mark.clone(),
            resume: mark,
            read_failures: 0,
            generation: 0,
            once: settings.once,
            gzip: settings.gzip,
            finished: false,
            packed_to: 0,
            problem: None,
        };
        let present = locate::open(&follower.path);
        if let (Err(error), true) = (&present, settings.once) {
            return Err(Error::Unreadable { path: follower.path, problem: error.to_string() });
        }
        follower.pick_up(present);
        Ok(follower)
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        let length = self.reader.as_ref().and_then(|reader| reader.opened.file.metadata().ok());
        Progress {
            path: self.path.clone(),
            generation: self.generation,
            position: self.packed_to,
            length: length.map_or(self.packed_to, |metadata| metadata.len()),
            problem: self.problem.clone(),
        }
    }

    /// One turn: reads on, packs what is decided, and moves to the next file where this one has ended.
    pub(super) fn turn(&mut self, now_ms: i64, scratch: &mut [u8], out: &mut Vec<Packed>) -> Result<Turn, Error> {
        if self.reader.is_none() && !self.once {
            self.pick_up(locate::open(&self.path));
        }
        let Some(mut reader) = self.reader.take() else {
            self.finished = self.once;
            return Ok(Turn::default());
        };
        let from = reader.cutting.window.read();
        let looked = self.look(&mut reader, scratch)?;
        if self.read_failures >= READ_FAILURES_MAX {
            self.read_failures = 0;
            self.next.clear();
            self.resume = self.newest.clone();
            return Ok(Turn::default());
        }
        let at_end = looked == Looked::AtEnd;
        let leaves = at_end && self.leaves(&reader);
        let until = match reader.quiet() {
            _ if !at_end => Until::Certain,
            _ if leaves => Until::End,
            quiet if quiet >= UNFINISHED => Until::End,
            quiet if quiet >= QUIET => Until::Lines,
            _ => Until::Certain,
        };
        self.hand_out(&mut reader, until, now_ms, out)?;
        let bytes = reader.cutting.window.read().saturating_sub(from);
        reader.cutting.give_up_long();
        reader.cutting.window.settle();
        let left = leaves && reader.cutting.is_empty();
        if left {
            self.advance();
        } else {
            self.reader = Some(reader);
        }
        Ok(Turn { bytes, more: looked == Looked::More || left && !self.finished })
    }

    /// Goes on behind the mark, or begins with what stands under the path.
    fn pick_up(&mut self, present: io::Result<Opened>) {
        match self.resume.take() {
            Some(mark) => self.go_on(mark, present),
            None => self.begin(present),
        }
    }

    /// Goes on behind what was taken before. Where there is no file at all nothing is decided: its folder may not be
    /// mounted yet.
    fn go_on(&mut self, mark: Mark, present: io::Result<Opened>) {
        self.generation = mark.generation;
        let mut family = Family::of(&self.path, &self.others);
        if family.files.is_empty() {
            self.resume = Some(mark);
            return present.map_or_else(|error| self.absent(&error), |_opened| ());
        }
        self.problem = None;
        self.limit(&mut family.files);
        let own = family.place(mark.identity);
        let found = own
            .filter(|idx| self.matches(&family, *idx, &mark))
            .or_else(|| family.copy(mark.position, &mark.fingerprint, mark.modified_ns, None));
        let Some(idx) = found else {
            tracing::warn!(
                "{}: the file that was read to byte {} is gone, compressed or overwritten; what it held beyond is not \
                 known",
                self.path.display(),
                mark.position
            );
            self.generation += 1;
            if let Some(own) = own.and_then(|own| family.files.get_mut(own)) {
                own.may_begin_with_hole = true;
            }
            let mut next: VecDeque<Opened> = match own {
                Some(own) => family.files.drain(own..).collect(),
                None => family.written_after(mark.modified_ns).into(),
            };
            let first = next.pop_front();
            self.next = next;
            return self.start(first);
        };
        let mut next: VecDeque<Opened> = family.files.drain(idx..).collect();
        let before = next.front().and_then(|opened| locate::matching(opened, mark.position, &mark.fingerprint));
        if let (Some(opened), Some(before)) = (next.pop_front(), before) {
            let window = Window::at(mark.position, before);
            self.reader = Some(Reader::new(opened, window, self.events.format, mark.splitter));
        }
        self.next = next;
        self.packed_to = mark.position;
    }

    fn matches(&self, family: &Family, idx: usize, mark: &Mark) -> bool {
        let opened = family.files.get(idx);
        opened.is_some_and(|opened| locate::matching(opened, mark.position, &mark.fingerprint).is_some())
    }

    /// Reads what stands under the path, if there is something.
    fn begin(&mut self, present: io::Result<Opened>) {
        match present {
            Ok(opened) => {
                let mut first = vec![opened];
                self.limit(&mut first);
                self.start(first.pop());
            }
            Err(error) => self.absent(&error),
        }
    }

    fn absent(&mut self, error: &io::Error) {
        self.note(if error.kind() == io::ErrorKind::NotFound {
            format!("{} does not exist; it is read when it appears", self.path.display())
        } else {
            format!("cannot read {}: {error}", self.path.display())
        });
    }

    /// Under `once` files are read to the length that they have now.
    fn limit(&self, files: &mut [Opened]) {
        for opened in files.iter_mut().filter(|_| self.once) {
            opened.limit = Some(opened.file.metadata().map_or(0, |metadata| metadata.len()));
        }
    }

    /// Reads a file from its first byte.
    fn start(&mut self, opened: Option<Opened>) {
        self.packed_to = 0;
        self.problem = None;
        let format = self.events.format;
        self.reader = opened.map(|opened| Reader::new(opened, Window::default(), format, State::default()));
    }

    fn look(&mut self, reader: &mut Reader, scratch: &mut [u8]) -> Result<Looked, Error> {
        let from = reader.cutting.window.read();
        let look = reader.look(scratch);
        self.read_failures = if look.is_ok() { 0 } else { self.read_failures + 1 };
        match look {
            Ok(Look::AtEnd) => Ok(Looked::AtEnd),
            Ok(Look::Grown) => {
                self.problem = None;
                let is_full = reader.cutting.window.read() - from == scratch.len() as u64;
                Ok(if is_full || self.once { Looked::More } else { Looked::Some })
            }
            Ok(Look::Gone) => {
                self.truncated(reader);
                Ok(Looked::More)
            }
            Err(error) if self.once => Err(Error::Unreadable { path: self.path.clone(), problem: error.to_string() }),
            // The same place is tried again in the next round; nothing is decided on what is not known.
            Err(error) => {
                self.note(format!("cannot read {}: {error}", self.path.display()));
                Ok(Looked::Some)
            }
        }
    }

    /// The bytes that were read are not in the file any more. A copy may hold them, and what came behind them.
    fn truncated(&mut self, reader: &mut Reader) {
        let read = reader.cutting.window.read();
        let own = reader.opened.identity;
        let mut family = Family::of(&self.path, &self.others);
        if let Some(file) = family.place(own).and_then(|idx| family.files.get_mut(idx)) {
            file.may_begin_with_hole = true;
        }
        let fingerprint = Fingerprint::of(reader.cutting.window.tail());
        let copy = family.copy(read, &fingerprint, reader.opened.modified_ns, Some(own));
        let mut next: VecDeque<Opened> = match copy.or(family.place(own)) {
            Some(idx) => family.files.drain(idx..).collect(),
            None => family.after(own, reader.opened.modified_ns).into(),
        };
        if copy.is_some()
            && let Some(copy) = next.pop_front()
        {
            reader.opened = Opened { limit: reader.opened.limit, ..copy };
        } else {
            tracing::warn!(
                "{} was truncated at byte {read} or later; what was written to it since the last look is not known",
                self.path.display()
            );
            reader.gone = true;
        }
        // What stands there now was not there when a single pass began.
        if !self.once {
            self.next = next;
        }
    }

    /// Whether nothing more is to come from the file, all of which is read.
    fn leaves(&mut self, reader: &Reader) -> bool {
        if self.once || reader.gone {
            return true;
        }
        if reader.quiet() < QUIET {
            return false;
        }
        let last = self.next.back().unwrap_or(&reader.opened);
        if locate::is_replaced(&self.path, last.identity) || self.next.back().is_some_and(Opened::is_written) {
            self.look_behind(&reader.opened);
        }
        // As long as nobody has written to a newer file, the old one may still be written.
        self.next.iter().any(|opened| opened.file.metadata().is_ok_and(|metadata| metadata.len() > 0))
    }

    /// What comes behind a file has changed: there was a rotation, or a copy was made of one that is not yet read.
    fn look_behind(&mut self, of: &Opened) {
        let mut newer = Family::of(&self.path, &self.others).after(of.identity, of.modified_ns);
        if newer.is_empty()
            && let Err(error) = locate::open(&self.path)
        {
            self.note(format!("cannot read {}: {error}", self.path.display()));
        }
        for opened in &mut newer {
            let known = self.next.iter().find(|known| known.identity == opened.identity);
            opened.may_begin_with_hole = known.is_some_and(|known| known.may_begin_with_hole);
        }
        // What has no name any more comes before what has one.
        self.next.retain(|known| newer.iter().all(|opened| opened.identity != known.identity));
        self.next.extend(newer);
    }

    /// The open file is done: on to the next one.
    fn advance(&mut self) {
        let next = self.next.pop_front();
        self.finished = self.once && next.is_none();
        self.generation += 1;
        self.start(next);
    }

    /// Packs the entries that are decided.
    fn hand_out(&mut self, reader: &mut Reader, until: Until, now_ms: i64, out: &mut Vec<Packed>) -> Result<(), Error> {
        let mut packer: Option<Packer> = None;
        while let Some(taken) = reader.cutting.next(until) {
            let event = self.events.event(taken, self.generation, now_ms);
            let packer = packer.get_or_insert_with(|| Packer::new(&self.log_stream).gzip(self.gzip));
            packer.push(&event);
            if packer.is_full() {
                let packed = self.seal(packer, reader)?;
                out.push(packed);
            }
        }
        if let Some(mut packer) = packer.filter(|packer| packer.events() > 0) {
            out.push(self.seal(&mut packer, reader)?);
        }
        Ok(())
    }

    /// The window's position is the end of the last entry that was packed.
    fn seal(&mut self, packer: &mut Packer, reader: &Reader) -> Result<Packed, Error> {
        let position = reader.cutting.window.taken();
        let mark = Mark::new(&Place {
            position,
            generation: self.generation,
            before: reader.cutting.window.history(),
            identity: reader.opened.identity,
            modified_ns: reader.opened.modified_ns,
            last_stamp: self.events.last_stamp,
            splitter: reader.cutting.state(),
        });
        let bytes = mark.to_bytes().map_err(|problem| Error::Mark { path: self.path.clone(), problem })?;
        self.newest = Some(mark);
        let source_bytes = position.saturating_sub(self.packed_to);
        self.packed_to = position;
        let sealed = packer.seal();
        Ok(Packed {
            partition_key: self.log_stream.partition_key(),
            data: sealed.data,
            producer: self.producer.clone(),
            mark: bytes,
            entries: sealed.entries,
            newest_ms: sealed.newest_ms,
            source_bytes,
        })
    }

    fn note(&mut self, problem: String) {
        if self.problem.as_ref() != Some(&problem) {
            tracing::warn!("{problem}");
            self.problem = Some(problem);
        }
    }
}

/// What a turn has brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Bytes that were read.
    pub(super) bytes: u64,
    /// Another turn brings more at once.
    pub(super) more: bool,
}

/// What a look at the file leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    /// There is more to read now.
    More,
    /// A little came; if there is more, it can wait for a further round.
    Some,
    AtEnd,
}

/// The name of a file's marks. Two that differ in anything that the ids or the order of its events depend on are two.
pub(super) fn producer(owner: &str, file: &FileSettings) -> String {
    let path = absolute(&file.path);
    let name =
        LogStream { owner: owner.to_owned(), log_group: file.log_group.clone(), log_stream: log_stream_of(file) };
    let hash = path_hash(&name.partition_key(), &path);
    let readable: String = path.display().to_string().chars().take(PRODUCER_CHARACTERS_MAX).collect();
    format!("tail {hash:016x} {readable}")
}

/// Of the path in a producer's name, which has 4 KiB at most.
const PRODUCER_CHARACTERS_MAX: usize = 512;

/// The same file under another working directory is another path.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_error| path.to_owned())
}

/// CloudWatch's log streams have neither `:` nor `*` in their names, and at most 512 characters: of a longer path the
/// end is taken.
pub(super) fn log_stream_of(file: &FileSettings) -> String {
    if let Some(name) = &file.log_stream {
        return name.clone();
    }
    let path = file.path.display().to_string();
    let name: Vec<char> = path.chars().map(|c| if matches!(c, ':' | '*') { '_' } else { c }).collect();
    name.iter().skip(name.len().saturating_sub(LOG_STREAM_CHARACTERS_MAX)).collect()
}

const LOG_STREAM_CHARACTERS_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use jiff::tz::TimeZone;

    use super::{FileSettings, READ_FAILURES_MAX, Settings};
    use crate::clock::Clock;
    use crate::source::tail::Tail;

    /// As on a network file system whose server has forgotten the handle.
    #[tokio::test(start_paused = true)]
    async fn a_handle_that_stays_unreadable_is_opened_anew_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "one\ntwo\n").unwrap();
        let file = FileSettings {
            path: path.clone(),
            log_group: "/g".to_owned(),
            log_stream: None,
            time_zone: TimeZone::UTC,
            format: None,
        };
        let settings = Settings { files: vec![file], ..Settings::default() };
        let mut tail = Tail::open(settings, Vec::new(), Clock::starting_at(0)).unwrap();
        assert_eq!(tail.next().await.unwrap()[0].entries, 2);
        let write_only = OpenOptions::new().append(true).open(&path).unwrap();
        tail.followers[0].reader.as_mut().unwrap().opened.file = write_only;
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        for _ in 1..READ_FAILURES_MAX {
            tail.round().await.unwrap();
            assert!(tail.progress()[0].problem.as_ref().unwrap().contains("cannot read"));
        }
        let packed = tail.next().await.unwrap();
        assert_eq!((packed.len(), packed[0].entries, packed[0].source_bytes), (1, 1, 6));
        assert_eq!(tail.progress()[0].problem, None);
    }
}
