//! What the error log tells beside its message, as JSON members: a crash's statement, a deadlock's transactions and locks.

use serde_json::value::RawValue;

use crate::entry::mysql::error::{Crash, Deadlock, Lock, Transaction};
use crate::json;
use crate::sql::redact::Redact;

/// Names that mean something else in a document of the JSON sink. A member that uses one stands in `Sink` instead.
const OURS: [&str; 16] = [
    "@timestamp",
    "Time",
    "PID",
    "Label",
    "Error_code",
    "Subsystem",
    "message",
    "message_base64",
    "owner",
    "log_group",
    "log_stream",
    "event_id",
    "ordinal",
    "partial",
    "suspect",
    "truncated",
];

pub(super) fn write_crash(out: &mut Vec<u8>, crash: &Crash<'_>, redact: Redact) {
    json::write_key(out, "Signal");
    json::write_u64(out, crash.signal);
    if let Some(statement) = crash.statement {
        json::write_key(out, "Statement");
        json::write_lossy(out, &redact.hide(statement));
    }
}

pub(super) fn write_deadlock(out: &mut Vec<u8>, deadlock: &Deadlock<'_>, redact: Redact) {
    json::write_key(out, "Deadlock");
    out.push(b'{');
    write_array(out, "transactions", &deadlock.transactions, |out, transaction| {
        write_transaction(out, transaction, redact);
    });
    write_numbers(out, [("rolled_back", deadlock.rolled_back)]);
    out.push(b'}');
}

fn write_transaction(out: &mut Vec<u8>, transaction: &Transaction<'_>, redact: Redact) {
    write_numbers(
        out,
        [
            ("number", Some(transaction.number)),
            ("id", transaction.id),
            ("active_seconds", transaction.active_seconds),
            ("thread_id", transaction.thread_id),
            ("query_id", transaction.query_id),
        ],
    );
    let texts =
        [("host", transaction.host), ("ip", transaction.ip), ("user", transaction.user), ("state", transaction.state)];
    write_texts(out, texts);
    if let Some(statement) = transaction.statement {
        json::write_key(out, "statement");
        json::write_lossy(out, &redact.hide(statement));
    }
    for (key, locks) in [("holds", &transaction.holds), ("waits_for", &transaction.waits_for)] {
        write_array(out, key, locks, |out, lock: &Lock<'_>| {
            write_texts(out, [("table", Some(lock.table)), ("index", lock.index), ("mode", Some(lock.mode))]);
        });
    }
}

/// The members that the sink wrote beside those that every entry has, under their own names.
pub(super) fn write_rest<'a>(out: &mut Vec<u8>, rest: impl Iterator<Item = (&'a str, &'a RawValue)>) {
    let mut written: Vec<&str> = OURS.into();
    let mut others = Vec::new();
    for (key, value) in rest {
        if written.contains(&key) {
            others.push((key, value));
        } else {
            written.push(key);
            write_member(out, key, value);
        }
    }
    if !others.is_empty() {
        json::write_key(out, "Sink");
        let mut text = Vec::new();
        others.into_iter().for_each(|(key, value)| write_member(&mut text, key, value));
        json::write_lossy(out, &text);
    }
}

fn write_member(out: &mut Vec<u8>, key: &str, value: &RawValue) {
    json::write_separator(out);
    json::write_str(out, key);
    out.push(b':');
    out.extend_from_slice(value.get().as_bytes());
}

fn write_array<T>(out: &mut Vec<u8>, key: &str, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    if items.is_empty() {
        return;
    }
    json::write_key(out, key);
    for (idx, item) in items.iter().enumerate() {
        out.extend_from_slice(if idx == 0 { b"[{" } else { b",{" });
        write(out, item);
        out.push(b'}');
    }
    out.push(b']');
}

fn write_numbers<const N: usize>(out: &mut Vec<u8>, members: [(&str, Option<u64>); N]) {
    for (key, number) in members.into_iter().filter_map(|(key, number)| Some((key, number?))) {
        json::write_key(out, key);
        json::write_u64(out, number);
    }
}

fn write_texts<const N: usize>(out: &mut Vec<u8>, members: [(&str, Option<&[u8]>); N]) {
    for (key, text) in members.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        json::write_key(out, key);
        json::write_lossy(out, text);
    }
}
