//! A look at a stream that changes nothing: what `hydrant config check --connect` asks before the first record is read.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::Stream;
use super::checkpoints::Start;
use super::checkpoints::folder;
use super::failure::Failure;
use super::position::Place;
use crate::stream::{Error, Position, ShardId};

/// A stream that answers.
#[derive(Debug)]
pub struct Probe {
    stream: Stream,
    pub name: String,
    /// How long it keeps a record.
    pub kept_for: Duration,
}

/// What is wrong, in the kinds that somebody mends in different ways.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The stream or the shard is not there.
    #[error("{0}")]
    NotFound(String),
    /// The credentials or the rights do not do.
    #[error("{0}")]
    Denied(String),
    /// Too much is asked of it at present.
    #[error("{0}")]
    Busy(String),
    /// It does not answer, or says something else.
    #[error("{0}")]
    Other(String),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        match failure {
            Failure::NotFound(text) => Problem::NotFound(text),
            Failure::Denied(text) => Problem::Denied(text),
            Failure::Throttled(text) => Problem::Busy(text),
            Failure::Expired => Problem::Other("the iterator has expired".to_owned()),
            Failure::Invalid(text) | Failure::Other(text) => Problem::Other(text),
        }
    }
}

impl Probe {
    /// # Errors
    /// The stream cannot be described.
    pub async fn open(stream: &str, region: Option<&str>, endpoint: Option<&str>) -> Result<Probe, Problem> {
        let (stream, summary) = Stream::open(stream, region, endpoint).await?;
        Ok(Probe { stream, name: summary.name, kept_for: summary.kept_for })
    }

    /// # Errors
    /// The shards cannot be listed.
    pub async fn shards(&self) -> Result<Vec<ShardId>, Problem> {
        Ok(self.stream.list().await?.into_iter().map(|shard| shard.id).collect())
    }

    /// Reads one record behind a position, or the oldest, and tells how far that is from the newest. `None`: the shard is
    /// closed and holds nothing there.
    ///
    /// # Errors
    /// The shard cannot be read.
    pub async fn behind(&self, shard: &ShardId, after: Option<&Position>) -> Result<Option<Duration>, Problem> {
        let place = after.map(Place::parse).transpose().map_err(|error| Problem::Other(error.to_string()))?;
        let Some(iterator) = self.stream.iterator(shard, place.as_ref(), Start::Oldest).await? else {
            return Ok(None);
        };
        let request = self.stream.client.get_records().shard_iterator(iterator).limit(1);
        let answer = request.set_stream_arn(self.stream.arn.clone()).send().await;
        let answer = answer.map_err(|error| Failure::of("read the stream", &error))?;
        let behind_ms = u64::try_from(answer.millis_behind_latest.unwrap_or(0)).unwrap_or(0);
        Ok(Some(Duration::from_millis(behind_ms)))
    }

    /// The positions that a data folder keeps of this stream; `None` for a shard that is delivered to its end. `folder`: of
    /// all streams.
    ///
    /// # Errors
    /// They are of a stream of that name that was deleted, or cannot be read.
    pub fn kept(&self, folder: &Path) -> Result<BTreeMap<ShardId, Option<Position>>, Error> {
        folder::positions(&folder.join(&self.name), &self.name, self.stream.created_ms)
    }
}
