//! OpenSearch's answer to a search as plain data.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use crate::index::{
    Aggregation, AggregationResult, Bucket, BucketKey, BucketsKind, Error, Hit, SearchResult, SortValue, Total,
};

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "_shards", default)]
    shards: Shards,
    #[serde(borrow)]
    hits: Hits<'a>,
    #[serde(default)]
    aggregations: Map<String, Json>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shards {
    total: usize,
    failures: Vec<ShardFailure>,
}

#[derive(Deserialize)]
struct ShardFailure {
    #[serde(default)]
    index: String,
    #[serde(default)]
    reason: Json,
}

#[derive(Deserialize)]
struct Hits<'a> {
    total: Option<TotalHits>,
    max_score: Option<f32>,
    #[serde(borrow, default)]
    hits: Vec<OneHit<'a>>,
}

#[derive(Deserialize)]
struct TotalHits {
    value: u64,
    relation: String,
}

#[derive(Deserialize)]
struct OneHit<'a> {
    #[serde(rename = "_index")]
    index_name: String,
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_score")]
    score: Option<f32>,
    #[serde(rename = "_source", borrow)]
    source: Option<&'a RawValue>,
    #[serde(default)]
    sort: Vec<Json>,
}

/// Reads what `_search` answers to these aggregations.
pub(super) fn search(body: &[u8], asked: &[(String, Aggregation)]) -> Result<SearchResult, Error> {
    let answer: Answer<'_> = serde_json::from_slice(body)
        .map_err(|error| Error::Retry(format!("OpenSearch's answer to a search cannot be read: {error}")))?;
    let Answer { shards, hits, aggregations } = answer;
    let failures = shards.failures.into_iter().map(|failure| {
        let reason = failure.reason.get("reason").and_then(Json::as_str).unwrap_or("unknown");
        (failure.index, reason.to_owned())
    });
    Ok(SearchResult {
        indices_searched: shards.total,
        failures: failures.collect(),
        total: hits.total.map(|total| Total { value: total.value, exact: total.relation == "eq" }),
        max_score: hits.max_score,
        hits: hits.hits.into_iter().map(hit).collect(),
        aggregations: results(&aggregations, asked),
    })
}

fn hit(hit: OneHit<'_>) -> Hit {
    let OneHit { index_name, id, score, source, sort } = hit;
    let source = source.map(|source| source.get().as_bytes().to_vec()).unwrap_or_default();
    Hit { index_name, id, score, source, sort: sort.iter().map(sort_value).collect() }
}

fn sort_value(value: &Json) -> SortValue {
    match value {
        Json::Number(number) => match number.as_i64() {
            Some(whole) => SortValue::Integer(whole),
            None => number.as_f64().map_or(SortValue::Null, SortValue::Float),
        },
        Json::String(text) => SortValue::String(text.clone()),
        Json::Bool(flag) => SortValue::Integer(i64::from(*flag)),
        Json::Null | Json::Array(_) | Json::Object(_) => SortValue::Null,
    }
}

/// What was asked, in its order; what is not in the answer is left out.
fn results(told: &Map<String, Json>, asked: &[(String, Aggregation)]) -> Vec<(String, AggregationResult)> {
    asked.iter().filter_map(|(name, asked)| Some((name.clone(), result(told.get(name)?, asked)?))).collect()
}

fn result(told: &Json, asked: &Aggregation) -> Option<AggregationResult> {
    let metric = || told.get("value").and_then(Json::as_f64);
    match asked {
        Aggregation::Terms { sub, .. } => {
            let others = told.get("sum_other_doc_count").and_then(Json::as_u64).unwrap_or(0);
            let kind = BucketsKind::Terms { sum_other_doc_count: others };
            Some(AggregationResult::Buckets { buckets: buckets(told, sub, terms_key)?, kind })
        }
        Aggregation::DateHistogram { sub, .. } => {
            let key = |bucket: &Json| Some(BucketKey::Date(bucket.get("key")?.as_i64()?));
            Some(AggregationResult::Buckets { buckets: buckets(told, sub, key)?, kind: BucketsKind::DateHistogram })
        }
        Aggregation::Min { .. } | Aggregation::Max { .. } if told.get("value_as_string").is_some() => {
            Some(AggregationResult::DateMetric(metric()))
        }
        Aggregation::Min { .. } | Aggregation::Max { .. } | Aggregation::Avg { .. } | Aggregation::Sum { .. } => {
            Some(AggregationResult::Metric(metric()))
        }
        Aggregation::ValueCount { .. } | Aggregation::Cardinality { .. } => {
            Some(AggregationResult::Count(told.get("value").and_then(Json::as_u64)?))
        }
    }
}

fn buckets(
    told: &Json,
    sub: &[(String, Aggregation)],
    key: impl Fn(&Json) -> Option<BucketKey>,
) -> Option<Vec<Bucket>> {
    let bucket = |bucket: &Json| {
        let doc_count = bucket.get("doc_count")?.as_u64()?;
        Some(Bucket { key: key(bucket)?, doc_count, sub: results(bucket.as_object()?, sub) })
    };
    told.get("buckets")?.as_array()?.iter().map(bucket).collect()
}

/// Of booleans the key is 0 or 1, and what it stands for is beside it.
fn terms_key(bucket: &Json) -> Option<BucketKey> {
    match bucket.get("key")? {
        Json::String(text) => Some(BucketKey::String(text.clone())),
        Json::Number(number) => match (bucket.get("key_as_string").and_then(Json::as_str), number.as_i64()) {
            (Some(flag @ ("true" | "false")), _) => Some(BucketKey::Boolean(flag == "true")),
            (Some(_), Some(ms)) => Some(BucketKey::Date(ms)),
            (None, Some(whole)) => Some(BucketKey::Integer(whole)),
            (_, None) => number.as_f64().map(BucketKey::Float),
        },
        Json::Bool(flag) => Some(BucketKey::Boolean(*flag)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
