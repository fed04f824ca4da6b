//! The entry at the front of the buffer while its end is not found: line by line, each byte once.

use memchr::{memchr, memchr_iter};

use super::ahead::{AHEAD_BYTES_MAX, AHEAD_PER_BYTE, Ahead, Verdict};
use super::state::stamp_micros;
use super::{Entry, Input, Line, State, line_at};
use crate::entry::mysql::general::{
    BannerLine, Header, Layout, banner_line, header, is_whole_account, may_become_header,
};
use crate::entry::mysql::{audit, error, slow};
use crate::sql::lexer::Lexer;

/// So many headers of another layout in one entry are no longer text: the log must have changed its layout, though no
/// banner said so. Without this bound one odd line would swallow the rest of a log.
pub const FOREIGN_HEADERS_MAX: u32 = 64;

/// A record of the audit log has one line, unless a user's name holds newlines. What is no record after so many is a
/// line of another file and some that were taken with it.
pub const RECORD_LINES_MAX: usize = 8;

/// Lines without a stamp belong to an entry of the error log until it has so many bytes. A stack trace or a dump of
/// deadlocks has less; more are lines of a file that only began like an error log.
pub const ERROR_BYTES_MAX: u64 = 256 * 1024;

/// An account is held so long to see whether it is complete. The longest, with a name of 384 bytes, is much shorter.
const ACCOUNT_BYTES_MAX: usize = 4096;

/// What began at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry of the general log.
    Header(Argument),
    /// Header lines of an entry of the slow log; `user`: that of `# User@Host` is among them.
    SlowHeaders { user: bool },
    /// What follows them; `sql`: it is a statement, so quotes count.
    SlowStatement { sql: bool },
    /// A record of the audit log; a user's name in it may hold a newline.
    Audit,
    /// An entry of the error log; `deadlock`: a dump whose parts may have stamps of their own.
    Error { deadlock: bool },
    /// Lines of a log without a header. What is open in them is not known, so any header ends them.
    Continuation(Log),
    /// The last banner line so far.
    Banner(BannerLine),
    /// A line that is an entry.
    Line { partial: bool },
}

/// The logs whose entries have several lines as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    General,
    Slow,
    Error,
}

/// What stands behind the command of a general log's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// A statement, so quotes count.
    Sql,
    /// The user's name in it may hold a newline.
    Account,
    Other,
}

/// An entry whose end is not found yet. Offsets count from the front of the buffer.
#[derive(Clone, Debug)]
pub(super) struct Running {
    kind: Kind,
    suspect: bool,
    /// Its header has a stamp.
    pub(super) is_stamped: bool,
    /// All before belongs to the entry.
    pub(super) at: usize,
    /// `at` is in the middle of a line of the entry, not at the start of a line that is to be judged.
    pub(super) in_line: bool,
    lexer: Lexer,
    /// How far the lexer has read; behind an account's header that is its end.
    lexed: usize,
    /// Headers before this place are text, a look-ahead has found.
    text_until: usize,
    /// The look-ahead from the header at `at`, while it waits for bytes.
    ahead: Option<Ahead>,
    foreign_headers: u32,
    /// The last byte before `at` that ends no line.
    last: u8,
    discarded_bytes: u64,
    read_ahead_bytes: u64,
}

pub(super) enum Step {
    /// The entry ends at `at`.
    Ended(Next),
    Unclear,
}

/// What begins behind an entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Next {
    pub(super) suspect: bool,
    /// Of its header.
    pub(super) stamp: Option<i64>,
}

enum Judgement {
    Belongs,
    Begins(Next),
    Unclear,
}

impl Running {
    /// Begins with a line that is no header.
    pub(super) fn new(kind: Kind, first: &Line<'_>) -> Running {
        Running {
            kind,
            suspect: false,
            is_stamped: false,
            at: first.end,
            in_line: !first.whole,
            lexer: Lexer::default(),
            lexed: 0,
            text_until: 0,
            ahead: None,
            foreign_headers: 0,
            last: last_byte(first.text).unwrap_or(b'\n'),
            discarded_bytes: 0,
            read_ahead_bytes: 0,
        }
    }

