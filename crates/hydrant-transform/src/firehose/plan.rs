//! From an event to what is answered, sent again, and failed. Pure.
//!
//! Every log event of the input ends in exactly one of them, or is dropped for a reason. The answer, as it is
//! serialized, stays within its bound: what does not fit beside the others is sent again, and what fits in no answer
//! fails. What is sent again is held until the whole event is planned: where that is too much, further records are
//! answered as failed, and Firehose keeps their bytes.

use crate::document::{Document, EventSource, Reason};
use crate::record::{
    DOCUMENTS_BYTES_MAX, DropReason, Failure, LineTransformer, Marked, Options, RecordSource, Transformed,
    raw_envelope, reason_code, transform_keeping_marked,
};

use super::answer::{ANSWER_BYTES_MAX, Answer, FRAME_BYTES, Response, Result, data_bytes, entry_bytes};
use super::event::{Event, InputRecord};
use super::marked::{self, Parts};

/// What is held of a document beside its bytes, about: names, ids, reasons.
const HELD_BYTES: usize = 256;

/// What the destination takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// One document a record: OpenSearch.
    #[default]
    Documents,
    /// Documents divided by newlines: S3, HTTP endpoints, Splunk.
    Lines,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub options: Options,
    pub destination: Destination,
    /// Of the serialized answer; at most [`ANSWER_BYTES_MAX`].
    pub answer_bytes_max: usize,
    /// Where records are sent again: it says what counts of one.
    pub target: Target,
    /// Of one record that is sent again: 1,000 KiB for Firehose, 1 MiB for a Kinesis stream unless it takes larger ones.
    pub record_bytes_max: usize,
    /// Of all that is sent again and all that failed, not counting the last record's.
    pub held_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            options: Options::default(),
            destination: Destination::Documents,
            answer_bytes_max: ANSWER_BYTES_MAX,
            target: Target::Firehose,
            record_bytes_max: Target::Firehose.record_bytes_max(),
            held_bytes_max: DOCUMENTS_BYTES_MAX,
        }
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan<A = Vec<Answer>> {
    /// One for each record, in order.
    pub answers: A,
    pub again: Vec<Again>,
    /// Entries that became no document. A record that could not be decoded is not among them: it is answered as
    /// failed, and Firehose keeps its bytes.
    pub failed: Vec<Failed>,
    pub dropped: Vec<DropReason>,
    /// Documents in the answer.
    pub answered: usize,
    /// Records that are answered as failed because those before them hold too much.
    pub beyond: usize,
}

/// A finished document, in a record of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// The record of the event that it came from.
    pub record_idx: usize,
    /// The document's id, so that documents spread over shards.
    pub partition_key: String,
    pub data: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The record of the event that it came from.
    pub record_idx: usize,
    pub failure: Failure,
    /// An envelope of just the log event that it came from.
    pub raw: Vec<u8>,
    pub arrival_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Even an answer without data is too long.
    #[error("an answer to {records} records takes {bytes} bytes without any data, more than {max}")]
    AnswerLimit { records: usize, bytes: usize, max: usize },
}

/// Plans the answer to an event.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(event: &Event<'_>, settings: &Settings) -> std::result::Result<Plan, PlanError> {
    Planner::new(settings).plan(event)
}

/// Plans one answer after another, and keeps nothing from one to the next but memory.
#[derive(Debug)]
pub struct Planner<'s> {
    settings: &'s Settings,
    lines: LineTransformer<'s>,
    /// Of the answer so far, with an entry for each record.
    bytes: usize,
    /// Of what is sent again and what failed, so far.
    held_bytes: usize,
    record_idx: usize,
    /// A record, decoded.
    decoded: Vec<u8>,
    /// What it is answered with.
    answer: Vec<u8>,
    plan: Plan<()>,
}

impl<'s> Planner<'s> {
    pub fn new(settings: &'s Settings) -> Planner<'s> {
        let lines = LineTransformer::new(&settings.options);
        Planner {
            settings,
            lines,
            bytes: 0,
            held_bytes: 0,
            record_idx: 0,
            decoded: Vec::new(),
            answer: Vec::new(),
            plan: Plan::default(),
        }
    }

    /// Plans the answer to an event.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn plan(&mut self, event: &Event<'_>) -> std::result::Result<Plan, PlanError> {
        self.begin(event)?;
        let mut answers = Vec::with_capacity(event.records.len());
        for record in &event.records {
            let result = self.record(record).map(|()| std::mem::take(&mut self.answer));
            answers.push(Answer { record_id: record.record_id.clone().into_owned(), result });
        }
        let Plan { answers: (), again, failed, dropped, answered, beyond } = std::mem::take(&mut self.plan);
        Ok(Plan { answers, again, failed, dropped, answered, beyond })
    }

