//! One log event to the JSON of its document, in the field profile `classic`.
//!
//! Fields stand in a fixed order: what the format gives, then where the event came from, then flags, and only those
//! that say something. Every document is one line of UTF-8. The order in which formats are tried is that of
//! [`crate::entry::detect`], unless the configuration or the log group's name says one.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;

use super::{DropReason, MESSAGE_BYTES_MAX, Options, Origin, error_fields, filter, reason_code, slow_fields};
use crate::document::Reason;
use crate::document::timestamp::{RFC3339_BYTES, instant_micros, write_rfc3339};
use crate::entry::json::{self as json_line, JsonObject};
use crate::entry::mysql::audit::{self, AuditEntry, AuditStamp};
use crate::entry::mysql::error::{self, ErrorEntry, SinkEntry};
use crate::entry::mysql::general::{self, GeneralEntry, Stamp};
use crate::entry::mysql::slow::{self, SlowEntry};
use crate::entry::{Format, of_log_group};
use crate::envelope::LogEvent;
use crate::json;
use crate::sql::digest::digest;
use crate::sql::redact::{LITERAL, Redact};
use crate::sql::summary::summary;

/// Room for the keys and short values of a document, beside its message and its metadata.
const FRAME_BYTES: usize = 256;

/// Fraction digits of the event's own time beyond its milliseconds.
const MICROS_PER_MS: i64 = 1000;

/// What one entry becomes.
pub(super) enum EntryOutcome {
    Document { format: Format, source: Vec<u8> },
    Dropped(DropReason),
    Failed(Reason),
}

