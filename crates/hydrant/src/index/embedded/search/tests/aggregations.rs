//! Aggregations over hand-made documents, with answers computed by hand.

use super::{everything, refusal, run};
use crate::index::query::{Aggregation, AggregationResult, Bucket, BucketKey, BucketsKind, Query, Search, TermsOrder};
use crate::index::query_string::{Options, parse};

/// 2022-01-15T00:00:00Z in milliseconds.
const DAY: i64 = 1_642_204_800_000;
const HOUR: i64 = 3_600_000;

fn terms(field: &str, size: usize, order: TermsOrder) -> Aggregation {
    Aggregation::Terms { field: field.to_owned(), size, order, min_doc_count: 1, sub: Vec::new() }
}

fn histogram(field: &str, interval_ms: i64, min_doc_count: u64) -> Aggregation {
    Aggregation::DateHistogram {
        field: field.to_owned(),
        interval_ms,
        offset_ms: 0,
        min_doc_count,
        bounds_ms: None,
        sub: Vec::new(),
    }
}

fn asked(query: &str, aggregation: Aggregation) -> Search {
    let query = parse(query, &Options::default()).unwrap();
    Search { query, size: 0, aggregations: vec![("x".to_owned(), aggregation)], ..everything() }
}

fn answer(query: &str, aggregation: Aggregation) -> AggregationResult {
    run(&asked(query, aggregation)).aggregations.remove(0).1
}

/// `key=count`, and what the terms left out.
fn buckets(query: &str, aggregation: Aggregation) -> (String, u64) {
    let AggregationResult::Buckets { buckets, kind } = answer(query, aggregation) else { panic!() };
    let other = match kind {
        BucketsKind::Terms { sum_other_doc_count } => sum_other_doc_count,
        BucketsKind::DateHistogram => 0,
    };
    let line = |bucket: &Bucket| match &bucket.key {
        BucketKey::String(key) => format!("{key}={}", bucket.doc_count),
        BucketKey::Integer(key) => format!("{key}={}", bucket.doc_count),
        BucketKey::Float(key) => format!("{key}={}", bucket.doc_count),
        BucketKey::Boolean(key) => format!("{key}={}", bucket.doc_count),
        BucketKey::Date(ms) => format!("{}h={}", (ms - DAY) / HOUR, bucket.doc_count),
    };
    (buckets.iter().map(line).collect::<Vec<_>>().join(" "), other)
}

#[test]
fn terms_are_counted_over_all_indices() {
    let of = |field: &str, size, order| buckets("*:*", terms(field, size, order));
    let by_count = TermsOrder::CountDescending;
    assert_eq!(of("Perform", 10, by_count), ("Query=10 Execute=2 Init DB=2 Connect=1 Quit=1".to_owned(), 0));
    assert_eq!(of("Perform", 2, by_count), ("Query=10 Execute=2".to_owned(), 4));
    assert_eq!(of("Perform", 2, TermsOrder::CountAscending), ("Connect=1 Quit=1".to_owned(), 14));
    assert_eq!(of("Perform", 2, TermsOrder::KeyAscending), ("Connect=1 Execute=2".to_owned(), 13));
    assert_eq!(of("Perform", 2, TermsOrder::KeyDescending), ("Quit=1 Query=10".to_owned(), 5));
    assert_eq!(of("PID", 3, by_count), ("100=4 9566=4 22481=3".to_owned(), 4));
    assert_eq!(of("ok", 3, by_count), ("true=2 false=1".to_owned(), 0));
    assert_eq!(of("ratio", 9, TermsOrder::KeyAscending), ("0.5=1 1.5=1 2=1".to_owned(), 0));
    assert_eq!(of("user.name.keyword", 9, by_count), ("Bob=2 Anna Maria=1 anna=1 carl=1".to_owned(), 0));
    assert_eq!(of("nofield", 9, by_count), (String::new(), 0));
    let frequent = Aggregation::Terms {
        field: "Perform".to_owned(),
        size: 10,
        order: by_count,
        min_doc_count: 2,
        sub: Vec::new(),
    };
    assert_eq!(buckets("*:*", frequent), ("Query=10 Execute=2 Init DB=2".to_owned(), 0));
    assert_eq!(buckets("Statement:app_db", terms("Perform", 10, by_count)), ("Query=5 Init DB=1".to_owned(), 0));
}

