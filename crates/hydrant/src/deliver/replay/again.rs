//! What fails again: its line of failed/, in the place of the one it had.
//!
//! Where the object was read from failed/ itself, its lines are changed in place, as they stand there at that moment. Else,
//! and where the object cannot be read whole, it has a counterpart in failed/, whose name is a pure function of where it
//! was read from. Either way one id has one line there, however often it is replayed.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::document::{DocumentId, Reason};
use hydrant_transform::entry::Format;
use serde::Deserialize;
use serde_json::{Map, Value};

use hydrant_transform::failed::{LineParts, TRANSFORM_FAILED, write_line};

/// An entry that failed again.
pub(super) struct Again {
    pub(super) id: DocumentId,
    pub(super) ordinal: u32,
    pub(super) format: Option<Format>,
    pub(super) reason: Reason,
    /// Where the index refused it: the name of the index, and how often it was offered.
    pub(super) refused: Option<(String, u32)>,
    pub(super) original: Original,
}

/// What its line holds beside the reason.
pub(super) enum Original {
    /// The line it had.
    Line(Vec<u8>),
    Bytes {
        raw: Vec<u8>,
        arrival_ms: i64,
    },
}

/// A new text of an object of failed/: that of `before` with the lines of these entries.
pub(super) fn merge(before: &[u8], again: &[&Again], now_ms: i64) -> Vec<u8> {
    let mut lines: HashMap<&str, Vec<u8>> = again.iter().map(|again| (again.id.as_str(), again.line(now_ms))).collect();
    let mut text = Vec::with_capacity(before.len());
    for line in before.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match id_of(line).and_then(|id| lines.remove(id.as_str())) {
            Some(new) => text.extend_from_slice(&new),
            None => {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
        }
    }
    // In their order.
    for again in again {
        text.extend_from_slice(&lines.remove(again.id.as_str()).unwrap_or_default());
    }
    text
}

fn id_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        #[serde(rename = "esDocumentId", alias = "osDocumentId")]
        id: String,
    }
    serde_json::from_slice(line).ok().map(|Id { id }| id)
}

impl Again {
    fn line(&self, now_ms: i64) -> Vec<u8> {
        match &self.original {
            Original::Line(line) => self.changed(line, now_ms),
            Original::Bytes { raw, arrival_ms } => {
                let mut line = Vec::new();
                let parts = LineParts {
                    raw_data: &STANDARD.encode(raw),
                    reason: &self.reason,
                    arrival_ms: *arrival_ms,
                    now_ms,
                    id: &self.id,
                    ordinal: self.ordinal,
                    format: self.format,
                    refused: self.refused.as_ref().map(|(index_name, attempts)| (index_name.as_str(), *attempts)),
                };
                write_line(&mut line, &parts);
                line
            }
        }
    }

    /// The line it had, with the new reason and one attempt more.
    fn changed(&self, line: &[u8], now_ms: i64) -> Vec<u8> {
        let mut object: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
        let before = object.get("attemptsMade").and_then(Value::as_u64).unwrap_or(0);
        let (code, attempts) = match &self.refused {
            Some((index_name, attempts)) => {
                object.insert("esIndexName".to_owned(), Value::from(index_name.as_str()));
                ("400", *attempts)
            }
            None => (TRANSFORM_FAILED, 1),
        };
        let values = [
            ("attemptsMade", Value::from(before + u64::from(attempts))),
            ("errorCode", Value::from(code)),
            ("errorMessage", Value::from(self.reason.message.as_str())),
            ("attemptEndingTimestamp", Value::from(now_ms)),
            ("reasonCode", Value::from(self.reason.code.as_ref())),
            ("format", self.format.map_or(Value::Null, |format| Value::from(format.name()))),
        ];
        for (key, value) in values {
            object.insert(key.to_owned(), value);
        }
        let mut line = Value::Object(object).to_string().into_bytes();
        line.push(b'\n');
        line
    }
}
