//! Whether an index holds an id already, without a look-up for each document.
//!
//! A Bloom filter knows every committed id; only where it says "perhaps" are the segments' term dictionaries asked, so
//! a new document costs a few bits and a repeated one a look-up per segment. The filter is built from the dictionaries
//! when an index is first written to, and again, with twice the room, when it is full. It takes at most
//! [`FILTER_BYTES_MAX`]; an index with more documents asks the dictionaries more often and is as right.

use std::sync::Arc;

use fastbloom::BloomFilter;
use tantivy::{InvertedIndexReader, Searcher};

use super::schema::schema;

const FILTER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Room for at least so many ids.
const ROOM_MIN: u64 = 100_000;

/// Ten bits an id: one needless look-up in a hundred.
const BITS_PER_ID: u64 = 10;

/// Hash functions; the best number for ten bits an id.
const HASHES: u32 = 7;

pub(super) struct Ids {
    filter: BloomFilter,
    held: u64,
    room: u64,
}

impl Ids {
    /// Reads the ids of all committed documents.
    pub(super) fn read(searcher: &Searcher) -> tantivy::Result<Ids> {
        let room = searcher.num_docs().saturating_mul(2).max(ROOM_MIN);
        let bits = (room * BITS_PER_ID).min(FILTER_BYTES_MAX * 8);
        // Full at the limit for good: making the same filter again would help nothing.
        let room = if bits < room * BITS_PER_ID { u64::MAX } else { room };
        let bits = usize::try_from(bits).unwrap_or(usize::MAX);
        let mut ids = Ids { filter: BloomFilter::with_num_bits(bits).hashes(HASHES), held: 0, room };
        for index in inverted(searcher)? {
            let mut terms = index.terms().stream()?;
            while terms.advance() {
                ids.add(terms.key());
            }
        }
        Ok(ids)
    }

    /// Takes keys (see [`super::schema::id_key`]), as the other functions do.
    pub(super) fn add(&mut self, key: &[u8]) {
        self.filter.insert(key);
        self.held += 1;
    }

    /// `false` is certain.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        self.filter.contains(key)
    }

    /// Whether it is time to read the ids again, into a larger filter.
    pub(super) fn is_full(&self) -> bool {
        self.held > self.room
    }
}

/// The dictionaries of ids, one for each segment.
pub(super) struct Committed(Vec<Arc<InvertedIndexReader>>);

impl Committed {
    pub(super) fn new(searcher: &Searcher) -> tantivy::Result<Committed> {
        inverted(searcher).map(Committed)
    }

    pub(super) fn holds(&self, key: &[u8]) -> tantivy::Result<bool> {
        for index in &self.0 {
            if index.terms().get(key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn inverted(searcher: &Searcher) -> tantivy::Result<Vec<Arc<InvertedIndexReader>>> {
    let (_, fields) = schema();
    searcher.segment_readers().iter().map(|segment| segment.inverted_index(fields.key)).collect()
}
