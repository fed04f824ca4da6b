//! Marked records: finished documents on their second way through a stream.
//!
//! A JSON object with `messageType` `HYDRANT_DOCUMENT`, a version, what the document's id is computed from, its format
//! and the log event's time, so that the second pass gives the very same document. One whose id is not what its parts
//! give is no marked record but a log line that imitates one; and what stands inside an envelope never is one.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::document::{Document, DocumentId, EventSource, document_id};
use crate::entry::Format;
use crate::json;

pub const MESSAGE_TYPE: &str = crate::envelope::MARKED;

const VERSION: u32 = 1;

/// What enters the id of a document beside its ordinal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) source: EventSource<'a>,
    pub(super) event_idx: u32,
}

pub(super) fn write(document: &Document, parts: Parts<'_>) -> Vec<u8> {
    let Parts { source, event_idx } = parts;
    let mut out = Vec::with_capacity(document.source.len() + 512);
    out.push(b'{');
    json::write_key(&mut out, "messageType");
    json::write_str(&mut out, MESSAGE_TYPE);
    for (key, number) in [("version", VERSION), ("ordinal", document.ordinal), ("eventIndex", event_idx)] {
        json::write_key(&mut out, key);
        json::write_u64(&mut out, u64::from(number));
    }
    let texts = [
        ("id", document.id.as_str()),
        ("format", document.format.name()),
        ("owner", source.owner),
        ("logGroup", source.log_group),
        ("logStream", source.log_stream),
        ("eventId", source.event_id),
        ("shard", source.shard),
        ("sequenceNumber", source.sequence_number),
    ];
    for (key, text) in texts {
        json::write_key(&mut out, key);
        json::write_str(&mut out, text);
    }
    json::write_key(&mut out, "timestamp");
    out.extend_from_slice(document.timestamp_ms.to_string().as_bytes());
    json::write_key(&mut out, "document");
    out.extend_from_slice(&document.source);
    out.push(b'}');
    out
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Stored<'a> {
    message_type: String,
    version: u32,
    ordinal: u32,
    event_index: u32,
    id: String,
    format: String,
    owner: String,
    log_group: String,
    log_stream: String,
    event_id: String,
    shard: String,
    sequence_number: String,
    timestamp: i64,
    #[serde(borrow)]
    document: &'a RawValue,
}

/// The document of a marked record; `None` for any other record.
pub fn read(record: &[u8]) -> Option<Document> {
    if !record.starts_with(b"{\"messageType\":\"HYDRANT_DOCUMENT\"") {
        return None;
    }
    let stored: Stored<'_> = serde_json::from_slice(record).ok()?;
    let source = EventSource {
        owner: &stored.owner,
        log_group: &stored.log_group,
        log_stream: &stored.log_stream,
        event_id: &stored.event_id,
        shard: &stored.shard,
        sequence_number: &stored.sequence_number,
    };
    let id: DocumentId = document_id(&source, stored.event_index, stored.ordinal);
    let is_sound = stored.message_type == MESSAGE_TYPE
        && stored.version == VERSION
        && id.as_str() == stored.id
        && stored.document.get().starts_with('{');
    let format = Format::ALL.into_iter().find(|format| format.name() == stored.format)?;
    is_sound.then(|| Document {
        id,
        format,
        timestamp_ms: stored.timestamp,
        ordinal: stored.ordinal,
        source: stored.document.get().as_bytes().to_vec(),
        event_idx: 0,
    })
}
