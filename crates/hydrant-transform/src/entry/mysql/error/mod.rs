//! The error log: MySQL 5.0 to 9.x, MariaDB, Percona Server, Aurora; traditional lines and the JSON sink.
//!
//! | server | line |
//! |---|---|
//! | 8.0 and later | `2026-11-23T02:54:39.101803Z 0 [Warning] [MY-010068] [Server] message` |
//! | 5.7 | `2020-08-06T14:25:03.109022Z 5 [Note] message` |
//! | MariaDB 10.1.5 and later, MySQL 5.6 | `2026-11-23  3:06:14 25 [Warning] message` |
//! | 5.6, Aurora | `2022-02-18 06:12:07 0x2b76b6e68700InnoDB: message` |
//! | up to 5.5, MariaDB up to 10.1.4 | `080721  3:04:00 [Warning] message`, `091119 22:27:11InnoDB: message` |
//! | a crash | `2026-11-23T03:11:56Z UTC - mysqld got signal 11 ;`, without a date up to 5.7 |
//!
//! An entry is such a line with all lines up to the next one: dumps, stack traces, and the rest of a message with
//! newlines have no stamp. A deadlock's dump is one entry though the server may stamp each of its parts.

mod crash;

mod deadlock;

mod sink;

#[cfg(test)]
mod tests;

use memchr::memmem;

pub use crash::Crash;
pub use deadlock::{Deadlock, Lock, TRANSACTIONS_MAX, Transaction};
pub use sink::{SinkEntry, parse_sink};

use super::general::{Stamp, byte_order_mark};
use super::shape::is_shaped;

/// One entry, borrowed from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorEntry<'a> {
    /// `None` where a crash tells only the time of day.
    pub stamp: Option<Stamp<'a>>,
    /// Connection or thread; MySQL 5.6 writes the process's id here.
    pub thread_id: Option<u64>,
    /// As it stands in the message; hexadecimal behind `0x`, or without it in MySQL 5.6.
    pub thread_id_text: &'a [u8],
    /// `System`, `ERROR`, `Warning`, `Note`.
    pub label: Option<&'a str>,
    /// `MY-010926`
    pub code: Option<&'a str>,
    /// `Server`, `InnoDB`, `Repl`, the name of a plug-in.
    pub subsystem: Option<&'a [u8]>,
    /// All the rest, inner newlines and all, without the entry's own final newline.
    pub text: &'a [u8],
}

impl<'a> ErrorEntry<'a> {
    /// The parts of a deadlock's dump.
    pub fn deadlock(&self) -> Option<Deadlock<'a>> {
        if self.is_deadlock() { deadlock::parse(self.text) } else { None }
    }

    /// What the server tells when it has crashed.
    pub fn crash(&self) -> Option<Crash<'a>> {
        crash::parse(self.text)
    }

    fn is_deadlock(&self) -> bool {
        is_deadlock(self.text)
    }
}

/// What the beginning of a line says of the entry that it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    Entry,
    /// The first line of a deadlock's dump.
    Deadlock,
    /// A further part of such a dump, which belongs to the entry that it began with.
    DeadlockPart,
    /// The last line of such a dump.
    DeadlockEnd,
}

/// Whether a line begins an entry, or goes on with a deadlock.
pub(crate) fn begins(line: &[u8]) -> Option<Beginning> {
    let head = head(line)?;
    let text = line.get(head.text..)?.trim_ascii();
    let text = text.strip_prefix(b"InnoDB:").unwrap_or(text).trim_ascii();
    Some(if text.starts_with(deadlock::ROLLED_BACK) {
        Beginning::DeadlockEnd
    } else if text.is_empty() || text.starts_with(b"***") {
        Beginning::DeadlockPart
    } else if is_deadlock(text) {
        Beginning::Deadlock
    } else {
        Beginning::Entry
    })
}

/// Reads one entry: `None` when the message does not begin with a line of the error log.
pub fn parse(message: &[u8]) -> Option<ErrorEntry<'_>> {
    let message = message.get(byte_order_mark(message)..)?;
    let head = head(message)?;
    let text = message.get(head.text..)?;
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    Some(ErrorEntry {
        stamp: head.stamp,
        thread_id: head.thread_id,
        thread_id_text: head.thread_id_text,
        label: head.label,
        code: head.code,
        subsystem: head.subsystem,
        text: text.strip_suffix(b"\r").unwrap_or(text),
    })
}