    /// Begins with a header line of the slow log.
    pub(super) fn of_slow_headers(suspect: bool, first: &Line<'_>) -> Running {
        let user = slow::is_user_line(first.text);
        Running { suspect, ..Running::new(Kind::SlowHeaders { user }, first) }
    }

    /// Begins with a header that stands `skipped` bytes into its line.
    pub(super) fn of_header(header: &Header, skipped: usize, suspect: bool, first: &Line<'_>) -> Running {
        let argument = match header.command {
            "Query" | "Execute" | "Prepare" | "Bulk_execute" => Argument::Sql,
            "Connect" | "Change user" => Argument::Account,
            _ => Argument::Other,
        };
        let lexed = skipped + header.argument;
        let is_stamped = !header.stamp.is_empty();
        Running { suspect, is_stamped, lexed, ..Running::new(Kind::Header(argument), first) }
    }

    pub(super) fn entry(&self) -> Entry {
        Entry {
            bytes: self.at,
            length: self.length(),
            suspect: self.suspect,
            partial: matches!(self.kind, Kind::Continuation(_) | Kind::Line { partial: true }),
        }
    }

    fn length(&self) -> u64 {
        self.discarded_bytes + length(self.at)
    }

    /// Of the bytes read ahead, those that are not yet worked off, if `before` of them were not when the entry began.
    pub(super) fn ahead_debt_bytes(&self, before: u64) -> u64 {
        (before + self.read_ahead_bytes).saturating_sub(self.length().saturating_mul(AHEAD_PER_BYTE))
    }

    /// Looks for the end of the entry. Where it is unclear, the lexer has read all that is certain.
    pub(super) fn advance(&mut self, state: &State, buffer: &[u8], input: Input) -> Step {
        loop {
            if self.in_line {
                let rest = buffer.get(self.at..).unwrap_or_default();
                let Some(place) = memchr(b'\n', rest) else {
                    self.last = last_byte(rest).unwrap_or(self.last);
                    self.at = buffer.len();
                    return self.out_of_bytes(buffer, input);
                };
                self.last = rest.get(..place).and_then(last_byte).unwrap_or(self.last);
                self.at += place + 1;
                self.in_line = false;
            }
            let is_whole = match self.kind {
                Kind::Line { .. } | Kind::Banner(BannerLine::Columns) => true,
                Kind::Audit => self.is_whole_record(buffer),
                Kind::Header(_)
                | Kind::SlowHeaders { .. }
                | Kind::SlowStatement { .. }
                | Kind::Error { .. }
                | Kind::Continuation(_)
                | Kind::Banner(_) => false,
            };
            if is_whole {
                return Step::Ended(Next::default());
            }
            let Some(line) = line_at(buffer, self.at, input) else { return self.out_of_bytes(buffer, input) };
            match self.judge(&line, state, buffer, input) {
                Judgement::Belongs => {
                    self.last = last_byte(line.text).unwrap_or(self.last);
                    self.at = line.end;
                    self.in_line = !line.whole;
                }
                Judgement::Begins(next) => return Step::Ended(next),
                Judgement::Unclear => {
                    self.lex(buffer);
                    return Step::Unclear;
                }
            }
        }
    }

