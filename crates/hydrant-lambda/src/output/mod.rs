//! Where finished documents go from a trigger: each has one outcome before the invocation's time is over.

mod index;

pub(crate) use index::Index;

use hydrant_transform::document::{Document, Reason};

/// A document of an event.
#[derive(Debug)]
pub(crate) struct Offered {
    /// The record of the event that it came from.
    pub(crate) record_idx: usize,
    /// The transformed part of a record that holds its log event.
    pub(crate) part_idx: usize,
    pub(crate) index_name: String,
    pub(crate) document: Document,
}

/// What became of a document.
#[derive(Debug)]
pub(crate) enum Fate {
    Delivered,
    Duplicate,
    /// Never taken as it is; how often it was offered to an index.
    Rejected(Reason, u32),
    /// Not known to be taken: it has to come again.
    Unsafe,
}
