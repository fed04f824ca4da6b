//! `hydrant explain`: one entry taken apart, each field with its byte range and the reason.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::Read;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

use hydrant_transform::document::timestamp::instant_micros;
use hydrant_transform::entry::mysql::audit::{self, AuditEntry, AuditStamp};
use hydrant_transform::entry::mysql::error::{self, ErrorEntry};
use hydrant_transform::entry::mysql::general::{self, GeneralEntry, Stamp};
use hydrant_transform::entry::mysql::slow::{self, SlowEntry};
use hydrant_transform::entry::{Format, detect};
use hydrant_transform::envelope::LogEvent;
use hydrant_transform::record::{Options, RecordSource, transform_events};
use hydrant_transform::sql::redact::Redact;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::value::RawValue;

use super::output;
use crate::clock::Clock;
use crate::config::host_time_zone;

/// An entry on standard input may be as long as a log event.
const INPUT_BYTES_MAX: u64 = 1 << 20;

#[derive(Serialize)]
struct Explanation {
    format: &'static str,
    reason: &'static str,
    fields: Vec<Field>,
    /// What is not indexed has none.
    document: Option<Box<RawValue>>,
    dropped: Option<String>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    value: String,
    /// First byte and the one behind the last.
    bytes: [usize; 2],
    why: String,
}

pub(super) fn explain(line: &OsStr, json: bool) -> anyhow::Result<()> {
    let mut message = line.as_bytes().to_vec();
    if line == "-" {
        message.clear();
        std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut message)?;
    }
    let explanation = of(&message, &host_time_zone(), Clock::System.now_ms())?;
    if json {
        output::line(&serde_json::to_string(&explanation)?)?;
    } else {
        output::line(&explanation.text())?;
    }
    Ok(())
}

fn of(message: &[u8], zone: &TimeZone, now_ms: i64) -> anyhow::Result<Explanation> {
    let detected = detect(message);
    let (fields, stamp) = match detected.format {
        Format::General => {
            general::parse(message).map(|entry| (general_fields(&entry, zone), entry.stamp)).unwrap_or_default()
        }
        Format::Slow => {
            slow::parse(message).map(|entry| (slow_fields(message, &entry), entry.stamp)).unwrap_or_default()
        }
        Format::Audit => {
            audit::parse(message).map(|entry| (audit_fields(message, &entry), audit_stamp(&entry))).unwrap_or_default()
        }
        Format::Error => {
            error::parse(message).map(|entry| (error_fields(message, &entry), entry.stamp)).unwrap_or_default()
        }
        Format::Json | Format::Text => (Vec::new(), None),
    };
    let timestamp_ms =
        stamp.and_then(|stamp| instant_micros(&stamp, zone, None)).map_or(now_ms, |micros| micros.div_euclid(1_000));
    let event = LogEvent { timestamp_ms, message: message.to_vec(), ..LogEvent::default() };
    let source = RecordSource { shard: "", sequence_number: "", arrival_ms: now_ms };
    let transformed = transform_events("", "", "", vec![event], source, &Options::default());
    let document = transformed.documents.first().map(|document| String::from_utf8_lossy(&document.source).into_owned());
    Ok(Explanation {
        format: detected.format.name(),
        reason: detected.reason,
        fields,
        document: document.map(RawValue::from_string).transpose()?,
        dropped: transformed.dropped.first().map(|reason| reason.name().to_owned()),
    })
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
    let statement = "the rest of the entry, without the `;` that the server adds";
    fields.push(field("Statement", entry.statement, statement));
    fields
}

fn audit_stamp<'a>(entry: &AuditEntry<'a>) -> Option<Stamp<'a>> {
    match entry.stamp {
        AuditStamp::Local(stamp) => Some(stamp),
        AuditStamp::Micros(_) => None,
    }
}

