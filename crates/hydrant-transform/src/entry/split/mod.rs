//! Cutting a growing file into entries: where the format begins a new one.
//!
//! A [`Splitter`] is shown a buffer that begins at the first byte not yet taken, and answers where the entry at its
//! start ends, that it cannot tell yet, or, when told that nothing more comes for now, what there is. It holds no bytes
//! and goes on where it stopped, so an entry of any length, in pieces of any size, is read once.
//!
//! In a general log an entry is a header line with all lines up to the next header or banner; a banner is one event. In a
//! slow log it is the header lines, which begin with `#`, with all lines up to the next ones; in an error log or an audit
//! log a line that begins with its stamp, with all lines up to the next one, and a deadlock's dump whole.
//! In any other file every line is an entry. Empty lines where an entry could begin are no entries.
//!
//! A header inside a statement may be planted. It is text when its layout is not the stream's, or when a quote or
//! comment of the running statement is open there and reading on as text makes sense (see `ahead`). Every other header
//! begins an entry. An entry is `suspect` when
//!
//! - a quote was open where it begins nevertheless, or the name of a user who connects was not complete;
//! - it holds headers that were taken for text and are not stamped earlier than the entry itself;
//! - its layout is new to the stream;
//! - its stamp lies more than [`BACKWARDS_MICROS_MAX`] (local time: [`BACKWARDS_LOCAL_MICROS_MAX`]) before that of the
//!   entry before it, or after that of the next one while the one before it does not.
//!
//! Bounds: no memory beyond the struct; a caller that discards what is [certain](Splitter::certain) never needs to
//! hold more than [`UNDECIDED_BYTES_MAX`] bytes beyond it.

mod ahead;

mod running;

mod state;

#[cfg(test)]
mod tests;

use memchr::memchr;

pub use ahead::{AHEAD_BYTES_MAX, AHEAD_DEBT_BYTES_MAX, AHEAD_HEADERS_MAX, AHEAD_PER_BYTE};
pub use running::{ERROR_BYTES_MAX, FOREIGN_HEADERS_MAX, RECORD_LINES_MAX};
pub use state::{BACKWARDS_LOCAL_MICROS_MAX, BACKWARDS_MICROS_MAX, Mode, State};

use super::Format;
use super::mysql::general::{
    BANNER_LINE_BYTES_MAX, BannerLine, HEADER_BYTES_MAX, banner_line, byte_order_mark, header,
};
use crate::entry::mysql::{audit, error, slow};
use running::{Kind, Log, Next, Running, Step, slow_begins};

/// An unfinished line of this many bytes can be judged: it is no banner line, and a header is shorter.
const JUDGED_BYTES_MIN: usize = BANNER_LINE_BYTES_MAX + 1;

const _: () = assert!(JUDGED_BYTES_MIN > HEADER_BYTES_MAX + 3, "a header after a byte order mark is seen whole");

/// At most so many bytes stand in the buffer, past those that are certain, before it is decided whose they are.
pub const UNDECIDED_BYTES_MAX: usize = AHEAD_BYTES_MAX + 2 * JUDGED_BYTES_MIN;

/// What follows the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// More bytes may follow soon, so doubts can wait.
    Open,
    /// The file ended, or has been quiet for long enough: decide with what there is.
    Quiet,
}

/// The answer to a look at the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The buffer begins with an entry that is complete.
    Entry(Entry),
    /// The buffer begins with this many bytes of empty lines: take them away, they are no entry.
    Skip(usize),
    /// Call again with more bytes, or with [`Input::Quiet`]. With `Quiet` only an empty buffer gives this answer.
    NeedsMore,
}

/// A complete entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How many bytes to take from the front of the buffer, final newline included; 0 where all was discarded.
    pub bytes: usize,
    /// Length of the whole entry, with what was [discarded](Splitter::discard) of it before.
    pub length: u64,
    /// Begins with a header that may have been planted inside a statement.
    pub suspect: bool,
    /// Not the start of an entry: lines without a header in a general log, or the rest of a line that was taken
    /// unfinished.
    pub partial: bool,
}

/// Where a message that is too long is cut: at most `bytes_max`, and not inside a character.
pub fn boundary(message: &[u8], bytes_max: usize) -> usize {
    let end = message.len().min(bytes_max);
    let start = (end.saturating_sub(3)..=end).rev().find(|at| message.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80));
    start.unwrap_or(end)
}

/// The cutter of one log stream.
#[derive(Clone, Debug)]
pub struct Splitter {
    format: Option<Format>,
    /// As the running entry has changed it.
    current: State,
    /// As it was after the last complete entry.
    state: State,
    running: Option<Running>,
}

impl Splitter {
    /// `format`: `None` tells a general or slow log by its headers; with `Json`, `Pattern` or `Text` every line is an entry, with
    /// `General` or `Slow` lines before the first header are `partial`. `state`: [`State::default`] at the start of a file, else
    /// what [`Splitter::state`] told at the place where the buffer will begin.
    pub fn new(format: Option<Format>, state: State) -> Splitter {
        Splitter { format, current: state, state, running: None }
    }

    /// What has to be remembered, with the position behind the last complete entry, to go on there in a new
    /// `Splitter`.
    pub fn state(&self) -> State {
        self.state
    }

