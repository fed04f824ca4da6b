//! Records of a Kinesis trigger or of a direct subscription: their documents to the output, what failed to its bucket.
//!
//! A record is safe when each of its entries is in the output or kept as failed. The answer to a Kinesis trigger names the
//! first record that is not, and the platform goes on from there: what stands behind it comes again, which ids make
//! harmless in OpenSearch. A direct subscription comes again twice and no more, so of it what was not delivered is kept too.
//!
//! Records, and those that a producer packed into one, are transformed and delivered run by run, so that memory is
//! bounded where they inflate far. What is lost is kept whenever it is as much as one record may be.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hydrant_aws::aggregated::{part_number, unpack};
use hydrant_transform::carrier::CarriedRecord;
use hydrant_transform::document::{Document, Reason};
use hydrant_transform::firehose::{Again, Target};
use hydrant_transform::record::{RecordSource, Transformed, raw_envelope, reason_code, transform};
use hyper::body::Bytes;
use serde_json::json;
use tokio::time::Instant;

use crate::again::Sender;
use crate::failed::Lost;
use crate::function::{FunctionError, Work};
use crate::output::{Fate, Offered};
use crate::settings::{Output, Settings};
use crate::transformation::BYTES_OF_A_THREAD;

/// Code of an entry of a direct subscription that could not be delivered in time.
const NOT_DELIVERED: &str = "Hydrant.NotDelivered";

/// What a document takes beside its bytes, about.
const DOCUMENT_BYTES: usize = 256;

/// A record, or one of those that a producer packed into it.
struct Piece {
    record_idx: usize,
    /// Among those of its record.
    place: u64,
    /// Its record, without its data.
    record: Arc<CarriedRecord>,
    /// As it came.
    data: Bytes,
}

/// A piece, transformed.
struct Part {
    piece: Piece,
    arrival_ms: i64,
    transformed: Transformed,
}

/// Pieces that wait, in the order of the event.
type Waiting = Peekable<Box<dyn Iterator<Item = Piece> + Send>>;

/// How often an event comes again that is not safe.
#[derive(Clone, Copy, PartialEq)]
enum Repeats {
    UntilSafe,
    /// And no more, so what is not delivered has to be kept.
    Twice,
}

