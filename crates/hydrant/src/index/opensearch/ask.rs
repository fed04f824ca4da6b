//! A search as OpenSearch's JSON.

use serde_json::{Map, Value as Json, json};

use crate::index::query::{Bound, TermsOrder, Value};
use crate::index::{Aggregation, Query, Search, SortKey, TrackTotal};

/// The body of `_search`.
pub(super) fn body(search: &Search) -> Json {
    let mut body = json!({
        "query": query(&search.query),
        "from": search.from,
        "size": search.size,
        "track_total_hits": match search.track_total {
            TrackTotal::All => json!(true),
            TrackTotal::UpTo(most) => json!(most),
            TrackTotal::No => json!(false),
        },
    });
    if let Some(body) = body.as_object_mut() {
        if !search.sort.is_empty() {
            body.insert("sort".to_owned(), search.sort.iter().map(sort).collect());
        }
        if !search.aggregations.is_empty() {
            body.insert("aggs".to_owned(), aggregations(&search.aggregations));
        }
    }
    body
}

fn sort(key: &SortKey) -> Json {
    let order = if key.descending { "desc" } else { "asc" };
    if key.field == "_score" || key.field == "_doc" {
        return json!({&key.field: {"order": order}});
    }
    let missing = if key.missing_first { "_first" } else { "_last" };
    let mut options = json!({"order": order, "missing": missing});
    if let Some(options) = options.as_object_mut().filter(|_| key.unmapped_ok) {
        options.insert("unmapped_type".to_owned(), json!("long"));
    }
    json!({&key.field: options})
}

fn value(value: &Value) -> Json {
    match value {
        Value::String(text) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Boolean(flag) => json!(flag),
    }
}

/// What every field is asked for where none is named.
const EVERY_FIELD: &str = "*";

pub(super) fn query(asked: &Query) -> Json {
    match asked {
        Query::MatchAll => json!({"match_all": {}}),
        Query::MatchNone => json!({"match_none": {}}),
        Query::Term { field, value: wanted, boost } => {
            json!({"term": {field: {"value": value(wanted), "boost": boost}}})
        }
        Query::Terms { field, values, boost } => {
            json!({"terms": {field: values.iter().map(value).collect::<Vec<_>>(), "boost": boost}})
        }
        Query::Match { field, text, all_terms, boost } => {
            let operator = if *all_terms { "and" } else { "or" };
            match field {
                Some(field) => json!({"match": {field: {"query": text, "operator": operator, "boost": boost}}}),
                None => {
                    json!({"multi_match": {"query": text, "fields": [EVERY_FIELD], "operator": operator, "boost": boost, "lenient": true}})
                }
            }
        }
        Query::MatchPhrase { field, text, slop, boost } => match field {
            Some(field) => json!({"match_phrase": {field: {"query": text, "slop": slop, "boost": boost}}}),
            None => {
                json!({"multi_match": {"query": text, "fields": [EVERY_FIELD], "type": "phrase", "slop": slop, "boost": boost, "lenient": true}})
            }
        },
        Query::Range { field, lower, upper, boost } => {
            let mut bounds = Map::new();
            bounds.insert("boost".to_owned(), json!(boost));
            for (bound, included, excluded) in [(lower, "gte", "gt"), (upper, "lte", "lt")] {
                match bound {
                    Bound::Unbounded => {}
                    Bound::Included(end) => drop(bounds.insert(included.to_owned(), value(end))),
                    Bound::Excluded(end) => drop(bounds.insert(excluded.to_owned(), value(end))),
                }
            }
            json!({"range": {field: bounds}})
        }
        Query::Exists { field } => json!({"exists": {"field": field}}),
        Query::Prefix { field, prefix, case_insensitive, boost } => {
            json!({"prefix": {field: {"value": prefix, "case_insensitive": case_insensitive, "boost": boost}}})
        }
        Query::Wildcard { field, pattern, case_insensitive, boost } => match field {
            Some(field) => {
                json!({"wildcard": {field: {"value": pattern, "case_insensitive": case_insensitive, "boost": boost}}})
            }
            None => {
                json!({"query_string": {"query": pattern, "fields": [EVERY_FIELD], "lenient": true, "boost": boost}})
            }
        },
        Query::Ids(ids) => json!({"ids": {"values": ids}}),
        Query::Bool { must, filter, should, must_not, minimum_should_match, boost } => {
            let all = |queries: &[Query]| queries.iter().map(query).collect::<Vec<_>>();
            let mut found = json!({"must": all(must), "filter": all(filter), "should": all(should), "must_not": all(must_not), "boost": boost});
            if let (Some(found), Some(least)) = (found.as_object_mut(), minimum_should_match) {
                found.insert("minimum_should_match".to_owned(), json!(least));
            }
            json!({"bool": found})
        }
    }
}

fn aggregations(asked: &[(String, Aggregation)]) -> Json {
    asked.iter().map(|(name, asked)| (name.clone(), aggregation(asked))).collect::<Map<_, _>>().into()
}

fn aggregation(asked: &Aggregation) -> Json {
    let with = |mut found: Json, sub: &[(String, Aggregation)]| {
        if let Some(found) = found.as_object_mut().filter(|_| !sub.is_empty()) {
            found.insert("aggs".to_owned(), aggregations(sub));
        }
        found
    };
    match asked {
        Aggregation::Terms { field, size, order, min_doc_count, sub } => {
            let order = match order {
                TermsOrder::CountDescending => json!({"_count": "desc"}),
                TermsOrder::CountAscending => json!({"_count": "asc"}),
                TermsOrder::KeyAscending => json!({"_key": "asc"}),
                TermsOrder::KeyDescending => json!({"_key": "desc"}),
            };
            with(json!({"terms": {"field": field, "size": size, "order": order, "min_doc_count": min_doc_count}}), sub)
        }
        Aggregation::DateHistogram { field, interval_ms, offset_ms, min_doc_count, bounds_ms, sub } => {
            let mut found = json!({"field": field, "fixed_interval": format!("{interval_ms}ms"),
                "offset": format!("{offset_ms}ms"), "min_doc_count": min_doc_count});
            if let (Some(found), Some((first, last))) = (found.as_object_mut(), bounds_ms) {
                found.insert("extended_bounds".to_owned(), json!({"min": first, "max": last}));
            }
            with(json!({"date_histogram": found}), sub)
        }
        Aggregation::Min { field } => json!({"min": {"field": field}}),
        Aggregation::Max { field } => json!({"max": {"field": field}}),
        Aggregation::Avg { field } => json!({"avg": {"field": field}}),
        Aggregation::Sum { field } => json!({"sum": {"field": field}}),
        Aggregation::ValueCount { field } => json!({"value_count": {"field": field}}),
        Aggregation::Cardinality { field } => json!({"cardinality": {"field": field}}),
    }
}
