//! `hydrant digest`: the statements of logs grouped by their digests, the costliest first.
//!
//! Durations and rows are those of the slow log; the general and the audit log have none, and statements count there.
//! In memory is what each digest amounts to, at most [`DIGESTS_MAX`] of them: statements of further ones are counted
//! together.

mod group;

use std::collections::HashMap;

use anyhow::bail;
use hydrant_transform::carrier::CarriedRecord;
use hydrant_transform::document::timestamp::{format_rfc3339, instant_micros};
use hydrant_transform::entry::mysql::audit::AuditStamp;
use hydrant_transform::entry::mysql::general::Stamp;
use hydrant_transform::entry::mysql::{audit, general, slow};
use hydrant_transform::entry::{Format, detect, of_log_group};
use hydrant_transform::envelope::{Decoded, LogEvent, decode};
use hydrant_transform::record::{Options, raw_entries};
use hydrant_transform::sql::digest::digest as digest_of;
use hydrant_transform::sql::summary::summary;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::input::{self, Reading};
use super::output::{self, grouped, one_line};
use group::{Group, Measured};

/// Formats whose entries are statements.
const FORMATS: [Format; 3] = [Format::General, Format::Slow, Format::Audit];

/// Digests that are told apart.
const DIGESTS_MAX: usize = 100_000;

/// Bytes of a statement that are kept as the example of its digest.
const EXAMPLE_BYTES_MAX: usize = 4096;

/// Characters of a digest in the table.
const DIGEST_CHARACTERS: usize = 120;

pub(super) fn digest(arguments: &super::Digest) -> anyhow::Result<()> {
    let format = arguments.format.fixed();
    if let Some(format) = format.filter(|format| !FORMATS.contains(format)) {
        bail!("the format `{}` has no statements: digests are of general, slow and audit logs", format.name());
    }
    let options = Options { format, redact: arguments.redact, ..Options::default() };
    let mut digests = Digests { options, ..Digests::default() };
    let reading = Reading { format, time_zone: &arguments.time_zone, log_group: None, log_stream: None };
    for file in &arguments.files {
        input::records(file, &reading, &mut |record| {
            digests.record(record);
            Ok(())
        })?;
    }
    let rows = digests.rows();
    let shown = if arguments.limit == 0 { rows.len() } else { arguments.limit.min(rows.len()) };
    for (idx, row) in rows.iter().take(shown).enumerate() {
        if arguments.json {
            output::line(&serde_json::to_string(row)?)?;
        } else {
            output::line(&row.text(idx + 1))?;
        }
    }
    output::notice(&digests.text(shown));
    Ok(())
}

#[derive(Default)]
struct Digests {
    options: Options,
    groups: HashMap<String, Digested>,
    entries: u64,
    statements: u64,
    /// Of digests beyond the bound.
    others: u64,
}

struct Digested {
    hash: String,
    example: String,
    statement_type: String,
    tables: Vec<String>,
    group: Group,
}

impl Digests {
    fn record(&mut self, record: &CarriedRecord) {
        let Ok(data) = &record.data else {
            output::notice("a record cannot be read: it is no base64");
            return;
        };
        match decode(data) {
            Ok(Decoded::Envelopes(envelopes)) => {
                for envelope in envelopes.iter().filter(|envelope| !envelope.control) {
                    let format = self.options.format.or(of_log_group(&envelope.log_group));
                    envelope.log_events.iter().for_each(|event| self.entry(event, format));
                }
            }
            Ok(Decoded::Raw(message)) => {
                for (event, _) in raw_entries(&message, record.arrival_ms, &self.options) {
                    self.entry(&event, self.options.format);
                }
            }
            Err(error) => output::notice(&format!("a record cannot be read: {error}")),
        }
    }

