//! Bytes of one file or pipe cut into entries, whoever reads them.
//!
//! Holds at most [`ENTRY_BYTES_MAX`] of a running entry and as much of what is not decided, one read, and what the
//! splitter needs to see ahead, whatever the length of a line.

use hydrant_transform::entry::Format;
use hydrant_transform::entry::split::{Cut, Entry, Input, Splitter, State};

use super::event::ENTRY_BYTES_MAX;
use super::window::Window;

/// The longest end of a line.
const LINE_END_BYTES_MAX: usize = 2;

/// What was read and is not handed out.
pub(super) struct Cutting {
    pub(super) window: Window,
    splitter: Splitter,
    /// The beginning of an entry whose bytes were given up while its end was not yet known.
    pub(super) head: Vec<u8>,
    /// Offset of the entry that `head` belongs to.
    head_offset: Option<u64>,
    /// Where the end of the window was when nothing could be cut without the unfinished line.
    waits_for_line: Option<u64>,
}

/// What is handed out.
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

impl Cutting {
    pub(super) fn new(window: Window, format: Option<Format>, state: State) -> Cutting {
        let splitter = Splitter::new(format, state);
        Cutting { window, splitter, head: Vec::new(), head_offset: None, waits_for_line: None }
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
}
