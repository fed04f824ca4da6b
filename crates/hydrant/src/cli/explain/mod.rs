//! `hydrant explain`: entries taken apart, each field with its byte range and the reason, and what becomes of them: the
//! document in every field profile, its id, its index.
//!
//! What is given is told apart by content: an event of Firehose, Kinesis or a CloudWatch Logs trigger, a record, an
//! envelope, one log event; everything else is lines of a log.

mod fields;

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use hydrant_transform::carrier::{self, CarriedRecord, Carrier};
use hydrant_transform::document::{IndexNaming, Profile, Rotation};
use hydrant_transform::entry::{Format, detect, of_log_group};
use hydrant_transform::envelope::{Decoded, LogEvent, decode};
use hydrant_transform::record::{Options, Origin, RecordSource, raw_entries, transform_events};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::output;
use crate::clock::Clock;
use crate::stream::RECORD_BYTES_MAX;
use fields::Field;

/// What standard input may hold: a record in base64, and what carries it.
const INPUT_BYTES_MAX: u64 = RECORD_BYTES_MAX as u64 * 2;

#[derive(Serialize)]
struct Explanation {
    format: &'static str,
    reason: String,
    fields: Vec<Field>,
    /// In the profile that is configured. What is not indexed has none.
    document: Option<Box<RawValue>>,
    /// In every profile.
    documents: BTreeMap<&'static str, Box<RawValue>>,
    /// `None` where it depends on what the entry comes in.
    #[serde(rename = "_id")]
    id: Option<String>,
    index: Option<String>,
    dropped: Option<String>,
    failed: Option<String>,
}

/// An entry and where it comes from.
#[derive(Default)]
struct Subject {
    owner: String,
    log_group: String,
    log_stream: String,
    event: LogEvent,
    /// `None`: its time is that of its own stamp, else now.
    has_time: bool,
    id: Option<String>,
}

pub(super) fn explain(arguments: &super::Explain) -> anyhow::Result<()> {
    let mut given = arguments.line.as_bytes().to_vec();
    if arguments.line == "-" {
        given.clear();
        std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut given)?;
    }
    let options = arguments.options.options()?;
    let now_ms = Clock::System.now_ms();
    let mut subjects = subjects(&given, &options, now_ms)?;
    let one = subjects.len() == 1;
    for (idx, subject) in subjects.iter_mut().enumerate() {
        if subject.log_group.is_empty() {
            subject.log_group = arguments.options.log_group.clone().unwrap_or_default();
            subject.log_stream = arguments.options.log_stream.clone().unwrap_or_default();
        }
        let explanation = of(subject, &options, &arguments.options.time_zone, now_ms)?;
        if arguments.json {
            output::line(&serde_json::to_string(&explanation)?)?;
        } else {
            let head = if one { String::new() } else { format!("log event {}\n", idx + 1) };
            let space = if idx == 0 { "" } else { "\n" };
            output::line(&format!("{space}{head}{}", explanation.text()))?;
        }
    }
    Ok(())
}

/// A log event as the API of CloudWatch Logs and an envelope have it.
#[derive(Deserialize)]
struct GivenEvent {
    id: String,
    timestamp: i64,
    message: String,
}

fn subjects(given: &[u8], options: &Options, now_ms: i64) -> anyhow::Result<Vec<Subject>> {
    let records = match carrier::read(given) {
        Some(Carrier::Firehose(event)) => event.records.into_iter().map(CarriedRecord::from).collect(),
        Some(Carrier::Kinesis(records)) => records,
        Some(Carrier::CloudWatchLogs(record)) => vec![record],
        None => match carrier::failed_document(given).or_else(|| carrier::base64_record(given)) {
            Some(record) => vec![record],
            None if matches!(decode(given), Ok(Decoded::Envelopes(_)) | Err(_)) => {
                vec![CarriedRecord::of(Ok(given.to_vec()))]
            }
            None => return Ok(entries_or_event(given, options)),
        },
    };
    let mut subjects = Vec::new();
    let is_only = records.len() == 1;
    for record in records {
        let transformed = record.transform(now_ms, options);
        if let Some(failure) = transformed.failed.iter().find(|failure| failure.event_idx.is_none()) {
            let (code, message) = (&failure.reason.code, &failure.reason.message);
            let told = format!("a record becomes one failed document: {code}: {message}");
            if is_only {
                anyhow::bail!(told);
            }
            output::notice(&told);
            continue;
        }
        let told = transformed.documents.iter().map(|document| (document.event_idx, document.ordinal, &document.id));
        let failed =
            transformed.failed.iter().filter_map(|failure| Some((failure.event_idx?, failure.ordinal, &failure.id)));
        let ids: BTreeMap<(u32, u32), String> =
            told.chain(failed).map(|(idx, ordinal, id)| ((idx, ordinal), id.to_string())).collect();
        for (idx, event) in (0_u32..).zip(&transformed.events) {
            let origin = transformed.origin(idx).cloned().unwrap_or_default();
            // A record that is no envelope may hold several entries.
            let is_raw = origin == Origin { first_event_idx: origin.first_event_idx, ..Origin::default() };
            let entries = match &record.data {
                Ok(data) if is_raw && matches!(decode(data), Ok(Decoded::Raw(_))) => {
                    raw_entries(&event.message, event.timestamp_ms, options)
                }
                Ok(_) | Err(_) => vec![(event.clone(), 0)],
            };
            subjects.extend(entries.into_iter().map(|(event, ordinal)| Subject {
                owner: origin.owner.clone(),
                log_group: origin.log_group.clone(),
                log_stream: origin.log_stream.clone(),
                event,
                has_time: true,
                id: ids.get(&(idx, ordinal)).cloned(),
            }));
        }
    }
    Ok(subjects)
}