/// Names and values that every document of an origin has, as JSON already. Absent where they are empty.
pub(super) struct Metadata {
    members: [(&'static str, Vec<u8>); 3],
    /// As the log group's name says.
    format: Option<Format>,
    bytes: usize,
}

impl Metadata {
    pub(super) fn new(origin: &Origin) -> Metadata {
        let named = [("owner", &origin.owner), ("log_group", &origin.log_group), ("log_stream", &origin.log_stream)];
        let members = named.map(|(key, value)| {
            let mut member = Vec::new();
            if !value.is_empty() {
                json::write_key(&mut member, key);
                json::write_str(&mut member, value);
            }
            (key, member)
        });
        let format = of_log_group(&origin.log_group);
        Metadata { bytes: members.iter().map(|(_, member)| member.len()).sum(), members, format }
    }
}

/// Turns the entry at `ordinal` of a log event into a document.
pub(super) fn entry(event: &LogEvent, ordinal: u32, metadata: &Metadata, options: &Options) -> EntryOutcome {
    if event.message.is_empty() {
        return EntryOutcome::Dropped(DropReason::Empty);
    }
    if event.message.len() > MESSAGE_BYTES_MAX {
        let message = format!("a message of {} bytes is longer than {MESSAGE_BYTES_MAX}", event.message.len());
        return EntryOutcome::Failed(Reason::new(reason_code::TOO_LARGE, message));
    }
    let mut time = Vec::with_capacity(RFC3339_BYTES);
    let in_range = event.timestamp_ms.checked_mul(MICROS_PER_MS).is_some_and(|micros| write_rfc3339(&mut time, micros));
    if !in_range {
        return EntryOutcome::Failed(Reason::new(
            reason_code::TIMESTAMP_INVALID,
            format!("timestamp {} is not a time of the years 1970 to 2100 in milliseconds", event.timestamp_ms),
        ));
    }
    let may_be = |format| options.format.or(metadata.format).is_none_or(|only| only == format);
    let (general, slow) = (may_be(Format::General), may_be(Format::Slow));
    let (error, audit, json) = (may_be(Format::Error), may_be(Format::Audit), may_be(Format::Json));
    let writer = Writer::new(event, ordinal, metadata, &time);
    let message = &event.message;
    if let Some(entry) = general.then(|| general::parse(message)).flatten().filter(|entry| fits(entry, options)) {
        let is_account = matches!(entry.command, "Connect" | "Change user");
        let facts = || {
            filter::Entry::of(Format::General)
                .command(Some(entry.command.as_bytes()))
                .user(is_account.then(|| filter::connecting_user(entry.argument)).flatten())
                .statement(has_statement(entry.command).then_some(entry.argument))
        };
        return kept(options, facts).unwrap_or_else(|| writer.general(&entry, options));
    }
    if let Some(entry) = slow.then(|| slow::parse(message)).flatten() {
        let command = entry.administrator_command;
        let statement = command.is_none().then_some(entry.statement);
        let facts = || filter::Entry::of(Format::Slow).command(command).user(entry.user).statement(statement);
        return kept(options, facts).unwrap_or_else(|| writer.slow(&entry, options));
    }
    if let Some(entry) = error.then(|| error::parse(message)).flatten() {
        return kept(options, || filter::Entry::of(Format::Error)).unwrap_or_else(|| writer.error(&entry, options));
    }
    if let Some(entry) = error.then(|| error::parse_sink(message)).flatten() {
        return kept(options, || filter::Entry::of(Format::Error))
            .unwrap_or_else(|| writer.error_sink(&entry, options));
    }
    if let Some(entry) = audit.then(|| audit::parse(message)).flatten() {
        let query = if options.filters.is_empty() { None } else { entry.query() };
        let facts = || {
            filter::Entry::of(Format::Audit)
                .command(Some(entry.operation.as_bytes()))
                .user(entry.user)
                .statement(query.as_deref())
        };
        return kept(options, facts).unwrap_or_else(|| writer.audit(&entry, options));
    }
    if let Some(object) = json.then(|| json_line::object(message)).flatten() {
        return kept(options, || filter::Entry::of(Format::Json)).unwrap_or_else(|| writer.json(&object, options));
    }
    if (general || slow) && general::is_banner(message) {
        return EntryOutcome::Dropped(DropReason::Banner);
    }
    kept(options, || filter::Entry::of(Format::Text)).unwrap_or_else(|| writer.text(options))
}

/// `None` where no filter drops the entry.
fn kept<'a>(options: &Options, facts: impl FnOnce() -> filter::Entry<'a>) -> Option<EntryOutcome> {
    if options.filters.is_empty() {
        return None;
    }
    options.filters.drop(&facts()).map(EntryOutcome::Dropped)
}

/// Commands of the general log whose argument is a statement.
fn has_statement(command: &str) -> bool {
    matches!(command, "Query" | "Execute" | "Prepare" | "Bulk_execute")
}

/// `PID` is mapped as a 64-bit signed number: no server counts beyond, so an entry that does is text.
fn fits(entry: &GeneralEntry<'_>, options: &Options) -> bool {
    options.pid_as_string || i64::try_from(entry.thread_id).is_ok()
}

/// Writes one document.
struct Writer<'a> {
    event: &'a LogEvent,
    ordinal: u32,
    metadata: &'a Metadata,
    /// The event's own time in RFC 3339.
    time: &'a [u8],
    /// The server itself has cut what it logged.
    truncated: bool,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(event: &'a LogEvent, ordinal: u32, metadata: &'a Metadata, time: &'a [u8]) -> Writer<'a> {
        // Escapes add an eighth at most in ordinary statements; more only costs one growth.
        let message_bytes = event.message.len() + event.message.len() / 8;
        let out = Vec::with_capacity(message_bytes + metadata.bytes + event.id.len() + FRAME_BYTES);
        Writer { event, ordinal, metadata, time, truncated: false, out }
    }

    fn general(mut self, entry: &GeneralEntry<'_>, options: &Options) -> EntryOutcome {
        self.times(entry.stamp);
        self.pid(entry.thread_id, options);
        json::write_key(&mut self.out, "Perform");
        json::write_str(&mut self.out, entry.command);
        json::write_key(&mut self.out, "Statement");
        let is_statement = has_statement(entry.command);
        let statement = match options.redact {
            redact if is_statement => self.statement(entry.argument, redact),
            redact => redact.hide_argument(entry.argument),
        };
        json::write_lossy(&mut self.out, &statement);
        if is_statement {
            self.statement_fields(&statement, options);
        }
        self.metadata(|_| false);
        self.exact_bytes_around(entry.argument, &statement, options);
        self.end(Format::General)
    }

    fn text(mut self, options: &Options) -> EntryOutcome {
        self.timestamp(None);
        // The rest of a statement that came in pieces is text too.
        let message = self.message(&self.event.message, options);
        self.metadata(|_| false);
        if let Some(message) = message {
            self.exact_bytes_around(&self.event.message, &message, options);
        }
        self.end(Format::Text)
    }

    /// The line's own members as they stand; ours only under names that it does not use.
    fn json(mut self, object: &JsonObject<'_>, options: &Options) -> EntryOutcome {
        // Its values are literals, all of them.
        if options.redact == Redact::Literals {
            self.timestamp(None);
            self.metadata(|_| false);
            return self.end(Format::Json);
        }
        if object.has("@timestamp") {
            self.out.push(b'{');
        } else {
            self.timestamp(None);
        }
        if !object.is_empty() {
            json::write_separator(&mut self.out);
            self.out.extend_from_slice(object.inner.as_bytes());
        }
        self.metadata(|key| object.has(key));
        self.end(Format::Json)
    }

    /// The message, and what can be read of it.
    fn error(mut self, entry: &ErrorEntry<'_>, options: &Options) -> EntryOutcome {
        self.times(entry.stamp);
        let crash = entry.crash();
        let numeric = entry.thread_id.or(crash.and_then(|crash| crash.thread_id));
        if let Some(id) = numeric.filter(|id| i64::try_from(*id).is_ok()) {
            self.pid(id, options);
        } else if !entry.thread_id_text.is_empty() {
            json::write_key(&mut self.out, "Thread");
            json::write_lossy(&mut self.out, entry.thread_id_text);
        }
        for (key, value) in [("Label", entry.label), ("Error_code", entry.code)] {
            if let Some(value) = value {
                json::write_key(&mut self.out, key);
                json::write_str(&mut self.out, value);
            }
        }
        if let Some(subsystem) = entry.subsystem {
            json::write_key(&mut self.out, "Subsystem");
            json::write_lossy(&mut self.out, subsystem);
        }
        if let Some(crash) = crash {
            error_fields::write_crash(&mut self.out, &crash, options.redact);
        }
        if let Some(deadlock) = entry.deadlock() {
            error_fields::write_deadlock(&mut self.out, &deadlock, options.redact);
        }
        let text = self.message(entry.text, options);
        self.metadata(|_| false);
        if let Some(text) = text {
            self.exact_bytes_around(entry.text, &text, options);
        }
        self.end(Format::Error)
    }

    /// Under the names of the traditional log; what only the sink writes under its own.
    fn error_sink(mut self, entry: &SinkEntry<'_>, options: &Options) -> EntryOutcome {
        self.times(Some(Stamp::Rfc3339(&entry.time)));
        if let Some(id) = entry.thread_id {
            self.pid(id, options);
        }
        json::write_key(&mut self.out, "Label");
        json::write_str(&mut self.out, &entry.label);
        json::write_key(&mut self.out, "Error_code");
        json::write_str(&mut self.out, &format!("MY-{:06}", entry.code));
        if let Some(subsystem) = &entry.subsystem {
            json::write_key(&mut self.out, "Subsystem");
            json::write_str(&mut self.out, subsystem);
        }
        if options.redact != Redact::Literals {
            error_fields::write_rest(&mut self.out, entry.rest.iter().map(|(key, value)| (key.as_ref(), *value)));
        }
        self.message(entry.message.as_bytes(), options);
        self.metadata(|_| false);
        self.end(Format::Error)
    }

    /// A statement as it may be shown. Where its beginning or end is in doubt, nobody can tell what of it is a literal.
    fn statement<'s>(&self, statement: &'s [u8], redact: Redact) -> Cow<'s, [u8]> {
        let flags = self.event.flags;
        if redact == Redact::Literals && (flags.suspect || flags.partial) {
            return Cow::Borrowed(LITERAL);
        }
        redact.hide(statement)
    }

    /// Writes a text that is no statement, if it may be shown.
    fn message<'m>(&mut self, text: &'m [u8], options: &Options) -> Option<Cow<'m, [u8]>> {
        let shown = options.redact.hide_text(text)?;
        json::write_key(&mut self.out, "message");
        json::write_lossy(&mut self.out, &shown);
        Some(shown)
    }

    /// What groups statements, on request: of the statement as it is shown, so that nothing hidden comes back.
    fn statement_fields(&mut self, statement: &[u8], options: &Options) {
        if !options.digest {
            return;
        }
        let digest = digest(statement);
        json::write_key(&mut self.out, "digest");
        json::write_str(&mut self.out, &digest.text);
        json::write_key(&mut self.out, "digest_hash");
        json::write_str(&mut self.out, &digest.hash());
        let summary = summary(statement);
        if !summary.operation.is_empty() {
            json::write_key(&mut self.out, "statement_type");
            json::write_str(&mut self.out, &summary.operation);
        }
        if !summary.tables.is_empty() {
            json::write_key(&mut self.out, "tables");
            for (idx, table) in summary.tables.iter().enumerate() {
                self.out.push(if idx == 0 { b'[' } else { b',' });
                json::write_str(&mut self.out, table);
            }
            self.out.push(b']');
        }
    }

    /// Opens the object with `@timestamp` and `Time`: the entry's own stamp where it says its zone. A legacy stamp is in
    /// a zone that only the source of the event knew; it is in the event's time.
    fn times(&mut self, stamp: Option<Stamp<'_>>) {
        let rfc3339 = match stamp {
            Some(stamp @ Stamp::Rfc3339(text)) => {
                instant_micros(&stamp, &TimeZone::UTC, None).map(|micros| (text, micros))
            }
            Some(Stamp::Legacy(_)) | None => None,
        };
        self.timestamp(rfc3339.map(|(_, micros)| micros));
        json::write_key(&mut self.out, "Time");
        match rfc3339 {
            Some((text, _)) => json::write_str(&mut self.out, text),
            None => self.quoted_time(),
        }
    }

    fn pid(&mut self, id: u64, options: &Options) {
        json::write_key(&mut self.out, "PID");
        if options.pid_as_string {
            json::write_str(&mut self.out, &id.to_string());
        } else {
            json::write_u64(&mut self.out, id);
        }
    }

    /// Opens the object.
    fn timestamp(&mut self, micros: Option<i64>) {
        self.out.push(b'{');
        json::write_key(&mut self.out, "@timestamp");
        match micros {
            Some(micros) => {
                self.out.push(b'"');
                write_rfc3339(&mut self.out, micros);
                self.out.push(b'"');
            }
            None => self.quoted_time(),
        }
    }

    fn quoted_time(&mut self) {
        self.out.push(b'"');
        self.out.extend_from_slice(self.time);
        self.out.push(b'"');
    }

    fn metadata(&mut self, taken: impl Fn(&str) -> bool) {
        let metadata = self.metadata;
        for (_, member) in metadata.members.iter().filter(|(key, member)| !member.is_empty() && !taken(key)) {
            json::write_separator(&mut self.out);
            self.out.extend_from_slice(member);
        }
        if !self.event.id.is_empty() && !taken("event_id") {
            json::write_key(&mut self.out, "event_id");
            json::write_str(&mut self.out, &self.event.id);
        }
        if self.ordinal != 0 && !taken("ordinal") {
            json::write_key(&mut self.out, "ordinal");
            json::write_u64(&mut self.out, u64::from(self.ordinal));
        }
        let flags = self.event.flags;
        let set =
            [("partial", flags.partial), ("suspect", flags.suspect), ("truncated", flags.truncated || self.truncated)];
        for (key, _) in set.into_iter().filter(|(key, set)| *set && !taken(key)) {
            json::write_key(&mut self.out, key);
            self.out.extend_from_slice(b"true");
        }
        if let Some(bytes) = flags.bytes.filter(|_| !taken("bytes")) {
            json::write_key(&mut self.out, "bytes");
            json::write_u64(&mut self.out, bytes);
        }
    }

    /// The names of the log, in its order; user, host and database under one name each for all servers.
    fn slow(mut self, entry: &SlowEntry<'_>, options: &Options) -> EntryOutcome {
        self.times(entry.stamp);
        if let Some(id) = entry.thread_id {
            self.pid(id, options);
        }
        let named = [
            ("User", entry.user),
            ("Account", entry.account),
            ("Host", entry.host),
            ("Ip", entry.ip),
            ("Database", entry.database.as_deref()),
        ];
        for (key, value) in named.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            json::write_key(&mut self.out, key);
            json::write_lossy(&mut self.out, value);
        }
        slow_fields::write(&mut self.out, entry, options.redact);
        if let Some(command) = entry.administrator_command {
            json::write_key(&mut self.out, "Perform");
            json::write_lossy(&mut self.out, command);
        }
        json::write_key(&mut self.out, "Statement");
        let statement = self.statement(entry.statement, options.redact);
        json::write_lossy(&mut self.out, &statement);
        if entry.administrator_command.is_none() {
            self.statement_fields(&statement, options);
        }
        self.metadata(|_| false);
        self.exact_bytes_around(entry.statement, &statement, options);
        self.end(Format::Slow)
    }

    /// `Time`, `PID`, `Perform`, `Statement` as in the general log; what the record has beside them by names of ours.
    fn audit(mut self, entry: &AuditEntry<'_>, options: &Options) -> EntryOutcome {
        let micros = match entry.stamp {
            AuditStamp::Micros(micros) => Some(micros),
            AuditStamp::Local(_) => None,
        };
        let mut time = Vec::with_capacity(RFC3339_BYTES);
        let own_time = micros.filter(|micros| write_rfc3339(&mut time, *micros));
        self.timestamp(own_time);
        json::write_key(&mut self.out, "Time");
        match own_time {
            Some(_) => json::write_lossy(&mut self.out, &time),
            None => {
                self.quoted_time();
                true
            }
        };
        self.pid(entry.connection_id, options);
        json::write_key(&mut self.out, "Query_id");
        json::write_u64(&mut self.out, entry.query_id);
        json::write_key(&mut self.out, "Perform");
        json::write_str(&mut self.out, entry.operation);
        let named = [
            ("User", entry.user),
            ("Host", entry.host),
            ("Port", entry.port),
            ("Server_host", entry.server_host),
            ("Database", entry.database),
            ("Object", entry.object),
            ("Connection_type", entry.connection_type),
        ];
        for (key, value) in named.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            json::write_key(&mut self.out, key);
            json::write_lossy(&mut self.out, value);
        }
        if let Some(code) = entry.return_code {
            json::write_key(&mut self.out, "Return_code");
            self.out.extend_from_slice(code.to_string().as_bytes());
        }
        let query = entry.query().unwrap_or_default();
        json::write_key(&mut self.out, "Statement");
        let statement = self.statement(&query, options.redact);
        json::write_lossy(&mut self.out, &statement);
        if entry.operation == "QUERY" {
            self.statement_fields(&statement, options);
        }
        self.truncated |= entry.truncated;
        self.metadata(|_| false);
        let escaped = entry.escaped_query.unwrap_or_default();
        let shown = if matches!(statement, Cow::Owned(_)) { &statement } else { escaped };
        self.exact_bytes_around(escaped, shown, options);
        self.end(Format::Audit)
    }

    /// What is not UTF-8 stands in the other fields with replacement characters; here the message is whole, but for the
    /// part of it that may only be `shown` otherwise.
    fn exact_bytes_around(&mut self, part: &[u8], shown: &[u8], options: &Options) {
        let message = &self.event.message;
        if options.redact == Redact::Literals || simdutf8::basic::from_utf8(message).is_ok() {
            return;
        }
        let start = (part.as_ptr().addr()).saturating_sub(message.as_ptr().addr());
        let before = message.get(..start).unwrap_or_default();
        let after = message.get(start + part.len()..).unwrap_or_default();
        json::write_key(&mut self.out, "message_base64");
        json::write_str(&mut self.out, &STANDARD.encode([before, shown, after].concat()));
    }

    fn end(mut self, format: Format) -> EntryOutcome {
        self.out.push(b'}');
        EntryOutcome::Document { format, source: self.out }
    }
}
