//! What becomes of an item: documents with their addresses, by the present rules. Pure.
//!
//! A line of ours keeps its id: the entry with this id, or else of its ordinal, or else the first. What stands before it
//! in its log event belongs to other documents; what stands behind counts on from its ordinal. Where the id is found
//! again, those behind it are most likely in the index, and are only made where they are not.

use hydrant_transform::document::{
    Document, DocumentId, EventSource, Field, IndexNaming, NameSource, Reason, document_id, is_cloudwatch_event_id,
};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Decoded, Envelope, LogEvent, decode};
use hydrant_transform::firehose::marked;
use hydrant_transform::record::{Failure, Options, RecordSource, Transformed, raw_entries, raw_envelope, transform};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::object::{BackupLine, Content, FailedLine};
use crate::index::Addressed;

/// How a document goes to the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Overwrite,
    Create,
}

/// A document, where it goes, and how.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) addressed: Addressed,
    pub(super) way: Way,
    /// Where it may be under another id.
    pub(super) lookup: Option<Lookup>,
    pub(super) part: Part,
}

/// Where an entry stands in what was transformed, for its original bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The item's own id: its line stands for it.
    Own,
    Event {
        event_idx: u32,
        ordinal: u32,
    },
    /// A finished document.
    Document,
}

/// What Firehose's documents are known by: it makes their ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lookup {
    pub(super) pattern: String,
    pub(super) event_id: String,
    pub(super) ordinal: u32,
}

impl Lookup {
    /// Whether it names one document of all: what somebody else calls `event_id` may stand in several.
    pub(super) fn tells_event(&self) -> bool {
        is_cloudwatch_event_id(&self.event_id)
    }
}

/// An entry that fails by the present rules, too.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) id: DocumentId,
    pub(super) ordinal: u32,
    pub(super) format: Option<Format>,
    pub(super) reason: Reason,
    pub(super) part: Part,
}

#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) entries: Vec<Entry>,
    pub(super) lost: Vec<Lost>,
    /// What the configuration drops.
    pub(super) dropped: usize,
}

/// The present rules. Plain data.
#[derive(Clone, Debug)]
pub struct Rules {
    pub transform: Options,
    pub naming: IndexNaming,
    /// The indices that Firehose writes to, where its failed records do not tell.
    pub firehose_index: Option<String>,
    /// Ours take the place of what is there.
    pub overwrites: bool,
}

impl Rules {
    pub(super) fn make(&self, content: &Content) -> Made {
        match content {
            Content::Failed(line) => self.failed(line),
            Content::Record(record) => {
                let Ok(data) = &record.data else { return Made::default() };
                self.natural(data, &record.shard, &record.sequence_number, record.arrival_ms, false)
            }
            Content::Copy(BackupLine { index_name, id, source }) => {
                let addressed = as_is(index_name.clone(), id.clone(), 0, source.clone());
                Made {
                    entries: vec![Entry { addressed, way: Way::Create, lookup: None, part: Part::Document }],
                    ..Made::default()
                }
            }
            Content::Unreadable(_) => Made::default(),
        }
    }

    fn failed(&self, line: &FailedLine) -> Made {
        if let Some(objects) = line.index_name.as_ref().and_then(|_| finished(&line.data)) {
            return self.as_they_are(line, objects);
        }
        if line.data.starts_with(b"{\"messageType\":\"HYDRANT_DOCUMENT\"") {
            return self.marked(line);
        }
        match (line.ours, &line.id) {
            (Some(ordinal), Some(id)) => self.ours(line, &DocumentId::from(id.clone()), ordinal),
            _ => self.natural(&line.data, "", "", line.arrival_ms, true),
        }
    }

    /// A document of a record.
    fn address(&self, transformed: &Transformed, document: Document, arrival_ms: i64) -> Addressed {
        Addressed { index_name: self.naming.name(&transformed.name_source(&document, arrival_ms)), document }
    }

    /// A finished document, by what it says of itself.
    fn address_finished(&self, document: Document, arrival_ms: i64) -> Addressed {
        let said = serde_json::from_slice::<serde_json::Value>(&document.source).unwrap_or_default();
        let text = |field: Field| {
            let value = field.find(|name| said.get(name));
            value.and_then(|value| value.as_str().or_else(|| value.get(0)?.as_str())).unwrap_or_default()
        };
        let index_name = self.naming.name(&NameSource {
            owner: text(Field::Owner),
            log_group: text(Field::LogGroup),
            log_stream: text(Field::LogStream),
            format: document.format,
            timestamp_ms: document.timestamp_ms,
            arrival_ms,
        });
        Addressed { index_name, document }
    }

