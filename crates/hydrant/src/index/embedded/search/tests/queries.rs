//! Each kind of query over hand-made documents.

use super::{everything, find, find_text, refusal, run};
use crate::index::query::{Bound, Query, Search, Total, TrackTotal, Value};

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn term(field: &str, value: Value) -> Query {
    Query::Term { field: field.to_owned(), value, boost: 1.0 }
}

fn range(field: &str, lower: Bound, upper: Bound) -> Query {
    Query::Range { field: field.to_owned(), lower, upper, boost: 1.0 }
}

fn boolean(must: Vec<Query>, filter: Vec<Query>, should: Vec<Query>, must_not: Vec<Query>) -> Query {
    Query::Bool { must, filter, should, must_not, minimum_should_match: None, boost: 1.0 }
}

#[test]
fn statements_are_found_by_their_words_names_and_parts() {
    let cases = [
        ("Statement:information_schema", "a1 a6"),
        ("Statement:information_schema.rds_events_threads_waits_current", "a6"),
        ("Statement:rds_events_threads_waits_current", "a6"),
        ("Statement:app_db", "a2 a3 a5 b1 b4 b5"),
        ("Statement:`app_db`", "a2 a3 a5 b1 b4 b5"),
        ("Statement:app_db.t", "a2 b1 b4"),
        ("Statement:APP_DB.T", "a2 b1 b4"),
        ("Statement:db", "a2 a3 a5 b1 b3 b4 b5"),
        ("Statement:\"select * from app_db.t\"", "a2 b4"),
        ("Statement:\"from app_db\"", "a2 b1 b4"),
        ("Statement:\"from name\"", ""),
        ("Statement:\"name users\"", ""),
        ("Statement:\"name users\"~1", "a9 b0"),
        ("Statement:北京", "a3"),
        ("Statement:\"北京市\"", "a3"),
        ("Statement:\"京北\"", ""),
        ("Statement:rds_*", "a6"),
        ("Statement:RDS_*", "a6"),
        ("Statement:*_waits_*", "a6"),
        ("Statement:us?rs", "a8 a9 b0"),
        ("Perform:Query AND Statement:app_db", "a2 a3 b1 b4 b5"),
        ("Perform:\"Init DB\"", "a5 b3"),
        ("Perform:query", ""),
        ("Perform:Init*", "a5 b3"),
        ("Perform:(Quit OR Connect)", "a4 a7"),
        ("Perform.keyword:Quit", "a7"),
        ("PID:9566", "a0 a1 a7 b4"),
        ("PID:[200 TO 9566}", "b2 b3"),
        ("PID:>=22481", "a4 a5 a6"),
        ("NOT Perform:Query AND NOT _exists_:user.name", "a0 a4 a5 a7 b2 b3 c3"),
        ("user.name:\"anna maria\"", "c0"),
        ("user.name:(Anna OR carl)", "c0 c1 c5"),
        ("user.name.keyword:\"Anna Maria\"", "c0"),
        ("user.name.keyword:Anna", ""),
        ("Time:[* TO 9999-12-31]", "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5"),
        ("nofield:x", ""),
        ("kept:x", ""),
    ];
    for (query, expected) in cases {
        assert_eq!(find_text(query), expected, "{query}");
    }
}

#[test]
fn a_word_without_a_field_is_looked_for_in_all_of_them() {
    let cases = [
        ("select", "a0 a1 a2 a6 a9 b0 b2 b4 b5 c3"),
        ("9566", "a0 a1 a7 b4"),
        ("Quit", "a7"),
        ("anna", "c0 c1"),
        ("2022-01-16", "b0 b1 b2 b3 b4 b5"),
        ("true", "c0 c2"),
        ("\"Init DB\"", "a5 b3"),
        ("an*", "c0 c1"),
        ("0.5", "c0"),
    ];
    for (query, expected) in cases {
        assert_eq!(find_text(query), expected, "{query}");
    }
}

