//! Answers of `_search`, `_count` and `_doc`, in OpenSearch's key order. Sources are copied byte by byte unless the
//! request filters them.

use jiff::Timestamp;

use super::error::NODE_ID;
use super::json;
use super::prune::SourceFilter;
use super::search::Request;
use super::write::{self, Writer};
use crate::index::query::{
    Aggregation, AggregationResult, Bucket, BucketKey, BucketsKind, Hit, SearchResult, SortValue,
};

/// A search that took `took_ms` milliseconds.
pub(super) fn search(request: &Request, result: &SearchResult, took_ms: u128) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|writer| {
        writer.key("took").raw(took_ms);
        writer.key("timed_out").raw(false);
        shards(writer, result, true);
        writer.key("hits").object(|writer| hits(writer, request, result));
        if !result.aggregations.is_empty() {
            writer.key("aggregations").object(|writer| {
                named_aggregations(writer, &request.search.aggregations, &result.aggregations);
            });
        }
    });
    writer.finish()
}

pub(super) fn count(result: &SearchResult) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|writer| {
        writer.key("count").raw(result.total.map_or(0, |total| total.value));
        shards(writer, result, true);
    });
    writer.finish()
}

/// An index is one shard. Those that could not be searched are named with the reason.
fn shards(writer: &mut Writer, result: &SearchResult, skipped: bool) {
    writer.key("_shards").object(|writer| {
        writer.key("total").raw(result.indices_searched + result.failures.len());
        writer.key("successful").raw(result.indices_searched);
        if skipped {
            writer.key("skipped").raw(0);
        }
        writer.key("failed").raw(result.failures.len());
        if result.failures.is_empty() {
            return;
        }
        writer.key("failures").array(|writer| {
            for (index, reason) in &result.failures {
                writer.object(|writer| {
                    writer.key("shard").raw(0);
                    writer.key("index").string(index);
                    writer.key("node").string(NODE_ID);
                    writer.key("reason").object(|writer| {
                        writer.key("type").string("exception");
                        writer.key("reason").string(reason);
                    });
                });
            }
        });
    });
}

fn hits(writer: &mut Writer, request: &Request, result: &SearchResult) {
    match result.total {
        Some(total) if request.total_as_int => writer.key("total").raw(total.value),
        None if request.total_as_int => writer.key("total").raw(-1),
        Some(total) => writer.key("total").object(|writer| {
            writer.key("value").raw(total.value);
            writer.key("relation").string(if total.exact { "eq" } else { "gte" });
        }),
        None => {}
    }
    let searched = result.indices_searched + result.failures.len() > 0;
    let scored = request.search.sort.is_empty() && request.search.size > 0;
    match result.max_score {
        _ if !searched => writer.key("max_score").float(0.0),
        Some(score) if scored => writer.key("max_score").float(score),
        Some(_) | None => writer.key("max_score").raw("null"),
    }
    writer.key("hits").array(|writer| {
        for hit in &result.hits {
            writer.object(|writer| write_hit(writer, request, hit));
        }
    });
}

fn write_hit(writer: &mut Writer, request: &Request, hit: &Hit) {
    writer.key("_index").string(&hit.index_name);
    writer.key("_id").string(&hit.id);
    if request.version {
        writer.key("_version").raw(1);
    }
    match hit.score {
        Some(score) => writer.key("_score").float(score),
        None => writer.key("_score").raw("null"),
    }
    write_source(writer, &request.source, &hit.source);
    if !request.search.sort.is_empty() {
        writer.key("sort").array(|writer| {
            for value in &hit.sort {
                match value {
                    SortValue::Null => writer.raw("null"),
                    SortValue::Integer(number) => writer.raw(number),
                    SortValue::Float(number) => writer.double(*number),
                    SortValue::String(text) => writer.string(text),
                }
            }
        });
    }
}

/// `_doc` of a document that is there. A document is written once and never again, so its version is 1; sequence
/// numbers are not kept, 0 stands for all.
pub(super) fn document(index_name: &str, id: &str, source: &[u8], filter: &SourceFilter) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|writer| {
        writer.key("_index").string(index_name);
        writer.key("_id").string(id);
        writer.key("_version").raw(1);
        writer.key("_seq_no").raw(0);
        writer.key("_primary_term").raw(1);
        writer.key("found").raw(true);
        write_source(writer, filter, source);
    });
    writer.finish()
}