    fn entry(&mut self, event: &LogEvent, format: Option<Format>) {
        self.entries += 1;
        let message = &event.message;
        let at = |own: Option<i64>| Measured {
            at_micros: own.unwrap_or(event.timestamp_ms.saturating_mul(1_000)),
            ..Measured::default()
        };
        match format.unwrap_or_else(|| detect(message).format) {
            Format::General => {
                let entry = general::parse(message);
                let is_statement = |command| matches!(command, "Query" | "Execute" | "Bulk_execute");
                if let Some(entry) = entry.filter(|entry| is_statement(entry.command)) {
                    self.statement(entry.argument, &at(own_micros(entry.stamp)));
                }
            }
            Format::Slow => {
                let Some(entry) = slow::parse(message) else { return };
                let number = |name: &str| entry.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
                let text = |name| number(name).and_then(|value| std::str::from_utf8(value).ok());
                let measured = Measured {
                    seconds: text("Query_time").and_then(|value| value.parse().ok()),
                    rows_sent: text("Rows_sent").and_then(|value| value.parse().ok()),
                    rows_examined: text("Rows_examined").and_then(|value| value.parse().ok()),
                    ..at(own_micros(entry.stamp))
                };
                if entry.administrator_command.is_none() && !entry.is_throttle_summary() {
                    self.statement(entry.statement, &measured);
                }
            }
            Format::Audit => {
                if let Some(entry) = audit::parse(message) {
                    let micros = match entry.stamp {
                        AuditStamp::Micros(micros) => Some(micros),
                        AuditStamp::Local(_) => None,
                    };
                    if let Some(query) = entry.query() {
                        self.statement(&query, &at(micros));
                    }
                } else if let Some(entry) = audit::parse_json(message)
                    && let Some(query) = &entry.query
                {
                    self.statement(query.as_bytes(), &at(entry.micros));
                }
            }
            Format::Error | Format::Json | Format::Pattern | Format::Text => {}
        }
    }

    fn statement(&mut self, statement: &[u8], measured: &Measured) {
        self.statements += 1;
        let shown = self.options.redact.hide(statement);
        let digest = digest_of(&shown);
        if let Some(digested) = self.groups.get_mut(&digest.text) {
            return digested.group.add(measured);
        }
        if self.groups.len() >= DIGESTS_MAX {
            self.others += 1;
            return;
        }
        let example = shown.get(..EXAMPLE_BYTES_MAX).unwrap_or(&shown);
        let summary = summary(&shown);
        let mut group = Group::new(measured);
        group.add(measured);
        let digested = Digested {
            hash: digest.hash(),
            example: String::from_utf8_lossy(example).into_owned(),
            statement_type: summary.operation,
            tables: summary.tables,
            group,
        };
        self.groups.insert(digest.text, digested);
    }

    /// By time where it is known, then by count.
    fn rows(&self) -> Vec<Row<'_>> {
        let seconds: f64 = self.groups.values().map(|digested| digested.group.times.sum).sum();
        let mut rows: Vec<Row<'_>> =
            self.groups.iter().map(|(text, digested)| Row::new(text, digested, self.statements, seconds)).collect();
        rows.sort_by(|a, b| {
            let by_time = b.seconds_total.unwrap_or(0.0).total_cmp(&a.seconds_total.unwrap_or(0.0));
            by_time.then(b.count.cmp(&a.count)).then(a.digest.cmp(b.digest))
        });
        rows
    }

    fn text(&self, shown: usize) -> String {
        let mut text = format!(
            "{} entries, {} statements, {} digests",
            grouped(self.entries),
            grouped(self.statements),
            grouped(self.groups.len() as u64)
        );
        if shown < self.groups.len() {
            text.push_str(&format!(", the first {shown} of them above (--limit 0 prints all)"));
        }
        if self.others > 0 {
            text.push_str(&format!(", {} statements of further digests", grouped(self.others)));
        }
        text
    }
}

/// A digest as it is printed. Durations in seconds.
#[derive(Serialize)]
struct Row<'a> {
    digest: &'a str,
    digest_hash: &'a str,
    statement_type: &'a str,
    tables: &'a [String],
    count: u64,
    /// Of the time where it is known, else of the statements.
    share: f64,
    seconds_total: Option<f64>,
    seconds_p50: Option<f64>,
    seconds_p95: Option<f64>,
    seconds_max: Option<f64>,
    rows_sent: Option<u64>,
    rows_examined: Option<u64>,
    first: Option<String>,
    last: Option<String>,
    example: &'a str,
    #[serde(skip)]
    spread: &'a [u64],
}