#[test]
fn a_histogram_fills_its_gaps_and_its_bounds() {
    assert_eq!(buckets("*:*", histogram("Time", 12 * HOUR, 1)).0, "0h=10 24h=6");
    assert_eq!(buckets("*:*", histogram("Time", 12 * HOUR, 0)).0, "0h=10 12h=0 24h=6");
    assert_eq!(buckets("*:*", histogram("@timestamp", 2 * HOUR, 3)).0, "8h=7 10h=9 24h=3");
    assert_eq!(buckets("PID:22481", histogram("Time", HOUR / 2, 0)).0, "9h=1 9h=2");
    let bounded = |query: &str, min_doc_count| {
        let aggregation = Aggregation::DateHistogram {
            field: "Time".to_owned(),
            interval_ms: 6 * HOUR,
            offset_ms: 0,
            min_doc_count,
            bounds_ms: Some((DAY - 5 * HOUR, DAY + 30 * HOUR)),
            sub: Vec::new(),
        };
        buckets(query, aggregation).0
    };
    assert_eq!(bounded("*:*", 0), "-6h=0 0h=0 6h=10 12h=0 18h=0 24h=5 30h=1");
    assert_eq!(bounded("nofield:x", 0), "-6h=0 0h=0 6h=0 12h=0 18h=0 24h=0 30h=0");
    assert_eq!(bounded("*:*", 1), "6h=10 24h=5 30h=1");
    let shifted = Aggregation::DateHistogram {
        field: "Time".to_owned(),
        interval_ms: 24 * HOUR,
        offset_ms: 9 * HOUR,
        min_doc_count: 0,
        bounds_ms: None,
        sub: Vec::new(),
    };
    assert_eq!(buckets("*:*", shifted).0, "-15h=4 9h=12");
    assert_eq!(buckets("nofield:x", histogram("Time", HOUR, 0)).0, "");
}

#[test]
fn too_many_buckets_are_refused() {
    let (code, message) = refusal(&asked("*:*", histogram("Time", 1_000, 0)));
    assert_eq!(code, "too_many_buckets_exception");
    assert!(message.starts_with("Trying to create too many buckets. Must be less than or equal to: [65535]"));
    // Without empty buckets there are few.
    assert_eq!(buckets("PID:200", histogram("Time", HOUR, 1)).0, "24h=1 29h=1");
}

