//! Records of a Kinesis trigger or of a direct subscription: their documents to the output, what failed to its bucket.
//!
//! A record is safe when each of its entries is in the output or kept as failed. The answer to a Kinesis trigger names the
//! first record that is not, and the platform goes on from there; ids make the repeat of what came before harmless.

use std::collections::BTreeSet;

use hydrant_aws::aggregated::{part_number, unpack};
use hydrant_transform::carrier::CarriedRecord;
use hydrant_transform::document::{Document, Reason};
use hydrant_transform::firehose::{Again, Target};
use hydrant_transform::record::{Transformed, raw_envelope, reason_code};
use serde_json::{Value, json};

use crate::again::Sender;
use crate::failed::Lost;
use crate::function::{FunctionError, Work};
use crate::output::{Fate, Offered};
use crate::settings::{Output, Settings};

/// A record, or one of those that a producer packed into it, transformed.
struct Part {
    record_idx: usize,
    /// As it came.
    data: Vec<u8>,
    arrival_ms: i64,
    transformed: Transformed,
}

impl Work<'_> {
    pub(crate) async fn kinesis(&mut self, records: Vec<CarriedRecord>) -> Result<Vec<u8>, FunctionError> {
        let numbers: Vec<String> = records.iter().map(|record| record.sequence_number.clone()).collect();
        let not_safe = self.deliver(records).await?;
        let Some(first) = not_safe.first() else { return Ok(failures(&[])) };
        match numbers.get(*first).filter(|number| !number.is_empty()) {
            Some(number) => Ok(failures(&[number])),
            None => Err(FunctionError::Unsafe(not_safe.len())),
        }
    }

    /// The request's id, which a repeat of it keeps, stands for what a stream would say of the record.
    pub(crate) async fn subscription(&mut self, record: CarriedRecord) -> Result<Vec<u8>, FunctionError> {
        let record = CarriedRecord { sequence_number: self.request_id.to_owned(), ..record };
        let not_safe = self.deliver(vec![record]).await?;
        if not_safe.is_empty() { Ok(b"null".to_vec()) } else { Err(FunctionError::Unsafe(not_safe.len())) }
    }

    /// Delivers records; answers those that are not safe, in order.
    async fn deliver(&mut self, records: Vec<CarriedRecord>) -> Result<BTreeSet<usize>, FunctionError> {
        self.report.records = records.len();
        self.report.lag(records.iter().map(|record| record.arrival_ms), self.now_ms);
        let batch = batch(&records);
        let mut parts = over_cores(records, &self.function.settings, self.function.cores, self.now_ms);
        let (mut offered, mut lost) = (Vec::new(), Vec::new());
        for (part_idx, part) in parts.iter_mut().enumerate() {
            self.report.received += part.transformed.entries();
            self.report.drop_all(&part.transformed.dropped);
            lost.extend(part.failures());
            offered.extend(part.offered(part_idx, &self.function.settings));
        }
        let mut not_safe = BTreeSet::new();
        if !offered.is_empty() {
            let fates = match self.function.settings.output {
                Output::OpenSearch => {
                    let index = self.function.index().await?;
                    index.write(&offered, self.request_id, self.deadline, &mut self.report).await
                }
                Output::Firehose => self.put_into_firehose(&offered).await?,
            };
            for (offered, fate) in offered.iter().zip(fates) {
                match fate {
                    Fate::Delivered => self.report.delivered += 1,
                    Fate::Duplicate => self.report.duplicates += 1,
                    Fate::Unsafe => drop(not_safe.insert(offered.record_idx)),
                    Fate::Rejected(reason, tries) => {
                        lost.extend(parts.get(offered.part_idx).map(|part| part.refused(offered, reason, tries)));
                    }
                }
            }
        }
        self.report.failed = lost.len();
        let [shard, first, last] = &batch;
        not_safe.append(&mut self.keep(lost, [shard, first, last]).await);
        self.report.unsafe_records = not_safe.len();
        Ok(not_safe)
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

/// The records from which a Kinesis trigger has to go on.
fn failures(numbers: &[&String]) -> Vec<u8> {
    let items: Vec<Value> = numbers.iter().map(|number| json!({"itemIdentifier": number})).collect();
    json!({"batchItemFailures": items}).to_string().into_bytes()
}

/// What tells this event's records from others.
fn batch(records: &[CarriedRecord]) -> [String; 3] {
    let (first, last) = (records.first(), records.last());
    let number = |record: Option<&CarriedRecord>| record.map_or("", |record| &record.sequence_number).to_owned();
    [first.map_or("", |record| &record.shard).to_owned(), number(first), number(last)]
}

/// Transforms records, each core its share, in order.
fn over_cores(records: Vec<CarriedRecord>, settings: &Settings, cores: usize, now_ms: i64) -> Vec<Part> {
    let records: Vec<(usize, CarriedRecord)> = records.into_iter().enumerate().collect();
    if cores < 2 || records.len() < 2 {
        return records.into_iter().flat_map(|(idx, record)| parts(idx, record, settings, now_ms)).collect();
    }
    let each = records.len().div_ceil(cores);
    let mut shares: Vec<Vec<(usize, CarriedRecord)>> = Vec::new();
    for record in records {
        match shares.last_mut() {
            Some(share) if share.len() < each => share.push(record),
            Some(_) | None => shares.push(vec![record]),
        }
    }
    std::thread::scope(|scope| {
        let work = |share: Vec<(usize, CarriedRecord)>| {
            share.into_iter().flat_map(|(idx, record)| parts(idx, record, settings, now_ms)).collect::<Vec<Part>>()
        };
        let threads: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || work(share))).collect();
        threads
            .into_iter()
            .flat_map(|thread| match thread.join() {
                Ok(parts) => parts,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

/// A record taken apart and transformed.
fn parts(record_idx: usize, record: CarriedRecord, settings: &Settings, now_ms: i64) -> Vec<Part> {
    let packed = record.data.as_ref().ok().and_then(|data| unpack(&data.clone().into()));
    let Some(packed) = packed else {
        let transformed = record.transform(now_ms, &settings.options);
        let arrival_ms = record.source(now_ms).arrival_ms;
        let data = record.data.unwrap_or_else(String::into_bytes);
        return vec![Part { record_idx, data, arrival_ms, transformed }];
    };
    let packed = packed.into_iter().zip(0_u64..).map(|(packed, place)| {
        let sequence_number = part_number(&record.sequence_number, place);
        let part = CarriedRecord { data: Ok(packed.data.to_vec()), sequence_number, ..record.clone() };
        let transformed = part.transform(now_ms, &settings.options);
        let arrival_ms = part.source(now_ms).arrival_ms;
        Part { record_idx, data: part.data.unwrap_or_default(), arrival_ms, transformed }
    });
    packed.collect()
}

impl Part {
    /// What could not become a document.
    fn failures(&self) -> Vec<Lost> {
        let lost = self.transformed.failed.iter().map(|failure| Lost {
            record_idx: self.record_idx,
            raw: match failure.event_idx {
                Some(event_idx) => raw_envelope(&self.transformed, event_idx, failure.ordinal),
                None => self.data.clone(),
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

    /// A document that the output takes never.
    fn refused(&self, offered: &Offered, reason: Reason, tries: u32) -> Lost {
        let Document { id, ordinal, format, event_idx, .. } = &offered.document;
        Lost {
            record_idx: self.record_idx,
            raw: raw_envelope(&self.transformed, *event_idx, *ordinal),
            arrival_ms: self.arrival_ms,
            id: id.clone(),
            ordinal: *ordinal,
            format: Some(*format),
            reason,
            refused: Some((offered.index_name.clone(), tries)),
        }
    }
}
