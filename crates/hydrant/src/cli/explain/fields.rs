//! The fields of one entry where they stand in its bytes.

use std::borrow::Cow;
use std::ops::Range;

use hydrant_transform::document::timestamp::instant_micros;
use hydrant_transform::entry::Format;
use hydrant_transform::entry::mysql::audit::{self, AuditEntry, AuditStamp};
use hydrant_transform::entry::mysql::error::{self, ErrorEntry};
use hydrant_transform::entry::mysql::general::{self, Account, GeneralEntry, Stamp};
use hydrant_transform::entry::mysql::slow::{self, SlowEntry};
use hydrant_transform::record::{Options, Transformed};
use hydrant_transform::sql::redact::{LITERAL, Redact};
use jiff::tz::TimeZone;
use memchr::memmem;
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
    /// First byte and the one behind the last.
    pub(super) bytes: [usize; 2],
    pub(super) why: String,
}

/// Every field of an entry of this format. A JSON line's are its own members. `classic`: what it becomes in that profile.
pub(super) fn of(
    message: &[u8],
    format: Format,
    options: &Options,
    zone: &TimeZone,
    classic: &Transformed,
) -> Vec<Field> {
    let found = match format {
        Format::General => general::parse(message).map(|entry| {
            let mut fields = general_fields(&entry, zone);
            fields.extend(account_fields(message, &entry));
            fields
        }),
        Format::Slow => slow::parse(message).map(|entry| slow_fields(message, &entry)),
        Format::Audit => audit::parse(message).map(|entry| audit_fields(message, &entry)),
        Format::Error => error::parse(message).map(|entry| error_fields(message, &entry)),
        Format::Pattern => {
            let found = options.patterns.iter().find_map(|pattern| pattern.parse(message));
            let why = "a named group of the expression";
            found.map(|found| found.fields.iter().map(|group| field(message, group.name, group.text, why)).collect())
        }
        Format::Text => Some(vec![field(message, "message", message, "no format knows it: the whole message")]),
        Format::Json => None,
    };
    let document = classic.documents.first().and_then(|document| serde_json::from_slice(&document.source).ok());
    let document: Value = document.unwrap_or_default();
    found.unwrap_or_default().into_iter().map(|field| shown(field, options.redact, &document)).collect()
}

/// A field, no more of it than `document` shows.
fn shown(field: Field, redact: Redact, document: &Value) -> Field {
    let value = match (redact, document.get(&field.name)) {
        (Redact::Off, _) => return field,
        (Redact::Secrets, _) => String::from_utf8_lossy(&redact.hide_argument(field.value.as_bytes())).into_owned(),
        (Redact::Literals, _) if field.name == "Time" => return field,
        (Redact::Literals, Some(Value::String(shown))) => shown.clone(),
        (Redact::Literals, Some(Value::Bool(_))) => return field,
        (Redact::Literals, Some(Value::Number(number))) if number.as_f64() == field.value.parse().ok() => return field,
        (Redact::Literals, _) => String::from_utf8_lossy(LITERAL).into_owned(),
    };
    let why = match redact {
        _ if value == field.value => field.why,
        Redact::Off | Redact::Secrets => format!("{}; its passwords are hidden", field.why),
        Redact::Literals => format!("{}; its literals are hidden", field.why),
    };
    Field { value, why, ..field }
}

/// The time of an entry that has a stamp without a date of its event.
pub(super) fn own_time_ms(message: &[u8], zone: &TimeZone) -> Option<i64> {
    let audit_micros = audit::parse(message).and_then(|entry| match entry.stamp {
        AuditStamp::Local(stamp) => instant_micros(&stamp, zone, None),
        AuditStamp::Micros(micros) => Some(micros),
    });
    let stamp = || {
        general::parse(message)
            .and_then(|entry| entry.stamp)
            .or_else(|| slow::parse(message).and_then(|entry| entry.stamp))
            .or_else(|| error::parse(message).and_then(|entry| entry.stamp))
    };
    let micros = audit_micros.or_else(|| instant_micros(&stamp()?, zone, None))?;
    Some(micros.div_euclid(1_000))
}

/// Every field of a slow log's entry where it stands in the message.
fn slow_fields(message: &[u8], entry: &SlowEntry<'_>) -> Vec<Field> {
    let field = |name: &str, value: &[u8], why: &str| field(message, name, value, why);
    let stamp = entry.stamp.map(|stamp| match stamp {
        Stamp::Rfc3339(text) => {
            field("Time", text.as_bytes(), "when the statement ended, RFC 3339; taken as it stands")
        }
        Stamp::Legacy(text) => field("Time", text.as_bytes(), "when the statement ended, in the server's local time"),
    });
    let optional = |name, value: Option<&[u8]>, why| value.map(|value| field(name, value, why));
    let database = match &entry.database {
        Some(Cow::Borrowed(database)) => Some(field("Database", database, "from `use` in this entry, or from Schema")),
        Some(Cow::Owned(_)) | None => None,
    };
    let mut fields: Vec<Field> = stamp.into_iter().collect();
    let pid = entry.thread_id.map(|_| entry.thread_id_text);
    fields.extend(optional("PID", pid, "the connection's id"));
    fields.extend(optional("User", entry.user, "the name that the client gave"));
    fields.extend(optional("Account", entry.account, "the account that matched it, in brackets"));
    fields.extend(optional("Host", entry.host, "where the client was, by name"));
    fields.extend(optional("Ip", entry.ip, "where the client was, in brackets"));
    fields.extend(database);
    fields.extend(entry.fields.iter().map(|(name, value)| field(name, value, "kept by its own name")));
    fields.extend(optional("Perform", entry.administrator_command, "an administrator command, without a statement"));
    fields.extend(
        entry.set.iter().map(|(name, value)| field(&format!("Set_{name}"), value, "from `SET` before the statement")),
    );
    let statement = "the rest of the entry, without the `;` that the server adds";
    fields.push(field("Statement", entry.statement, statement));
    fields
}