#[test]
fn metrics_of_numbers_and_dates() {
    let field = |field: &str| field.to_owned();
    let metric = |query: &str, aggregation| {
        let AggregationResult::Metric(value) = answer(query, aggregation) else { panic!() };
        value
    };
    assert_eq!(metric("*:*", Aggregation::Min { field: field("PID") }), Some(100.0));
    assert_eq!(metric("*:*", Aggregation::Max { field: field("PID") }), Some(22481.0));
    // 4 * 9566 + 2 * 9567 + 3 * 22481 + 4 * 100 + 2 * 200
    assert_eq!(metric("*:*", Aggregation::Sum { field: field("PID") }), Some(125_641.0));
    assert_eq!(metric("PID:(100 200)", Aggregation::Avg { field: field("PID") }), Some(800.0 / 6.0));
    assert_eq!(metric("*:*", Aggregation::Sum { field: field("ratio") }), Some(4.0));
    assert_eq!(metric("bytes:[0 TO 100]", Aggregation::Sum { field: field("bytes") }), Some(101.0));
    assert_eq!(metric("nofield:x", Aggregation::Sum { field: field("PID") }), Some(0.0));
    assert_eq!(metric("nofield:x", Aggregation::Avg { field: field("PID") }), None);
    assert_eq!(metric("*:*", Aggregation::Max { field: field("nofield") }), None);
    assert_eq!(metric("*:*", Aggregation::Avg { field: field("ok") }), Some(2.0 / 3.0));
    assert_eq!(
        answer("*:*", Aggregation::Max { field: field("Time") }),
        AggregationResult::DateMetric(Some(1_642_312_800_000.0))
    );
    let count = |query: &str, aggregation| {
        let AggregationResult::Count(value) = answer(query, aggregation) else { panic!() };
        value
    };
    assert_eq!(count("*:*", Aggregation::ValueCount { field: field("PID") }), 15);
    assert_eq!(count("*:*", Aggregation::ValueCount { field: field("bytes") }), 6);
    assert_eq!(count("*:*", Aggregation::ValueCount { field: field("Perform") }), 16);
    assert_eq!(count("*:*", Aggregation::Cardinality { field: field("Perform") }), 5);
    assert_eq!(count("*:*", Aggregation::Cardinality { field: field("PID") }), 5);
    assert_eq!(count("*:*", Aggregation::Cardinality { field: field("Time") }), 15);
    assert_eq!(count("*:*", Aggregation::Cardinality { field: field("nofield") }), 0);
}

#[test]
fn aggregations_nest() {
    let sub = vec![
        ("by perform".to_owned(), terms("Perform", 2, TermsOrder::CountDescending)),
        ("last".to_owned(), Aggregation::Max { field: "PID".to_owned() }),
    ];
    let aggregation = Aggregation::DateHistogram {
        field: "Time".to_owned(),
        interval_ms: 12 * HOUR,
        offset_ms: 0,
        min_doc_count: 0,
        bounds_ms: None,
        sub,
    };
    let AggregationResult::Buckets { buckets, kind: BucketsKind::DateHistogram } = answer("*:*", aggregation) else {
        panic!()
    };
    let bucket = |key: &str, doc_count| Bucket { key: BucketKey::String(key.to_owned()), doc_count, sub: Vec::new() };
    let sub = |buckets, sum_other_doc_count, last| {
        let kind = BucketsKind::Terms { sum_other_doc_count };
        vec![
            ("by perform".to_owned(), AggregationResult::Buckets { buckets, kind }),
            ("last".to_owned(), AggregationResult::Metric(last)),
        ]
    };
    assert_eq!(
        buckets,
        [
            Bucket {
                key: BucketKey::Date(DAY),
                doc_count: 10,
                sub: sub(vec![bucket("Query", 6), bucket("Connect", 1)], 3, Some(22481.0)),
            },
            Bucket { key: BucketKey::Date(DAY + 12 * HOUR), doc_count: 0, sub: sub(Vec::new(), 0, None) },
            Bucket {
                key: BucketKey::Date(DAY + 24 * HOUR),
                doc_count: 6,
                sub: sub(vec![bucket("Query", 4), bucket("Execute", 1)], 1, Some(9566.0)),
            },
        ]
    );
}

#[test]
fn a_field_that_the_aggregation_cannot_take_is_refused() {
    let refused = |aggregation| refusal(&Search { query: Query::MatchAll, ..asked("*:*", aggregation) });
    let (code, message) = refused(terms("Statement", 10, TermsOrder::CountDescending));
    assert_eq!(code, "illegal_argument_exception");
    assert!(message.starts_with("Text fields are not optimised"));
    assert_eq!(
        refused(Aggregation::Sum { field: "Perform".to_owned() }).1,
        "Field [Perform] of type [keyword] is not supported for aggregation [sum]"
    );
    assert_eq!(
        refused(histogram("Perform", HOUR, 0)).1,
        "Field [Perform] of type [keyword] is not supported for aggregation [date_histogram]"
    );
}