#[test]
fn terms_are_exact() {
    assert_eq!(find(term("Perform", text("Init DB"))), "a5 b3");
    assert_eq!(find(term("Perform", text("init db"))), "");
    assert_eq!(find(term("Statement", text("select 1"))), "");
    assert_eq!(find(term("Statement", text("users"))), "a8 a9 b0");
    assert_eq!(find(term("user.name.keyword", text("Bob"))), "c2 c5");
    assert_eq!(find(term("user.name", text("Bob"))), "");
    assert_eq!(find(term("user.name", text("bob"))), "c2 c5");
    assert_eq!(find(term("bytes", Value::Integer(9_007_199_254_740_993))), "c4");
    assert_eq!(find(term("bytes", text("40"))), "c5");
    assert_eq!(find(term("bytes", Value::Float(1.5))), "");
    assert_eq!(find(term("ratio", Value::Float(1.5))), "c1");
    assert_eq!(find(term("ratio", Value::Integer(2))), "c2");
    assert_eq!(find(term("ok", Value::Boolean(false))), "c1");
    assert_eq!(find(term("_id", text("b3"))), "b3");
    assert_eq!(find(term("_index", text("hydrant-json-2022-01-15"))), "c0 c1 c2 c3 c4 c5");
    assert_eq!(find(Query::Ids(vec!["a0".to_owned(), "c5".to_owned(), "none".to_owned()])), "a0 c5");
    let terms = |field: &str, values| Query::Terms { field: field.to_owned(), values, boost: 1.0 };
    assert_eq!(find(terms("Perform", vec![text("Quit"), text("Connect")])), "a4 a7");
    assert_eq!(find(terms("PID", vec![Value::Integer(200), text("22481")])), "a4 a5 a6 b2 b3");
    assert_eq!(find(terms("PID", Vec::new())), "");
    assert_eq!(find(terms("Perform", Vec::new())), "");
    assert_eq!(find(terms("user.name.keyword", vec![text("Bob"), text("anna"), text("Anna")])), "c1 c2 c5");
    assert_eq!(find(terms("user.name", vec![text("maria"), text("carl")])), "c0 c5");
    assert_eq!(find(terms("_id", vec![text("a1"), text("c1")])), "a1 c1");
}

#[test]
fn ranges_know_the_precision_of_dates_and_the_order_of_strings() {
    use Bound::{Excluded, Included, Unbounded};
    let time = |lower, upper| find(range("Time", lower, upper));
    assert_eq!(time(Included(text("2022-01-15T08:44:45.161344Z")), Included(text("2022-01-15T08:44:46Z"))), "a1 a2");
    assert_eq!(time(Unbounded, Excluded(text("2022-01-15T08:44:45.161344Z"))), "a0");
    assert_eq!(time(Excluded(text("2022-01-15")), Unbounded), "b0 b1 b2 b3 b4 b5");
    assert_eq!(time(Unbounded, Included(text("2022-01-15T08"))), "a0 a1 a2 a3");
    assert_eq!(time(Included(text("2022-01-16T14:00:00+09:00")), Unbounded), "b3 b4 b5");
    // 1642312800000 is 2022-01-16T06:00:00Z.
    assert_eq!(time(Included(Value::Integer(1_642_312_800_000)), Unbounded), "b5");
    assert_eq!(find(range("day", Included(text("2022-01-11")), Included(text("2022-01-11")))), "c1");
    assert_eq!(find(range("day", Included(text("2022-01-11T12:00:00.1239Z")), Unbounded)), "c1");
    assert_eq!(find(range("Perform", Included(text("Execute")), Excluded(text("Query")))), "a0 a5 b2 b3");
    assert_eq!(find(range("Perform", Unbounded, Unbounded)).len(), 16 * 3 - 1);
    assert_eq!(find(range("user.name", Included(text("b")), Included(text("carl")))), "c2 c5");
    assert_eq!(find(range("bytes", Excluded(Value::Integer(20)), Included(Value::Float(40.5)))), "c2 c5");
    assert_eq!(find(range("ratio", Excluded(Value::Float(0.5)), Included(text("2")))), "c1 c2");
    assert_eq!(find(range("ok", Included(Value::Boolean(true)), Unbounded)), "c0 c2");
}