/// Every field of an audit record where it stands in the message.
fn audit_fields(message: &[u8], entry: &AuditEntry<'_>) -> Vec<Field> {
    let stamp = message.get(..memchr::memchr(b',', message).unwrap_or(message.len()));
    let named = [
        ("Time", stamp, "the first field: local time, or from Aurora microseconds"),
        ("Perform", Some(entry.operation.as_bytes()), "the operation behind two numbers"),
        ("Server_host", entry.server_host, "the second field"),
        ("User", entry.user, "all between the server's host and the last field before the two ids"),
        ("Host", entry.host, "the field before the two ids"),
        ("Port", entry.port, "behind the host, as MariaDB 12 writes it"),
        ("Database", entry.database, "behind the operation"),
        ("Object", entry.object, "behind the database"),
        ("Connection_type", entry.connection_type, "the last field, as Amazon's plug-in writes it"),
        ("Statement", entry.escaped_query, "between the quotes; its escapes are undone once in the document"),
    ];
    named.into_iter().filter_map(|(name, value, why)| Some(field(message, name, value?, why))).collect()
}

/// Every field of the error log's entry where it stands in the message.
fn error_fields(message: &[u8], entry: &ErrorEntry<'_>) -> Vec<Field> {
    let (stamp, why) = match entry.stamp {
        Some(Stamp::Rfc3339(text)) => (Some(text), "RFC 3339, as MySQL 5.7 and later write it; taken as it stands"),
        Some(Stamp::Legacy(text)) => (Some(text), "the server's local time"),
        None => (None, ""),
    };
    let thread = Some(entry.thread_id_text).filter(|text| !text.is_empty());
    let crash = entry.crash();
    let named = [
        ("Time", stamp.map(str::as_bytes), why),
        (if entry.thread_id.is_some() { "PID" } else { "Thread" }, thread, "the connection's or the thread's id"),
        ("Label", entry.label.map(str::as_bytes), "in brackets behind the id"),
        ("Error_code", entry.code.map(str::as_bytes), "in brackets, from MySQL 8.0 on"),
        ("Subsystem", entry.subsystem, "in brackets behind the code"),
        ("Statement", crash.and_then(|crash| crash.statement), "what ran when the server crashed"),
        ("message", Some(entry.text), "all the rest of the entry, up to the next stamp"),
    ];
    named.into_iter().filter_map(|(name, value, why)| Some(field(message, name, value?, why))).collect()
}

/// A field that is a part of the message.
fn field(message: &[u8], name: &str, value: &[u8], why: &str) -> Field {
    let start = value.as_ptr().addr().wrapping_sub(message.as_ptr().addr());
    // A value of a closed set is not borrowed from the message.
    let is_part = start.checked_add(value.len()).is_some_and(|end| end <= message.len());
    let start = if is_part { start } else { memmem::find(message, value).unwrap_or(0) };
    let bytes = [start, start + value.len()];
    let value = String::from_utf8_lossy(value).into_owned();
    Field { name: name.to_owned(), value, bytes, why: why.to_owned() }
}

fn general_fields(entry: &GeneralEntry<'_>, zone: &TimeZone) -> Vec<Field> {
    let field = |name: &str, value: &str, range: &Range<usize>, why: &str| Field {
        name: name.to_owned(),
        value: value.to_owned(),
        bytes: [range.start, range.end],
        why: why.to_owned(),
    };
    let zone_name = zone.iana_name().unwrap_or("the host's zone");
    let (time, why) = match entry.stamp {
        Some(Stamp::Rfc3339(text)) => {
            (text, "RFC 3339, as MySQL 5.7 and later write it; taken as it stands".to_owned())
        }
        Some(Stamp::Legacy(text)) => {
            (text, format!("local time as MySQL up to 5.6 and MariaDB write it, read in {zone_name}"))
        }
        None => ("", "no stamp: the second is that of an entry before; the log event's own time is taken".to_owned()),
    };
    vec![
        field("Time", time, &entry.stamp_range, &why),
        field("PID", &entry.thread_id.to_string(), &entry.thread_id_range, "the connection's id, right-aligned"),
        field("Perform", entry.command, &entry.command_range, "one of the server's closed set of command names"),
        field(
            "Statement",
            &String::from_utf8_lossy(entry.argument),
            &entry.argument_range,
            "all the rest of the entry, inner newlines and all",
        ),
    ]
}

/// What the argument of a connection says, where it stands in the message.
fn account_fields(message: &[u8], entry: &GeneralEntry<'_>) -> Vec<Field> {
    let Some(account) = Account::of(entry.command, entry.argument) else { return Vec::new() };
    let named = [
        ("User", account.user, "before the last @ of the argument's first part"),
        ("Host", account.host, "behind it"),
        ("Account", account.privileged, "behind `as`"),
        ("Database", account.database, "behind the first `on`"),
        ("Transport", account.transport.map(str::as_bytes), "behind `using`"),
    ];
    named.into_iter().filter_map(|(name, value, why)| Some(field(message, name, value?, why))).collect()
}
