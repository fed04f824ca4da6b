//! Records of a Kinesis trigger or of a direct subscription: their documents to the output, what failed to its bucket.
//!
//! A record is safe when each of its entries is in the output or kept as failed. The answer to a Kinesis trigger names the
//! first record that is not, and the platform goes on from there: what stands behind it comes again, which ids make
//! harmless in OpenSearch. A direct subscription comes again twice and no more, so of it what was not delivered is kept too.
//!
//! Records are transformed and delivered run by run, so that memory is bounded where they inflate far.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::vec::IntoIter;

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

/// Code of an entry of a direct subscription that could not be delivered in time.
const NOT_DELIVERED: &str = "Hydrant.NotDelivered";

/// What a document takes beside its bytes, about.
const DOCUMENT_BYTES: usize = 256;

/// A record, or one of those that a producer packed into it, transformed.
struct Part {
    record_idx: usize,
    /// As it came.
    data: Bytes,
    arrival_ms: i64,
    transformed: Transformed,
}

/// Records that wait, by their places in the event.
type Waiting = IntoIter<(usize, CarriedRecord)>;

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
        let (mut not_safe, mut lost) = (BTreeSet::new(), Vec::new());
        let mut waiting = records.into_iter().enumerate().collect::<Vec<_>>().into_iter();
        while waiting.len() > 0 {
            let run = transform_run(&mut waiting, &self.function.settings, self.function.cores, self.now_ms);
            self.run(run, repeats, &mut lost, &mut not_safe).await?;
            if Instant::now() >= self.deadline.try_until {
                not_safe.extend(waiting.by_ref().map(|(record_idx, _)| record_idx));
            }
        }
        self.report.failed = lost.len();
        not_safe.append(&mut self.keep(lost, [shard, first, last]).await);
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
        let fates = match self.function.settings.output {
            Output::OpenSearch => {
                let index = self.function.index().await?;
                index.write(&offered, self.request_id, self.deadline, &mut self.report).await
            }
            Output::Firehose => self.put_into_firehose(&offered).await?,
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

/// Transforms the next records, in order, by all cores, until what they have made is as much as one record may be.
fn transform_run(waiting: &mut Waiting, settings: &Settings, cores: usize, now_ms: i64) -> Vec<Part> {
    let bytes_max = settings.options.bounds.record.bytes_max;
    let (threads, made, waiting) = (cores.min(waiting.len()), AtomicUsize::new(0), Mutex::new(waiting));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut all = Vec::new();
        while made.load(Ordering::Relaxed) < bytes_max
            && let Some((record_idx, record)) = next()
        {
            let parts = parts(record_idx, record, settings, now_ms);
            made.fetch_add(parts.iter().map(Part::bytes).sum(), Ordering::Relaxed);
            all.extend(parts);
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
    all.sort_by_key(|part| part.record_idx);
    all
}

/// A record taken apart and transformed.
fn parts(record_idx: usize, record: CarriedRecord, settings: &Settings, now_ms: i64) -> Vec<Part> {
    let arrival_ms = record.source(now_ms).arrival_ms;
    let part = |data, transformed| Part { record_idx, data, arrival_ms, transformed };
    let CarriedRecord { data: Ok(data), shard, sequence_number, .. } = record else {
        let transformed = record.transform(now_ms, &settings.options);
        return vec![part(record.data.unwrap_or_else(String::into_bytes).into(), transformed)];
    };
    let of = |data: &[u8], number: &str| {
        transform(data, RecordSource { shard: &shard, sequence_number: number, arrival_ms }, &settings.options)
    };
    let data = Bytes::from(data);
    let Some(packed) = unpack(&data) else {
        let transformed = of(&data, &sequence_number);
        return vec![part(data, transformed)];
    };
    let mut parts: Vec<Part> = Vec::new();
    for (packed, place) in packed.into_iter().zip(0..) {
        let mut transformed = of(&packed.data, &part_number(&sequence_number, place));
        match parts.last_mut() {
            // All of it was dropped, which is only counted: a record may hold very many that are empty.
            Some(last) if transformed.documents.is_empty() && transformed.failed.is_empty() => {
                last.transformed.dropped.append(&mut transformed.dropped);
            }
            Some(_) | None => parts.push(part(packed.data, transformed)),
        }
    }
    parts
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
            record_idx: self.record_idx,
            raw: match failure.event_idx {
                Some(event_idx) => raw_envelope(&self.transformed, event_idx, failure.ordinal),
                None => self.data.to_vec(),
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
            Offered { record_idx: self.record_idx, part_idx, index_name, document }
        });
        named.collect()
    }

    /// A document that the output has not taken, after it was offered so often to an index.
    fn refused(&self, offered: &Offered, reason: Reason, times: u32) -> Lost {
        let Document { id, ordinal, format, event_idx, .. } = &offered.document;
        Lost {
            record_idx: self.record_idx,
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