    /// A record under the ids that it has by itself. `of_firehose`: its documents may be in an index under others.
    fn natural(&self, data: &[u8], shard: &str, sequence_number: &str, arrival_ms: i64, of_firehose: bool) -> Made {
        // Something has to tell records apart whose events have no ids; a repeat of one is the same again.
        let digest = if sequence_number.is_empty() { hash(data) } else { sequence_number.to_owned() };
        let source = RecordSource { shard, sequence_number: &digest, arrival_ms };
        let mut transformed = transform(data, source, &self.transform);
        let (documents, failed) = (std::mem::take(&mut transformed.documents), std::mem::take(&mut transformed.failed));
        let events = &transformed.events;
        let entries = documents.into_iter().map(|document| {
            let part = Part::Event { event_idx: document.event_idx, ordinal: document.ordinal };
            let event = usize::try_from(document.event_idx).ok().and_then(|idx| events.get(idx));
            let event_id = event.map(|event| event.id.clone()).filter(|id| of_firehose && !id.is_empty());
            let ordinal = document.ordinal;
            let addressed = self.address(&transformed, document, arrival_ms);
            let pattern = || self.firehose_index.clone().unwrap_or_else(|| family(&addressed.index_name));
            let lookup = event_id.map(|event_id| Lookup { pattern: pattern(), event_id, ordinal });
            Entry { addressed, way: Way::Create, lookup, part }
        });
        Made {
            entries: entries.collect(),
            lost: failed.into_iter().map(lost).collect(),
            dropped: transformed.dropped.len(),
        }
    }

    /// Finished documents on their second way through Firehose.
    fn marked(&self, line: &FailedLine) -> Made {
        let mut made = Made::default();
        for (event, _) in raw_entries(&line.data, line.arrival_ms, &self.transform) {
            let Some(document) = marked::read(&event.message) else {
                made.dropped += 1;
                continue;
            };
            let known = Known::of(&document.source);
            let addressed = self.address_finished(document, line.arrival_ms);
            let pattern = self.firehose_index.clone().unwrap_or_else(|| family(&addressed.index_name));
            let lookup = known.lookup(pattern);
            made.entries.push(Entry { addressed, way: Way::Create, lookup, part: Part::Document });
        }
        made
    }

    /// Documents that the index refused as they are, or that it was never offered.
    fn as_they_are(&self, line: &FailedLine, objects: Vec<Vec<u8>>) -> Made {
        let index_name = line.index_name.clone().unwrap_or_default();
        let single = objects.len() == 1;
        let entries = (0u32..).zip(objects).map(|(place, source)| {
            let known = Known::of(&source);
            let id = match (line.ours, &line.id, known.id()) {
                (Some(_), Some(id), _) if single => DocumentId::from(id.clone()),
                (_, _, Some(id)) => id,
                (_, Some(id), None) if single => DocumentId::from(id.clone()),
                _ => DocumentId::from(hash(&[&line.data[..], &place.to_be_bytes()].concat())),
            };
            let pattern = self.firehose_index.clone().unwrap_or_else(|| family(&index_name));
            let part = if single && line.ours.is_some() { Part::Own } else { Part::Document };
            let addressed = as_is(index_name.clone(), id, known.ordinal, source);
            Entry { addressed, way: Way::Create, lookup: known.lookup(pattern), part }
        });
        Made { entries: entries.collect(), ..Made::default() }
    }

