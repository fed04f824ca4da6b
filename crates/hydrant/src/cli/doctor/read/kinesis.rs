//! The stream: its state, its shards, how long it keeps a record.

use serde_json::{Value as Json, json};

use super::aws::{Action, Aws, Looked, paged, text};

/// Shards whose metrics are looked at.
pub(in crate::cli::doctor) const SHARDS_MAX: usize = 100;

/// Pages of up to 1,000 shards.
const PAGES_MAX: usize = 10;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Stream {
    pub(in crate::cli::doctor) name: String,
    pub(in crate::cli::doctor) arn: String,
    pub(in crate::cli::doctor) status: String,
    pub(in crate::cli::doctor) retention_hours: u64,
    /// A customer's key, where one is used.
    pub(in crate::cli::doctor) key: Option<String>,
    /// Metrics of each shard that are switched on.
    pub(in crate::cli::doctor) shard_metrics: Vec<String>,
    /// Ids of those that are open.
    pub(in crate::cli::doctor) shards: Vec<String>,
}

pub(in crate::cli::doctor) async fn read(aws: &Aws, name: &str) -> Looked<Stream> {
    let asked = json!({"StreamName": name});
    let answer = match aws.json(Action::DescribeStreamSummary, name, &asked).await {
        Looked::Found(answer) => answer,
        Looked::NotThere => return Looked::NotThere,
        Looked::Unknown => return Looked::Unknown,
    };
    let mut stream = described(&answer);
    let shards = paged(PAGES_MAX, async |token: Option<&str>| {
        // The token stands for the stream, too.
        let asked = token.map_or_else(|| json!({"StreamName": name}), |token| json!({"NextToken": token}));
        let answer = aws.json(Action::ListShards, name, &asked).await;
        answer.map(|answer| (open_shards(&answer), text(&answer, "NextToken")))
    });
    stream.shards = shards.await.found().map(|shards| shards.items.clone()).unwrap_or_default();
    Looked::Found(stream)
}

fn described(answer: &Json) -> Stream {
    let told = |path: &str| answer.pointer(&format!("/StreamDescriptionSummary{path}"));
    let text = |path: &str| told(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    let metrics = told("/EnhancedMonitoring").and_then(Json::as_array).into_iter().flatten();
    let metrics = metrics.filter_map(|level| level.get("ShardLevelMetrics")?.as_array()).flatten();
    // AWS's own key asks for no right.
    let key = Some(text("/KeyId")).filter(|key| !key.is_empty() && !key.ends_with("alias/aws/kinesis"));
    Stream {
        name: text("/StreamName"),
        arn: text("/StreamARN"),
        status: text("/StreamStatus"),
        retention_hours: told("/RetentionPeriodHours").and_then(Json::as_u64).unwrap_or_default(),
        key,
        shard_metrics: metrics.filter_map(|name| Some(name.as_str()?.to_owned())).collect(),
        shards: Vec::new(),
    }
}

fn open_shards(answer: &Json) -> Vec<String> {
    let shards = answer.get("Shards").and_then(Json::as_array).into_iter().flatten();
    let is_open = |shard: &&Json| shard.pointer("/SequenceNumberRange/EndingSequenceNumber").is_none();
    let id = |shard: &Json| Some(shard.get("ShardId")?.as_str()?.to_owned());
    shards.filter(is_open).filter_map(id).collect()
}
