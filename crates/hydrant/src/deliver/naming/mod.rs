//! Which rule names the index of a record: a change of name or rotation takes effect at a recorded position.
//!
//! The checkpoint of a shard carries the rules ([`Rules`]): the one that holds after its position, and those that
//! follow, each with the position after which it holds. They go where the checkpoint goes, also to another machine.
//!
//! At the start of delivery, a shard whose newest rule is not the configured one gets a new rule, from its present end
//! on, durably and before any record is delivered by it. What the shard held by then keeps the old rule, so a batch that
//! a crash cut off is delivered again into the same indices, whatever the configuration says meanwhile.
//!
//! Positions cannot be compared here, only recognised: a record at whose position the next rule begins moves on to that
//! rule. A recorded position is always met, since a stream keeps what is not delivered; on a stream that expires records
//! undelivered, the old rule would stay until the next change.
//!
//! Older versions kept the rules in a file beside the stream ([`history`]), which is read as long as a checkpoint asks
//! for it.

mod history;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hydrant_transform::document::{IndexNaming, NamingError, RotateBy, Rotation};
use serde::{Deserialize, Serialize};

use crate::stream::{Position, ShardId};
pub use history::OpenError;

/// The configured rule, those that older versions left in a file, and the shards whose checkpoints have it by now.
#[derive(Debug)]
pub struct History {
    configured: Arc<IndexNaming>,
    file: history::File,
    settled: Mutex<BTreeSet<ShardId>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    /// The last record that it does not hold for; `None`: it holds from the beginning.
    after: Option<Position>,
    naming: Arc<IndexNaming>,
}

/// The rules of one shard, oldest first. A rule is known by its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rules(Vec<Rule>);

/// A rule as checkpoints and the file hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredRule {
    after: Option<String>,
    pattern: String,
    rotation: String,
    /// Absent where it is the log event's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotate_by: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("its checkpoint asks for rule {0} of the history of index names, which has only {1}")]
pub(super) struct MissingRule(usize, usize);

impl History {
    /// `path`: the file that older versions kept, if it is there.
    pub fn open(path: PathBuf, configured: IndexNaming) -> Result<History, OpenError> {
        let file = history::File::open(path)?;
        Ok(History { configured: Arc::new(configured), file, settled: Mutex::default() })
    }

    pub(super) fn configured(&self) -> &Arc<IndexNaming> {
        &self.configured
    }

    /// What the file of older versions says of a shard.
    pub(super) fn older(&self, shard: &ShardId) -> Option<Rules> {
        self.file.rules(shard)
    }

    /// Whether the checkpoint of a shard is known to end with the configured rule.
    pub(super) fn is_settled(&self, shard: &ShardId) -> bool {
        self.lock().contains(shard)
    }

    pub(super) fn set_settled(&self, shard: &ShardId, is_settled: bool) {
        if is_settled {
            self.lock().insert(shard.clone());
        } else {
            self.lock().remove(shard);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<ShardId>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    /// In their order.
    pub(super) fn namings(&self) -> impl Iterator<Item = &IndexNaming> {
        self.0.iter().map(|rule| rule.naming.as_ref())
    }

    /// One that holds from the beginning.
    pub(super) fn of(naming: Arc<IndexNaming>) -> Rules {
        Rules(vec![Rule { after: None, naming }])
    }

    pub(super) fn from_stored(stored: Vec<StoredRule>) -> Result<Rules, String> {
        if stored.is_empty() {
            return Err("there is no rule for index names".to_owned());
        }
        stored.into_iter().map(Rule::parse).collect::<Result<_, _>>().map(Rules)
    }

    /// The rules from one on.
    pub(super) fn stored(&self, rule: usize) -> Vec<StoredRule> {
        self.0.iter().skip(rule).map(Rule::stored).collect()
    }

    /// Without those before `rule`.
    pub(super) fn skip(mut self, rule: usize) -> Result<Rules, MissingRule> {
        if rule >= self.0.len() {
            return Err(MissingRule(rule, self.0.len()));
        }
        self.0.drain(..rule);
        Ok(self)
    }

    pub(super) fn push(&mut self, after: Option<Position>, naming: Arc<IndexNaming>) {
        self.0.push(Rule { after, naming });
    }

    /// The rule that holds after `position`, where `rule` held up to it.
    pub(super) fn after(&self, rule: usize, position: Option<&Position>) -> usize {
        // Several rules may begin at one position, where no record came between two changes. The last one holds.
        let later = self.0.iter().skip(rule + 1);
        rule + later.take_while(|next| next.after.as_ref() == position).count()
    }

    pub(super) fn naming(&self, rule: usize) -> &Arc<IndexNaming> {
        let rule = self.0.get(rule).or(self.0.last());
        &rule.unwrap_or_else(|| unreachable!("a shard has a rule before it is delivered")).naming
    }

    pub(super) fn newest(&self) -> &Arc<IndexNaming> {
        self.naming(usize::MAX)
    }
}

impl Rule {
    fn parse(stored: StoredRule) -> Result<Rule, String> {
        let rotation = Rotation::from_name(&stored.rotation);
        let rotation = rotation.ok_or_else(|| format!("unknown rotation `{}`", stored.rotation))?;
        let rotate_by = stored.rotate_by.as_deref().map_or(Some(RotateBy::Event), RotateBy::from_name);
        let rotate_by = rotate_by.ok_or_else(|| "it names an unknown time for rotation".to_owned())?;
        let naming = IndexNaming::new(&stored.pattern, rotation).map_err(|error: NamingError| error.to_string())?;
        let naming = naming.by(rotate_by);
        Ok(Rule { after: stored.after.map(Position), naming: Arc::new(naming) })
    }

    fn stored(&self) -> StoredRule {
        StoredRule {
            after: self.after.as_ref().map(|position| position.0.clone()),
            pattern: self.naming.pattern().to_owned(),
            rotation: self.naming.rotation().name().to_owned(),
            rotate_by: Some(self.naming.rotate_by()).filter(|by| *by != RotateBy::Event).map(|by| by.name().to_owned()),
        }
    }
}