    fn ours(&self, line: &FailedLine, id: &DocumentId, ordinal: u32) -> Made {
        let (record, arrival_ms) = as_it_came(&line.data, line.arrival_ms);
        let source = RecordSource { shard: "", sequence_number: id.as_str(), arrival_ms };
        let transformed = transform(&record, source, &self.transform);
        let mut places: Vec<Place> = transformed.documents.iter().cloned().map(Place::Document).collect();
        places.extend(transformed.failed.iter().cloned().map(Place::Lost));
        places.sort_by_key(Place::order);
        let by_id = places.iter().position(|place| place.id() == id);
        let own = by_id.or_else(|| places.iter().position(|place| place.order() == (0, ordinal))).unwrap_or(0);
        let mut made = Made { dropped: transformed.dropped.len(), ..Made::default() };
        let own_order = places.get(own).map_or((0, 0), Place::order);
        for (place_idx, place) in places.into_iter().enumerate().skip(own) {
            let (event_idx, made_ordinal) = place.order();
            let is_own = place_idx == own;
            let counts_on = by_id.is_none() && event_idx == own_order.0;
            let (id, ordinal) = if is_own {
                (id.clone(), ordinal)
            } else if counts_on {
                let ordinal = ordinal.saturating_add(made_ordinal.saturating_sub(own_order.1));
                (further(&transformed, event_idx, ordinal, id), ordinal)
            } else {
                (place.id().clone(), made_ordinal)
            };
            let part = if is_own { Part::Own } else { Part::Event { event_idx, ordinal: made_ordinal } };
            let way = if self.overwrites && (is_own || by_id.is_none()) { Way::Overwrite } else { Way::Create };
            match place {
                Place::Document(mut document) => {
                    if ordinal != document.ordinal {
                        document.source = with_ordinal(&document.source, ordinal);
                    }
                    (document.id, document.ordinal) = (id, ordinal);
                    made.entries.push(Entry {
                        addressed: self.address(&transformed, document, arrival_ms),
                        way,
                        lookup: None,
                        part,
                    });
                }
                Place::Lost(Failure { format, reason, .. }) => {
                    made.lost.push(Lost { id, ordinal, format, reason, part });
                }
            }
        }
        made
    }

    /// The original bytes of an entry of an item, for a line of failed/.
    pub(super) fn raw(&self, content: &Content, part: Part) -> Vec<u8> {
        let (data, shard, sequence_number, arrival_ms) = match content {
            Content::Failed(line) => {
                let (record, arrival_ms) = match line.ours {
                    Some(_) => as_it_came(&line.data, line.arrival_ms),
                    None => (line.data.clone(), line.arrival_ms),
                };
                (record, "", line.id.as_deref().unwrap_or_default(), arrival_ms)
            }
            Content::Record(record) => {
                let data = record.data.clone().unwrap_or_default();
                (data, record.shard.as_str(), record.sequence_number.as_str(), record.arrival_ms)
            }
            Content::Copy(_) | Content::Unreadable(_) => return Vec::new(),
        };
        match part {
            Part::Event { event_idx, ordinal } => {
                let source = RecordSource { shard, sequence_number, arrival_ms };
                let transformed = transform(&data, source, &self.transform);
                let raw = raw_envelope(&transformed, event_idx, ordinal);
                if raw.is_empty() { data } else { raw }
            }
            Part::Own | Part::Document => data,
        }
    }
}

enum Place {
    Document(Document),
    Lost(Failure),
}

impl Place {
    fn id(&self) -> &DocumentId {
        match self {
            Place::Document(document) => &document.id,
            Place::Lost(failure) => &failure.id,
        }
    }

    fn order(&self) -> (u32, u32) {
        match self {
            Place::Document(document) => (document.event_idx, document.ordinal),
            Place::Lost(failure) => (failure.event_idx.unwrap_or(0), failure.ordinal),
        }
    }
}

fn lost(failure: Failure) -> Lost {
    let Failure { id, ordinal, format, reason, event_idx } = failure;
    // The record as a whole is the original.
    let part = event_idx.map_or(Part::Document, |event_idx| Part::Event { event_idx, ordinal });
    Lost { id, ordinal, format, reason, part }
}

/// A record that was no envelope is kept in one that names nothing.
fn as_it_came(data: &[u8], arrival_ms: i64) -> (Vec<u8>, i64) {
    if let Ok(Decoded::Envelopes(envelopes)) = decode(data)
        && let [Envelope { owner, log_group, log_stream, log_events, .. }] = envelopes.as_slice()
        && owner.is_empty()
        && log_group.is_empty()
        && log_stream.is_empty()
        && let [LogEvent { id, timestamp_ms, message, .. }] = log_events.as_slice()
        && id.is_empty()
    {
        return (message.clone(), *timestamp_ms);
    }
    (data.to_vec(), arrival_ms)
}

