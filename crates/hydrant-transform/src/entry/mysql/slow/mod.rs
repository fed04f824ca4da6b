//! The slow query log: every layout of MySQL 5.0 to 9.x, MariaDB and Percona Server.
//!
//! ```text
//! # Time: 2026-11-23T03:06:05.222163Z
//! # User@Host: root[root] @ localhost []  Id:    32
//! # Query_time: 0.200490  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1
//! use app_db;
//! SET timestamp=1795403165;
//! SELECT SLEEP(0.2);
//! ```
//!
//! Header lines begin with `#` and hold `name: value` pairs, in any order and number: what nobody has listed is kept by
//! its name. The server adds `;` to each statement and escapes nothing, so the statement is all the rest. An entry is
//! known by its `Query_time`, which every version writes. What is not read as a field is kept as
//! [`SlowEntry::other_lines`].

mod header;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use memchr::memchr;

pub(crate) use header::{begins, is_bare_header_line, is_confirmed, is_header_line, is_time_line, is_user_line};

use super::general::{Stamp, byte_order_mark};
use header::Headers;

/// One entry, borrowed from its bytes. What a version does not write, or writes empty, is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlowEntry<'a> {
    /// When it was logged. A legacy stamp is whole seconds; [`SlowEntry::fraction_micros`] has the rest.
    pub stamp: Option<Stamp<'a>>,
    pub fraction_micros: i64,
    /// The connection's id: `Id` or `Thread_id`.
    pub thread_id: Option<u64>,
    /// The same as it stands there.
    pub thread_id_text: &'a [u8],
    /// The name that the client gave.
    pub user: Option<&'a [u8]>,
    /// The user of the matching account, in brackets in the log.
    pub account: Option<&'a [u8]>,
    pub host: Option<&'a [u8]>,
    /// An address as a rule; MariaDB's events have a name here.
    pub ip: Option<&'a [u8]>,
    /// From `use` in this entry, else from `Schema`.
    pub database: Option<Cow<'a, [u8]>>,
    /// Every other `name: value`, in the order of the log.
    pub fields: Vec<(&'a str, &'a [u8])>,
    /// Lines of `# explain:`, without that word.
    pub explain: Vec<&'a [u8]>,
    /// MariaDB's warnings: `Warning 1365 Division by 0`.
    pub warnings: Vec<&'a [u8]>,
    /// Header lines that are none of these.
    pub other_lines: Vec<&'a [u8]>,
    /// Of `SET …timestamp=…`, as they stand there.
    pub set: Vec<(&'a str, &'a [u8])>,
    /// The command of an entry without a statement: `Quit`.
    pub administrator_command: Option<&'a [u8]>,
    /// Without the `;` and the newline that the server adds.
    pub statement: &'a [u8],
}

/// Stands before the command of an entry without a statement.
pub(crate) const ADMINISTRATOR: &[u8] = b"# administrator command: ";

/// Reads one entry: `None` when the message does not begin with the header of one.
pub fn parse(message: &[u8]) -> Option<SlowEntry<'_>> {
    let text = message.get(byte_order_mark(message)..)?;
    if !is_header_line(text) {
        return None;
    }
    let mut entry = SlowEntry::default();
    let mut headers = Headers::default();
    let mut rest = text;
    while rest.starts_with(b"#") && !rest.starts_with(ADMINISTRATOR) || is_bare_header_line(rest) {
        let (line, after) = line(rest);
        headers.line(line, &mut entry);
        rest = after;
    }
    if !headers.has_query_time {
        return None;
    }
    entry.statement(rest);
    Some(entry)
}

/// The first line without its newline, and what follows.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', text).unwrap_or(text.len());
    let (line, after) = text.split_at(end);
    (line.strip_suffix(b"\r").unwrap_or(line), after.get(1..).unwrap_or_default())
}

impl<'a> SlowEntry<'a> {
    /// Whether it only sums up entries that `log_throttle_queries_not_using_indexes` kept out: its text is no statement.
    pub fn is_throttle_summary(&self) -> bool {
        self.statement.starts_with(b"throttle: ") && self.statement.ends_with(b" warning(s) suppressed.")
    }

    /// What stands behind the headers.
    fn statement(&mut self, text: &'a [u8]) {
        let mut rest = text;
        let (first, after) = line(rest);
        if let Some(database) = use_line(first).filter(|_| !after.trim_ascii().is_empty()) {
            self.database = Some(database);
            rest = after;
        }
        let (first, after) = line(rest);
        if let Some(set) = set_line(first) {
            self.set = set;
            rest = after;
        }
        if let Some(command) = rest.strip_prefix(ADMINISTRATOR) {
            let (command, _) = line(command);
            self.administrator_command = Some(command.strip_suffix(b";").unwrap_or(command));
            return;
        }
        let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
        let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
        self.statement = rest.strip_suffix(b";").unwrap_or(rest);
    }
}

/// The database of ``use `name`;``.
fn use_line(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (keyword, name) = line.split_at_checked(4)?;
    let name = name.strip_suffix(b";")?.trim_ascii();
    if !keyword.eq_ignore_ascii_case(b"use ") || name.is_empty() {
        return None;
    }
    Some(match name.strip_prefix(b"`").and_then(|name| name.strip_suffix(b"`")) {
        Some(quoted) if memchr(b'`', quoted).is_none() => Cow::Borrowed(quoted),
        // A backtick in the name is written twice.
        Some(quoted) => {
            let mut skip = false;
            Cow::Owned(
                quoted
                    .iter()
                    .copied()
                    .filter(|byte| {
                        skip = *byte == b'`' && !skip;
                        !skip
                    })
                    .collect(),
            )
        }
        None => Cow::Borrowed(name),
    })
}

/// The assignments of `SET last_insert_id=5,insert_id=6,timestamp=1795403165;`. Another `SET` is a statement.
fn set_line(line: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let assignments = line.strip_prefix(b"SET ")?.strip_suffix(b";")?;
    let names = ["last_insert_id", "insert_id", "timestamp"];
    assignments
        .split(|byte| *byte == b',')
        .map(|assignment| {
            let equals = memchr(b'=', assignment)?;
            let (name, value) = (assignment.get(..equals)?, assignment.get(equals + 1..)?);
            let name = names.into_iter().find(|known| known.as_bytes() == name)?;
            let is_number = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
            is_number.then_some((name, value))
        })
        .collect()
}
