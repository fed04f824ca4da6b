//! One line of an object of failed/: an entry that was lost, as JSON.
//!
//! Keys and their order are Firehose's, then ours. The original bytes come from the record, which is transformed
//! again for it: that is a pure function, and losses are rare, so nothing is kept for them in the common case.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::document::{DocumentId, Reason};
use hydrant_transform::entry::Format;
use hydrant_transform::failed::{LineParts, write_line};
use hydrant_transform::record::{Failure, Options, Transformed, joined_envelope, raw_envelope, transform};

use super::Kind;
use crate::deliver::batch::CameFrom;
use crate::deliver::gathering::source;
use crate::deliver::write::Rejected;
use crate::stream::{Record, ShardId};

/// An entry that is lost to the index.
pub(super) struct Loss {
    pub(super) from: CameFrom,
    pub(super) id: DocumentId,
    ordinal: u32,
    format: Option<Format>,
    event_idx: Option<u32>,
    reason: Reason,
    /// Where the index refused it: the name of the index, and how often it was offered.
    refused: Option<(String, u32)>,
}

impl Loss {
    /// Of what could not become a document.
    pub(super) fn transforming((from, failure): (CameFrom, Failure)) -> Loss {
        let Failure { id, ordinal, format, reason, event_idx } = failure;
        Loss { from, id, ordinal, format, event_idx, reason, refused: None }
    }

    /// Of what the index refused.
    pub(super) fn indexing(rejected: Rejected) -> Loss {
        let Rejected { offered, reason, attempts } = rejected;
        let document = offered.addressed.document;
        Loss {
            from: offered.from,
            id: document.id,
            ordinal: document.ordinal,
            format: Some(document.format),
            event_idx: Some(document.event_idx),
            reason,
            refused: Some((offered.addressed.index_name, attempts)),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        if self.refused.is_some() { Kind::Index } else { Kind::Processing }
    }
}

/// Writes lines, those of one record after another.
pub(super) struct Renderer<'a> {
    shard: &'a ShardId,
    options: &'a Options,
    now_ms: i64,
    /// The record that was transformed last, known by its place in the batch.
    transformed: Option<(usize, Transformed)>,
}

impl<'a> Renderer<'a> {
    pub(super) fn new(shard: &'a ShardId, options: &'a Options, now_ms: i64) -> Renderer<'a> {
        Renderer { shard, options, now_ms, transformed: None }
    }

    /// `records`: those of the batch.
    pub(super) fn line(&mut self, out: &mut Vec<u8>, records: &[Record], loss: &Loss) {
        let (raw, arrival_ms) = match &loss.from {
            CameFrom::Joined(joined) => (joined_envelope(joined), joined.record.arrival_ms),
            CameFrom::Record(idx) => {
                let Some(record) = records.get(*idx) else { unreachable!("a loss comes from a record of its batch") };
                (self.raw_data(*idx, record, loss), record.arrival_ms)
            }
        };
        let parts = LineParts {
            raw_data: &STANDARD.encode(raw),
            reason: &loss.reason,
            arrival_ms,
            now_ms: self.now_ms,
            id: &loss.id,
            ordinal: loss.ordinal,
            format: loss.format,
            refused: loss.refused.as_ref().map(|(index_name, attempts)| (index_name.as_str(), *attempts)),
        };
        write_line(out, &parts);
    }

    /// An envelope of the log event, or the record as it came.
    fn raw_data(&mut self, idx: usize, record: &Record, loss: &Loss) -> Vec<u8> {
        let Some(event_idx) = loss.event_idx else { return record.data.to_vec() };
        if self.transformed.as_ref().is_none_or(|(last, _)| *last != idx) {
            let again = transform(&record.data, source(self.shard, record), self.options);
            self.transformed = Some((idx, again));
        }
        let transformed = self.transformed.as_ref();
        transformed.map_or_else(Vec::new, |(_, transformed)| raw_envelope(transformed, event_idx, loss.ordinal))
    }
}
