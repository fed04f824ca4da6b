//! What the documents of a record bring to the names of their indices.

use super::Transformed;
use super::join::LogStream;
use crate::document::{Document, NameSource};

impl Transformed {
    /// Of one of its documents; `arrival_ms` is the record's.
    pub fn name_source(&self, document: &Document, arrival_ms: i64) -> NameSource<'_> {
        let origin = self.run(document.event_idx);
        let (owner, log_group, log_stream) = origin.map_or(("", "", ""), |origin| {
            (origin.owner.as_str(), origin.log_group.as_str(), origin.log_stream.as_str())
        });
        let Document { format, timestamp_ms, .. } = *document;
        NameSource { owner, log_group, log_stream, format, timestamp_ms, arrival_ms }
    }
}

impl LogStream {
    /// Of a document from it; `arrival_ms` is that of the record in which its entry begins.
    pub fn name_source(&self, document: &Document, arrival_ms: i64) -> NameSource<'_> {
        let LogStream { owner, log_group, log_stream } = self;
        let Document { format, timestamp_ms, .. } = *document;
        NameSource { owner, log_group, log_stream, format, timestamp_ms, arrival_ms }
    }
}
