//! A batch that still grows: what each record became, and when it is enough.

use std::collections::HashSet;
use std::iter::Peekable;
use std::sync::Arc;

use hydrant_transform::document::IndexNaming;
use hydrant_transform::envelope::gzip::inflated_bytes;
use hydrant_transform::record::join::LogStream;
use hydrant_transform::record::{
    DropReason, Failure, LineTransformer, Options, Piece, RecordSource, Transformed, transform_joined,
    transform_leaving,
};
use tokio::time::Instant;

use super::batch::{Batch, CameFrom, Gathered, Limits, Offered};
use super::joining::{Finished, Joining};
use crate::index::Addressed;
use crate::stream::{Record, ShardId};

/// The first batch after a start may be so many times as large as others.
const UNMET_TIMES: usize = 4;

/// A batch that still grows.
pub(super) struct Gathering {
    pub(super) batch: Batch,
    pub(super) deadline: Instant,
    pub(super) bytes: usize,
    /// Ids that an earlier attempt has put into failed/ and that have not come yet.
    pub(super) unmet: HashSet<String>,
}

impl Gathering {
    pub(super) fn push(&mut self, taken: Taken) {
        let Taken { named: Named { record, .. }, documents, dropped, failed, pieces: _ } = taken;
        let from = CameFrom::Record(self.batch.records.len());
        self.bytes += record.data.len();
        self.batch.records.push(record);
        self.push_entries(&from, documents, dropped, failed);
    }

    /// Entries that were joined.
    pub(super) fn push_finished(&mut self, shard: &ShardId, finished: Vec<Finished>, options: &Options) {
        for joined in finished {
            let begun = Arc::clone(&joined.record);
            let source =
                RecordSource { shard: &shard.0, sequence_number: &begun.sequence_number, arrival_ms: begun.arrival_ms };
            let Transformed { documents, dropped, failed, .. } = transform_joined(&joined, source, options);
            self.bytes += joined.pieces.iter().map(|piece| piece.message.len()).sum::<usize>();
            let documents = documents.into_iter().map(|document| {
                let index_name = begun.naming.name(&joined.stream.name_source(&document, begun.arrival_ms));
                Addressed { index_name, document }
            });
            let documents = documents.collect();
            self.push_entries(&CameFrom::Joined(Arc::new(joined)), documents, dropped, failed);
        }
    }

    fn push_entries(
        &mut self,
        from: &CameFrom,
        documents: Vec<Addressed>,
        dropped: Vec<DropReason>,
        failed: Vec<Failure>,
    ) {
        for addressed in documents {
            let document = &addressed.document;
            self.bytes += document.source.len();
            self.meet(document.id.as_str());
            self.batch.tally.newest_ms = self.batch.tally.newest_ms.max(Some(document.timestamp_ms));
            self.batch.documents.push(Offered { addressed, from: from.clone() });
        }
        for reason in dropped {
            *self.batch.tally.dropped.entry(reason).or_default() += 1;
        }
        for failure in failed {
            self.meet(failure.id.as_str());
            self.batch.lost.push((from.clone(), failure));
        }
    }

    fn meet(&mut self, id: &str) {
        if !self.unmet.is_empty() {
            self.unmet.remove(id);
        }
    }

    pub(super) fn is_done(&self, limits: &Limits) -> bool {
        self.is_full(limits) || (self.unmet.is_empty() && Instant::now() >= self.deadline)
    }

    /// The first batch after a start reaches at least as far as the one that a crash cut off, as far as failed/ tells:
    /// else that part would be gathered later, when its failed documents are no longer looked up. That one was over the
    /// limits by less than a slice. Only settings that changed in between can leave an id unmet.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        let times = if self.unmet.is_empty() { 1 } else { UNMET_TIMES };
        self.batch.documents.len() >= limits.documents_max.saturating_mul(times)
            || self.batch.records.len() >= limits.records_max.saturating_mul(times)
            || self.bytes >= limits.bytes_max.saturating_mul(times)
    }

    pub(super) fn into_batch(self, joining: &Joining) -> Gathered {
        Gathered::Batch(Box::new(self.batch), joining.done())
    }
}

/// Takes records that say that they inflate to so many bytes together, at least one.
pub(super) fn slice(records: &mut Peekable<impl Iterator<Item = Record>>, bytes_max: usize) -> Vec<Record> {
    let mut bytes = 0;
    std::iter::from_fn(|| {
        let next = inflated_bytes(&records.peek()?.data);
        if bytes > 0 && bytes + next > bytes_max {
            return None;
        }
        bytes += next.max(1);
        records.next()
    })
    .collect()
}

/// A record, the rule for its index names, and the one behind it.
pub(super) struct Named {
    pub(super) record: Record,
    pub(super) naming: Arc<IndexNaming>,
    pub(super) rule_after: usize,
}

/// What became of one record.
pub(super) struct Taken {
    pub(super) named: Named,
    pub(super) documents: Vec<Addressed>,
    pub(super) dropped: Vec<DropReason>,
    pub(super) failed: Vec<Failure>,
    pub(super) pieces: Vec<Piece>,
}

pub(super) fn take(shard: &ShardId, named: Named, transformer: &mut LineTransformer<'_>) -> Taken {
    let transformed = transformer.documents(&named.record.data, source(shard, &named.record));
    taken(named, transformed)
}

/// What became of a record, of whose log events some are left to a joiner.
pub(super) fn take_leaving(
    shard: &ShardId,
    named: Named,
    options: &Options,
    leaves: &dyn Fn(&LogStream) -> bool,
) -> Taken {
    let transformed = transform_leaving(&named.record.data, source(shard, &named.record), options, leaves);
    taken(named, transformed)
}

fn taken(named: Named, transformed: Transformed) -> Taken {
    let mut names = named.naming.names();
    let index_names: Vec<String> = (transformed.documents.iter())
        .map(|document| names.name(&transformed.name_source(document, named.record.arrival_ms)).to_owned())
        .collect();
    let Transformed { documents, dropped, failed, pieces, .. } = transformed;
    let documents = index_names.into_iter().zip(documents);
    let documents = documents.map(|(index_name, document)| Addressed { index_name, document }).collect();
    Taken { named, documents, dropped, failed, pieces }
}

/// What the stream says of a record.
pub(super) fn source<'a>(shard: &'a ShardId, record: &'a Record) -> RecordSource<'a> {
    RecordSource { shard: &shard.0, sequence_number: &record.sequence_number, arrival_ms: record.arrival_ms }
}