/// Every field of an audit record where it stands in the message.
fn audit_fields(message: &[u8], entry: &AuditEntry<'_>) -> Vec<Field> {
    let named = [
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
    let start = value.as_ptr().addr().saturating_sub(message.as_ptr().addr());
    let bytes = [start, start + value.len()];
    let value = String::from_utf8_lossy(&Redact::Secrets.hide(value)).into_owned();
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
    let statement = Redact::Secrets.hide(entry.argument);
    vec![
        field("Time", time, &entry.stamp_range, &why),
        field("PID", &entry.thread_id.to_string(), &entry.thread_id_range, "the connection's id, right-aligned"),
        field("Perform", entry.command, &entry.command_range, "one of the server's closed set of command names"),
        field(
            "Statement",
            &String::from_utf8_lossy(&statement),
            &entry.argument_range,
            match statement {
                Cow::Borrowed(_) => "all the rest of the entry, inner newlines and all",
                Cow::Owned(_) => "all the rest of the entry; its passwords are hidden, as `redact = \"secrets\"` does",
            },
        ),
    ]
}

impl Explanation {
    fn text(&self) -> String {
        let mut text = format!("format     {}: {}", self.format, self.reason);
        for Field { name, value, bytes: [start, end], why } in &self.fields {
            text.push_str(&format!("\n{name:<10} bytes {:<9} {value}\n{:<27}({why})", format!("{start}..{end}"), ""));
        }
        if let Some(reason) = &self.dropped {
            text.push_str(&format!("\ndropped    {}", reason.replace('_', " ")));
        }
        if let Some(document) = &self.document {
            text.push_str(&format!("\ndocument   {document}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::of;

    #[test]
    fn every_field_is_told_with_its_bytes() {
        let line = b"2022-01-15T08:44:45.161343Z\t 9566 Execute\tselect 1";
        let explanation = serde_json::to_value(of(line, &TimeZone::UTC, 0).unwrap()).unwrap();
        assert_eq!(explanation["format"], "general");
        let told: Vec<(&str, &str, &str)> = explanation["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| {
                let bytes = [0, 1].map(|end| usize::try_from(field["bytes"][end].as_u64().unwrap()).unwrap());
                let covered = std::str::from_utf8(&line[bytes[0]..bytes[1]]).unwrap();
                (field["name"].as_str().unwrap(), field["value"].as_str().unwrap(), covered)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("Time", "2022-01-15T08:44:45.161343Z", "2022-01-15T08:44:45.161343Z"),
                ("PID", "9566", "9566"),
                ("Perform", "Execute", "Execute"),
                ("Statement", "select 1", "select 1"),
            ]
        );
        assert_eq!(explanation["document"]["@timestamp"], "2022-01-15T08:44:45.161343Z");
        assert_eq!(explanation["document"]["PID"], 9566);
    }

    #[test]
    fn every_field_of_a_slow_log_stands_where_it_is_said_to() {
        let message = b"# Time: 2026-11-23T03:06:05.222163Z\n# User@Host: u[a] @ h [10.0.0.1]  Id:    32\n\
            # Query_time: 0.200490  Rows_sent: 1\nuse d;\nSET timestamp=1795403165;\nSELECT SLEEP(0.2);\n";
        let explanation = of(message, &TimeZone::UTC, 0).unwrap();
        let told: Vec<(&str, &str)> = explanation
            .fields
            .iter()
            .map(|field| {
                assert_eq!(field.value.as_bytes(), &message[field.bytes[0]..field.bytes[1]], "{}", field.name);
                (field.name.as_str(), field.value.as_str())
            })
            .collect();
        let expected = [
            ("Time", "2026-11-23T03:06:05.222163Z"),
            ("PID", "32"),
            ("User", "u"),
            ("Account", "a"),
            ("Host", "h"),
            ("Ip", "10.0.0.1"),
            ("Database", "d"),
            ("Query_time", "0.200490"),
            ("Rows_sent", "1"),
            ("Statement", "SELECT SLEEP(0.2)"),
        ];
        assert_eq!((explanation.format, told), ("slow", expected.to_vec()));
    }

    #[test]
    fn every_field_of_an_audit_record_stands_where_it_is_said_to() {
        let message = br"20261123 03:09:49,vm,app,h:3,39,187,QUERY,d,'SELECT \'a\'',0";
        let explanation = of(message, &TimeZone::UTC, 0).unwrap();
        let told: Vec<(&str, &[u8])> = explanation
            .fields
            .iter()
            .map(|field| (field.name.as_str(), &message[field.bytes[0]..field.bytes[1]]))
            .collect();
        let expected: [(&str, &[u8]); 6] = [
            ("Server_host", b"vm"),
            ("User", b"app"),
            ("Host", b"h"),
            ("Port", b"3"),
            ("Database", b"d"),
            ("Statement", br"SELECT \'a\'"),
        ];
        assert_eq!((explanation.format, told), ("audit", expected.to_vec()));
        let document = serde_json::to_value(&explanation).unwrap()["document"].clone();
        assert_eq!(
            (&document["Time"], &document["Statement"]),
            (&"2026-11-23T03:09:49.000000Z".into(), &"SELECT 'a'".into())
        );
    }

    #[test]
    fn a_password_is_told_nowhere() {
        let line = b"2022-01-15T08:44:45.161343Z\t 9566 Query\tSET PASSWORD = 'x1y2'";
        let explanation = of(line, &TimeZone::UTC, 0).unwrap();
        let said = explanation.text() + &serde_json::to_string(&explanation).unwrap();
        assert!(!said.contains("x1y2"), "{said}");
        assert_eq!(explanation.fields[3].value, "SET PASSWORD = <secret>");
        assert_eq!(explanation.fields[3].bytes, [40, 61]);
    }

    #[test]
    fn a_line_of_no_format_is_text_and_a_banner_is_dropped() {
        let text = serde_json::to_value(of(b"hello", &TimeZone::UTC, 0).unwrap()).unwrap();
        assert_eq!((&text["format"], &text["document"]["message"]), (&"text".into(), &"hello".into()));
        let banner = b"/usr/sbin/mysqld, Version: 8.0.28 (Source distribution). started with:";
        let banner = serde_json::to_value(of(banner, &TimeZone::UTC, 0).unwrap()).unwrap();
        assert_eq!(banner["dropped"], "banner");
    }
}