#[test]
fn exists_finds_fields_objects_and_texts_too_long_for_a_keyword() {
    let exists = |field: &str| find(Query::Exists { field: field.to_owned() });
    assert_eq!(exists("PID"), "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4");
    assert_eq!(exists("user.name"), "c0 c1 c2 c4 c5");
    assert_eq!(exists("user.name.keyword"), "c0 c1 c2 c5");
    assert_eq!(exists("user"), "c0 c1 c2 c4 c5");
    assert_eq!(exists("message"), "c3");
    assert_eq!(exists("ok"), "c0 c1 c2");
    assert_eq!(exists("nofield"), "");
}

#[test]
fn prefixes_and_wildcards_match_whole_terms() {
    let prefix = |field: &str, prefix: &str, case_insensitive| {
        find(Query::Prefix { field: field.to_owned(), prefix: prefix.to_owned(), case_insensitive, boost: 1.0 })
    };
    assert_eq!(prefix("Perform", "Qu", false), "a1 a2 a3 a6 a7 a8 a9 b0 b1 b4 b5");
    assert_eq!(prefix("Perform", "qui", false), "");
    assert_eq!(prefix("Perform", "qui", true), "a7");
    assert_eq!(prefix("Statement", "information_schema.t", false), "a1");
    assert_eq!(prefix("user.name.keyword", "An", false), "c0");
    assert_eq!(prefix("user.name", "an", false), "c0 c1");
    assert_eq!(prefix("PID", "9", false), "");
    let wildcard = |field: &str, pattern: &str| {
        let (field, pattern) = (Some(field.to_owned()), pattern.to_owned());
        find(Query::Wildcard { field, pattern, case_insensitive: false, boost: 1.0 })
    };
    assert_eq!(wildcard("Perform", "*n*t*"), "a4 a5 b3");
    assert_eq!(wildcard("user.name.keyword", "A* M*"), "c0");
    assert_eq!(wildcard("user.name.keyword", "?ob"), "c2 c5");
}

#[test]
fn bool_counts_what_should_match() {
    let query = || term("Perform", text("Query"));
    let app_db = || term("Statement", text("app_db"));
    let early = || range("Time", Bound::Unbounded, Bound::Included(text("2022-01-15")));
    assert_eq!(find(boolean(vec![query()], vec![early()], vec![], vec![app_db()])), "a1 a6 a8 a9");
    assert_eq!(find(boolean(vec![], vec![early()], vec![app_db()], vec![])), "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9");
    assert_eq!(
        find(boolean(vec![], vec![], vec![app_db(), term("Perform", text("Quit"))], vec![])),
        "a2 a3 a5 a7 b1 b4 b5"
    );
    assert_eq!(find(boolean(vec![], vec![], vec![], vec![early(), query()])), "b2 b3 c0 c1 c2 c3 c4 c5");
    let minimum = |minimum_should_match| {
        find(Query::Bool {
            must: vec![],
            filter: vec![],
            should: vec![query(), app_db(), early()],
            must_not: vec![],
            minimum_should_match: Some(minimum_should_match),
            boost: 1.0,
        })
    };
    assert_eq!(minimum(3), "a2 a3");
    assert_eq!(minimum(2), "a1 a2 a3 a5 a6 a8 a9 b1 b4 b5");
    assert_eq!(minimum(4), "");
    assert_eq!(minimum(0), minimum(1));
    assert_eq!(find(boolean(vec![], vec![], vec![], vec![])).split(' ').count(), 22);
}

