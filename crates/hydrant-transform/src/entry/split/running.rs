//! The entry at the front of the buffer while its end is not found: line by line, each byte once.

use memchr::memchr;

use super::ahead::{Ahead, Verdict};
use super::{Entry, Input, Line, line_at};
use crate::entry::mysql::general::{BannerLine, Header, StampForm, banner_line, header};
use crate::sql::lexer::Lexer;

/// So many headers of the other form in one entry are no longer text: the log must have changed its form, though no
/// banner said so. Without this bound one odd line would swallow the rest of a log.
pub const FOREIGN_HEADERS_MAX: u32 = 64;

/// What began at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry of the general log; `sql`: its argument is a statement, so quotes count.
    Header { sql: bool },
    /// Lines of a general log without a header. What is open in them is not known, so any header ends them.
    Continuation,
    /// The last banner line so far.
    Banner(BannerLine),
    /// A line that is an entry.
    Line { partial: bool },
}

/// An entry whose end is not found yet. Offsets count from the front of the buffer.
#[derive(Clone, Debug)]
pub(super) struct Running {
    kind: Kind,
    suspect: bool,
    /// All before belongs to the entry.
    pub(super) at: usize,
    /// `at` is in the middle of a line of the entry, not at the start of a line that is to be judged.
    pub(super) in_line: bool,
    lexer: Lexer,
    /// How far the lexer has read.
    lexed: usize,
    /// Headers before this place are text, a look-ahead has found.
    text_until: usize,
    /// The look-ahead from the header at `at`, while it waits for bytes.
    ahead: Option<Ahead>,
    foreign_headers: u32,
    discarded_bytes: u64,
}

pub(super) enum Step {
    /// The entry ends at `at`.
    Ended {
        suspect_next: bool,
    },
    Unclear,
}

enum Judgement {
    Belongs,
    Begins { suspect: bool },
    Unclear,
}

impl Running {
    /// Begins with a line that is no header.
    pub(super) fn new(kind: Kind, first: &Line<'_>) -> Running {
        Running {
            kind,
            suspect: false,
            at: first.end,
            in_line: !first.whole,
            lexer: Lexer::default(),
            lexed: 0,
            text_until: 0,
            ahead: None,
            foreign_headers: 0,
            discarded_bytes: 0,
        }
    }

    /// Begins with a header that stands `skipped` bytes into its line.
    pub(super) fn of_header(header: &Header, skipped: usize, suspect: bool, first: &Line<'_>) -> Running {
        let sql = matches!(header.command, "Query" | "Execute" | "Prepare" | "Bulk_execute");
        let lexed = skipped + header.argument;
        Running { suspect, lexed, ..Running::new(Kind::Header { sql }, first) }
    }

    pub(super) fn entry(&self) -> Entry {
        Entry {
            bytes: self.at,
            length: self.discarded_bytes + length(self.at),
            suspect: self.suspect,
            partial: matches!(self.kind, Kind::Continuation | Kind::Line { partial: true }),
        }
    }

    /// Looks for the end of the entry. Where it is unclear, the lexer has read all that is certain.
    pub(super) fn advance(&mut self, form: Option<StampForm>, buffer: &[u8], input: Input) -> Step {
        loop {
            if self.in_line {
                let rest = buffer.get(self.at..).unwrap_or_default();
                let Some(place) = memchr(b'\n', rest) else {
                    self.at = buffer.len();
                    return self.out_of_bytes(buffer, input);
                };
                self.at += place + 1;
                self.in_line = false;
            }
            if matches!(self.kind, Kind::Line { .. } | Kind::Banner(BannerLine::Columns)) {
                return Step::Ended { suspect_next: false };
            }
            let Some(line) = line_at(buffer, self.at, input) else { return self.out_of_bytes(buffer, input) };
            match self.judge(&line, form, buffer, input) {
                Judgement::Belongs => {
                    self.at = line.end;
                    self.in_line = !line.whole;
                }
                Judgement::Begins { suspect } => return Step::Ended { suspect_next: suspect },
                Judgement::Unclear => {
                    self.lex(buffer);
                    return Step::Unclear;
                }
            }
        }
    }

    /// Forgets what is certain, which the caller takes from its buffer.
    pub(super) fn discard(&mut self) -> usize {
        let bytes = std::mem::take(&mut self.at);
        self.discarded_bytes += length(bytes);
        self.lexed = self.lexed.saturating_sub(bytes);
        self.text_until = self.text_until.saturating_sub(bytes);
        if let Some(ahead) = &mut self.ahead {
            ahead.shift(bytes);
        }
        bytes
    }

    fn out_of_bytes(&mut self, buffer: &[u8], input: Input) -> Step {
        match input {
            Input::Quiet => Step::Ended { suspect_next: false },
            Input::Open => {
                self.lex(buffer);
                Step::Unclear
            }
        }
    }

    /// Whether the line at `at` belongs to the entry.
    fn judge(&mut self, line: &Line<'_>, form: Option<StampForm>, buffer: &[u8], input: Input) -> Judgement {
        if let Kind::Banner(last) = self.kind {
            return match banner_line(line.text) {
                Some(next) if next > last => {
                    self.kind = Kind::Banner(next);
                    Judgement::Belongs
                }
                _ => Judgement::Begins { suspect: false },
            };
        }
        match begins(line.text, form) {
            Beginning::None => Judgement::Belongs,
            Beginning::Foreign => {
                self.foreign_headers += 1;
                if self.foreign_headers < FOREIGN_HEADERS_MAX {
                    Judgement::Belongs
                } else {
                    Judgement::Begins { suspect: true }
                }
            }
            Beginning::Entry if self.kind == (Kind::Header { sql: true }) => self.weigh(form, buffer, input),
            Beginning::Entry => Judgement::Begins { suspect: false },
        }
    }

    /// Whether the header at `at` is text of the running statement.
    fn weigh(&mut self, form: Option<StampForm>, buffer: &[u8], input: Input) -> Judgement {
        if self.at < self.text_until {
            return Judgement::Belongs;
        }
        self.lex(buffer);
        if !self.lexer.open().spans_lines() {
            return Judgement::Begins { suspect: false };
        }
        let mut ahead = self.ahead.take().unwrap_or_else(|| Ahead::new(self.at, self.lexer));
        match ahead.look(form, buffer, input) {
            Verdict::TextUntil(place) => {
                self.text_until = place;
                Judgement::Belongs
            }
            Verdict::Entry => Judgement::Begins { suspect: true },
            Verdict::Unclear => {
                self.ahead = Some(ahead);
                Judgement::Unclear
            }
        }
    }

    /// Brings the lexer up to `at`.
    fn lex(&mut self, buffer: &[u8]) {
        if self.kind == (Kind::Header { sql: true }) && self.lexed < self.at {
            self.lexer.feed(buffer.get(self.lexed..self.at).unwrap_or_default());
            self.lexed = self.at;
        }
    }
}

/// What a line inside a general log looks like.
pub(super) enum Beginning {
    None,
    /// A header of the stream's form, or a banner's first line.
    Entry,
    /// A header of the other form.
    Foreign,
}

pub(super) fn begins(line: &[u8], form: Option<StampForm>) -> Beginning {
    match header(line) {
        Some(header) if form.is_none_or(|form| form == header.form) => Beginning::Entry,
        Some(_) => Beginning::Foreign,
        None if banner_line(line) == Some(BannerLine::Program) => Beginning::Entry,
        None => Beginning::None,
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
