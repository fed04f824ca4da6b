//! One open file cut into entries.
//!
//! Holds at most [`ENTRY_BYTES_MAX`] of a running entry and as much of what is not decided, one read, and what the
//! splitter needs to see ahead, whatever the length of a line.

use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use hydrant_transform::entry::Format;
use hydrant_transform::entry::split::{Cut, Entry, Input, Splitter, State};
use tokio::time::Instant;

use super::event::ENTRY_BYTES_MAX;
use super::locate::{self, Opened};
use super::window::Window;

/// A last entry without a successor goes out after so long.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// An unfinished line goes out after so long.
pub(super) const UNFINISHED: Duration = Duration::from_secs(30);

/// The longest end of a line.
const LINE_END_BYTES_MAX: usize = 2;

/// A file from a position on.
pub(super) struct Reader {
    pub(super) opened: Opened,
    pub(super) window: Window,
    splitter: Splitter,
    /// The beginning of an entry whose bytes were given up while its end was not yet known.
    head: Vec<u8>,
    /// Offset of the entry that `head` belongs to.
    head_offset: Option<u64>,
    /// When bytes came last.
    grown: Instant,
    /// Where the end of the window was when nothing could be cut without the unfinished line.
    waits_for_line: Option<u64>,
    /// What was read of it is not in the file any more: what is in memory is all there is.
    pub(super) gone: bool,
}

/// What a look at the file showed.
pub(super) enum Look {
    Grown,
    /// All of it is read, for now.
    AtEnd,
    /// The bytes that were read are not in it any more.
    Gone,
}

/// What the reader hands out.
pub(super) struct Taken {
    pub(super) offset: u64,
    /// Without the end of its last line; the beginning only of an entry that is too long.
    pub(super) message: Vec<u8>,
    /// Of the whole entry without the end of its last line.
    pub(super) length: u64,
    pub(super) suspect: bool,
    /// Does not begin where an entry begins.
    pub(super) rest: bool,
    /// Does not end where a line ends.
    pub(super) unfinished: bool,
}

/// How much is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// What is certain.
    Certain,
    /// What ends in a whole line.
    Lines,
    /// Everything, an unfinished line too.
    End,
}

impl Reader {
    pub(super) fn new(opened: Opened, window: Window, format: Option<Format>, state: State) -> Reader {
        Reader {
            opened,
            window,
            splitter: Splitter::new(format, state),
            head: Vec::new(),
            head_offset: None,
            grown: Instant::now(),
            waits_for_line: None,
            gone: false,
        }
    }

    /// Reads on, as much as fits `scratch`.
    ///
    /// What stood before is compared after the read: if it is there then, it was there during the read.
    pub(super) fn look(&mut self, scratch: &mut [u8]) -> io::Result<Look> {
        let read = self.window.read();
        if self.gone || self.opened.limit.is_some_and(|limit| read >= limit) {
            return Ok(Look::AtEnd);
        }
        let (length, modified_ns) = locate::length_and_time(&self.opened.file.metadata()?);
        if length < read {
            return Ok(Look::Gone);
        }
        if length == read && modified_ns == self.opened.modified_ns {
            return Ok(Look::AtEnd);
        }
        let most = self.opened.limit.unwrap_or(u64::MAX).saturating_sub(read);
        let room = usize::try_from(most).unwrap_or(usize::MAX).min(scratch.len());
        let bytes = read_some(&self.opened, scratch.get_mut(..room).unwrap_or_default(), read)?;
        if locate::before(&self.opened.file, read)?.as_deref() != Some(self.window.tail()) {
            return Ok(Look::Gone);
        }
        self.opened.modified_ns = modified_ns;
        if bytes == 0 {
            return Ok(Look::AtEnd);
        }
        self.window.push(scratch.get(..bytes).unwrap_or_default());
        self.skip_hole();
        self.grown = Instant::now();
        Ok(Look::Grown)
    }

    /// How long no byte has come.
    pub(super) fn quiet(&self) -> Duration {
        self.grown.elapsed()
    }

    /// True at the start of the next entry; with the window's position it makes a mark.
    pub(super) fn state(&self) -> State {
        self.splitter.state()
    }