fn further(transformed: &Transformed, event_idx: u32, ordinal: u32, own: &DocumentId) -> DocumentId {
    let event = usize::try_from(event_idx).ok().and_then(|idx| transformed.events.get(idx));
    let origin = transformed.origin(event_idx);
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let (owner, log_group) = (text(origin.map(|origin| &origin.owner)), text(origin.map(|origin| &origin.log_group)));
    let (log_stream, event_id) = (text(origin.map(|origin| &origin.log_stream)), text(event.map(|event| &event.id)));
    let source = EventSource {
        owner: &owner,
        log_group: &log_group,
        log_stream: &log_stream,
        event_id: &event_id,
        shard: "",
        sequence_number: own.as_str(),
    };
    document_id(&source, event_idx, ordinal)
}

fn with_ordinal(source: &[u8], ordinal: u32) -> Vec<u8> {
    let Ok(mut object) = serde_json::from_slice::<Map<String, Value>>(source) else { return source.to_vec() };
    let [name, ..] = Field::Ordinal.names();
    if ordinal == 0 {
        object.shift_remove(name);
    } else {
        object.insert(name.to_owned(), Value::from(ordinal));
    }
    Value::Object(object).to_string().into_bytes()
}

fn as_is(index_name: String, id: DocumentId, ordinal: u32, source: Vec<u8>) -> Addressed {
    let document = Document { id, format: Format::Json, timestamp_ms: 0, ordinal, source, event_idx: 0 };
    Addressed { index_name, document }
}

/// The JSON objects that data is made of, if it is nothing else, and none of them is an envelope or a marked record.
fn finished(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut objects = Vec::new();
    for object in serde_json::Deserializer::from_slice(data).into_iter::<Map<String, Value>>() {
        let object = object.ok()?;
        if object.contains_key("messageType") {
            return None;
        }
        objects.push(Value::Object(object).to_string().into_bytes());
    }
    if let [only] = objects.as_mut_slice() {
        // As it stands, to the byte.
        *only = data.trim_ascii().to_vec();
    }
    Some(objects).filter(|objects| !objects.is_empty())
}

/// What a finished document says of its log event.
#[derive(Debug, Default)]
struct Known {
    event_id: Option<String>,
    owner: String,
    log_group: String,
    log_stream: String,
    ordinal: u32,
}

impl Known {
    fn of(source: &[u8]) -> Known {
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(source) else { return Known::default() };
        let text = |field: Field| match field.find(|name| object.get(name)) {
            Some(Value::String(text)) => Some(text.clone()),
            // Profiles have some names as arrays.
            Some(Value::Array(texts)) => texts.first().and_then(Value::as_str).map(str::to_owned),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => None,
        };
        let ordinal = Field::Ordinal.find(|name| object.get(name)).and_then(Value::as_u64);
        Known {
            event_id: text(Field::EventId).filter(|id| !id.is_empty()),
            owner: text(Field::Owner).unwrap_or_default(),
            log_group: text(Field::LogGroup).unwrap_or_default(),
            log_stream: text(Field::LogStream).unwrap_or_default(),
            ordinal: ordinal.and_then(|ordinal| u32::try_from(ordinal).ok()).unwrap_or(0),
        }
    }

    /// The one id that all copies of the document have.
    fn id(&self) -> Option<DocumentId> {
        let event_id = self.event_id.as_deref().filter(|id| is_cloudwatch_event_id(id))?;
        let Known { owner, log_group, log_stream, .. } = self;
        let source = EventSource { owner, log_group, log_stream, event_id, shard: "", sequence_number: "" };
        Some(document_id(&source, 0, self.ordinal))
    }

    fn lookup(self, pattern: String) -> Option<Lookup> {
        let Known { event_id, ordinal, .. } = self;
        event_id.map(|event_id| Lookup { pattern, event_id, ordinal })
    }
}

/// An index and those that it rotates with: `logs-2026-11-23` is of `logs*`.
pub(super) fn family(index_name: &str) -> String {
    let is_digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_week = |part: &str| part.strip_prefix('w').is_some_and(|week| is_digits(week, 2));
    let parts: Vec<&str> = index_name.split('-').collect();
    for year in parts.len().saturating_sub(4)..parts.len() {
        let (stem, suffix) = parts.split_at(year);
        let Some((first, rest)) = suffix.split_first() else { continue };
        let is_rotation = is_digits(first, 4)
            && (rest.iter().all(|part| is_digits(part, 2)) || matches!(rest, [week] if is_week(week)));
        if is_rotation && !stem.is_empty() {
            return format!("{}*", stem.join("-"));
        }
    }
    format!("{index_name}*")
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