    /// As [`Planner::plan`], with the answers as the function's response, which is written behind what stands in `out`.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn respond(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> std::result::Result<Plan<()>, PlanError> {
        self.begin(event)?;
        let mut response = Response::begin(out);
        for record in &event.records {
            let result = self.record(record);
            response.entry(&record.record_id, result.map(|()| self.answer.as_slice()));
        }
        response.end();
        Ok(std::mem::take(&mut self.plan))
    }

    fn begin(&mut self, event: &Event<'_>) -> std::result::Result<(), PlanError> {
        let entries: usize = event.records.iter().map(|record| entry_bytes(&record.record_id)).sum();
        let (bytes, max) = (FRAME_BYTES + entries, self.settings.answer_bytes_max);
        if bytes > max {
            return Err(PlanError::AnswerLimit { records: event.records.len(), bytes, max });
        }
        (self.bytes, self.held_bytes, self.record_idx) = (bytes, 0, 0);
        Ok(())
    }

    /// What a record is answered with is in `answer`.
    fn record(&mut self, record: &InputRecord<'_>) -> Result<()> {
        let mut decoded = std::mem::take(&mut self.decoded);
        let is_beyond = self.held_bytes > self.settings.held_bytes_max;
        let result = match record.decode_into(&mut decoded) {
            Some(_) if is_beyond => {
                self.plan.beyond += 1;
                Result::ProcessingFailed
            }
            Some(data) => self.data(record, data),
            None => Result::ProcessingFailed,
        };
        self.decoded = decoded;
        self.record_idx += 1;
        result
    }

    fn data(&mut self, record: &InputRecord<'_>, data: &[u8]) -> Result<()> {
        if let Some(document) = marked::read(data) {
            return self.finished(record, &Marked { document, record: data.to_vec() });
        }
        let source = RecordSource {
            shard: &record.shard,
            sequence_number: &record.sequence_number,
            arrival_ms: record.arrival_ms,
        };
        if let Some(result) = self.lines(data, source) {
            return result;
        }
        let transformed = transform_keeping_marked(data, source, &self.settings.options);
        if transformed.failed.iter().any(|failure| failure.event_idx.is_none()) {
            return Result::ProcessingFailed;
        }
        for failure in &transformed.failed {
            self.fail(record, &transformed, failure.clone());
        }
        let documents = &transformed.documents;
        if let [marked] = &transformed.marked[..]
            && transformed.entries() == 0
        {
            return self.finished(record, marked);
        }
        // Several in one record go on one by one.
        for marked in &transformed.marked {
            self.again(marked.document.id.as_str(), marked.record.clone());
        }
        let in_place = match self.settings.destination {
            Destination::Documents => documents.len() == 1 && transformed.marked.is_empty(),
            Destination::Lines => !documents.is_empty(),
        };
        let is_answered = in_place && self.take(documents);
        if !is_answered {
            documents.iter().for_each(|document| self.send_again(record, &transformed, document));
        }
        self.plan.dropped.extend(transformed.dropped);
        if is_answered { Result::Ok(()) } else { Result::Dropped }
    }

    /// A finished document, alone in its record.
    fn finished(&mut self, record: &InputRecord<'_>, marked: &Marked) -> Result<()> {
        let Marked { document, record: data } = marked;
        if self.take(std::slice::from_ref(document)) {
            Result::Ok(())
        } else if self.alone(record, document) > self.settings.answer_bytes_max {
            Result::ProcessingFailed
        } else {
            self.again(document.id.as_str(), data.clone());
            Result::Dropped
        }
    }

    /// The quick way, where the destination takes lines. `None`: the record is not for it, or its lines do not fit.
    fn lines(&mut self, data: &[u8], source: RecordSource<'_>) -> Option<Result<()>> {
        if self.settings.destination != Destination::Lines {
            return None;
        }
        let lines = self.lines.transform(data, source)?;
        let bytes = data_bytes(&lines.data);
        let is_empty = lines.documents.is_empty();
        if !is_empty && self.bytes + bytes > self.settings.answer_bytes_max {
            return None;
        }
        self.plan.dropped.append(&mut lines.dropped);
        if is_empty {
            return Some(Result::Dropped);
        }
        std::mem::swap(&mut self.answer, &mut lines.data);
        self.bytes += bytes;
        self.plan.answered += lines.documents.len();
        Some(Result::Ok(()))
    }

    /// Takes documents as data, if that fits beside what is there.
    fn take(&mut self, documents: &[Document]) -> bool {
        self.answer.clear();
        for document in documents {
            self.answer.extend_from_slice(&document.source);
            if self.settings.destination == Destination::Lines {
                self.answer.push(b'\n');
            }
        }
        let bytes = data_bytes(&self.answer);
        let fits = self.bytes + bytes <= self.settings.answer_bytes_max;
        if fits {
            self.bytes += bytes;
            self.plan.answered += documents.len();
        }
        fits
    }

    /// Bytes of an answer that holds nothing but the document.
    fn alone(&self, record: &InputRecord<'_>, document: &Document) -> usize {
        let newline = usize::from(self.settings.destination == Destination::Lines);
        FRAME_BYTES + entry_bytes(&record.record_id) + data_bytes(&document.source) + 4 * newline
    }

    fn send_again(&mut self, record: &InputRecord<'_>, transformed: &Transformed, document: &Document) {
        let parts = parts(record, transformed, document);
        let again = self.marked(document.id.as_str(), marked::write(document, parts));
        let (alone, bytes) = (self.alone(record, document), self.settings.target.bytes_of(&again));
        let problem = if bytes > self.settings.record_bytes_max {
            let max = self.settings.record_bytes_max;
            format!("its record of {bytes} bytes is longer than the {max} that its target takes")
        } else if alone > self.settings.answer_bytes_max {
            format!(
                "an answer with nothing else would take {alone} bytes, more than {}",
                self.settings.answer_bytes_max
            )
        } else {
            self.hold(again);
            return;
        };
        let failure = Failure {
            id: document.id.clone(),
            ordinal: document.ordinal,
            format: Some(document.format),
            reason: Reason::new(reason_code::TOO_LARGE, problem),
            event_idx: Some(document.event_idx),
        };
        self.fail(record, transformed, failure);
    }

    fn again(&mut self, id: &str, data: Vec<u8>) {
        let again = self.marked(id, data);
        self.hold(again);
    }

    fn hold(&mut self, again: Again) {
        self.held_bytes += again.data.len() + HELD_BYTES;
        self.plan.again.push(again);
    }

    fn marked(&self, id: &str, data: Vec<u8>) -> Again {
        Again { record_idx: self.record_idx, partition_key: id.to_owned(), data }
    }

    fn fail(&mut self, record: &InputRecord<'_>, transformed: &Transformed, failure: Failure) {
        let raw = failure
            .event_idx
            .map(|event_idx| raw_envelope(transformed, event_idx, failure.ordinal))
            .unwrap_or_default();
        self.held_bytes += raw.len() + HELD_BYTES;
        let (record_idx, arrival_ms) = (self.record_idx, record.arrival_ms);
        self.plan.failed.push(Failed { record_idx, failure, raw, arrival_ms });
    }
}

