//! Entries of the error log: the message and what can be read of it, a crash's statement, a deadlock's transactions and
//! locks.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::Writer;
use super::conventions::Happened;
use crate::document::{Field, Log};
use crate::entry::Format;
use crate::entry::mysql::error::{Crash, Deadlock, ErrorEntry, Lock, SinkEntry, Transaction};
use crate::entry::mysql::general::Stamp;
use crate::json;
use crate::record::event::EntryOutcome;
use crate::sql::redact::{Redact, is_open};

impl Writer<'_> {
    /// The message, and what can be read of it.
    pub(in crate::record) fn error(mut self, entry: &ErrorEntry<'_>) -> EntryOutcome {
        self.times(entry.stamp);
        self.system();
        let crash = entry.crash();
        // Behind a quote that is open a client's text may look like the server's.
        let is_told =
            |crash: &Crash<'_>| self.options.redact != Redact::Literals || !crash.statement.is_some_and(is_open);
        let numeric = entry.thread_id.or(crash.filter(is_told).and_then(|crash| crash.thread_id));
        if let Some(id) = numeric.filter(|id| i64::try_from(*id).is_ok()) {
            self.pid(id);
        } else if !entry.thread_id_text.is_empty() {
            self.text(Field::Thread, entry.thread_id_text);
        }
        self.texts([(Field::Label, entry.label.map(str::as_bytes)), (Field::ErrorCode, entry.code.map(str::as_bytes))]);
        self.name(Field::Subsystem, entry.subsystem);
        if let Some(crash) = crash {
            self.crash(&crash);
        }
        if let Some(deadlock) = entry.deadlock().filter(|_| !self.in_doubt())
            && self.key(Field::Deadlock)
        {
            write_deadlock(self.out, &deadlock, self.options.redact);
        }
        let text = self.message(entry.text);
        self.happened(if crash.is_some() { "ERROR" } else { entry.label.unwrap_or_default() });
        self.metadata(|_| false);
        if let Some(text) = text {
            self.exact_bytes_around(entry.text, &text);
        }
        self.end(Format::Error)
    }

    /// Under the names of the traditional log; what only the sink writes under its own.
    pub(in crate::record) fn error_sink(mut self, entry: &SinkEntry<'_>) -> EntryOutcome {
        self.times(Some(Stamp::Rfc3339(&entry.time)));
        self.system();
        if let Some(id) = entry.thread_id {
            self.pid(id);
        }
        self.texts([
            (Field::Label, Some(entry.label.as_bytes())),
            (Field::ErrorCode, Some(format!("MY-{:06}", entry.code).as_bytes())),
            (Field::Subsystem, entry.subsystem.as_deref().map(str::as_bytes)),
        ]);
        if self.options.redact != Redact::Literals {
            let shown: Vec<_> = entry.rest.iter().map(|(key, value)| (key.as_ref(), self.member(value))).collect();
            self.rest(shown.iter().map(|(key, value)| (*key, value.as_ref())));
        }
        self.message(entry.message.as_bytes());
        self.happened(&entry.label);
        self.metadata(|_| false);
        self.end(Format::Error)
    }

    fn happened(&mut self, label: &str) {
        let is_error = label.eq_ignore_ascii_case("error");
        self.event(Format::Error, if is_error { Happened::Error } else { Happened::Info }, None);
    }

    fn crash(&mut self, crash: &Crash<'_>) {
        self.number(Field::Signal, crash.signal);
        if let Some(statement) = crash.statement {
            self.text(Field::Statement, &self.shown(statement));
        }
    }

    /// The value of a member as it may be shown.
    fn member<'m>(&self, value: &'m RawValue) -> Cow<'m, RawValue> {
        let Ok(text) = serde_json::from_str::<String>(value.get()) else { return Cow::Borrowed(value) };
        match self.options.redact.hide_text(text.as_bytes()) {
            Some(Cow::Owned(hidden)) => {
                let hidden = String::from_utf8_lossy(&hidden);
                serde_json::value::to_raw_value(&hidden).map_or(Cow::Borrowed(value), Cow::Owned)
            }
            Some(Cow::Borrowed(_)) | None => Cow::Borrowed(value),
        }
    }

    /// The members that the sink wrote beside those that every entry has, under their own names. Those whose names mean
    /// something else in a document stand in `Sink`.
    fn rest<'m>(&mut self, members: impl Iterator<Item = (&'m str, &'m RawValue)>) {
        let profile = self.profile();
        let mut written: HashSet<Cow<'_, str>> = HashSet::new();
        let mut others = Vec::new();
        for (key, value) in members {
            let shown = profile.other(Log::Error, key);
            if profile.is_ours(&shown) || written.contains(&shown) {
                json::write_member(&mut others, key, value);
            } else {
                json::write_member(self.out, &shown, value);
                written.insert(shown);
            }
        }
        if !others.is_empty() {
            self.text(Field::Sink, &others);
        }
    }
}

/// As an object.
fn write_deadlock(out: &mut Vec<u8>, deadlock: &Deadlock<'_>, redact: Redact) {
    out.push(b'{');
    let last = deadlock.transactions.iter().position(|transaction| hides_rest(transaction, redact));
    let told = last.map_or(deadlock.transactions.len(), |last| last + 1);
    write_objects(out, "transactions", deadlock.transactions.get(..told).unwrap_or_default(), |out, transaction| {
        write_transaction(out, transaction, redact);
    });
    if last.is_none() {
        write_numbers(out, [("rolled_back", deadlock.rolled_back)]);
    }
    out.push(b'}');
}

/// Whether what follows a statement may be a part of it, and so of a string, and may not be shown.
fn hides_rest(transaction: &Transaction<'_>, redact: Redact) -> bool {
    redact == Redact::Literals && transaction.statement.is_some_and(is_open)
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
    if hides_rest(transaction, redact) {
        return;
    }
    for (key, locks) in [("holds", &transaction.holds), ("waits_for", &transaction.waits_for)] {
        write_objects(out, key, locks, |out, lock: &Lock<'_>| {
            write_texts(out, [("table", Some(lock.table)), ("index", lock.index), ("mode", Some(lock.mode))]);
        });
    }
}

fn write_objects<T>(out: &mut Vec<u8>, key: &str, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
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