impl Work<'_> {
    pub(crate) async fn kinesis(&mut self, records: Vec<CarriedRecord>) -> Result<Vec<u8>, FunctionError> {
        let numbers: Vec<String> = records.iter().map(|record| record.sequence_number.clone()).collect();
        let not_safe = self.deliver(records, Repeats::UntilSafe).await?;
        let Some(first) = not_safe.first() else { return Ok(failures(None)) };
        match numbers.get(*first).filter(|number| !number.is_empty()) {
            Some(number) => Ok(failures(Some(number))),
            None => Err(FunctionError::Unsafe(not_safe.len())),
        }
    }

    /// The request's id, which a repeat of it keeps, stands for what a stream would say of the record.
    pub(crate) async fn subscription(&mut self, record: CarriedRecord) -> Result<Vec<u8>, FunctionError> {
        let record = CarriedRecord { sequence_number: self.request_id.to_owned(), ..record };
        let not_safe = self.deliver(vec![record], Repeats::Twice).await?;
        if not_safe.is_empty() { Ok(b"null".to_vec()) } else { Err(FunctionError::Unsafe(not_safe.len())) }
    }

    /// Delivers records; answers those that are not safe, in order.
    async fn deliver(
        &mut self,
        records: Vec<CarriedRecord>,
        repeats: Repeats,
    ) -> Result<BTreeSet<usize>, FunctionError> {
        self.report.records = records.len();
        self.report.lag(records.iter().map(|record| record.arrival_ms), self.now_ms);
        let [shard, first, last] = &batch(&records);
        let (mut not_safe, mut lost, mut kept) = (BTreeSet::new(), Vec::new(), 0);
        let threads = self.function.cores.min(self.report.bytes.div_ceil(BYTES_OF_A_THREAD));
        let pieces = records.into_iter().enumerate().flat_map(|(record_idx, record)| pieces(record_idx, record));
        let mut waiting = (Box::new(pieces) as Box<dyn Iterator<Item = Piece> + Send>).peekable();
        while waiting.peek().is_some() {
            let run = transform_run(&mut waiting, &self.function.settings, threads, self.now_ms);
            self.run(run, repeats, &mut lost, &mut not_safe).await?;
            if Instant::now() >= self.deadline.try_until {
                not_safe.extend(waiting.by_ref().map(|piece| piece.record_idx));
            }
            let is_last = waiting.peek().is_none();
            if is_last || bytes_of(&lost) >= self.function.settings.options.bounds.record.bytes_max {
                // Each object of the event has a name of its own.
                let first = if kept == 0 { first.clone() } else { format!("{first}/{kept}") };
                kept += 1;
                let until = if is_last { self.deadline.answer_by } else { self.deadline.half() };
                let put = self.put(&lost, [shard, &first, last], until).await;
                self.report.failed += lost.len();
                not_safe.append(&mut self.not_kept(&lost, put));
                lost.clear();
            }
        }
        self.report.unsafe_records = not_safe.len();
        Ok(not_safe)
    }

    /// Delivers a run of records: what is lost of it, and which of them are not safe.
    async fn run(
        &mut self,
        mut parts: Vec<Part>,
        repeats: Repeats,
        lost: &mut Vec<Lost>,
        not_safe: &mut BTreeSet<usize>,
    ) -> Result<(), FunctionError> {
        let mut offered = Vec::new();
        for (part_idx, part) in parts.iter_mut().enumerate() {
            self.report.received += part.transformed.entries();
            self.report.drop_all(&part.transformed.dropped);
            lost.extend(part.failures());
            offered.extend(part.offered(part_idx, &self.function.settings));
        }
        if offered.is_empty() {
            return Ok(());
        }
        let fates = match self.offer(&offered).await {
            Err(error) if repeats == Repeats::Twice => {
                self.report.problem(error.to_string());
                offered.iter().map(|_| Fate::Unsafe).collect()
            }
            other => other?,
        };
        for (offered, fate) in offered.iter().zip(fates) {
            let mut lose = |reason, times| {
                lost.extend(parts.get(offered.part_idx).map(|part| part.refused(offered, reason, times)));
            };
            match fate {
                Fate::Delivered => self.report.delivered += 1,
                Fate::Duplicate => self.report.duplicates += 1,
                Fate::Rejected(reason, times) => lose(reason, times),
                Fate::Unsafe if repeats == Repeats::Twice => {
                    lose(Reason::new(NOT_DELIVERED, "it could not be delivered in the invocation's time"), 0);
                }
                Fate::Unsafe => drop(not_safe.insert(offered.record_idx)),
            }
        }
        Ok(())
    }

    /// Offers documents to the output.
    async fn offer(&mut self, offered: &[Offered]) -> Result<Vec<Fate>, FunctionError> {
        match self.function.settings.output {
            Output::OpenSearch => {
                let index = self.function.index().await?;
                Ok(index.write(offered, self.request_id, self.deadline, &mut self.report).await)
            }
            Output::Firehose => self.put_into_firehose(offered).await,
        }
    }

    /// One document a record.
    async fn put_into_firehose(&mut self, offered: &[Offered]) -> Result<Vec<Fate>, FunctionError> {
        let stream = self.function.settings.delivery_stream.as_deref().unwrap_or_default();
        let sender = Sender::firehose(self.function.connection().await?, stream);
        let sender = sender.map_err(|error| FunctionError::Settings(error.to_string()))?;
        let bytes_max = Target::Firehose.record_bytes_max();
        let mut fates: Vec<Fate> = Vec::with_capacity(offered.len());
        let mut again = Vec::new();
        for (place, offered) in offered.iter().enumerate() {
            let bytes = offered.document.source.len();
            fates.push(if bytes > bytes_max {
                let sentence = format!("its {bytes} bytes are more than the {bytes_max} that Firehose takes");
                Fate::Rejected(Reason::new(reason_code::TOO_LARGE, sentence), 0)
            } else {
                let data = offered.document.source.clone();
                again.push(Again { record_idx: place, partition_key: String::new(), data });
                Fate::Delivered
            });
        }
        let unsent = sender.send(again, self.request_id, self.deadline.try_until).await;
        unsent.problems.into_iter().for_each(|problem| self.report.problem(problem));
        for record in unsent.records {
            if let Some(fate) = fates.get_mut(record.record_idx) {
                *fate = Fate::Unsafe;
            }
        }
        Ok(fates)
    }
}

/// The record from which a Kinesis trigger has to go on.
fn failures(number: Option<&str>) -> Vec<u8> {
    let items: Vec<_> = number.iter().map(|number| json!({"itemIdentifier": number})).collect();
    json!({"batchItemFailures": items}).to_string().into_bytes()
}

/// What tells this event's records from others.
fn batch(records: &[CarriedRecord]) -> [String; 3] {
    let (first, last) = (records.first(), records.last());
    let number = |record: Option<&CarriedRecord>| record.map_or("", |record| &record.sequence_number).to_owned();
    [first.map_or("", |record| &record.shard).to_owned(), number(first), number(last)]
}

