//! The shards of a stream as Kinesis lists them, and what the stream says of itself.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use tokio::time::Instant;

use super::checkpoints::Listed;
use super::failure::Failure;
use super::{Kinesis, Stream, lock};
use crate::stream::{Error, RECORD_BYTES_MAX, Shard, ShardId, Standing};

/// A listing has no more pages: of up to 1,000 shards each, more than AWS grants.
const PAGES_MAX: usize = 1_000;

/// What a record may hold where the stream does not say, in KiB: AWS's default.
const RECORD_KIB_DEFAULT: i32 = 1024;

/// How long the stream's word on itself is believed.
const SUMMARY_EVERY: Duration = Duration::from_secs(60);

/// What a stream says of itself.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub(super) name: String,
    pub(super) created_ms: i64,
    pub(super) kept_for: Duration,
    /// Data and partition key of one record together.
    pub(super) record_bytes_max: usize,
}

impl Stream {
    /// `named`: its name or its ARN.
    pub(super) async fn open(
        named: &str,
        region: Option<&str>,
        endpoint: Option<&str>,
    ) -> Result<(Stream, Summary), Failure> {
        let client = Client::new(&crate::aws::config(region, endpoint).await);
        let given = Some(named.to_owned());
        let (name, arn) = if named.starts_with("arn:") { (None, given) } else { (given, None) };
        let mut stream = Stream { client, name, arn, created_ms: 0 };
        let summary = stream.summary().await?;
        stream.created_ms = summary.created_ms;
        Ok((stream, summary))
    }

    async fn summary(&self) -> Result<Summary, Failure> {
        let request = self.client.describe_stream_summary();
        let request = request.set_stream_name(self.name.clone()).set_stream_arn(self.arn.clone());
        let answer = request.send().await.map_err(|error| Failure::of("describe the stream", &error))?;
        let Some(summary) = answer.stream_description_summary else {
            return Err(Failure::Other("the stream's description is empty".to_owned()));
        };
        let hours = u64::try_from(summary.retention_period_hours).unwrap_or(24).max(1);
        let record_kib = summary.max_record_size_in_kib.unwrap_or(RECORD_KIB_DEFAULT);
        Ok(Summary {
            name: summary.stream_name,
            created_ms: summary.stream_creation_timestamp.to_millis().unwrap_or(0),
            kept_for: Duration::from_secs(hours * 3600),
            record_bytes_max: usize::try_from(record_kib.max(1)).map_or(0, |kib| kib * 1024).min(RECORD_BYTES_MAX),
        })
    }

    /// All shards that hold records, or may.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, Failure> {
        let mut listed = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = self.client.list_shards();
            // Behind the first page the token alone names the stream.
            let request = match next.take() {
                Some(token) => request.next_token(token),
                None => request.set_stream_name(self.name.clone()).set_stream_arn(self.arn.clone()),
            };
            let page = request.send().await.map_err(|error| Failure::of("list the shards", &error))?;
            listed.extend(page.shards.unwrap_or_default().into_iter().map(shard));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(parents_first(listed))
    }
}

impl Kinesis {
    pub(super) async fn list(&self) -> Result<Vec<Shard>, Error> {
        let listed = self.stream.list().await?;
        let standings = self.checkpoints.sync(&listed, self.begin.start(self.clock)).await?;
        self.refresh_summary().await;
        let mine = |standing: &Standing| matches!(standing, Standing::Mine { .. });
        let ours: BTreeSet<&ShardId> =
            listed.iter().zip(&standings).filter(|(_, standing)| mine(standing)).map(|(shard, _)| &shard.id).collect();
        lock(&self.readers).retain(|id, _| ours.contains(id));
        let shard = |(shard, standing)| {
            let Listed { id, parents, hash_keys } = shard;
            Shard { id, parents, hash_keys, standing }
        };
        Ok(listed.into_iter().zip(standings).map(shard).collect())
    }

    /// What the stream said before stands where it does not answer.
    async fn refresh_summary(&self) {
        let asked = lock(&self.summary).0;
        if asked.elapsed() < SUMMARY_EVERY {
            return;
        }
        match self.stream.summary().await {
            Ok(summary) => *lock(&self.summary) = (Instant::now(), summary),
            Err(failure) => tracing::debug!(?failure, "the stream does not describe itself"),
        }
    }
}

fn shard(shard: aws_sdk_kinesis::types::Shard) -> Listed {
    let range = shard.hash_key_range;
    let key = |text: Option<&str>, default| text.and_then(|text| text.parse().ok()).unwrap_or(default);
    let first = key(range.as_ref().map(|range| range.starting_hash_key.as_str()), 0);
    let last = key(range.as_ref().map(|range| range.ending_hash_key.as_str()), u128::MAX);
    let parents = shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id);
    Listed { id: ShardId(shard.shard_id), parents: parents.map(ShardId).collect(), hash_keys: (first, last) }
}

/// Kinesis lists by age, which is nearly that.
fn parents_first(mut listed: Vec<Listed>) -> Vec<Listed> {
    let mut ordered: Vec<Listed> = Vec::with_capacity(listed.len());
    while !listed.is_empty() {
        let waits = |shard: &Listed| shard.parents.iter().any(|parent| listed.iter().any(|other| other.id == *parent));
        let (waiting, free): (Vec<Listed>, Vec<Listed>) = listed.iter().cloned().partition(waits);
        if free.is_empty() {
            // A circle of parents: nothing that Kinesis would say.
            ordered.extend(waiting);
            break;
        }
        ordered.extend(free);
        listed = waiting;
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_their_children() {
        let shard = |id: &str, parents: &[&str]| Listed {
            id: ShardId(id.into()),
            parents: parents.iter().map(|parent| ShardId((*parent).into())).collect(),
            hash_keys: (0, 0),
        };
        let listed = [
            shard("merged", &["left", "right"]),
            shard("right", &["first"]),
            shard("first", &["gone"]),
            shard("left", &["first"]),
            shard("other", &[]),
        ];
        let ordered: Vec<String> = parents_first(listed.into()).into_iter().map(|shard| shard.id.0).collect();
        assert_eq!(ordered, ["first", "other", "right", "left", "merged"]);
    }
}
