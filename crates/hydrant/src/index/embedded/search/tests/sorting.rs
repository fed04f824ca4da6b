//! Sorting over several indices: missing values, ties, pages.

use super::{everything, ids_in_order, refusal, run};
use crate::index::query::{Query, Search, SortKey, SortValue};
use crate::index::query_string::{Options, parse};

fn ascending(field: &str) -> SortKey {
    SortKey { field: field.to_owned(), descending: false, missing_first: false, unmapped_ok: false }
}

fn descending(field: &str) -> SortKey {
    SortKey { descending: true, ..ascending(field) }
}

fn query(text: &str) -> Query {
    parse(text, &Options::default()).unwrap()
}

fn sorted(text: &str, sort: Vec<SortKey>, size: usize) -> String {
    ids_in_order(&Search { query: query(text), sort, size, ..everything() }).join(" ")
}

#[test]
fn dates_sort_to_the_microsecond_over_all_indices() {
    assert_eq!(
        sorted("*:*", vec![descending("@timestamp")], 100),
        "b5 b4 b3 b2 b1 b0 a9 a8 a7 c5 c4 c3 c2 c1 c0 a5 a6 a4 a3 a2 a1 a0"
    );
    assert_eq!(sorted("*:*", vec![ascending("@timestamp")], 3), "a0 a1 a2");
    let result = run(&Search { query: query("a5"), sort: vec![ascending("Time")], size: 1, ..everything() });
    assert_eq!(result.hits.len(), 0);
    let result = run(&Search { query: query("PID:9566"), sort: vec![ascending("Time")], size: 1, ..everything() });
    // 2022-01-15T08:44:45.161343Z
    assert_eq!(result.hits[0].sort, [SortValue::Integer(1_642_236_285_161_343_000)]);
    assert_eq!((result.hits[0].score, result.max_score), (None, None));
}

#[test]
fn several_keys_decide_one_after_the_other() {
    assert_eq!(
        sorted("Perform:*", vec![ascending("Perform"), descending("PID"), ascending("Time")], 100),
        "a4 a0 b2 a5 b3 a6 a2 a3 a1 b4 a8 a9 b0 b1 b5 a7"
    );
    assert_eq!(
        sorted("Perform:*", vec![descending("Perform"), ascending("PID"), descending("Time")], 4),
        "a7 b1 b0 a9"
    );
}

#[test]
fn missing_values_come_last_unless_asked_for_first() {
    assert_eq!(sorted("day:* OR bytes:*", vec![ascending("day")], 100), "c0 c1 c2 c4 c5");
    assert_eq!(sorted("day:* OR bytes:*", vec![descending("day")], 100), "c1 c0 c2 c4 c5");
    let first = SortKey { missing_first: true, ..descending("day") };
    assert_eq!(sorted("day:* OR bytes:*", vec![first, ascending("bytes")], 100), "c5 c2 c4 c1 c0");
    // `bytes` is mapped in one of three indices; the others' documents have none.
    assert_eq!(sorted("*:*", vec![descending("bytes")], 8), "c4 c5 c2 c1 c0 a0 a1 a2");
    let result = run(&Search { sort: vec![descending("bytes")], size: 6, ..everything() });
    assert_eq!(result.hits[0].sort, [SortValue::Integer(9_007_199_254_740_993)]);
    assert_eq!(result.hits[5].sort, [SortValue::Null]);
}

#[test]
fn several_values_sort_by_the_nearest_end() {
    assert_eq!(sorted("bytes:*", vec![ascending("bytes")], 100), "c5 c0 c1 c2 c4");
    assert_eq!(sorted("bytes:[0 TO 100]", vec![descending("bytes")], 100), "c5 c2 c1 c0");
}

#[test]
fn strings_sort_by_bytes_and_each_type_has_its_value() {
    assert_eq!(sorted("user.name:*", vec![ascending("user.name.keyword")], 100), "c0 c2 c5 c1 c4");
    assert_eq!(sorted("user.name:*", vec![descending("user.name.keyword")], 100), "c5 c1 c2 c0 c4");
    let first = |field: &str| {
        let asked = Search { query: query("anna AND ok:true"), sort: vec![ascending(field)], ..everything() };
        run(&asked).hits[0].sort[0].clone()
    };
    assert_eq!(first("user.name.keyword"), SortValue::String("Anna Maria".to_owned()));
    assert_eq!(first("ratio"), SortValue::Float(0.5));
    assert_eq!(first("ok"), SortValue::Integer(1));
    // 2022-01-10T00:00:00Z, in milliseconds.
    assert_eq!(first("day"), SortValue::Integer(1_641_772_800_000));
    assert_eq!(sorted("ratio:*", vec![descending("ratio")], 100), "c2 c1 c0");
}

#[test]
fn score_and_place_in_the_index_are_keys_too() {
    assert_eq!(sorted("*:*", vec![descending("_doc")], 7), "a9 a8 a7 a6 a5 b5 c5");
    assert_eq!(sorted("*:*", vec![ascending("_doc")], 4), "a0 b0 c0 a1");
    let scored =
        Search { query: query("PID:9566"), sort: vec![descending("_score"), descending("Time")], ..everything() };
    let result = run(&scored);
    let ids: Vec<&str> = result.hits.iter().map(|hit| hit.id.as_str()).collect();
    assert_eq!(ids, ["b4", "a7", "a1", "a0"]);
    assert_eq!(result.hits[0].score, Some(1.0));
    assert_eq!(result.hits[0].sort[0], SortValue::Float(1.0));
}

#[test]
fn a_sort_on_a_text_or_on_an_unknown_field_is_refused() {
    let refused = |key| refusal(&Search { sort: vec![key], ..everything() });
    let (code, message) = refused(ascending("Statement"));
    assert_eq!(code, "illegal_argument_exception");
    assert!(message.starts_with("Text fields are not optimised for operations that require per-document field data"));
    assert!(message.contains("set fielddata=true on [Statement]"));
    assert_eq!(
        refused(ascending("nofield")),
        ("query_shard_exception", "No mapping found for [nofield] in order to sort on".to_owned())
    );
    let lenient = SortKey { unmapped_ok: true, ..ascending("nofield") };
    assert_eq!(sorted("*:*", vec![lenient], 2), "a0 a1");
}
