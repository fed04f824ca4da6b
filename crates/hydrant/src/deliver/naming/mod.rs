//! Which rule names the index of a record: a change of name or rotation takes effect at a recorded position.
//!
//! A file in the data folder keeps, for each shard, the rules that ever were, each with the position after which it
//! holds:
//!
//! ```json
//! {"version":1,"shards":{"shardId-000000000000":[
//!   {"after":null,"pattern":"hydrant-{format}","rotation":"OneDay"},
//!   {"after":"…","pattern":"hydrant-{format}","rotation":"OneHour"}]}}
//! ```
//!
//! At the start of delivery, a shard whose newest rule is not the configured one gets a new rule, from its present end
//! on, durably and before any record is delivered by it. What the shard held by then keeps the old rule, so a batch that
//! a crash cut off is delivered again into the same indices, whatever the configuration says meanwhile.
//!
//! Positions cannot be compared here, only recognised. So the rule is carried along: the checkpoint says which rule holds
//! after its position, and a record at whose position the next rule begins moves on to that rule. A recorded position
//! is always met, since a stream keeps what is not delivered; on a stream that expires records undelivered, the old
//! rule would stay until the next change.
//!
//! Grows by one rule for each change of the configuration, 64 MiB at most in all ([`FILE_BYTES_MAX`]). The file is small and
//! written at starts only, on the caller's thread.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hydrant_transform::document::{IndexNaming, NamingError, Rotation};
use serde::{Deserialize, Serialize};

use crate::stream::{Position, ShardId};

const VERSION: u32 = 1;

/// A larger file is not one of ours.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The rules of all shards, and the configured one.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    configured: Arc<IndexNaming>,
    shards: Mutex<BTreeMap<String, Vec<Rule>>>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// The last record that it does not hold for; `None`: it holds from the beginning.
    after: Option<Position>,
    naming: Arc<IndexNaming>,
}

/// The rules of one shard, oldest first. A rule is known by its place.
#[derive(Clone, Debug)]
pub(super) struct Rules(Vec<Rule>);

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} has version {version}, this program knows versions up to {VERSION}", path.display())]
    Newer { path: PathBuf, version: u32 },
    #[error("{} cannot be read as a history of index names: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

#[derive(Debug, thiserror::Error)]
#[error("its checkpoint asks for rule {0} of the history of index names, which has only {1}")]
pub(super) struct MissingRule(usize, usize);

#[derive(Debug, Serialize, Deserialize)]
struct StoredFile {
    version: u32,
    shards: BTreeMap<String, Vec<StoredRule>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredRule {
    after: Option<String>,
    pattern: String,
    rotation: String,
}

impl History {
    /// Opens the file, or begins without one.
    pub fn open(path: PathBuf, configured: IndexNaming) -> Result<History, OpenError> {
        let io_error = |error| OpenError::Io { path: path.clone(), error };
        let shards = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(io_error(error)),
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                let problem = format!("it has {} bytes", metadata.len());
                return Err(OpenError::Damaged { path, problem });
            }
            Ok(_) => parse(&path, &fs::read(&path).map_err(io_error)?)?,
        };
        Ok(History { path, configured: Arc::new(configured), shards: Mutex::new(shards) })
    }

    /// Whether the newest rule of a shard is the configured one.
    pub(super) fn is_settled(&self, shard: &ShardId) -> bool {
        let newest = |rules: &Vec<Rule>| rules.last().is_some_and(|rule| rule.naming == self.configured);
        self.lock().get(&shard.0).is_some_and(newest)
    }

    /// Records the configured rule of a shard from its end on. Durable when it returns `Ok`.
    pub(super) fn settle(&self, shard: &ShardId, end: Option<&Position>) -> io::Result<()> {
        if self.is_settled(shard) {
            return Ok(());
        }
        let mut shards = self.lock();
        let mut changed = shards.clone();
        let rules = changed.entry(shard.0.clone()).or_default();
        // The first rule holds from the beginning: nothing was delivered by another one.
        let after = if rules.is_empty() { None } else { end.cloned() };
        rules.push(Rule { after, naming: Arc::clone(&self.configured) });
        self.store(&changed)?;
        *shards = changed;
        Ok(())
    }

    pub(super) fn rules(&self, shard: &ShardId) -> Rules {
        Rules(self.lock().get(&shard.0).cloned().unwrap_or_default())
    }

    /// Only read and replaced whole under the lock, so a panic elsewhere leaves it in order.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Rule>>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, shards: &BTreeMap<String, Vec<Rule>>) -> io::Result<()> {
        let rule = |rule: &Rule| StoredRule {
            after: rule.after.as_ref().map(|position| position.0.clone()),
            pattern: rule.naming.pattern().to_owned(),
            rotation: rule.naming.rotation().name().to_owned(),
        };
        let shards = shards.iter().map(|(id, rules)| (id.clone(), rules.iter().map(rule).collect())).collect();
        let bytes = serde_json::to_vec_pretty(&StoredFile { version: VERSION, shards })?;
        let next = self.path.with_extension("next");
        let mut file = File::create(&next)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Rules {
    /// The rule that holds after `position`, where `rule` held up to it.
    pub(super) fn after(&self, rule: usize, position: Option<&Position>) -> Result<usize, MissingRule> {
        let Some(later) = self.0.get(rule + 1..).filter(|_| rule < self.0.len()) else {
            return Err(MissingRule(rule, self.0.len()));
        };
        // Several rules may begin at one position, where no record came between two changes. The last one holds.
        Ok(rule + later.iter().take_while(|next| next.after.as_ref() == position).count())
    }

    pub(super) fn naming(&self, rule: usize) -> Arc<IndexNaming> {
        let rule = self.0.get(rule).or(self.0.last());
        Arc::clone(&rule.unwrap_or_else(|| unreachable!("a shard has a rule before it is delivered")).naming)
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Vec<Rule>>, OpenError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let damaged = |problem: String| OpenError::Damaged { path: path.into(), problem };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if version > VERSION {
        return Err(OpenError::Newer { path: path.into(), version });
    }
    let stored: StoredFile = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    let mut shards = BTreeMap::new();
    for (shard, rules) in stored.shards {
        let rules: Result<Vec<Rule>, String> = rules.into_iter().map(Rule::parse).collect();
        shards.insert(shard, rules.map_err(damaged)?);
    }
    Ok(shards)
}

impl Rule {
    fn parse(stored: StoredRule) -> Result<Rule, String> {
        let rotation = Rotation::from_name(&stored.rotation);
        let rotation = rotation.ok_or_else(|| format!("unknown rotation `{}`", stored.rotation))?;
        let naming = IndexNaming::new(&stored.pattern, rotation).map_err(|error: NamingError| error.to_string())?;
        Ok(Rule { after: stored.after.map(Position), naming: Arc::new(naming) })
    }
}

#[cfg(test)]
mod tests;
