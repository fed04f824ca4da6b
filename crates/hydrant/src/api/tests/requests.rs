//! Requests, and the [`Search`] that each must become.

use super::{Door, GENERAL, plain_search, query};
use crate::index::query::{Aggregation, Bound, Query, Search, SortKey, TermsOrder, TrackTotal, Value};

fn term(field: &str, value: Value) -> Query {
    Query::Term { field: field.to_string(), value, boost: 1.0 }
}

fn text(text: &str) -> Value {
    Value::String(text.to_string())
}

fn key(field: &str, descending: bool) -> SortKey {
    SortKey { field: field.to_string(), descending, missing_first: false, unmapped_ok: false }
}

async fn body(json: &str) -> Search {
    Door::new().searched("POST", "/hydrant-*/_search", Some(json)).await
}

async fn range(json: &str) -> (Bound, Bound) {
    let query = query(json).await;
    let Query::Range { lower, upper, .. } = query else { panic!("{query:?}") };
    (lower, upper)
}

async fn aggregation(json: &str) -> Aggregation {
    let mut search = body(&format!("{{\"size\":0,\"aggs\":{{\"a\":{json}}}}}")).await;
    assert_eq!(search.aggregations.len(), 1);
    let (name, aggregation) = search.aggregations.remove(0);
    assert_eq!(name, "a");
    aggregation
}

#[tokio::test(start_paused = true)]
async fn a_search_without_anything_asks_for_ten_of_everything() {
    let door = Door::new();
    assert_eq!(door.searched("GET", "/_search", None).await, plain_search(&["_all"]));
    assert_eq!(door.searched("POST", "/_search", None).await, plain_search(&["_all"]));
    assert_eq!(
        door.searched("GET", "/hydrant-*,x-*,-y*/_search", None).await,
        plain_search(&["hydrant-*", "x-*", "-y*"])
    );
    assert_eq!(door.searched("GET", "/hydrant-%2A/_search/", Some("{}")).await, plain_search(&["hydrant-*"]));
}