    /// Looks at the buffer, which begins where the last `Entry`, `Skip` or [discard](Splitter::discard) ended, and has
    /// grown at its end only.
    pub fn next(&mut self, buffer: &[u8], input: Input) -> Cut {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => match self.start(buffer, input) {
                Start::Runs(running) => running,
                Start::Empty(bytes) => return Cut::Skip(bytes),
                Start::Unclear => return Cut::NeedsMore,
            },
        };
        match running.advance(&self.current, buffer, input) {
            Step::Ended(next) => Cut::Entry(self.finish(&running, next)),
            Step::Unclear => {
                self.running = Some(running);
                Cut::NeedsMore
            }
        }
    }

    /// How many bytes at the front of the buffer belong to the running entry for certain.
    pub fn certain(&self) -> usize {
        self.running.as_ref().map_or(0, Running::certain)
    }

    /// Forgets the bytes that are certain and answers how many they were: the caller takes them from the front of its
    /// buffer, keeps of them what it wants, and calls [`Splitter::next`] as before to learn where the entry ends.
    pub fn discard(&mut self) -> usize {
        self.running.as_mut().map_or(0, Running::discard)
    }

    fn start(&mut self, buffer: &[u8], input: Input) -> Start {
        let Some(line) = line_at(buffer, 0, input) else { return Start::Unclear };
        let rest_of_a_line = std::mem::take(&mut self.current.mid_line);
        if matches!(line.text, [] | [b'\r']) {
            self.state = self.current;
            return Start::Empty(line.end);
        }
        let continues = match self.current.mode {
            Mode::General(_) => Kind::Continuation(Log::General),
            Mode::Slow => Kind::Continuation(Log::Slow),
            Mode::Error => Kind::Continuation(Log::Error),
            Mode::Lines => Kind::Line { partial: rest_of_a_line },
        };
        Start::Runs(match self.format {
            Some(Format::Json | Format::Pattern | Format::Text) => {
                Running::new(Kind::Line { partial: rest_of_a_line }, &line)
            }
            _ if rest_of_a_line => Running::new(continues, &line),
            Some(Format::General | Format::Slow | Format::Error | Format::Audit) | None => {
                match self.start_line(&line, continues, buffer, input) {
                    Some(running) => running,
                    None => return Start::Unclear,
                }
            }
        })
    }

    /// `None` where the next line decides and is not there yet.
    fn start_line(&mut self, line: &Line<'_>, continues: Kind, buffer: &[u8], input: Input) -> Option<Running> {
        let mark = byte_order_mark(line.text);
        let text = line.text.get(mark..).unwrap_or_default();
        if let Some(header) = header(text).filter(|_| matches!(self.format, None | Some(Format::General))) {
            let suspect = self.current.enter(&header, text);
            return Some(Running::of_header(&header, mark, suspect, line));
        }
        if matches!(self.format, None | Some(Format::Audit)) && audit::begins(text) {
            return Some(Running::new(Kind::Audit, line));
        }
        if matches!(self.format, None | Some(Format::Slow)) {
            let bare = Line { text, ..*line };
            let is_slow = if self.current.mode == Mode::Slow || self.format == Some(Format::Slow) {
                slow::is_header_line(text)
            } else {
                slow_begins(&bare, buffer, input)?
            };
            if is_slow {
                let suspect = self.current.enter_slow();
                return Some(Running::of_slow_headers(suspect, line));
            }
        }
        if matches!(self.format, None | Some(Format::Error))
            && let Some(beginning) = error::begins(text)
        {
            self.current.mode = Mode::Error;
            return Some(Running::new(Kind::Error { deadlock: beginning == error::Beginning::Deadlock }, line));
        }
        if let Some(banner) = banner_line(text) {
            if banner == BannerLine::Program {
                self.current.mode.restart();
            }
            return Some(Running::new(Kind::Banner(banner), line));
        }
        let kind = match self.format {
            Some(Format::General) => Kind::Continuation(Log::General),
            Some(Format::Slow) => Kind::Continuation(Log::Slow),
            Some(Format::Error) => Kind::Continuation(Log::Error),
            Some(Format::Audit | Format::Json | Format::Pattern | Format::Text) | None => continues,
        };
        Some(Running::new(kind, line))
    }

    fn finish(&mut self, running: &Running, next: Next) -> Entry {
        let mut entry = running.entry();
        entry.suspect |= running.is_stamped && self.current.leave(next.stamp);
        self.current.mid_line = running.in_line;
        self.current.suspect_next = next.suspect;
        self.current.ahead_debt_bytes = running.ahead_debt_bytes(self.current.ahead_debt_bytes);
        self.state = self.current;
        entry
    }
}

enum Start {
    Runs(Running),
    /// An empty line of so many bytes.
    Empty(usize),
    Unclear,
}

/// A line that can be judged.
struct Line<'a> {
    /// Without its newline; what there is of it where it is unfinished.
    text: &'a [u8],
    /// Where the next line begins, or the buffer ends.
    end: usize,
    /// Its newline is there.
    whole: bool,
}

/// The line at `at`, once enough of it is there.
fn line_at(buffer: &[u8], at: usize, input: Input) -> Option<Line<'_>> {
    let rest = buffer.get(at..).filter(|rest| !rest.is_empty())?;
    match memchr(b'\n', rest) {
        Some(length) => Some(Line { text: rest.get(..length)?, end: at + length + 1, whole: true }),
        None if input == Input::Quiet || rest.len() >= JUDGED_BYTES_MIN => {
            Some(Line { text: rest, end: buffer.len(), whole: false })
        }
        None => None,
    }
}
