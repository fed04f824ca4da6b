//! How far the shards of a Kinesis stream are delivered, kept where this process finds it again: a folder, for one
//! process ([`folder`]), or a DynamoDB table, for several that share the shards ([`table`]). [`snapshot`]: what either
//! keeps, to be looked at.

pub(super) mod folder;

mod passed;

pub(super) mod snapshot;

pub(super) mod table;

use serde::{Deserialize, Serialize};

use super::position;
use crate::stream::{Checkpoint, Error, ShardId, Standing};
use folder::Folder;
use snapshot::Snapshot;
use table::Table;

/// What Kinesis says of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: ShardId,
    /// Two after a merge. They may be gone.
    pub(super) parents: Vec<ShardId>,
    pub(super) hash_keys: (u128, u128),
}

/// Where a shard begins before its first position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Start {
    /// The oldest record that is kept.
    Oldest,
    /// The first record that arrived at this time or later, milliseconds since 1970 UTC.
    At(i64),
}

/// What is kept of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) start: Start,
    pub(super) checkpoint: Option<Checkpoint>,
}

#[derive(Debug)]
pub(super) enum Checkpoints {
    Folder(Folder),
    Table(Table),
    /// Nothing can be kept.
    Snapshot(Snapshot),
}

impl Checkpoints {
    /// Makes room for shards that were not seen before, and tells the standing of each, in order. All begin where the
    /// first ones did, which is `start` where nothing at all is kept of the stream yet: what comes after its parents
    /// arrived later.
    pub(super) async fn sync(&self, listed: &[Listed], start: Start) -> Result<Vec<Standing>, Error> {
        match self {
            Checkpoints::Folder(folder) => folder.sync(listed, start).await,
            Checkpoints::Table(table) => table.sync(listed, start).await,
            Checkpoints::Snapshot(snapshot) => Ok(snapshot.standings(listed)),
        }
    }

    /// Of a shard that was synchronised.
    pub(super) async fn load(&self, shard: &ShardId) -> Result<Kept, Error> {
        match self {
            Checkpoints::Folder(folder) => folder.load(shard).await,
            Checkpoints::Table(table) => table.load(shard).await,
            Checkpoints::Snapshot(snapshot) => Ok(snapshot.load(shard)),
        }
    }

    /// Durable when it returns; never back ([`check_forward`]).
    pub(super) async fn commit(&self, shard: &ShardId, checkpoint: Checkpoint) -> Result<(), Error> {
        match self {
            Checkpoints::Folder(folder) => folder.commit(shard, checkpoint).await,
            Checkpoints::Table(table) => table.commit(shard, checkpoint).await,
            Checkpoints::Snapshot(_) => Err(snapshot::refused("keep a checkpoint")),
        }
    }

    /// Leaves a shard to other processes.
    pub(super) fn give_up(&self, shard: &ShardId) {
        match self {
            Checkpoints::Folder(_) | Checkpoints::Snapshot(_) => {}
            Checkpoints::Table(table) => table.give_up(shard),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Checkpoints::Folder(_) | Checkpoints::Snapshot(_) => {}
            Checkpoints::Table(table) => table.close().await,
        }
    }

    /// Durable when it returns.
    pub(super) async fn finish(&self, shard: &ShardId) -> Result<(), Error> {
        match self {
            Checkpoints::Folder(folder) => folder.finish(shard).await,
            Checkpoints::Table(table) => table.finish(shard).await,
            Checkpoints::Snapshot(_) => Err(snapshot::refused("finish a shard")),
        }
    }
}

/// Refuses a checkpoint whose position lies before the one that is kept, or that has none behind one.
fn check_forward(shard: &ShardId, kept: Option<&Checkpoint>, next: &Checkpoint) -> Result<(), Error> {
    let Some(before) = kept.and_then(|kept| kept.position.as_ref()) else { return Ok(()) };
    let Some(after) = &next.position else {
        return Err(Error::Fatal(format!("shard {shard}: a checkpoint without a position after {before}")));
    };
    if position::Place::parse(after)? < position::Place::parse(before)? {
        return Err(Error::Fatal(format!("shard {shard}: a checkpoint goes back from {before} to {after}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::stream::Position;

    #[test]
    fn a_checkpoint_goes_on_and_never_back() {
        let shard = ShardId("shardId-0".into());
        let at = |position: Option<&str>| Checkpoint {
            position: position.map(|text| Position(text.into())),
            state: Bytes::new(),
        };
        let check = |kept: Option<&str>, next: Option<&str>| {
            check_forward(&shard, Some(&at(kept)), &at(next)).map_err(|error| error.to_string())
        };
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(None, Some("49")), Ok(()));
        assert_eq!(check(Some("49"), Some("49")), Ok(()));
        assert_eq!(check(Some("49"), Some("49:3")), Ok(()));
        assert_eq!(check(Some("99"), Some("100")), Ok(()));
        let back = check(Some("100"), Some("99"));
        assert_eq!(back, Err("shard shardId-0: a checkpoint goes back from 100 to 99".into()));
        let back = check(Some("100:3"), Some("100:2"));
        assert_eq!(back, Err("shard shardId-0: a checkpoint goes back from 100:3 to 100:2".into()));
        let none = check(Some("100"), None);
        assert_eq!(none, Err("shard shardId-0: a checkpoint without a position after 100".into()));
    }
}