    /// Forgets what is certain, which the caller takes from its buffer.
    pub(super) fn discard(&mut self) -> usize {
        let bytes = self.certain();
        self.at -= bytes;
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
            Input::Quiet => Step::Ended(Next::default()),
            Input::Open => {
                self.lex(buffer);
                Step::Unclear
            }
        }
    }

    /// Whether the line at `at` belongs to the entry.
    fn judge(&mut self, line: &Line<'_>, state: &State, buffer: &[u8], input: Input) -> Judgement {
        if let Kind::Banner(last) = self.kind {
            return match banner_line(line.text) {
                Some(next) if next > last => {
                    self.kind = Kind::Banner(next);
                    Judgement::Belongs
                }
                _ => Judgement::Begins(Next::default()),
            };
        }
        if let Kind::SlowHeaders { user } = self.kind {
            return self.slow_header(line, user, buffer, input);
        }
        let grammar = match self.kind {
            Kind::Audit => Grammar::Audit,
            Kind::SlowStatement { .. } | Kind::Continuation(Log::Slow) => Grammar::Slow,
            Kind::Error { .. } | Kind::Continuation(Log::Error) => return self.judge_error(line),
            Kind::Header(_)
            | Kind::SlowHeaders { .. }
            | Kind::Continuation(Log::General)
            | Kind::Banner(_)
            | Kind::Line { .. } => Grammar::General(state.mode.layout()),
        };
        let Some(beginning) = begins(grammar, line, buffer, input) else { return Judgement::Unclear };
        match beginning {
            Beginning::None => Judgement::Belongs,
            Beginning::Foreign => {
                self.foreign_headers += 1;
                if self.foreign_headers < FOREIGN_HEADERS_MAX {
                    Judgement::Belongs
                } else {
                    Judgement::Begins(Next { suspect: true, stamp: None })
                }
            }
            Beginning::Entry { stamp } if self.kind.is_sql() => self.weigh(grammar, stamp, state, buffer, input),
            Beginning::Entry { stamp } => Judgement::Begins(Next { suspect: self.is_torn_account(buffer), stamp }),
        }
    }

    /// Whether a user's name goes on where a header stands.
    fn is_torn_account(&self, buffer: &[u8]) -> bool {
        let is_held = self.kind == Kind::Header(Argument::Account) && self.discarded_bytes == 0;
        is_held && !is_whole_account(buffer.get(self.lexed..self.at).unwrap_or_default())
    }

    /// Whether the lines so far are a record of the audit log, or so many, or so long, that they count as one.
    fn is_whole_record(&self, buffer: &[u8]) -> bool {
        let lines = || buffer.get(..self.at).unwrap_or_default();
        !self.may_be_reread()
            || audit::parse(lines()).is_some()
            || memchr_iter(b'\n', lines()).count() >= RECORD_LINES_MAX
    }

    /// A record or an account is read as a whole after each of its lines, while it is short.
    fn may_be_reread(&self) -> bool {
        let bytes_max = if self.kind == Kind::Audit { AHEAD_BYTES_MAX } else { ACCOUNT_BYTES_MAX };
        let is_read_whole = matches!(self.kind, Kind::Audit | Kind::Header(Argument::Account));
        is_read_whole && self.discarded_bytes == 0 && self.at <= bytes_max
    }

    /// How many bytes at the front of the buffer belong to the entry, and are not needed again.
    pub(super) fn certain(&self) -> usize {
        if self.may_be_reread() { 0 } else { self.at }
    }

    /// A line of an error log: a deadlock's dump holds its parts together, whatever is stamped in it.
    fn judge_error(&mut self, line: &Line<'_>) -> Judgement {
        let is_full = self.length() >= ERROR_BYTES_MAX;
        let deadlock = self.kind == Kind::Error { deadlock: true };
        match error::begins(line.text) {
            None if is_full => Judgement::Begins(Next::default()),
            None => Judgement::Belongs,
            Some(error::Beginning::DeadlockPart) if deadlock && !is_full => Judgement::Belongs,
            Some(error::Beginning::DeadlockEnd) if deadlock => {
                self.kind = Kind::Error { deadlock: false };
                Judgement::Belongs
            }
            Some(_) => Judgement::Begins(Next::default()),
        }
    }

    /// A line behind the headers of a slow log's entry: one more of them, its statement, or the headers of the next entry:
    /// time and user come once, the time first.
    fn slow_header(&mut self, line: &Line<'_>, user: bool, buffer: &[u8], input: Input) -> Judgement {
        if banner_line(line.text) == Some(BannerLine::Program) {
            return Judgement::Begins(Next::default());
        }
        let is_user = slow::is_user_line(line.text);
        if is_user && user || slow::is_time_line(line.text) {
            match slow_begins(line, buffer, input) {
                Some(true) => return Judgement::Begins(Next::default()),
                Some(false) => {}
                None => return Judgement::Unclear,
            }
        }
        self.kind = Kind::SlowHeaders { user: user || is_user };
        let is_command = line.text.starts_with(slow::ADMINISTRATOR);
        if is_command || !(line.text.starts_with(b"#") || slow::is_bare_header_line(line.text)) {
            self.kind = Kind::SlowStatement { sql: !is_command };
            self.lexed = self.at;
        }
        Judgement::Belongs
    }

    /// Whether the header at `at` is text of the running statement.
    fn weigh(&mut self, grammar: Grammar, stamp: Option<i64>, state: &State, buffer: &[u8], input: Input) -> Judgement {
        if self.at < self.text_until {
            return Judgement::Belongs;
        }
        self.lex(buffer);
        if !self.lexer.open().spans_lines() {
            return Judgement::Begins(Next { suspect: false, stamp });
        }
        if !grammar.may_follow(self.last) {
            return Judgement::Belongs;
        }
        let debt = self.ahead_debt_bytes(state.ahead_debt_bytes);
        let begin = || Ahead::new(self.at, stamp, self.lexer, self.last, debt, state);
        let mut ahead = self.ahead.take().unwrap_or_else(begin);
        let verdict = ahead.look(grammar, state, buffer, input);
        if matches!(verdict, Verdict::Unclear) {
            self.ahead = Some(ahead);
            return Judgement::Unclear;
        }
        self.read_ahead_bytes += ahead.bytes;
        match verdict {
            Verdict::TextUntil { place, doubtful } => {
                self.text_until = place;
                self.suspect |= doubtful;
                Judgement::Belongs
            }
            Verdict::Entry | Verdict::Unclear => Judgement::Begins(Next { suspect: true, stamp }),
        }
    }

    /// Brings the lexer up to `at`.
    fn lex(&mut self, buffer: &[u8]) {
        if self.kind.is_sql() && self.lexed < self.at {
            self.lexer.feed(buffer.get(self.lexed..self.at).unwrap_or_default());
            self.lexed = self.at;
        }
    }
}

