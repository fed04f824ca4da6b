//! Entries of the slow log.
//!
//! Numbers are numbers, `Yes` and `No` are booleans. A field has one type in all documents, whatever its value, so that
//! no index meets a conflict: durations always have a fraction, and what may hold letters is text.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Writer;
use super::conventions::Happened;
use crate::document::{Field, Log, Profile};
use crate::entry::Format;
use crate::entry::mysql::general::is_command;
use crate::entry::mysql::slow::SlowEntry;
use crate::json;
use crate::record::event::EntryOutcome;
use crate::sql::redact::{LITERAL, Redact};

/// Text although a value may consist of digits: hexadecimal numbers and names.
const TEXTS: [&str; 6] =
    ["InnoDB_trx_id", "Log_slow_rate_type", "Stored_routine", "Query_tables", "Query_digest", "Schema"];

/// Endings of the names of durations, in seconds.
const DURATIONS: [&str; 2] = ["_time", "_wait"];

const QUERY_TIME: &str = "Query_time";

/// Digits of a second's fraction in nanoseconds.
const NANOS_DIGITS: usize = 9;

impl Writer<'_> {
    /// The names of the log, in its order; user, host and database under one name each for all servers.
    pub(in crate::record) fn slow(mut self, entry: &SlowEntry<'_>) -> EntryOutcome {
        self.times(entry.stamp);
        self.system();
        if let Some(id) = entry.thread_id {
            self.pid(id);
        }
        self.texts([(Field::User, entry.user), (Field::Account, entry.account)]);
        self.client(entry.host, entry.ip);
        let database = entry.database.as_deref();
        self.database(database.filter(|_| self.options.redact != Redact::Literals || has_end(entry)));
        self.headers(entry);
        if let Some(command) = entry.administrator_command {
            // What is none of the server's names came with the statement.
            let is_shown = self.options.redact != Redact::Literals || is_command(command);
            self.text(Field::Perform, if is_shown { command } else { LITERAL });
        }
        let statement = self.shown(entry.statement);
        if entry.administrator_command.is_none() || self.profile() == Profile::Classic {
            self.text(Field::Statement, &statement);
        }
        if entry.administrator_command.is_none() && !entry.is_throttle_summary() {
            self.statement_fields(entry.statement, &statement);
        }
        self.event(Format::Slow, Happened::Access, None);
        self.related(entry.user, entry.ip.or(entry.host));
        self.metadata(|_| false);
        self.exact_bytes_around(entry.statement, &statement);
        self.end(Format::Slow)
    }

    fn headers(&mut self, entry: &SlowEntry<'_>) {
        let profile = self.profile();
        let mut written: HashSet<Cow<'_, str>> = HashSet::new();
        let mut rest: Vec<Cow<'_, [u8]>> = entry.other_lines.iter().map(|line| Cow::Borrowed(*line)).collect();
        for (name, value) in &entry.fields {
            if self.options.redact == Redact::Literals && !(is_known(name, value) && is_certain(entry, name)) {
                continue;
            }
            let shown = profile.other(Log::Slow, name);
            // A duration that is no number has no place where the profile counts nanoseconds.
            let nanos = (*name == QUERY_TIME && profile == Profile::Ecs).then(|| nanos(value));
            let free = *name == QUERY_TIME || !profile.is_ours(&shown);
            if !free || nanos == Some(None) || !written.insert(shown.clone()) {
                rest.push(Cow::Owned([name.as_bytes(), b": ", value].concat()));
                continue;
            }
            if let Some(Some(nanos)) = nanos {
                self.number(Field::QueryTime, nanos);
            } else {
                json::write_separator(self.out);
                json::write_str(self.out, &shown);
                self.out.push(b':');
                value_of(self.out, name, &self.options.redact.hide_argument(value));
            }
        }
        let lines = [
            (Field::Explain, entry.explain.join(&b'\n')),
            (Field::Warnings, entry.warnings.join(&b'\n')),
            (Field::Header, rest.join(&b'\n')),
        ];
        // Lines of text may quote what a statement said.
        for (field, lines) in lines {
            if let Some(lines) = self.options.redact.hide_text(&lines).filter(|lines| !lines.is_empty()) {
                self.text(field, &lines);
            }
        }
        for (name, value) in &entry.set {
            let field = match *name {
                "timestamp" => Field::SetTimestamp,
                "insert_id" => Field::SetInsertId,
                _ => Field::SetLastInsertId,
            };
            self.key(field);
            value_of(self.out, name, value);
        }
    }
}

/// Whether a line of the server's own ends the headers. Else a comment at the beginning of the statement looks like one.
fn has_end(entry: &SlowEntry<'_>) -> bool {
    !entry.set.is_empty()
}

/// Whether this is a header of the server's own: the first of its name is, for names that every server writes.
fn is_certain(entry: &SlowEntry<'_>, name: &str) -> bool {
    has_end(entry) || matches!(name, "Query_time" | "Lock_time" | "Rows_sent" | "Rows_examined")
}

/// A decimal number of seconds in nanoseconds; digits beyond are cut.
fn nanos(seconds: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(seconds).ok().filter(|text| is_number(text.as_bytes()))?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain("000000000".chars()).take(NANOS_DIGITS).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction.parse().ok()?)
}

/// Whether the value is a number, a yes or no, or of a name that the servers give to a text.
fn is_known(name: &str, value: &[u8]) -> bool {
    TEXTS.contains(&name) || matches!(value, b"Yes" | b"No") || is_number(value)
}

fn value_of(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    let is_text = TEXTS.contains(&name);
    match value {
        b"Yes" if !is_text => out.extend_from_slice(b"true"),
        b"No" if !is_text => out.extend_from_slice(b"false"),
        _ if !is_text && is_number(value) => {
            out.extend_from_slice(value);
            if DURATIONS.iter().any(|ending| name.ends_with(ending)) && !value.contains(&b'.') {
                out.extend_from_slice(b".0");
            }
        }
        _ => {
            json::write_lossy(out, value);
        }
    }
}

/// What JSON calls a number, without an exponent.
fn is_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let (whole, fraction) = match memchr::memchr(b'.', digits) {
        Some(point) => (digits.get(..point).unwrap_or_default(), digits.get(point + 1..)),
        None => (digits, None),
    };
    let all_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    all_digits(whole) && (whole.len() == 1 || whole.first() != Some(&b'0')) && fraction.is_none_or(all_digits)
}