/// What a record holds: itself, or what a producer packed into it.
fn pieces(record_idx: usize, mut record: CarriedRecord) -> impl Iterator<Item = Piece> {
    let (data, taken) = match std::mem::replace(&mut record.data, Ok(Vec::new())) {
        Ok(data) => (Bytes::from(data), Ok(Vec::new())),
        Err(text) => (Bytes::from(text), Err(String::new())),
    };
    record.data = taken;
    let packed = if record.data.is_ok() { unpack(&data) } else { None };
    let all = match packed {
        Some(packed) => packed.into_iter().map(|packed| packed.data).collect(),
        None => vec![data],
    };
    let record = Arc::new(record);
    all.into_iter().zip(0..).map(move |(data, place)| Piece { record_idx, place, record: record.clone(), data })
}

/// Transforms the next pieces, in order, by so many threads, until what they have made is as much as one record may be.
fn transform_run(waiting: &mut Waiting, settings: &Settings, threads: usize, now_ms: i64) -> Vec<Part> {
    let bytes_max = settings.options.bounds.record.bytes_max;
    let (made, waiting) = (AtomicUsize::new(0), Mutex::new(waiting));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut all: Vec<Part> = Vec::new();
        while made.load(Ordering::Relaxed) < bytes_max
            && let Some(piece) = next()
        {
            let mut part = piece.transform(settings, now_ms);
            made.fetch_add(part.bytes(), Ordering::Relaxed);
            match all.last_mut().filter(|last| last.piece.record_idx == part.piece.record_idx) {
                // All of it was dropped, which is only counted: a record may hold very many that are empty.
                Some(last) if part.transformed.documents.is_empty() && part.transformed.failed.is_empty() => {
                    last.transformed.dropped.append(&mut part.transformed.dropped);
                }
                Some(_) | None => all.push(part),
            }
        }
        all
    };
    if threads < 2 {
        return work();
    }
    let mut all: Vec<Part> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    });
    all.sort_by_key(|part| (part.piece.record_idx, part.piece.place));
    all
}

impl Piece {
    fn transform(self, settings: &Settings, now_ms: i64) -> Part {
        let source = self.record.source(now_ms);
        let transformed = match &self.record.data {
            Ok(_) => {
                let number = part_number(source.sequence_number, self.place);
                transform(&self.data, RecordSource { sequence_number: &number, ..source }, &settings.options)
            }
            Err(_) => self.record.transform(now_ms, &settings.options),
        };
        Part { arrival_ms: source.arrival_ms, piece: self, transformed }
    }
}

/// What is held of entries that are lost.
fn bytes_of(lost: &[Lost]) -> usize {
    lost.iter().map(|lost| lost.raw.len() + DOCUMENT_BYTES).sum()
}

impl Part {
    /// What it takes of the memory, about.
    fn bytes(&self) -> usize {
        let Transformed { events, documents, .. } = &self.transformed;
        let documents: usize = documents.iter().map(|document| document.source.len() + DOCUMENT_BYTES).sum();
        events.iter().map(|event| event.message.len()).sum::<usize>() + documents
    }

    /// What could not become a document.
    fn failures(&self) -> Vec<Lost> {
        let lost = self.transformed.failed.iter().map(|failure| Lost {
            record_idx: self.piece.record_idx,
            raw: match failure.event_idx {
                Some(event_idx) => raw_envelope(&self.transformed, event_idx, failure.ordinal),
                None => self.piece.data.to_vec(),
            },
            arrival_ms: self.arrival_ms,
            id: failure.id.clone(),
            ordinal: failure.ordinal,
            format: failure.format,
            reason: failure.reason.clone(),
            refused: None,
        });
        lost.collect()
    }

    /// Its documents, each with the name of its index.
    fn offered(&mut self, part_idx: usize, settings: &Settings) -> Vec<Offered> {
        let documents = std::mem::take(&mut self.transformed.documents);
        let mut names = settings.naming.names();
        let named = documents.into_iter().map(|document: Document| {
            let index_name = names.name(&self.transformed.name_source(&document, self.arrival_ms)).to_owned();
            Offered { record_idx: self.piece.record_idx, part_idx, index_name, document }
        });
        named.collect()
    }

    /// A document that the output has not taken, after it was offered so often to an index.
    fn refused(&self, offered: &Offered, reason: Reason, times: u32) -> Lost {
        let Document { id, ordinal, format, event_idx, .. } = &offered.document;
        Lost {
            record_idx: self.piece.record_idx,
            raw: raw_envelope(&self.transformed, *event_idx, *ordinal),
            arrival_ms: self.arrival_ms,
            id: id.clone(),
            ordinal: *ordinal,
            format: Some(*format),
            reason,
            refused: (times > 0).then(|| (offered.index_name.clone(), times)),
        }
    }
}