#[tokio::test(start_paused = true)]
async fn parameters_become_parts_of_the_search() {
    let path = "/hydrant-*/_search?q=Query&df=Perform&default_operator=AND&sort=Time:desc,event_id&from=5&size=3\
                &track_total_hits=true&ignore_unavailable=true&timeout=10s&preference=_local";
    let mut expected = plain_search(&["hydrant-*"]);
    expected.ignore_unavailable = true;
    expected.query =
        Query::Match { field: Some("Perform".to_string()), text: "Query".to_string(), all_terms: true, boost: 1.0 };
    expected.sort = vec![key("Time", true), key("event_id", false)];
    expected.from = 5;
    expected.size = 3;
    expected.track_total = TrackTotal::All;
    assert_eq!(Door::new().searched("GET", path, None).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_wins_over_the_body() {
    let json = r#"{"query":{"match_all":{}},"size":7,"from":1,"sort":"PID"}"#;
    let search = Door::new().searched("GET", "/_search?q=PID:5&size=2", Some(json)).await;
    assert_eq!(search.size, 2);
    assert_eq!(search.from, 1);
    assert_eq!(search.sort, [key("PID", false)]);
    assert_ne!(search.query, Query::MatchAll);
}

#[tokio::test(start_paused = true)]
async fn the_source_parameter_is_a_body() {
    let path = "/_search?source=%7B%22size%22%3A0%7D&source_content_type=application/json";
    assert_eq!(Door::new().searched("GET", path, None).await.size, 0);
}

#[tokio::test(start_paused = true)]
async fn queries_for_everything_and_nothing() {
    assert_eq!(query(r#"{"match_all":{}}"#).await, Query::MatchAll);
    assert_eq!(query(r#"{"match_none":{}}"#).await, Query::MatchNone);
}

#[tokio::test(start_paused = true)]
async fn term_queries_short_and_long() {
    assert_eq!(query(r#"{"term":{"Perform":"Init DB"}}"#).await, term("Perform", text("Init DB")));
    assert_eq!(query(r#"{"term":{"PID":9566}}"#).await, term("PID", Value::Integer(9_566)));
    assert_eq!(query(r#"{"term":{"f":1.5}}"#).await, term("f", Value::Float(1.5)));
    assert_eq!(query(r#"{"term":{"b":true}}"#).await, term("b", Value::Boolean(true)));
    assert_eq!(
        query(r#"{"term":{"Perform":{"value":"a\"\u00e9","boost":2}}}"#).await,
        Query::Term { field: "Perform".to_string(), value: text("a\"é"), boost: 2.0 }
    );
}

#[tokio::test(start_paused = true)]
async fn terms_queries() {
    assert_eq!(
        query(r#"{"terms":{"PID":[5,"22481"],"boost":1.5}}"#).await,
        Query::Terms { field: "PID".to_string(), values: vec![Value::Integer(5), text("22481")], boost: 1.5 }
    );
}

#[tokio::test(start_paused = true)]
async fn match_queries() {
    let expected = |all_terms| Query::Match {
        field: Some("Statement".to_string()),
        text: "select app".to_string(),
        all_terms,
        boost: 1.0,
    };
    assert_eq!(query(r#"{"match":{"Statement":"select app"}}"#).await, expected(false));
    assert_eq!(query(r#"{"match":{"Statement":{"query":"select app","operator":"and"}}}"#).await, expected(true));
}

#[tokio::test(start_paused = true)]
async fn match_phrase_queries() {
    assert_eq!(
        query(r#"{"match_phrase":{"Statement":{"query":"select 1","slop":2}}}"#).await,
        Query::MatchPhrase { field: Some("Statement".to_string()), text: "select 1".to_string(), slop: 2, boost: 1.0 }
    );
}

#[tokio::test(start_paused = true)]
async fn exists_prefix_wildcard_and_ids_queries() {
    assert_eq!(query(r#"{"exists":{"field":"o.k"}}"#).await, Query::Exists { field: "o.k".to_string() });
    assert_eq!(
        query(r#"{"prefix":{"Perform":"Q"}}"#).await,
        Query::Prefix { field: "Perform".to_string(), prefix: "Q".to_string(), case_insensitive: false, boost: 1.0 }
    );
    assert_eq!(
        query(r#"{"wildcard":{"Perform":{"wildcard":"q*","case_insensitive":true}}}"#).await,
        Query::Wildcard {
            field: Some("Perform".to_string()),
            pattern: "q*".to_string(),
            case_insensitive: true,
            boost: 1.0
        }
    );
    assert_eq!(query(r#"{"ids":{"values":["1",2]}}"#).await, Query::Ids(vec!["1".to_string(), "2".to_string()]));
}

#[tokio::test(start_paused = true)]
async fn bool_queries_take_one_clause_or_a_list() {
    let json = r#"{"bool":{"must":{"match_all":{}},"filter":[{"term":{"PID":5}}],"should":[{"term":{"PID":6}},
        {"term":{"PID":7}}],"must_not":{"match_none":{}},"minimum_should_match":"50%","adjust_pure_negative":true}}"#;
    let expected = Query::Bool {
        must: vec![Query::MatchAll],
        filter: vec![term("PID", Value::Integer(5))],
        should: vec![term("PID", Value::Integer(6)), term("PID", Value::Integer(7))],
        must_not: vec![Query::MatchNone],
        minimum_should_match: Some(1),
        boost: 1.0,
    };
    assert_eq!(query(json).await, expected);
}

#[tokio::test(start_paused = true)]
async fn minimum_should_match_counts_from_both_ends() {
    for (written, expected) in [("2", 2), ("-1", 3), ("75%", 3), ("-25%", 3), ("\"100%\"", 4), ("-9", 0)] {
        let written = if written.contains('%') && !written.starts_with('"') {
            format!("\"{written}\"")
        } else {
            written.to_string()
        };
        let clause = r#"{"match_all":{}}"#;
        let json = format!(
            r#"{{"bool":{{"minimum_should_match":{written},"should":[{clause},{clause},{clause},{clause}]}}}}"#
        );
        let query = query(&json).await;
        let Query::Bool { minimum_should_match, .. } = query else { panic!("{query:?}") };
        assert_eq!(minimum_should_match, Some(expected), "{written}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_constant_score_gives_every_match_its_boost() {
    let expected = Query::Bool {
        must: vec![Query::MatchAll],
        filter: vec![term("PID", Value::Integer(5))],
        should: Vec::new(),
        must_not: Vec::new(),
        minimum_should_match: None,
        boost: 3.0,
    };
    assert_eq!(query(r#"{"constant_score":{"filter":{"term":{"PID":5}},"boost":3}}"#).await, expected);
}

#[tokio::test(start_paused = true)]
async fn query_strings_take_fields_and_an_operator() {
    let json = r#"{"query_string":{"query":"a b","default_field":"Statement","default_operator":"and","analyze_wildcard":true}}"#;
    let query = query(json).await;
    let Query::Bool { must, .. } = &query else { panic!("{query:?}") };
    let words = ["a", "b"].map(|text| Query::Match {
        field: Some("Statement".to_string()),
        text: text.to_string(),
        all_terms: true,
        boost: 1.0,
    });
    assert_eq!(must, &words);
}

#[tokio::test(start_paused = true)]
async fn ranges_of_numbers_and_words_stay_as_written() {
    assert_eq!(
        range(r#"{"range":{"PID":{"gt":1,"lte":2.5}}}"#).await,
        (Bound::Excluded(Value::Integer(1)), Bound::Included(Value::Float(2.5)))
    );
    assert_eq!(
        range(r#"{"range":{"Perform":{"gte":"now-1d","lt":null}}}"#).await,
        (Bound::Included(text("now-1d")), Bound::Unbounded)
    );
    assert_eq!(
        range(r#"{"range":{"PID":{"from":1,"to":2,"include_lower":false}}}"#).await,
        (Bound::Excluded(Value::Integer(1)), Bound::Included(Value::Integer(2)))
    );
}

#[tokio::test(start_paused = true)]
async fn ranges_of_dates_are_resolved_to_instants() {
    // With all digits of a fraction: a whole second would mean all of it.
    let included = |date: &str| Bound::Included(text(date));
    let excluded = |date: &str| Bound::Excluded(text(date));
    assert_eq!(
        range(r#"{"range":{"Time":{"gte":"now-1h/d","lt":"now"}}}"#).await,
        (included("2022-01-15T00:00:00.000000000Z"), excluded("2022-01-15T08:44:45.164000000Z"))
    );
    assert_eq!(
        range(r#"{"range":{"Time":{"gt":"2022-01-15","lte":"2022-01-15"}}}"#).await,
        (excluded("2022-01-15T23:59:59.999999999Z"), included("2022-01-15T23:59:59.999999999Z"))
    );
    assert_eq!(
        range(r#"{"range":{"Time":{"gte":1642236285164,"lte":"1642236285165","format":"epoch_millis"}}}"#).await,
        (included("2022-01-15T08:44:45.164000000Z"), included("2022-01-15T08:44:45.165999999Z"))
    );
    assert_eq!(
        range(r#"{"range":{"@timestamp":{"gte":"2022-01-15","time_zone":"+09:00"}}}"#).await,
        (included("2022-01-14T15:00:00.000000000Z"), Bound::Unbounded)
    );
}

#[tokio::test(start_paused = true)]
async fn sort_in_all_its_spellings() {
    let first = SortKey { field: "PID".to_string(), descending: false, missing_first: true, unmapped_ok: true };
    for (json, expected) in [
        (r#""Time""#, vec![key("Time", false)]),
        (r#"{"Time":"desc"}"#, vec![key("Time", true)]),
        (r#"[{"Time":{"order":"desc"}},"event_id"]"#, vec![key("Time", true), key("event_id", false)]),
        (r#"[{"PID":{"missing":"_first","unmapped_type":"long"}}]"#, vec![first]),
        (r#"["_score",{"_doc":"asc"}]"#, vec![key("_score", true), key("_doc", false)]),
        (r#"["_score"]"#, Vec::new()),
    ] {
        assert_eq!(body(&format!("{{\"sort\":{json}}}")).await.sort, expected, "{json}");
    }
}

#[tokio::test(start_paused = true)]
async fn totals_are_tracked_as_asked() {
    for (json, expected) in [
        ("true", TrackTotal::All),
        ("false", TrackTotal::No),
        ("100", TrackTotal::UpTo(100)),
        ("\"true\"", TrackTotal::All),
    ] {
        assert_eq!(body(&format!("{{\"track_total_hits\":{json}}}")).await.track_total, expected);
    }
    let search = Door::new().searched("GET", "/_search?rest_total_hits_as_int=true", None).await;
    assert_eq!(search.track_total, TrackTotal::All);
}

#[tokio::test(start_paused = true)]
async fn sizes_may_be_text_and_lose_their_fraction() {
    assert_eq!(body(r#"{"size":"2","from":1.5}"#).await.size, 2);
    assert_eq!(body(r#"{"size":"2","from":1.5}"#).await.from, 1);
}

#[tokio::test(start_paused = true)]
async fn keys_that_ask_for_nothing_are_taken() {
    let json = r#"{"timeout":"10s","terminate_after":0,"stored_fields":["*"],"script_fields":{},"docvalue_fields":[],
        "highlight":{},"explain":false,"seq_no_primary_term":false}"#;
    assert_eq!(body(json).await, plain_search(&["hydrant-*"]));
}

#[tokio::test(start_paused = true)]
async fn a_terms_aggregation_with_aggregations_inside() {
    let json = r#"{"terms":{"field":"Perform","size":3,"order":{"_key":"asc"},"min_doc_count":2},
        "aggs":{"p":{"avg":{"field":"PID"}}}}"#;
    let expected = Aggregation::Terms {
        field: "Perform".to_string(),
        size: 3,
        order: TermsOrder::KeyAscending,
        min_doc_count: 2,
        sub: vec![("p".to_string(), Aggregation::Avg { field: "PID".to_string() })],
    };
    assert_eq!(aggregation(json).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_date_histogram_with_its_options() {
    let histogram = |interval_ms, offset_ms, min_doc_count, bounds_ms| Aggregation::DateHistogram {
        field: "Time".to_string(),
        interval_ms,
        offset_ms,
        min_doc_count,
        bounds_ms,
        sub: Vec::new(),
    };
    let written = |options: &str| format!("{{\"date_histogram\":{{\"field\":\"Time\",{options}}}}}");
    for (options, expected) in [
        (r#""fixed_interval":"30s""#, histogram(30_000, 0, 0, None)),
        (r#""calendar_interval":"1d","time_zone":"UTC""#, histogram(86_400_000, 0, 0, None)),
        (r#""calendar_interval":"minute""#, histogram(60_000, 0, 0, None)),
        (r#""interval":"12h","offset":"-6h","min_doc_count":1"#, histogram(43_200_000, -21_600_000, 1, None)),
        (
            r#""fixed_interval":"1d","extended_bounds":{"min":"2022-01-14","max":1642377600000}"#,
            histogram(86_400_000, 0, 0, Some((1_642_118_400_000, 1_642_377_600_000))),
        ),
    ] {
        assert_eq!(aggregation(&written(options)).await, expected, "{options}");
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_name_their_field() {
    let field = || "PID".to_string();
    for (kind, expected) in [
        ("min", Aggregation::Min { field: field() }),
        ("max", Aggregation::Max { field: field() }),
        ("avg", Aggregation::Avg { field: field() }),
        ("sum", Aggregation::Sum { field: field() }),
        ("value_count", Aggregation::ValueCount { field: field() }),
        ("cardinality", Aggregation::Cardinality { field: field() }),
    ] {
        assert_eq!(aggregation(&format!("{{\"{kind}\":{{\"field\":\"PID\"}}}}")).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_count_is_a_search_for_no_hits_that_counts_all() {
    let mut expected = plain_search(&[GENERAL]);
    expected.query = term("PID", Value::Integer(5));
    expected.size = 0;
    expected.track_total = TrackTotal::All;
    let path = format!("/{GENERAL}/_count");
    let json = r#"{"query":{"term":{"PID":5}}}"#;
    assert_eq!(Door::new().searched("POST", &path, Some(json)).await, expected);
    expected.query = Query::MatchAll;
    expected.indices = vec!["_all".to_string()];
    assert_eq!(Door::new().searched("GET", "/_count", None).await, expected);
}
