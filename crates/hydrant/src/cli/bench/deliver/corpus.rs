//! The documents of the measurement, once as the records of a stream and once as the requests that they come to; and
//! what a processor takes to make the one of the other.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use hydrant_opensearch::Limits;
use hydrant_opensearch::bulk::{Action, Body, BodyLimits, Operation, bodies, check};
use hydrant_transform::document::{Document, IndexNaming, NameSource, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{EventFlags, Extra, LogEvent};
use hydrant_transform::record::{LineTransformer, Options, RecordSource};
use jiff::Timestamp;

use super::{DAY_MS, NAME};
use crate::cli::bench::mixed::{BANNER, Mixed};
use crate::cli::bench::transform::{median, timed};
use crate::clock::Clock;
use crate::deliver;
use crate::source::subscription::{LogStream, Packer};
use crate::stream::embedded::{Embedded, Retention};
use crate::stream::{APPEND_RECORDS_MAX, Engine, NewRecord};

/// Passes over the records that count.
const PASSES: usize = 5;

/// Records of an append: far below its bound of bytes.
const APPENDED: usize = APPEND_RECORDS_MAX / 10;

pub(super) struct Corpus {
    /// As a subscription filter sends them.
    records: Vec<Bytes>,
    partition_key: String,
    pub(super) documents: u64,
}

impl Corpus {
    /// So many entries of one day, one document each.
    pub(super) fn new(documents: u64) -> anyhow::Result<Corpus> {
        let of = LogStream {
            owner: "123456789012".into(),
            log_group: "/aws/rds/instance/bench/general".into(),
            log_stream: "general".into(),
        };
        let (mut mixed, mut packer, mut records) = (Mixed::new(42), Packer::new(&of), Vec::new());
        let (start, mut events) = (Timestamp::from_millisecond(DAY_MS)?, 0_i64);
        while mixed.entries() < documents {
            let mut text = Vec::new();
            mixed.push(start, &mut text)?;
            text.pop();
            let (banner, entry) = match text.strip_prefix(BANNER.as_bytes()) {
                Some(entry) => (Some(BANNER.trim_end().as_bytes()), entry),
                None => (None, text.as_slice()),
            };
            for message in banner.into_iter().chain([entry]) {
                events += 1;
                packer.push(&LogEvent {
                    id: format!("{events:056}"),
                    timestamp_ms: DAY_MS + events / 1_000,
                    message: message.to_vec(),
                    flags: EventFlags::default(),
                    extra: Extra::default(),
                });
            }
            if packer.is_full() || mixed.entries() == documents {
                records.push(Bytes::from(packer.seal().data));
            }
        }
        Ok(Corpus { records, partition_key: of.partition_key(), documents })
    }

    /// An embedded stream of one shard in this folder that holds the records.
    pub(super) async fn fill(&self, dir: &Path) -> anyhow::Result<()> {
        let retention = Retention { age: Duration::from_secs(24 * 3600), bytes: u64::MAX };
        self.append(&Embedded::open(dir, 1, retention, Clock::System).context("cannot make a stream")?).await
    }

    pub(super) async fn append(&self, stream: &dyn Engine) -> anyhow::Result<()> {
        for records in self.records.chunks(APPENDED) {
            let records = records.iter().map(|data| NewRecord {
                partition_key: self.partition_key.clone(),
                explicit_hash_key: None,
                data: data.clone(),
                mark: None,
            });
            for appended in stream.append(records.collect()).await? {
                appended?;
            }
        }
        Ok(())
    }

    /// Every document in a request's body, as full as the writer makes them.
    pub(super) fn bodies(&self) -> anyhow::Result<Vec<Body>> {
        let naming = naming()?;
        let options = Options::default();
        let mut transformer = LineTransformer::new(&options);
        let documents: Vec<Document> =
            self.records.iter().flat_map(|record| transformed(&mut transformer, record)).collect();
        let names: Vec<String> = documents.iter().map(|one| naming.name(&of_none(one))).collect();
        if documents.len() as u64 != self.documents {
            bail!("{} documents came of {} entries", documents.len(), self.documents);
        }
        if let Some(name) = names.iter().find(|name| **name != super::index_name(Format::General)) {
            bail!("a document goes to {name}");
        }
        Ok(requests(&documents, &names))
    }

    /// What a document takes of one processor, from its record to its bytes in a request.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        let (naming, most) = (naming()?, deliver::Limits::default());
        let pass = || {
            let (mut documents, mut names, mut bytes) = (Vec::new(), Vec::new(), 0);
            let options = Options::default();
            let mut transformer = LineTransformer::new(&options);
            let mut index_names = naming.names();
            for record in &self.records {
                for document in transformed(&mut transformer, record) {
                    bytes += document.source.len();
                    names.push(index_names.name(&of_none(&document)).to_owned());
                    documents.push(document);
                }
                bytes += record.len();
                if documents.len() >= most.documents_max || bytes >= most.bytes_max {
                    std::hint::black_box(requests(&documents, &names));
                    (documents, names, bytes) = (Vec::new(), Vec::new(), 0);
                }
            }
            std::hint::black_box(requests(&documents, &names));
        };
        pass();
        let whole = median((0..PASSES).map(|_| timed(pass)));
        Ok(whole.div_f64(self.documents as f64))
    }
}

/// The rule names by the format and the time alone.
fn of_none(document: &Document) -> NameSource<'_> {
    let Document { format, timestamp_ms, .. } = *document;
    NameSource { owner: "", log_group: "", log_stream: "", format, timestamp_ms, arrival_ms: timestamp_ms }
}

fn naming() -> anyhow::Result<IndexNaming> {
    Ok(IndexNaming::new(NAME, Rotation::OneDay)?)
}

fn transformed(transformer: &mut LineTransformer<'_>, record: &Bytes) -> Vec<Document> {
    let source = RecordSource { shard: "shardId-000000000000", sequence_number: "1", arrival_ms: DAY_MS };
    transformer.documents(record, source).documents
}

fn requests(documents: &[Document], names: &[String]) -> Vec<Body> {
    let actions: Vec<Action<'_>> = documents
        .iter()
        .zip(names)
        .map(|(document, index)| Action { index, id: Some(document.id.as_str()), source: &document.source })
        .collect();
    let sound = (0..actions.len()).filter(|place| actions.get(*place).is_some_and(|action| check(action).is_none()));
    let Limits { body_bytes, body_documents, .. } = Limits::default();
    bodies(&actions, sound, Operation::Create, BodyLimits { bytes: body_bytes, documents: body_documents })
}
