//! The rules for index names as versions before 0.2 kept them: a file in the data folder, which is only read.
//!
//! ```json
//! {"version":1,"shards":{"shardId-000000000000":[
//!   {"after":null,"pattern":"hydrant-{format}","rotation":"OneDay"},
//!   {"after":"…","pattern":"hydrant-{format}","rotation":"OneHour"}]}}
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Rules, StoredRule};
use crate::stream::ShardId;

const VERSION: u32 = 1;

/// A larger file is not one of ours.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct File(BTreeMap<String, Rules>);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} has version {version}, this program knows versions up to {VERSION}", path.display())]
    Newer { path: PathBuf, version: u32 },
    #[error("{} cannot be read as a history of index names: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl File {
    pub(super) fn open(path: PathBuf) -> Result<File, OpenError> {
        let io_error = |error| OpenError::Io { path: path.clone(), error };
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(File::default()),
            Err(error) => Err(io_error(error)),
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                let problem = format!("it has {} bytes", metadata.len());
                Err(OpenError::Damaged { path, problem })
            }
            Ok(_) => parse(&path, &fs::read(&path).map_err(io_error)?),
        }
    }

    pub(super) fn rules(&self, shard: &ShardId) -> Option<Rules> {
        self.0.get(&shard.0).cloned()
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<File, OpenError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    #[derive(Deserialize)]
    struct Stored {
        shards: BTreeMap<String, Vec<StoredRule>>,
    }
    let damaged = |problem: String| OpenError::Damaged { path: path.into(), problem };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if version > VERSION {
        return Err(OpenError::Newer { path: path.into(), version });
    }
    let stored: Stored = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    let shards = stored.shards.into_iter().map(|(shard, rules)| Ok((shard, Rules::from_stored(rules)?)));
    shards.collect::<Result<_, _>>().map(File).map_err(damaged)
}