fn is_deadlock(text: &[u8]) -> bool {
    if text.trim_ascii_start().starts_with(b"*** (1) TRANSACTION:") {
        return true;
    }
    let line = text.get(..DEADLOCK_LINE_BYTES_MAX).unwrap_or(text);
    memmem::find(line, b"ransactions deadlock detected").is_some()
}

/// A deadlock is told at the beginning of an entry.
const DEADLOCK_LINE_BYTES_MAX: usize = 128;

/// The beginning of an entry's first line.
struct Head<'a> {
    stamp: Option<Stamp<'a>>,
    thread_id: Option<u64>,
    thread_id_text: &'a [u8],
    label: Option<&'a str>,
    code: Option<&'a str>,
    subsystem: Option<&'a [u8]>,
    /// Where the message begins.
    text: usize,
}

const DATE_TIME_T: &[u8] = b"0000-00-00T00:00:00";
const FRACTION: &[u8] = b".000000";
const OFFSET: &[u8] = b"00:00";
const DATE_TIME: &[u8] = b"0000-00-00 _0:00:00";
const LEGACY: &[u8] = b"000000 _0:00:00";
const TIME_OF_DAY: &[u8] = b"00:00:00";

/// The server that crashed prints its time in UTC, and says so.
const CRASH: &[u8] = b" UTC - ";

/// Behind a stamp where neither label nor thread are written.
const UNLABELLED: [&[u8]; 6] =
    [b"InnoDB: ", b"server_audit: ", b"mysqld started", b"mysqld ended", b"mysqld restarted", b"mysqld_safe "];

const LABELS: [&str; 5] = ["Note", "Warning", "ERROR", "System", "Error"];

fn head(line: &[u8]) -> Option<Head<'_>> {
    if is_shaped(line, DATE_TIME_T) {
        return rfc3339_head(line);
    }
    if is_shaped(line, DATE_TIME) {
        return local_head(line, DATE_TIME.len()).or_else(|| bare_head(line));
    }
    if is_shaped(line, LEGACY) {
        return local_head(line, LEGACY.len());
    }
    let is_crash = is_shaped(line, TIME_OF_DAY) && line.get(TIME_OF_DAY.len()..)?.starts_with(CRASH);
    is_crash.then(|| Head::unlabelled(None, TIME_OF_DAY.len() + CRASH.len()))
}

/// MySQL 5.7 and later: a thread and a label, or a crash.
fn rfc3339_head(line: &[u8]) -> Option<Head<'_>> {
    let fraction = if is_shaped(line.get(DATE_TIME_T.len()..)?, FRACTION) { FRACTION.len() } else { 0 };
    let zone = DATE_TIME_T.len() + fraction;
    let end = match line.get(zone)? {
        b'Z' => zone + 1,
        b'+' | b'-' if is_shaped(line.get(zone + 1..)?, OFFSET) => zone + 1 + OFFSET.len(),
        _ => return None,
    };
    let stamp = Some(Stamp::Rfc3339(std::str::from_utf8(line.get(..end)?).ok()?));
    if line.get(end..)?.starts_with(CRASH) {
        return Some(Head::unlabelled(stamp, end + CRASH.len()));
    }
    let (thread_id, label) = blank(line, end).map(|from| (from, digits(line, from)))?;
    Head { stamp, ..Head::unlabelled(None, 0) }.with_thread(line, thread_id, label)?.with_label(line)
}

/// Aurora stamps the parts of a deadlock with its time and a thread alone, once or twice in a row.
fn bare_stamp(line: &[u8]) -> Option<usize> {
    let mut end = 0;
    while is_shaped(line.get(end..)?, DATE_TIME) {
        let thread = line.get(end + DATE_TIME.len()..).and_then(|rest| rest.strip_prefix(b" 0x"))?;
        let digits = thread.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        // The next stamp may follow the thread at once, and its digits are hexadecimal too.
        let year = thread.iter().position(|byte| *byte == b'-').map(|dash| dash.saturating_sub(4));
        end += DATE_TIME.len() + 3 + year.map_or(digits, |year| year.min(digits));
    }
    (end > 0).then_some(end)
}