#[test]
fn constant_queries_score_one_and_filters_nothing() {
    let scores = |query| -> Vec<f32> {
        run(&Search { query, ..everything() }).hits.into_iter().map(|hit| hit.score.unwrap()).collect()
    };
    assert_eq!(scores(Query::MatchAll), vec![1.0; 22]);
    assert_eq!(scores(Query::Exists { field: "message".to_owned() }), [1.0]);
    assert_eq!(scores(term("bytes", Value::Integer(10))), [1.0]);
    let early = range("Time", Bound::Unbounded, Bound::Included(text("2022-01-15T08")));
    assert_eq!(scores(early.clone()), [1.0; 4]);
    assert_eq!(scores(boolean(vec![], vec![early.clone()], vec![], vec![])), [0.0; 4]);
    assert_eq!(scores(boolean(vec![early.clone(), Query::MatchAll], vec![], vec![], vec![])), [2.0; 4]);
    let Query::Range { field, lower, upper, .. } = early else { panic!() };
    assert_eq!(scores(Query::Range { field, lower, upper, boost: 3.0 }), [3.0; 4]);
}

#[test]
fn shorter_texts_with_more_of_the_words_score_higher() {
    // a5 is `app_db` alone, a2 and a3 are longer. Scores are of one index, so those of the second day are left out.
    let query = boolean(
        vec![term("Statement", text("app_db"))],
        vec![range("Time", Bound::Unbounded, Bound::Included(text("2022-01-15")))],
        vec![],
        vec![],
    );
    let result = run(&Search { query, ..everything() });
    assert_eq!(result.hits[0].id, "a5");
    assert_eq!(result.max_score, result.hits[0].score);
    assert!(result.hits[0].score > result.hits[1].score);
}

#[test]
fn totals_are_exact_or_a_lower_bound_and_pages_follow_each_other() {
    let total = |track_total| run(&Search { track_total, ..everything() }).total;
    assert_eq!(total(TrackTotal::All), Some(Total { value: 22, exact: true }));
    assert_eq!(total(TrackTotal::UpTo(22)), Some(Total { value: 22, exact: true }));
    assert_eq!(total(TrackTotal::UpTo(10)), Some(Total { value: 10, exact: false }));
    assert_eq!(total(TrackTotal::No), None);
    let page = |from, size| super::ids_in_order(&Search { from, size, ..everything() }).join(" ");
    assert_eq!(page(0, 3), "a0 a1 a2");
    assert_eq!(page(3, 2), "a3 a4");
    assert_eq!(page(9, 3), "a9 b0 b1");
    assert_eq!(page(21, 10), "c5");
    assert_eq!(page(30, 10), "");
    let none = run(&Search { size: 0, ..everything() });
    assert_eq!((none.hits.len(), none.max_score, none.indices_searched), (0, None, 3));
    let hit = run(&Search { from: 10, size: 1, ..everything() }).hits.remove(0);
    assert_eq!(
        (hit.index_name.as_str(), hit.source.as_slice()),
        ("hydrant-general-2022-01-16", &b"{\"id\":\"b0\"}"[..])
    );
}

#[test]
fn a_value_that_the_field_cannot_take_is_refused() {
    let refused = |query| refusal(&Search { query, ..everything() });
    assert_eq!(
        refused(term("PID", text("abc"))),
        ("query_shard_exception", "failed to create query: For input string: \"abc\"".to_owned())
    );
    assert_eq!(
        refused(range("Time", Bound::Included(text("foo")), Bound::Unbounded)),
        (
            "parse_exception",
            "failed to parse date field [foo] with format [strict_date_optional_time||epoch_millis] in [Time]"
                .to_owned()
        )
    );
    let mut deep = Query::MatchAll;
    for _ in 0..100 {
        deep = boolean(vec![deep], vec![], vec![], vec![]);
    }
    assert_eq!(refused(deep).1, "the query is nested more than 64 deep");
}
