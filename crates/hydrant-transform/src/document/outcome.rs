//! What became of one document that was offered to an index.

use std::borrow::Cow;

/// The answer for one document; a batch of documents is answered by exactly as many outcomes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable and, within the engine's refresh interval, searchable.
    Indexed,
    /// A document with this id is in the index already; nothing was changed.
    Duplicate,
    /// Not taken now; the same document may be offered again.
    Retry(Reason),
    /// Not taken until somebody acts or the index has room again: it is offered again too, and the reason is for the
    /// operator.
    Paused(Reason),
    /// Never to be taken: the document goes into failed/ with this reason.
    Rejected(Reason),
}

/// Why, in OpenSearch's two parts: a closed code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// For instance `mapper_parsing_exception`.
    pub code: Cow<'static, str>,
    /// Names the field and the index; never quotes the document's contents beyond what OpenSearch itself does.
    pub message: String,
}

impl Reason {
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Reason {
        Reason { code: code.into(), message: message.into() }
    }
}
