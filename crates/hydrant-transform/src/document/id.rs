//! Document ids: a pure function of the log event, so that a resend, a retry and a replay meet the document they
//! made before.

use std::cmp::Ordering;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::hex::pair;

/// 128 bits of SHA-256 as 32 lower-case hexadecimal digits: `_id` in the index.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DocumentId(Text);

/// An id of ours is short, and there are many: it lies where it is used. A text has one way to be written here.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Digits([u8; DIGITS]),
    Other(String),
}

const DIGITS: usize = 32;

impl DocumentId {
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Digits(digits) => std::str::from_utf8(digits).unwrap_or_default(),
            Text::Other(text) => text,
        }
    }
}

impl Ord for DocumentId {
    fn cmp(&self, other: &DocumentId) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for DocumentId {
    fn partial_cmp(&self, other: &DocumentId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentId({:?})", self.as_str())
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for DocumentId {
    /// Takes an id that was stored before, as it stands.
    fn from(stored: String) -> DocumentId {
        let is_ours = |digits: &[u8; DIGITS]| digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match stored.as_bytes().first_chunk().filter(|digits| stored.len() == DIGITS && is_ours(digits)) {
            Some(digits) => DocumentId(Text::Digits(*digits)),
            None => DocumentId(Text::Other(stored)),
        }
    }
}

/// Where a log event came from, as far as it enters its documents' ids.
#[derive(Clone, Copy, Debug)]
pub struct EventSource<'a> {
    pub owner: &'a str,
    pub log_group: &'a str,
    pub log_stream: &'a str,
    pub event_id: &'a str,
    /// Shard and sequence number of the record. They enter the id only where the event id is not CloudWatch's, since
    /// such ids (0, 1, 2 … from emulators) repeat.
    pub shard: &'a str,
    pub sequence_number: &'a str,
}

/// CloudWatch's event ids are 56 decimal digits; others are not trusted to be unique.
pub fn is_cloudwatch_event_id(event_id: &str) -> bool {
    event_id.len() == 56 && event_id.bytes().fold(true, |all, byte| all & byte.is_ascii_digit())
}

/// The id of the entry at `ordinal` of a log event. `event_idx` tells events of one record apart that have no id of
/// their own.
pub fn document_id(source: &EventSource<'_>, event_idx: u32, ordinal: u32) -> DocumentId {
    LogStreamIds::new(source.owner, source.log_group, source.log_stream).hash(source, event_idx, ordinal).into()
}

/// The 128 bits that a [`DocumentId`] writes as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentHash([u8; 16]);

impl From<DocumentHash> for DocumentId {
    fn from(hash: DocumentHash) -> DocumentId {
        let mut digits = [b'0'; DIGITS];
        for (two, byte) in digits.chunks_exact_mut(2).zip(hash.0) {
            two.copy_from_slice(&pair(byte));
        }
        DocumentId(Text::Digits(digits))
    }
}

/// What the ids of a log stream's documents have in common, hashed once.
#[derive(Clone, Debug)]
pub(crate) struct LogStreamIds(Sha256);

impl LogStreamIds {
    pub(crate) fn new(owner: &str, log_group: &str, log_stream: &str) -> LogStreamIds {
        let mut hash = Sha256::new();
        for part in [owner, log_group, log_stream] {
            update_part(&mut hash, part.as_bytes());
        }
        LogStreamIds(hash)
    }

    /// Of the entry at `ordinal` of a log event of this log stream.
    pub(crate) fn hash(&self, source: &EventSource<'_>, event_idx: u32, ordinal: u32) -> DocumentHash {
        let mut hash = self.0.clone();
        update_part(&mut hash, source.event_id.as_bytes());
        if !is_cloudwatch_event_id(source.event_id) {
            update_part(&mut hash, source.shard.as_bytes());
            update_part(&mut hash, source.sequence_number.as_bytes());
            hash.update(event_idx.to_be_bytes());
        }
        hash.update(ordinal.to_be_bytes());
        DocumentHash(*hash.finalize().first_chunk().unwrap_or(&[0; 16]))
    }
}

/// Each part goes in behind its length, so that `("ab", "c")` and `("a", "bc")` differ.
fn update_part(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT_ID: &str = "36283739563646893425505853973335389931765810644969062400";
    const SEQUENCE_NUMBER: &str = "49546986683135544286507457936321625675700192471156785154";

    fn cloudwatch() -> EventSource<'static> {
        EventSource {
            owner: "908047316593",
            log_group: "/aws/rds/instance/mysql-db-for-logs/general",
            log_stream: "mysql-db-for-logs",
            event_id: EVENT_ID,
            shard: "shardId-000000000000",
            sequence_number: SEQUENCE_NUMBER,
        }
    }

    fn emulator() -> EventSource<'static> {
        EventSource { owner: "000000000000", log_group: "g", log_stream: "s", event_id: "0", ..cloudwatch() }
    }

    fn id(source: &EventSource<'_>, event_idx: u32, ordinal: u32) -> String {
        document_id(source, event_idx, ordinal).to_string()
    }

    /// Expected values by a Python script over hashlib and struct. They may never change: stored documents have them.
    #[test]
    fn ids_are_these_for_ever() {
        assert_eq!(id(&cloudwatch(), 7, 0), "337ee27551fdf57f103b21e5376c7864");
        assert_eq!(id(&cloudwatch(), 0, 3), "3ed7506ae4af100f70268edeb9ba6469");
        assert_eq!(id(&emulator(), 7, 0), "2ba41306719a4201624437042c513ba1");
        let raw = EventSource {
            owner: "",
            log_group: "",
            log_stream: "",
            event_id: "",
            shard: "shardId-000000000001",
            sequence_number: "1",
        };
        assert_eq!(id(&raw, 0, 0), "68d9a23ad1ac26bebe85fddd138727f9");
    }

    #[test]
    fn an_id_is_its_text_wherever_it_came_from() {
        let made = document_id(&cloudwatch(), 7, 0);
        assert_eq!(DocumentId::from("337ee27551fdf57f103b21e5376c7864".to_owned()), made);
        for other in ["", "337EE27551FDF57F103B21E5376C7864", "337ee27551fdf57f103b21e5376c786", "x", "ﬀ"] {
            let stored = DocumentId::from(other.to_owned());
            assert_eq!((stored.as_str(), stored == made), (other, false));
            assert_eq!(stored < made, other < made.as_str());
        }
    }

    #[test]
    fn the_record_matters_only_where_the_event_id_is_not_cloudwatch_s() {
        let resent = |source: EventSource<'static>| EventSource { shard: "other", sequence_number: "9", ..source };
        assert_eq!(id(&cloudwatch(), 7, 0), id(&resent(cloudwatch()), 8, 0));
        assert_ne!(id(&emulator(), 7, 0), id(&resent(emulator()), 7, 0));
        assert_ne!(id(&emulator(), 7, 0), id(&emulator(), 8, 0));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let split = |log_group, log_stream| EventSource { log_group, log_stream, ..cloudwatch() };
        assert_ne!(id(&split("ab", "c"), 0, 0), id(&split("a", "bc"), 0, 0));
    }

    #[test]
    fn cloudwatch_s_ids_are_56_digits() {
        assert!(is_cloudwatch_event_id(EVENT_ID));
        for other in ["", "0", &EVENT_ID[1..], &format!("{EVENT_ID}0"), &EVENT_ID.replacen('3', "x", 1)] {
            assert!(!is_cloudwatch_event_id(other), "{other}");
        }
    }
}