/// A deadlock's dump, or a part of one, behind nothing but such a stamp.
fn bare_head(message: &[u8]) -> Option<Head<'_>> {
    let text = bare_stamp(message)?;
    let stamp = Some(Stamp::Legacy(std::str::from_utf8(message.get(..DATE_TIME.len())?).ok()?));
    message.get(text..)?.trim_ascii_start().starts_with(b"***").then(|| Head::unlabelled(stamp, text))
}

/// Local time: a thread and a label, a label alone, or one of the programs that write neither.
fn local_head(line: &[u8], stamp_bytes: usize) -> Option<Head<'_>> {
    let stamp = Some(Stamp::Legacy(std::str::from_utf8(line.get(..stamp_bytes)?).ok()?));
    let behind = line.get(stamp_bytes..)?;
    let blanks = behind.iter().take_while(|byte| **byte == b' ').count();
    let from = stamp_bytes + blanks;
    let rest = line.get(from..)?;
    let head = Head::unlabelled(stamp, from);
    if UNLABELLED.iter().any(|name| rest.starts_with(name)) {
        return Some(head);
    }
    if blanks == 0 {
        return None;
    }
    if rest.starts_with(b"[") {
        return Head { text: from - 1, ..head }.with_label(line);
    }
    let hexadecimal = rest.strip_prefix(b"0x").unwrap_or(rest);
    let skipped = rest.len() - hexadecimal.len();
    let thread_end = from + skipped + hexadecimal.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let head = head.with_thread(line, from, thread_end)?;
    let behind = line.get(thread_end..)?;
    let unlabelled = behind.trim_ascii_start();
    if UNLABELLED.iter().any(|name| unlabelled.starts_with(name)) {
        return Some(Head { text: line.len() - unlabelled.len(), ..head });
    }
    head.with_label(line)
}

impl<'a> Head<'a> {
    fn unlabelled(stamp: Option<Stamp<'a>>, text: usize) -> Head<'a> {
        Head { stamp, thread_id: None, thread_id_text: b"", label: None, code: None, subsystem: None, text }
    }

    /// The thread from `from` to `end`: decimal; what is hexadecimal stays text.
    fn with_thread(self, line: &'a [u8], from: usize, end: usize) -> Option<Head<'a>> {
        let thread_id_text = line.get(from..end).filter(|text| !text.is_empty())?;
        let thread_id = std::str::from_utf8(thread_id_text).ok().and_then(|text| text.parse().ok());
        Some(Head { thread_id, thread_id_text, text: end, ..self })
    }

    /// ` [Label]`, and behind it ` [MY-010926] [Server]` from MySQL 8.0 on, at `text`.
    fn with_label(self, line: &'a [u8]) -> Option<Head<'a>> {
        let (label, mut text) = bracketed(line, self.text)?;
        let label = LABELS.into_iter().find(|known| known.as_bytes() == label)?;
        let (mut code, mut subsystem) = (None, None);
        if let Some((found, behind)) = bracketed(line, text).filter(|(found, _)| is_shaped(found, b"MY-000000")) {
            code = std::str::from_utf8(found).ok();
            text = behind;
            if let Some((found, behind)) = bracketed(line, text) {
                subsystem = Some(found);
                text = behind;
            }
        }
        let text = blank(line, text).unwrap_or(text);
        Some(Head { label: Some(label), code, subsystem, text, ..self })
    }
}

/// What stands in brackets behind a blank, and where it ends.
fn bracketed(line: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let inner = line.get(at..)?.strip_prefix(b" [")?;
    let window = inner.get(..BRACKETED_BYTES_MAX).unwrap_or(inner);
    let length = window.iter().position(|byte| matches!(byte, b']' | b'\n'))?;
    (inner.get(length) == Some(&b']')).then_some((inner.get(..length)?, at + 2 + length + 1))
}

/// The longest label, code or name of a plug-in, with its bracket.
const BRACKETED_BYTES_MAX: usize = 65;

/// Behind the blank at `at`.
fn blank(line: &[u8], at: usize) -> Option<usize> {
    (line.get(at) == Some(&b' ')).then_some(at + 1)
}

/// Behind the digits at `at`.
fn digits(line: &[u8], at: usize) -> usize {
    at + line.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}
