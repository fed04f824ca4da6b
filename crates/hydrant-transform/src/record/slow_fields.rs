//! The header fields of a slow log's entry as JSON members.
//!
//! Numbers are numbers, `Yes` and `No` are booleans. A field has one type in all documents, whatever its value, so that
//! no index meets a conflict: durations always have a fraction, and what may hold letters is text.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::entry::mysql::slow::SlowEntry;
use crate::json;
use crate::sql::redact::Redact;

/// Text although a value may consist of digits: hexadecimal numbers and names.
const TEXTS: [&str; 6] =
    ["InnoDB_trx_id", "Log_slow_rate_type", "Stored_routine", "Query_tables", "Query_digest", "Schema"];

/// Names that mean something else in a document. A header line that uses one, or uses one twice, is kept as text.
const OURS: [&str; 24] = [
    "Time",
    "PID",
    "User",
    "Account",
    "Host",
    "Ip",
    "Database",
    "Explain",
    "Warnings",
    "Header",
    "Set_timestamp",
    "Set_insert_id",
    "Set_last_insert_id",
    "Perform",
    "Statement",
    "owner",
    "log_group",
    "log_stream",
    "event_id",
    "ordinal",
    "partial",
    "suspect",
    "truncated",
    "bytes",
];

/// Endings of the names of durations, in seconds.
const DURATIONS: [&str; 2] = ["_time", "_wait"];

pub(super) fn write(out: &mut Vec<u8>, entry: &SlowEntry<'_>, redact: Redact) {
    let mut written: HashSet<&str> = OURS.into();
    let mut rest: Vec<Cow<'_, [u8]>> = entry.other_lines.iter().map(|line| Cow::Borrowed(*line)).collect();
    for (name, value) in &entry.fields {
        // A comment at the beginning of a statement looks like a field.
        if redact == Redact::Literals && !is_known(name, value) {
            continue;
        }
        if written.insert(name) {
            json::write_key(out, name);
            value_of(out, name, value);
        } else {
            rest.push(Cow::Owned([name.as_bytes(), b": ", value].concat()));
        }
    }
    let lines = [
        ("Explain", entry.explain.join(&b'\n')),
        ("Warnings", entry.warnings.join(&b'\n')),
        ("Header", rest.join(&b'\n')),
    ];
    // Lines of text may quote what a statement said.
    for (name, lines) in lines.into_iter().filter(|(_, lines)| !lines.is_empty() && redact != Redact::Literals) {
        json::write_key(out, name);
        json::write_lossy(out, &lines);
    }
    for (name, value) in &entry.set {
        json::write_key(out, &format!("Set_{name}"));
        value_of(out, name, value);
    }
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
