//! What delivery makes of a shard's records, for who checks what it has done: the same transformation and the same
//! joining, and nothing is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use hydrant_transform::document::IndexNaming;
use hydrant_transform::record::join::{LogStream, StreamKey};
use hydrant_transform::record::{Options, RecordSource, Transformed, transform_joined, transform_leaving};

use super::checkpoint::State;
use super::gathering::source;
use super::joining::{Arrived, Finished, Joining, Kept};
use super::naming::{History, Rules};
use crate::stream::{Checkpoint, Position, Record, ShardId};

/// Log streams whose entries in pieces are known to begin where they are read; of those beyond, none is.
const STREAMS_MAX: usize = 100_000;

/// What a checkpoint says of its shard.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Every entry that begins up to here is delivered.
    pub whole: Option<Position>,
    /// And up to here every entry that is not joined.
    pub read: Option<Position>,
    /// By which indices are named from there on.
    pub namings: Vec<IndexNaming>,
}

impl Delivered {
    /// # Errors
    /// The checkpoint is damaged, or of a newer version.
    pub fn of(shard: &ShardId, checkpoint: Option<&Checkpoint>, history: &History) -> Result<Delivered, String> {
        let Some(Checkpoint { position, state }) = checkpoint else {
            return Ok(Delivered { whole: None, read: None, namings: Vec::new() });
        };
        let older = history.older(shard);
        let known = older.iter().flat_map(Rules::namings).cloned().collect::<Vec<_>>();
        if state.is_empty() {
            // Another program has moved it, and knew no state of ours.
            return Ok(Delivered { whole: position.clone(), read: position.clone(), namings: known });
        }
        let State { joining, rules } = State::from_bytes(state, || older).map_err(|error| error.to_string())?;
        let end = joining.and_then(|kept| kept.end().cloned()).map(Position);
        let namings = rules.namings().cloned().chain(known).collect();
        Ok(Delivered { whole: position.clone(), read: end.or_else(|| position.clone()), namings })
    }
}

/// One shard, read from any place on.
#[derive(Debug)]
pub struct Again {
    shard: ShardId,
    options: Options,
    naming: Arc<IndexNaming>,
    joining: Joining,
    begun: BTreeSet<StreamKey>,
}

/// What came of a record, or an entry that was joined.
#[derive(Debug)]
pub struct Made {
    pub transformed: Transformed,
    /// Of the record that it begins in.
    pub sequence_number: String,
    /// Of a joined entry: how many records were read before the one that it begins in.
    pub joined_from: Option<u64>,
    /// It may have begun before the first record that was read, and is another entry then.
    pub is_unsure: bool,
}

impl Again {
    /// `naming`: any, since names are not told.
    pub fn new(shard: ShardId, options: &Options, naming: IndexNaming) -> Again {
        let mut finished = Vec::new();
        let (joining, _) = Joining::resume(options, None, 0, Kept::default(), &mut finished);
        Again { shard, options: options.clone(), naming: Arc::new(naming), joining, begun: BTreeSet::new() }
    }

    /// Takes the next record.
    pub fn take(&mut self, record: &Record) -> Vec<Made> {
        let leaves = |stream: &LogStream| self.options.join.applies(&stream.log_group);
        let mut transformed = transform_leaving(&record.data, source(&self.shard, record), &self.options, &leaves);
        let pieces = std::mem::take(&mut transformed.pieces);
        let mut finished = Vec::new();
        self.joining.take(Arrived { record, naming: &self.naming, naming_rule: 0, pieces }, &mut finished);
        let sequence_number = record.sequence_number.clone();
        let mut made = vec![Made { transformed, sequence_number, joined_from: None, is_unsure: false }];
        made.extend(finished.into_iter().map(|joined| self.joined(&joined)));
        made
    }

    /// Everything was read, and no later record arrives before `no_earlier_ms`: what that has finished.
    pub fn caught_up(&mut self, no_earlier_ms: i64) -> Vec<Made> {
        let mut finished = Vec::new();
        self.joining.caught_up(no_earlier_ms, &mut finished);
        finished.into_iter().map(|joined| self.joined(&joined)).collect()
    }

    fn joined(&mut self, joined: &Finished) -> Made {
        let begun = Arc::clone(&joined.record);
        let key = joined.stream.key();
        let is_unsure = !self.begun.contains(&key);
        if is_unsure && self.begun.len() < STREAMS_MAX {
            self.begun.insert(key);
        }
        let source = RecordSource {
            shard: &self.shard.0,
            sequence_number: &begun.sequence_number,
            arrival_ms: begun.arrival_ms,
        };
        Made {
            transformed: transform_joined(joined, source, &self.options),
            sequence_number: begun.sequence_number.clone(),
            joined_from: Some(begun.number()),
            is_unsure,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hydrant_transform::document::Rotation;

    use super::*;

    #[test]
    fn a_checkpoint_that_another_program_has_moved_is_a_position() {
        let folder = tempfile::tempdir().unwrap();
        let naming = IndexNaming::new("hydrant-{format}", Rotation::OneDay).unwrap();
        let history = History::open(folder.path().join("index-names.json"), naming).unwrap();
        let shard = ShardId("shardId-000000000000".into());
        let position = Some(Position("49:3".into()));
        let checkpoint = Checkpoint { position: position.clone(), state: Bytes::new() };
        let delivered = Delivered::of(&shard, Some(&checkpoint), &history).unwrap();
        assert_eq!((delivered.whole, delivered.read, delivered.namings.len()), (position.clone(), position.clone(), 0));
        let damaged = Checkpoint { position, state: Bytes::from_static(b"{}") };
        assert!(Delivered::of(&shard, Some(&damaged), &history).is_err());
    }
}