    /// Whether all that was read is handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.window.waiting().is_empty() && self.head_offset.is_none()
    }

    /// The next entry.
    pub(super) fn next(&mut self, until: Until) -> Option<Taken> {
        loop {
            let cut = match until {
                Until::Certain => self.splitter.next(self.window.waiting(), Input::Open),
                Until::Lines => self.cut_whole_lines(),
                Until::End => self.splitter.next(self.window.waiting(), Input::Quiet),
            };
            match cut {
                Cut::Entry(entry) => return Some(self.take(&entry)),
                Cut::Skip(bytes) => self.window.take(bytes),
                Cut::NeedsMore => return None,
            }
        }
    }

    /// Keeps the beginning of an entry that is too long, and gives up the bytes that are certain to be of it. Marks are
    /// made before, since then the window's position is not between two entries.
    pub(super) fn give_up_long(&mut self) {
        if self.splitter.certain() <= ENTRY_BYTES_MAX && self.head_offset.is_none() {
            return;
        }
        let given_up = self.splitter.discard();
        if given_up == 0 {
            return;
        }
        self.head_offset.get_or_insert(self.window.taken());
        self.keep_head(given_up);
        self.window.take(given_up);
    }

    /// The writer paused in the middle of a line, perhaps of the running entry: cuts only what ends before that line.
    fn cut_whole_lines(&mut self) -> Cut {
        if self.waits_for_line == Some(self.window.read()) {
            return Cut::NeedsMore;
        }
        let mut ahead = self.splitter.clone();
        let cut = ahead.next(self.window.waiting(), Input::Quiet);
        if let Cut::Entry(entry) = cut
            && self.window.byte_before(entry.bytes) != Some(b'\n')
        {
            self.waits_for_line = Some(self.window.read());
            return Cut::NeedsMore;
        }
        self.splitter = ahead;
        cut
    }

    fn take(&mut self, entry: &Entry) -> Taken {
        let offset = self.head_offset.take().unwrap_or(self.window.taken());
        self.keep_head(entry.bytes);
        let mut message = std::mem::take(&mut self.head);
        self.window.take(entry.bytes);
        let line_end = match self.window.history() {
            [.., b'\r', b'\n'] => 2,
            [.., b'\n'] => 1,
            _ => 0,
        };
        let length = entry.length.saturating_sub(line_end);
        message.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Taken { offset, message, length, suspect: entry.suspect, rest: entry.partial, unfinished: line_end == 0 }
    }

    /// Adds bytes from the front of what waits to the head, while it has room.
    fn keep_head(&mut self, bytes: usize) {
        let room = (ENTRY_BYTES_MAX + LINE_END_BYTES_MAX).saturating_sub(self.head.len()).min(bytes);
        self.head.extend_from_slice(self.window.waiting().get(..room).unwrap_or_default());
    }

    /// A writer that does not append leaves NULs where a truncated file was; they were never written.
    fn skip_hole(&mut self) {
        if !self.opened.may_begin_with_hole {
            return;
        }
        let waiting = self.window.waiting();
        let nuls = waiting.iter().take_while(|byte| **byte == 0).count();
        self.opened.may_begin_with_hole = nuls == waiting.len();
        self.window.take(nuls);
        self.window.settle();
        if !self.opened.may_begin_with_hole && self.window.taken() > 0 {
            tracing::warn!(
                "{}: skipped {} NUL bytes, the hole that a writer leaves which does not append",
                self.opened.path.display(),
                self.window.taken()
            );
        }
    }
}

fn read_some(opened: &Opened, into: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match opened.file.read_at(into, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use hydrant_transform::entry::split::State;

    use super::{ENTRY_BYTES_MAX, Look, Reader, Until, Window, locate};

    /// Nothing but the beginning of a line is held, however long it is.
    #[test]
    fn a_line_of_a_hundred_megabytes_takes_little_memory() {
        const LINE_BYTES: u64 = 100_000_000;
        const READ_BYTES: usize = 256 * 1024;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut file = fs::File::create(&path).unwrap();
        file.set_len(LINE_BYTES).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\nnext\n").unwrap();
        file.flush().unwrap();
        let opened = locate::open(&path).unwrap();
        let mut reader = Reader::new(opened, Window::default(), None, State::default());
        let mut scratch = vec![0; READ_BYTES];
        let (mut lengths, mut most) = (Vec::new(), 0);
        while matches!(reader.look(&mut scratch).unwrap(), Look::Grown) {
            while let Some(taken) = reader.next(Until::Certain) {
                assert!(taken.message.len() <= ENTRY_BYTES_MAX + 2);
                lengths.push((taken.offset, taken.length));
            }
            reader.give_up_long();
            reader.window.settle();
            most = most.max(reader.window.waiting().len() + reader.head.len());
        }
        assert_eq!(lengths, [(0, LINE_BYTES), (LINE_BYTES + 1, 4)]);
        assert!(most <= 2 * ENTRY_BYTES_MAX + READ_BYTES, "{most}");
    }

    #[test]
    fn bytes_that_were_read_and_are_not_there_any_more_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        for (content, gone) in [("", true), ("one", true), ("one\n", false), ("one\ntwo", false), ("two\none\n", true)]
        {
            fs::write(&path, "one\n").unwrap();
            let opened = locate::open(&path).unwrap();
            let mut reader = Reader::new(opened, Window::default(), None, State::default());
            let mut scratch = vec![0; 100];
            assert!(matches!(reader.look(&mut scratch).unwrap(), Look::Grown));
            fs::OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(&path)
                .unwrap()
                .write_all(content.as_bytes())
                .unwrap();
            assert_eq!(matches!(reader.look(&mut scratch).unwrap(), Look::Gone), gone, "{content:?}");
        }
    }
}
