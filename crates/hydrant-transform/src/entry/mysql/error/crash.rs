//! What the server writes when it has crashed: the signal, and the statement that was running.

use memchr::{memchr, memmem};

/// The parts of a crash report that can be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash<'a> {
    pub signal: u64,
    /// The connection whose statement ran.
    pub thread_id: Option<u64>,
    /// Its statement. The server writes at most 1,024 bytes of it.
    pub statement: Option<&'a [u8]>,
}

/// Stands behind the statement.
const CONNECTION: &[u8] = b"\nConnection ID (thread ID): ";

/// Stands in place of a statement.
const UNREADABLE: &[u8] = b"is an invalid pointer";

/// `None` where the text does not begin with a crash.
pub(super) fn parse(text: &[u8]) -> Option<Crash<'_>> {
    let first = text.get(..memchr(b'\n', text).unwrap_or(text.len()))?;
    let signal = number(behind(first, b" got signal ")?)?;
    Some(Crash {
        signal,
        // The last one: a statement may hold such a line.
        thread_id: memmem::rfind(text, CONNECTION).and_then(|at| number(text.get(at + CONNECTION.len()..)?)),
        statement: statement(text),
    })
}

/// `Query (7f3a…): SELECT …`, up to the next line of the report.
fn statement(text: &[u8]) -> Option<&[u8]> {
    let query = behind(text, b"\nQuery (")?;
    let pointer = memmem::find(query, b"): ")?;
    let is_pointer = query.get(..pointer)?.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'x');
    let statement = query.get(pointer + 3..)?;
    let end = memmem::rfind(statement, CONNECTION).unwrap_or(statement.len());
    let statement = statement.get(..end)?.trim_ascii();
    // The server could not read its own memory any more.
    let is_readable = !statement.is_empty() && statement != UNREADABLE;
    (is_pointer && is_readable).then_some(statement)
}

fn behind<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    text.get(memmem::find(text, name)? + name.len()..)
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(text.get(..digits)?).ok()?.parse().ok()
}