/// One log event as JSON, or entries as they are logged.
fn entries_or_event(given: &[u8], options: &Options) -> Vec<Subject> {
    match serde_json::from_slice::<GivenEvent>(given) {
        Ok(GivenEvent { id, timestamp, message }) => {
            let event = LogEvent { id, timestamp_ms: timestamp, message: message.into_bytes(), ..LogEvent::default() };
            vec![Subject { event, has_time: true, ..Subject::default() }]
        }
        Err(_) => {
            let entries = raw_entries(given, 0, options).into_iter();
            entries.map(|(event, _)| Subject { event, ..Subject::default() }).collect()
        }
    }
}

fn of(subject: &Subject, options: &Options, zone: &TimeZone, now_ms: i64) -> anyhow::Result<Explanation> {
    let mut event = subject.event.clone();
    if !subject.has_time {
        event.timestamp_ms = fields::own_time_ms(&event.message, zone).unwrap_or(now_ms);
    }
    let message = &event.message;
    let in_profile = |profile| {
        let options = Options { profile, ..options.clone() };
        let source = RecordSource { shard: "", sequence_number: "", arrival_ms: now_ms };
        let (owner, group, stream) = (&subject.owner, &subject.log_group, &subject.log_stream);
        transform_events(owner, group, stream, vec![event.clone()], source, &options)
    };
    let transformed = in_profile(options.profile);
    let document = transformed.documents.first();
    let detected = detect(message);
    let format = document.map_or(detected.format, |document| document.format);
    let source = |bytes: &[u8]| RawValue::from_string(String::from_utf8_lossy(bytes).into_owned());
    let mut documents = BTreeMap::new();
    for profile in Profile::ALL {
        if let Some(document) = in_profile(profile).documents.first() {
            documents.insert(profile.name(), source(&document.source)?);
        }
    }
    let naming = IndexNaming::new("hydrant-{format}", Rotation::default())?;
    // What a file's or a record's place adds to an id is not known of an entry alone.
    let own_id = document.filter(|_| hydrant_transform::document::is_cloudwatch_event_id(&event.id));
    Ok(Explanation {
        format: format.name(),
        reason: reason(format, detected.format, detected.reason, options, &subject.log_group),
        fields: fields::of(message, format, options, zone, &in_profile(Profile::Classic)),
        document: document.map(|document| source(&document.source)).transpose()?,
        documents,
        id: subject.id.clone().or_else(|| own_id.map(|document| document.id.to_string())),
        index: document.map(|document| naming.name(&transformed.name_source(document, now_ms))),
        dropped: transformed.dropped.first().map(|reason| reason.name().to_owned()),
        failed: transformed
            .failed
            .first()
            .map(|failure| format!("{}: {}", failure.reason.code, failure.reason.message)),
    })
}

/// By which rule the entry is of its format.
fn reason(format: Format, detected: Format, why: &str, options: &Options, log_group: &str) -> String {
    let said = match (options.format, of_log_group(log_group)) {
        (Some(said), _) => Some((said, "the configuration")),
        (None, Some(said)) => Some((said, "the name of the log group")),
        (None, None) => None,
    };
    match said {
        Some((said, who)) if said == format => format!("{who} says so"),
        Some((said, who)) => format!("{who} says {}, which this is not", said.name()),
        None if format == Format::Pattern => "a `[[pattern]]` of the configuration matches it".to_owned(),
        None if format == detected => why.to_owned(),
        None => format!("{why}, but it cannot be one"),
    }
}

impl Explanation {
    fn text(&self) -> String {
        let mut text = format!("format     {}: {}", self.format, self.reason);
        for Field { name, value, bytes: [start, end], why } in &self.fields {
            // A terminal obeys them.
            let value = value.replace(|character: char| character.is_control() && character != '\n', " ");
            text.push_str(&format!("\n{name:<10} bytes {:<9} {value}\n{:<27}({why})", format!("{start}..{end}"), ""));
        }
        let rest = [("_id", &self.id), ("index", &self.index), ("dropped", &self.dropped), ("failed", &self.failed)];
        for (name, value) in rest {
            if let Some(value) = value {
                text.push_str(&format!("\n{name:<10} {value}"));
            }
        }
        for (profile, document) in &self.documents {
            text.push_str(&format!("\n{profile:<10} {document}"));
        }
        text
    }
}

#[cfg(test)]
mod tests;