fn parts<'a>(record: &'a InputRecord<'_>, transformed: &'a Transformed, document: &Document) -> Parts<'a> {
    let origin = transformed.origin(document.event_idx);
    let event = usize::try_from(document.event_idx).ok().and_then(|idx| transformed.events.get(idx));
    let source = EventSource {
        owner: origin.map_or("", |origin| &origin.owner),
        log_group: origin.map_or("", |origin| &origin.log_group),
        log_stream: origin.map_or("", |origin| &origin.log_stream),
        event_id: event.map_or("", |event| &event.id),
        shard: &record.shard,
        sequence_number: &record.sequence_number,
    };
    Parts { source, event_idx: document.event_idx }
}

/// What takes records that are sent again, with the bounds of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `PutRecordBatch`: 500 records, 4 MiB, and 1,000 KiB a record; it has no partition keys.
    Firehose,
    /// `PutRecords`: 500 records and 10 MiB, partition keys included; 1 MiB a record unless the stream takes larger ones.
    Kinesis,
}

impl Target {
    /// Records of one call.
    pub const RECORDS_MAX: usize = 500;

    /// Bytes of one call.
    pub const fn call_bytes_max(self) -> usize {
        match self {
            Target::Firehose => 4 * 1024 * 1024,
            Target::Kinesis => 10 * 1024 * 1024,
        }
    }

    /// Bytes of one record, and of its partition key where it has one.
    pub const fn record_bytes_max(self) -> usize {
        match self {
            Target::Firehose => 1_000 * 1024,
            Target::Kinesis => 1024 * 1024,
        }
    }

    /// What counts of a record.
    pub fn bytes_of(self, record: &Again) -> usize {
        match self {
            Target::Firehose => record.data.len(),
            Target::Kinesis => record.data.len() + record.partition_key.len(),
        }
    }
}

/// Cuts what is sent again into calls of its target. A record that is larger than a call is one by itself.
pub fn batches(again: Vec<Again>, target: Target) -> Vec<Vec<Again>> {
    let mut batches: Vec<Vec<Again>> = Vec::new();
    let mut bytes = 0;
    for record in again {
        let length = target.bytes_of(&record);
        match batches.last_mut() {
            Some(batch) if batch.len() < Target::RECORDS_MAX && bytes + length <= target.call_bytes_max() => {
                bytes += length;
                batch.push(record);
            }
            _ => {
                bytes = length;
                batches.push(vec![record]);
            }
        }
    }
    batches
}