impl<'a> Row<'a> {
    fn new(digest: &'a str, digested: &'a Digested, statements: u64, seconds: f64) -> Row<'a> {
        let Digested { hash, example, statement_type, tables, group } = digested;
        let times = Some(&group.times).filter(|times| times.is_known());
        let share = match times {
            Some(times) if seconds > 0.0 => times.sum / seconds,
            _ => group.count as f64 / statements.max(1) as f64,
        };
        Row {
            digest,
            digest_hash: hash,
            statement_type,
            tables,
            count: group.count,
            share,
            seconds_total: times.map(|times| times.sum),
            seconds_p50: times.map(|times| times.percentile(0.5)),
            seconds_p95: times.map(|times| times.percentile(0.95)),
            seconds_max: times.map(|times| times.max),
            rows_sent: group.rows_sent,
            rows_examined: group.rows_examined,
            first: format_rfc3339(group.first_micros),
            last: format_rfc3339(group.last_micros),
            example,
            spread: &group.spread.slots,
        }
    }

    /// Four lines for people.
    fn text(&self, number: usize) -> String {
        let mut text = format!("{number:>3}  {}  {:>5.1} %", bars(self.spread), self.share * 100.0);
        let mut say = |what: String| text.push_str(&what);
        say(format!("  {} ×", grouped(self.count)));
        if let (Some(total), Some(p50), Some(p95), Some(max)) =
            (self.seconds_total, self.seconds_p50, self.seconds_p95, self.seconds_max)
        {
            let (total, p50, p95, max) = (duration(total), duration(p50), duration(p95), duration(max));
            say(format!(" {total} in all, half in {p50}, 95 % in {p95}, at most {max}"));
        }
        if let Some(rows) = self.rows_examined {
            say(format!(", {} rows examined", grouped(rows)));
        }
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            say(format!("\n     {first} to {last}  {}", self.digest_hash));
        }
        say(format!("\n     {}", one_line(self.digest, DIGEST_CHARACTERS)));
        say(format!("\n     as in: {}\n", one_line(self.example, DIGEST_CHARACTERS)));
        text
    }
}

/// The instant of a stamp that says its zone.
fn own_micros(stamp: Option<Stamp<'_>>) -> Option<i64> {
    match stamp? {
        stamp @ Stamp::Rfc3339(_) => instant_micros(&stamp, &TimeZone::UTC, None),
        Stamp::Legacy(_) => None,
    }
}

/// A small histogram: how the statements are spread from the first to the last.
fn bars(slots: &[u64]) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = slots.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &u64| {
        let height = (count * 8).div_ceil(most);
        usize::try_from(height).ok().and_then(|height| BARS.get(height)).copied().unwrap_or('█')
    };
    slots.iter().map(bar).collect()
}

