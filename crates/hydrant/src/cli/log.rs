//! The log on stderr: lines for people, or one JSON object a line for machines.
//!
//! ```json
//! {"timestamp":"2026-11-23T10:00:00.123456Z","level":"WARN","message":"cannot …","fields":{"shard":"…","problem":"…"}}
//! ```
//!
//! Notices that are no events of the log ("stopping: …") take the same form. `HYDRANT_LOG` goes before `log.level`.

use std::fmt;

use serde_json::{Map, Value as Json, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::output;
use crate::config::{Log, LogFormat};

const VARIABLE: &str = "HYDRANT_LOG";

/// The field of an event that is its sentence.
const MESSAGE: &str = "message";

/// For the whole process, once. What is notified on stderr takes the same form.
pub(super) fn start(log: Log) {
    output::notices_as_json(log.format == LogFormat::Json);
    drop(subscriber(log).try_init());
}

/// While `work` runs on this thread.
pub(super) fn during<T>(log: Log, work: impl FnOnce() -> T) -> T {
    output::notices_as_json(log.format == LogFormat::Json);
    let _guard = subscriber(log).set_default();
    work()
}

fn subscriber(log: Log) -> Box<dyn Subscriber + Send + Sync> {
    let filter = EnvFilter::builder().with_default_directive(log.level.into());
    let filter = filter.with_env_var(VARIABLE).from_env_lossy().add_directive(
        "tantivy=error".parse().unwrap_or_else(|_error| tracing::level_filters::LevelFilter::ERROR.into()),
    );
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let builder = builder.with_ansi(output::on_terminal()).with_writer(|| output::Notices.lock());
    match log.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.event_format(Lines).finish()),
    }
}

/// One JSON object a line.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        writeln!(writer, "{}", line(event.metadata().level().as_str(), &fields.message, fields.others))
    }
}

/// A line of the log in JSON.
pub(super) fn line(level: &str, message: &str, fields: Map<String, Json>) -> Json {
    let mut timestamp = String::new();
    // Writing to a String does not fail.
    if SystemTime.format_time(&mut Writer::new(&mut timestamp)).is_err() {
        timestamp.clear();
    }
    json!({"timestamp": timestamp, "level": level, "message": message, "fields": fields})
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Json>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Json) {
        if let (MESSAGE, Json::String(text)) = (field.name(), &value) {
            self.message.clone_from(text);
        } else {
            self.others.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_json_has_time_level_message_and_fields_whatever_they_hold() {
        let written = Written::default();
        let into = written.clone();
        let subscriber = tracing_subscriber::fmt().event_format(Lines).with_writer(move || into.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let problem = "a \"quoted\"\nproblem \u{1b}[31m \u{7}";
            tracing::warn!(shard = "shardId-1", problem, seconds = 1.5, n = -3, on = true, "cannot {}", "write\nit");
            tracing::error!("alone");
            tracing::info!(error = %std::io::Error::other("full"), path = ?std::path::Path::new("a b"), "shown");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let told: Vec<Json> = lines
            .iter()
            .map(|line| {
                let timestamp: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
                assert!(timestamp.as_second() > 1_700_000_000, "{line}");
                assert_eq!(line.as_object().unwrap().len(), 4, "{line}");
                json!([line["level"], line["message"], line["fields"]])
            })
            .collect();
        let problem = "a \"quoted\"\nproblem \u{1b}[31m \u{7}";
        let first = json!({"shard": "shardId-1", "problem": problem, "seconds": 1.5, "n": -3, "on": true});
        assert_eq!(
            told,
            [
                json!(["WARN", "cannot write\nit", first]),
                json!(["ERROR", "alone", {}]),
                json!(["INFO", "shown", {"error": "full", "path": "\"a b\""}]),
            ]
        );
    }
}