pub(super) fn no_document(index_name: &str, id: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|writer| {
        writer.key("_index").string(index_name);
        writer.key("_id").string(id);
        writer.key("found").raw(false);
    });
    writer.finish()
}

fn write_source(writer: &mut Writer, filter: &SourceFilter, source: &[u8]) {
    match filter {
        SourceFilter::None => {}
        SourceFilter::All => writer.key("_source").raw_bytes(source),
        SourceFilter::Some { includes, excludes } => {
            let node = std::str::from_utf8(source).ok().and_then(|text| json::parse_trusted(text).ok());
            // What cannot be read cannot be filtered, and is not shown unfiltered.
            let Some(node) = node else { return };
            let mut out = Vec::new();
            write::compact(&SourceFilter::prune(&node, includes, excludes), &mut out);
            writer.key("_source").raw_bytes(&out);
        }
    }
}

fn named_aggregations(writer: &mut Writer, asked: &[(String, Aggregation)], results: &[(String, AggregationResult)]) {
    for (name, result) in results {
        let asked = asked.iter().find(|(asked, _)| asked == name).map(|(_, aggregation)| aggregation);
        writer.key(name).object(|writer| aggregation(writer, asked, result));
    }
}

fn aggregation(writer: &mut Writer, asked: Option<&Aggregation>, result: &AggregationResult) {
    match result {
        AggregationResult::Buckets { buckets, kind } => {
            if let BucketsKind::Terms { sum_other_doc_count } = kind {
                writer.key("doc_count_error_upper_bound").raw(0);
                writer.key("sum_other_doc_count").raw(sum_other_doc_count);
            }
            let sub = match asked {
                Some(Aggregation::Terms { sub, .. } | Aggregation::DateHistogram { sub, .. }) => sub.as_slice(),
                Some(
                    Aggregation::Min { .. }
                    | Aggregation::Max { .. }
                    | Aggregation::Avg { .. }
                    | Aggregation::Sum { .. }
                    | Aggregation::ValueCount { .. }
                    | Aggregation::Cardinality { .. },
                )
                | None => &[],
            };
            writer.key("buckets").array(|writer| {
                for entry in buckets {
                    writer.object(|writer| bucket(writer, *kind, sub, entry));
                }
            });
        }
        // The sum of nothing is nothing, where the others have no value.
        AggregationResult::Metric(None) if matches!(asked, Some(Aggregation::Sum { .. })) => {
            writer.key("value").double(0.0);
        }
        AggregationResult::Metric(None) | AggregationResult::DateMetric(None) => writer.key("value").raw("null"),
        AggregationResult::Metric(Some(number)) => writer.key("value").double(*number),
        AggregationResult::DateMetric(Some(number)) => {
            writer.key("value").double(*number);
            writer.key("value_as_string").string(&date_of_double(*number));
        }
        AggregationResult::Count(number) => writer.key("value").raw(number),
    }
}

fn bucket(writer: &mut Writer, kind: BucketsKind, sub: &[(String, Aggregation)], bucket: &Bucket) {
    match (&bucket.key, kind) {
        (BucketKey::String(key), _) => writer.key("key").string(key),
        (BucketKey::Integer(key), _) => writer.key("key").raw(key),
        (BucketKey::Float(key), _) => writer.key("key").double(*key),
        (BucketKey::Boolean(key), _) => {
            writer.key("key").raw(u8::from(*key));
            writer.key("key_as_string").string(if *key { "true" } else { "false" });
        }
        (BucketKey::Date(key), BucketsKind::Terms { .. }) => {
            writer.key("key").raw(key);
            writer.key("key_as_string").string(&date(*key));
        }
        (BucketKey::Date(key), BucketsKind::DateHistogram) => {
            writer.key("key_as_string").string(&date(*key));
            writer.key("key").raw(key);
        }
    }
    writer.key("doc_count").raw(bucket.doc_count);
    named_aggregations(writer, sub, &bucket.sub);
}

/// `2022-01-15T00:00:00.000Z`
pub(super) fn date(epoch_ms: i64) -> String {
    match Timestamp::from_millisecond(epoch_ms) {
        Ok(instant) => format!("{instant:.3}"),
        // No calendar reaches that far.
        Err(_) => epoch_ms.to_string(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float beyond the range becomes its end, and dates are within")]
fn date_of_double(epoch_ms: f64) -> String {
    date(epoch_ms as i64)
}
