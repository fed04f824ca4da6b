//! What is kept of the shards at one moment: for a look at the stream beside the processes that deliver it, which
//! changes nothing and holds nothing.

use std::collections::BTreeMap;

use super::passed::passed;
use super::{Kept, Listed, Start};
use crate::stream::{Error, ShardId, Standing};

#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(super) shards: BTreeMap<ShardId, Stored>,
    /// Where shards begin of which nothing is kept.
    pub(super) start: Start,
}

/// What is kept of a shard, wherever that is.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(super) kept: Kept,
    pub(super) delivered: bool,
}

impl Snapshot {
    pub(super) fn standings(&self, listed: &[Listed]) -> Vec<Standing> {
        let position = |stored: &Stored| stored.kept.checkpoint.as_ref()?.position.clone();
        let begun = |stored: &Stored| stored.delivered || position(stored).is_some();
        let passed = passed(listed, &self.shards.iter().map(|(shard, stored)| (shard, begun(stored))).collect());
        let delivered = |shard: &Listed| match self.shards.get(&shard.id) {
            Some(stored) => stored.delivered,
            None => passed.contains(&shard.id),
        };
        let standing = |shard| if delivered(shard) { Standing::Delivered } else { Standing::Mine { term: 0 } };
        listed.iter().map(standing).collect()
    }

    pub(super) fn load(&self, shard: &ShardId) -> Kept {
        let new = || Kept { start: self.start, checkpoint: None };
        self.shards.get(shard).map_or_else(new, |stored| stored.kept.clone())
    }
}

/// Of what would change a stream that was opened to be looked at.
pub(in crate::stream::kinesis) fn refused(what: &str) -> Error {
    Error::Fatal(format!("the stream is opened for reading only: it cannot {what}"))
}
