//! Failed documents as objects: the names of the objects and the lines that they hold, in Firehose's layout and JSON.
//!
//! ```text
//! processing-failed/YYYY/MM/dd/HH/hydrant-1-YYYY-MM-dd-HH-MM-SS-<uuid>
//! AmazonOpenSearchService-failed/YYYY/MM/dd/HH/hydrant-1-YYYY-MM-dd-HH-MM-SS-<uuid>
//! ```
//!
//! Keys and their order are Firehose's, then ours. Source of the layout: AWS's pages on Firehose's error output, and
//! objects that users have published.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::document::{DocumentId, Reason};
use crate::entry::Format;

/// What the keys of objects begin with, before a slash: what could not become a document.
pub const PROCESSING: &str = "processing-failed";

/// What the index refused.
pub const INDEX: &str = "AmazonOpenSearchService-failed";

/// Names the object that says which version of the layout lies beside it.
pub const MARKER: &str = "hydrant-failed.json";

/// Of the layout.
pub const VERSION: u32 = 1;

/// What the marker holds.
pub fn version_line() -> Vec<u8> {
    format!("{{\"version\":{VERSION}}}\n").into_bytes()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessingLine<'a> {
    raw_data: &'a str,
    error_code: &'a str,
    error_message: &'a str,
    attempts_made: u32,
    arrival_timestamp: i64,
    attempt_ending_timestamp: i64,
    es_document_id: &'a str,
    ordinal: u32,
    format: Option<&'static str>,
    reason_code: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexLine<'a> {
    attempts_made: u32,
    arrival_timestamp: i64,
    error_code: &'a str,
    error_message: &'a str,
    attempt_ending_timestamp: i64,
    es_document_id: &'a str,
    es_index_name: &'a str,
    es_type_name: &'a str,
    raw_data: &'a str,
    ordinal: u32,
    format: Option<&'static str>,
    reason_code: &'a str,
}

/// `errorCode` of what could not become a document.
pub const TRANSFORM_FAILED: &str = "Hydrant.TransformFailed";

/// What a line says.
pub struct LineParts<'a> {
    /// In base64.
    pub raw_data: &'a str,
    pub reason: &'a Reason,
    pub arrival_ms: i64,
    pub now_ms: i64,
    pub id: &'a DocumentId,
    pub ordinal: u32,
    pub format: Option<Format>,
    /// Where the index refused it: the name of the index, and how often it was offered.
    pub refused: Option<(&'a str, u32)>,
}

/// Adds a line.
pub fn write_line(out: &mut Vec<u8>, parts: &LineParts<'_>) {
    let LineParts { raw_data, reason, arrival_ms, now_ms, id, ordinal, format, refused } = *parts;
    let format = format.map(Format::name);
    let line = match refused {
        None => serde_json::to_writer(
            &mut *out,
            &ProcessingLine {
                raw_data,
                error_code: TRANSFORM_FAILED,
                error_message: &reason.message,
                attempts_made: 1,
                arrival_timestamp: arrival_ms,
                attempt_ending_timestamp: now_ms,
                es_document_id: id.as_str(),
                ordinal,
                format,
                reason_code: &reason.code,
            },
        ),
        Some((es_index_name, attempts_made)) => serde_json::to_writer(
            &mut *out,
            &IndexLine {
                attempts_made,
                arrival_timestamp: arrival_ms,
                error_code: "400",
                error_message: &reason.message,
                attempt_ending_timestamp: now_ms,
                es_document_id: id.as_str(),
                es_index_name,
                es_type_name: "",
                raw_data,
                ordinal,
                format,
                reason_code: &reason.code,
            },
        ),
    };
    match line {
        Ok(()) => out.push(b'\n'),
        Err(error) => unreachable!("plain strings and numbers are JSON: {error}"),
    }
}

/// A name in Firehose's layout: its time, and a uuid made of the parts.
/// `term`: of its holder; 0 where it has none.
pub fn timed_name(time_ms: i64, parts: [&str; 3], term: u64) -> String {
    let arrival = Timestamp::from_millisecond(time_ms).unwrap_or_default().to_zoned(TimeZone::UTC);
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    if term > 0 {
        hash.update(term.to_be_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, hashed)| *byte = hashed);
    let uuid = uuid::Builder::from_custom_bytes(bytes).into_uuid();
    let (folder, second) = (arrival.strftime("%Y/%m/%d/%H"), arrival.strftime("%Y-%m-%d-%H-%M-%S"));
    format!("{folder}/hydrant-1-{second}-{uuid}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{EventSource, document_id};

    #[test]
    fn lines_and_names_are_those_of_firehose() {
        let source =
            EventSource { owner: "1", log_group: "g", log_stream: "s", event_id: "e", shard: "", sequence_number: "" };
        let id: DocumentId = document_id(&source, 0, 0);
        let reason = Reason::new("mapper_parsing_exception", "failed to parse");
        let parts = LineParts {
            raw_data: "eA==",
            reason: &reason,
            arrival_ms: 1,
            now_ms: 2,
            id: &id,
            ordinal: 3,
            format: Some(Format::General),
            refused: None,
        };
        let mut out = Vec::new();
        write_line(&mut out, &parts);
        write_line(&mut out, &LineParts { format: None, refused: Some(("i", 4)), ..parts });
        let ours = format!(r#""esDocumentId":"{}""#, id.as_str());
        let expected = format!(
            r#"{{"rawData":"eA==","errorCode":"Hydrant.TransformFailed","errorMessage":"failed to parse","attemptsMade":1,"arrivalTimestamp":1,"attemptEndingTimestamp":2,{ours},"ordinal":3,"format":"general","reasonCode":"mapper_parsing_exception"}}
{{"attemptsMade":4,"arrivalTimestamp":1,"errorCode":"400","errorMessage":"failed to parse","attemptEndingTimestamp":2,{ours},"esIndexName":"i","esTypeName":"","rawData":"eA==","ordinal":3,"format":null,"reasonCode":"mapper_parsing_exception"}}
"#
        );
        assert_eq!(String::from_utf8_lossy(&out), expected);
        // 2026-11-27T10:20:30Z.
        let name = timed_name(1_795_774_830_000, ["a", "b", "c"], 0);
        assert!(name.starts_with("2026/11/27/10/hydrant-1-2026-11-27-10-20-30-"), "{name}");
        let others = [["a", "bc", ""], ["ab", "", "c"], ["a", "b", "d"]];
        assert!(others.iter().all(|parts| timed_name(1_795_774_830_000, *parts, 0) != name));
        assert_eq!(timed_name(1_795_774_830_000, ["a", "b", "c"], 0), name);
        assert_ne!(timed_name(1_795_774_830_000, ["a", "b", "c"], 1), name);
    }
}
