//! What makes two places of one document the same: its key.
//!
//! Ordinarily that is the document's id. An event of a followed file is told by its place in the file instead, since the
//! time of an entry without a stamp is the time at which it was read, which enters the id and stands in no file. A document
//! whose id is none of ours, because a server made it, is told by the id that its fields give.

use std::collections::BTreeSet;

use hydrant_transform::document::{EventSource, document_id, is_cloudwatch_event_id};
use sha2::{Digest, Sha256};

use super::entry::hash;
use crate::source::tail::again::Known;
use crate::source::tail::event_place;

/// Generations that are remembered, of all paths together.
const KNOWN_MAX: usize = 100_000;

/// What a document says of the log event that it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventName {
    pub owner: String,
    pub log_group: String,
    pub log_stream: String,
    pub event_id: String,
    pub ordinal: u32,
}

/// Makes keys.
#[derive(Debug, Default)]
pub struct Keys {
    /// Path hashes of the files that are read again.
    tails: BTreeSet<u64>,
    known: Known,
}

impl Keys {
    pub fn new(tails: BTreeSet<u64>) -> Keys {
        Keys { tails, known: Known::new() }
    }

    /// Up to where documents are known of the files.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Of the document with this id. `event`: where it is known.
    pub fn key(&mut self, id: &str, event: Option<&EventName>) -> u128 {
        let place = event.and_then(|event| event_place(&event.event_id).map(|place| (event, place)));
        if let Some((event, place)) = place.filter(|(_, place)| self.tails.contains(&place.path_hash)) {
            let known = (place.path_hash, place.generation);
            if self.known.len() < KNOWN_MAX || self.known.contains_key(&known) {
                let highest = self.known.entry(known).or_default();
                *highest = place.offset.max(*highest);
            }
            let numbers = [place.path_hash, place.generation, place.offset, u64::from(event.ordinal)];
            return digest(b"place", &[&event.owner, &event.log_group, &event.log_stream], &numbers);
        }
        if let Some(hash) = hash(id) {
            return hash;
        }
        let event = event.filter(|event| is_cloudwatch_event_id(&event.event_id));
        let made = event.and_then(|event| hash(document_id(&event.source(), 0, event.ordinal).as_str()));
        made.unwrap_or_else(|| digest(b"id", &[id], &[]))
    }

    /// For two indices of which one may know nothing but the event's id.
    pub fn event_key(event_id: &str, ordinal: u32) -> u128 {
        digest(b"event", &[event_id], &[u64::from(ordinal)])
    }
}

impl EventName {
    fn source(&self) -> EventSource<'_> {
        EventSource {
            owner: &self.owner,
            log_group: &self.log_group,
            log_stream: &self.log_stream,
            event_id: &self.event_id,
            shard: "",
            sequence_number: "",
        }
    }
}

fn digest(kind: &[u8], parts: &[&str], numbers: &[u64]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(kind);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    for number in numbers {
        hash.update(number.to_be_bytes());
    }
    hash.finalize().first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}