/// `1.25 s`, `320 ms`, `45 µs`.
fn duration(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(messages: &[&str]) -> (Digests, Vec<serde_json::Value>) {
        let mut digests = Digests::default();
        for (second, message) in messages.iter().enumerate() {
            let timestamp_ms = i64::try_from(second).unwrap() * 1_000;
            let message = message.as_bytes().to_vec();
            digests.entry(&LogEvent { timestamp_ms, message, ..LogEvent::default() }, None);
        }
        let rows = digests.rows().iter().map(|row| serde_json::to_value(row).unwrap()).collect();
        (digests, rows)
    }

    #[test]
    fn statements_of_all_logs_are_grouped_by_their_digest() {
        let (digests, rows) = told(&[
            "2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT a FROM t WHERE b = 1",
            "2021-07-23T05:45:53.976229Z\t    5 Execute\tselect a from t where b = 'x'",
            "20210723 05:45:52,vm,a,h,1,0,QUERY,,'SELECT a FROM t WHERE b = 2',0",
            "2021-07-23T05:45:52.976229Z\t    5 Query\tSET PASSWORD = 'x1y2'",
            "2021-07-23T05:45:52.976229Z\t    5 Prepare\tSELECT a FROM t WHERE b = ?",
            "2021-07-23T05:45:52.976229Z\t    5 Quit\t",
            "a line",
        ]);
        assert_eq!(digests.text(2), "7 entries, 4 statements, 2 digests");
        assert_eq!(rows[0]["digest"], "SELECT `a` FROM `t` WHERE `b` = ?");
        assert_eq!(
            (&rows[0]["count"], &rows[0]["share"], &rows[0]["tables"][0]),
            (&3.into(), &0.75.into(), &"t".into())
        );
        assert_eq!(rows[0]["example"], "SELECT a FROM t WHERE b = 1");
        assert_eq!(
            (&rows[0]["first"], &rows[0]["last"]),
            (&"1970-01-01T00:00:02.000000Z".into(), &"2021-07-23T05:45:53.976229Z".into())
        );
        assert_eq!(rows[1]["example"], "SET PASSWORD = <secret>");
        assert_eq!(rows[1]["seconds_max"], serde_json::Value::Null);
    }

    #[test]
    fn the_costliest_of_the_slow_log_come_first() {
        let slow = |seconds: &str, statement: &str| {
            format!("# Query_time: {seconds}  Lock_time: 0 Rows_sent: 2  Rows_examined: 100\n{statement};\n")
        };
        let all =
            [slow("0.5", "SELECT 1"), slow("0.25", "SELECT 2"), slow("3", "SELECT a FROM t"), slow("0.25", "DO 1")];
        let (_, rows) = told(&all.each_ref().map(String::as_str));
        let told: Vec<_> =
            rows.iter().map(|row| (row["digest"].as_str().unwrap(), row["seconds_total"].as_f64().unwrap())).collect();
        assert_eq!(told, [("SELECT `a` FROM `t`", 3.0), ("SELECT ?", 0.75), ("DO ?", 0.25)]);
        assert_eq!((&rows[1]["share"], &rows[1]["seconds_max"]), (&0.1875.into(), &0.5.into()));
        assert_eq!((&rows[1]["rows_sent"], &rows[1]["rows_examined"]), (&4.into(), &200.into()));
    }

    /// A record that is no envelope has several entries; JSON audit logs have statements too.
    #[test]
    fn raw_records_and_json_audit_logs_are_read() {
        let mut digests = Digests::default();
        let record = |data: &[u8]| CarriedRecord::of(Ok(data.to_vec()));
        digests.record(&record(b"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT a\n  FROM t\n2021-07-23T05:45:53.976229Z\t    5 Query\tSELECT 2\n"));
        digests.record(&record(br#"{"audit_record":{"name":"Query","record":"4","timestamp":"2021-07-23T05:45:52 UTC","sqltext":"SELECT 3","user":"a"}}"#));
        digests.record(&record(
            br#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"1","timestamp":1,"message":"x"}]}"#,
        ));
        assert_eq!(digests.text(2), "3 entries, 3 statements, 2 digests");
        let rows: Vec<_> = digests.rows().iter().map(|row| (row.digest.to_owned(), row.count)).collect();
        assert_eq!(rows, [("SELECT ?".to_owned(), 2), ("SELECT `a` FROM `t`".to_owned(), 1)]);
    }

    #[test]
    fn people_see_a_histogram_and_durations_in_words() {
        let (digests, _) = told(&["# Query_time: 0.0123\nSELECT 1;\n"]);
        let text = digests.rows()[0].text(1);
        assert!(text.starts_with("  1  █                         100.0 %  1 × 12.3 ms in all, half in "), "{text}");
        assert!(text.ends_with("\n     SELECT ?\n     as in: SELECT 1\n"), "{text}");
        assert_eq!([duration(2.5), duration(0.32), duration(4.5e-5)], ["2.50 s", "320.0 ms", "45 µs"]);
        assert_eq!(bars(&[0, 1, 8, 4]), " ▁█▄");
    }
}