impl Kind {
    fn is_sql(self) -> bool {
        matches!(self, Kind::Header(Argument::Sql) | Kind::SlowStatement { sql: true })
    }
}

/// What begins an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grammar {
    /// A header of this layout, or of any.
    General(Option<Layout>),
    Slow,
    Audit,
}

impl Grammar {
    /// Whether, where a quote is open, a header may begin an entry behind a line that ends with this byte: a slow log's
    /// server ends every statement with `;`. Tools that copy logs leave it out, so it is asked for nowhere else.
    pub(super) fn may_follow(self, last: u8) -> bool {
        match self {
            Grammar::General(_) | Grammar::Audit => true,
            Grammar::Slow => last == b';',
        }
    }
}

/// The last byte of a text that ends no line.
pub(super) fn last_byte(text: &[u8]) -> Option<u8> {
    text.iter().rev().copied().find(|byte| !matches!(byte, b'\r' | b'\n'))
}

/// What a line inside a log looks like.
pub(super) enum Beginning {
    None,
    /// A header of the stream's layout, with its stamp; or a banner's first line.
    Entry {
        stamp: Option<i64>,
    },
    /// A header of another layout.
    Foreign,
}

/// Judges a line of the buffer; `None` where the next line decides and is not there yet.
pub(super) fn begins(grammar: Grammar, line: &Line<'_>, buffer: &[u8], input: Input) -> Option<Beginning> {
    let is_header = match grammar {
        Grammar::General(layout) => match header(line.text) {
            Some(header) if layout.is_none_or(|layout| header.fits(layout)) => {
                return Some(Beginning::Entry { stamp: stamp_micros(&header, line.text) });
            }
            Some(_) => return Some(Beginning::Foreign),
            None => !line.whole && may_become_header(line.text, layout),
        },
        Grammar::Slow => slow_begins(line, buffer, input)?,
        Grammar::Audit => audit::begins(line.text),
    };
    let begins = is_header || banner_line(line.text) == Some(BannerLine::Program);
    Some(if begins { Beginning::Entry { stamp: None } } else { Beginning::None })
}

/// Whether an entry of the slow log begins with this line: the one after it must look so too, where there is one.
pub(super) fn slow_begins(line: &Line<'_>, buffer: &[u8], input: Input) -> Option<bool> {
    if !slow::begins(line.text) {
        return Some(false);
    }
    match line_at(buffer, line.end, input) {
        Some(next) => Some(slow::is_confirmed(line.text, next.text)),
        None if input == Input::Quiet => Some(true),
        None => None,
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
