//! What is indexed: the document, its id, the name of its index, and what became of it.

mod id;

mod index_name;

mod moved;

mod outcome;

mod profile;

pub mod timestamp;

pub(crate) use id::LogStreamIds;
pub use id::{DocumentHash, DocumentId, EventSource, document_id, is_cloudwatch_event_id};
pub use index_name::{IndexNames, IndexNaming, NameSource, NamingError, RotateBy, Rotation, period_end_ms};
pub use moved::{conflicting_field, with_field_as_text};
pub use outcome::{Outcome, Reason};
pub use profile::{Field, Log, Profile};

use crate::entry::Format;

/// One document: a JSON object and what is needed to address it. Everything but `source` is a pure function of its
/// log event, so a retry or a replay gives the same id in the same index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: DocumentId,
    pub format: Format,
    /// The log event's own time, milliseconds since 1970 UTC. It decides the index, as a rule (see [`IndexNaming`]).
    pub timestamp_ms: i64,
    /// Place of the entry within its log event, from 0.
    pub ordinal: u32,
    /// The JSON object as it is stored and answered: one line of UTF-8.
    pub source: Vec<u8>,
    /// The log event it came from: index into the events of its record, so that a failed document can carry the
    /// original bytes.
    pub event_idx: u32,
}
