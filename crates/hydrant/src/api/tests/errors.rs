//! Requests that are refused, and the bytes that say why.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use super::{Door, GENERAL, general, refused};
use crate::index::Error;

fn simple(kind: &str, reason: &str) -> String {
    format!(
        r#"{{"error":{{"root_cause":[{{"type":"{kind}","reason":"{reason}"}}],"type":"{kind}","reason":"{reason}"}},"status":400}}"#
    )
}

fn parsing(reason: &str, column: usize) -> String {
    let exception = format!(r#""type":"parsing_exception","reason":"{reason}","line":1,"col":{column}"#);
    format!(r#"{{"error":{{"root_cause":[{{{exception}}}],{exception}}},"status":400}}"#)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_query_is_named_with_its_place() {
    assert_eq!(
        refused(r#"{"query": {"foo": {}}}"#).await,
        r#"{"error":{"root_cause":[{"type":"parsing_exception","reason":"unknown query [foo]","line":1,"col":19}],"type":"parsing_exception","reason":"unknown query [foo]","line":1,"col":19,"caused_by":{"type":"named_object_not_found_exception","reason":"[1:19] unknown field [foo]"}},"status":400}"#
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_queries_are_refused_at_the_place_that_is_wrong() {
    for (body, reason, column) in [
        (r#"{"qery": {}}"#, "Unknown key for a START_OBJECT in [qery].", 10),
        (r#"{"query": []}"#, "Unknown key for a START_ARRAY in [query].", 11),
        (r#"[1]"#, "Expected [START_OBJECT] but found [START_ARRAY]", 1),
        (
            r#"{"query": {"term": {"Perform": "Query", "PID": 1}}}"#,
            "[term] query doesn't support multiple fields, found [Perform] and [PID]",
            48,
        ),
        (
            r#"{"query": {"term": {"Perform": {"value": "Query", "boo": 1}}}}"#,
            "[term] query does not support [boo]",
            58,
        ),
        (r#"{"query": {"term": {"Perform": ["Query"]}}}"#, "[term] query does not support array of values", 32),
        (
            r#"{"query": {"match_all": {}, "term": {"PID": 5}}}"#,
            "[match_all] malformed query, expected [END_OBJECT] but found [FIELD_NAME]",
            29,
        ),
        (r#"{"query": {"terms": {"PID": "x"}}}"#, "[terms] query does not support [PID]", 29),
        (
            r#"{"query": {"terms": {"PID": [5], "Perform": ["x"]}}}"#,
            "[terms] query does not support multiple fields",
            34,
        ),
        (
            r#"{"query": {"match": {"Statement": {"query": "select", "foo": 1}}}}"#,
            "[match] query does not support [foo]",
            62,
        ),
        (r#"{"query": {"match": {"Statement": {}}}}"#, "No text specified for text query", 36),
        (r#"{"query": {"match": "x"}}"#, "[match] query malformed, no start_object after query name", 21),
        (r#"{"query": {"range": {"PID": {"gte": 1, "foo": 2}}}}"#, "[range] query does not support [foo]", 47),
        (r#"{"query": {"range": {"PID": 5}}}"#, "[range] query does not support [PID]", 29),
        (r#"{"query": {"exists": {"fiel": "x"}}}"#, "[exists] query does not support [fiel]", 31),
        (r#"{"query": {"exists": {}}}"#, "[exists] must be provided with a [field]", 23),
        (r#"{"query": {"prefix": {"Perform": {"value": "Q", "x": 1}}}}"#, "[prefix] query does not support [x]", 54),
        (r#"{"query": {"constant_score": {"query": {}}}}"#, "[constant_score] query does not support [query]", 40),
        (r#"{"query": {"query_string": {}}}"#, "[query_string] must be provided with a [query]", 29),
        (r#"{"_source": {"foo": 1}}"#, "Unknown key for a VALUE_NUMBER in [foo].", 21),
    ] {
        assert_eq!(refused(body).await, parsing(reason, column), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_without_a_place() {
    for (body, kind, reason) in [
        (r#"{"query": {"term": {}}}"#, "illegal_argument_exception", "field name is null or empty"),
        (r#"{"query": {}}"#, "illegal_argument_exception", "query malformed, empty clause found at [1:12]"),
        (r#"{"query": {"bool": {"foo": []}}}"#, "x_content_parse_exception", "[1:21] [bool] unknown field [foo]"),
        (
            r#"{"query": {"bool": {"must": "x"}}}"#,
            "x_content_parse_exception",
            "[1:29] [bool] must doesn't support values of type: VALUE_STRING",
        ),
        (
            r#"{"query": {"match": {"a": {"query": "b", "operator": "xor"}}}}"#,
            "illegal_argument_exception",
            "No enum constant org.opensearch.index.query.Operator.XOR",
        ),
        (
            r#"{"query": {"match_phrase": {"a": {"query": "b", "slop": -1}}}}"#,
            "illegal_argument_exception",
            "No negative slop allowed.",
        ),
        (r#"{"size": -1}"#, "illegal_argument_exception", "[size] parameter cannot be negative, found [-1]"),
        (
            r#"{"sort": [{"Time": {"foo": "x"}}]}"#,
            "x_content_parse_exception",
            "[1:21] [field_sort] unknown field [foo]",
        ),
        (
            r#"{"sort": [5]}"#,
            "illegal_argument_exception",
            "malformed sort format, within the sort array, an object, or an actual string are allowed",
        ),
    ] {
        assert_eq!(refused(body).await, simple(kind, reason), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn broken_json_is_told_from_json_that_ends_early() {
    for body in [r#"{"query":"#, r#"{"query":{"match_all":{}}"#, r#"{"a"#, "["] {
        assert!(refused(body).await.contains(r#""type":"json_e_o_f_exception""#), "{body}");
    }
    for (body, reason) in [
        (
            "{a}",
            r"Unexpected character ('a' (code 97)): was expecting double-quote to start field name\n at [line: 1, column: 2]",
        ),
        (r#"{"query":{"match_all":{}}} x"#, "Unexpected character ('x' (code 120))"),
        (r#"{"size":1,"size":2}"#, r"Duplicate field 'size'\n at [line: 1, column: 11]"),
        (r#"{"size":01}"#, "Invalid numeric value: 01"),
        ("{\"a\":\"\t\"}", "Illegal unquoted character ((CTRL-CHAR, code 9))"),
        (r#"{"a":"\x"}"#, "Unrecognized character escape"),
    ] {
        let answer = refused(body).await;
        assert!(answer.contains(r#""type":"json_parse_exception""#), "{answer}");
        assert!(answer.contains(reason), "{answer}");
    }
    assert_eq!(
        Door::new().call("POST", "/_search", Some("  ")).await.body,
        parsing("Expected [START_OBJECT] but found [null]", 1)
    );
}

#[tokio::test(start_paused = true)]
async fn deep_and_wide_bodies_are_refused_by_a_named_bound() {
    let deep = format!("{}{}", "[".repeat(1_001), "]".repeat(1_001));
    assert!(refused(&deep).await.contains("nesting depth exceeds the maximum allowed (1000)"));
    let wide = format!("[{}1]", "1,".repeat(250_000));
    assert!(refused(&wide).await.contains("more than 250000 values"));
    let mut nested = r#"{"match_all":{}}"#.to_string();
    for _ in 0..40 {
        nested = format!(r#"{{"bool":{{"must":[{nested}]}}}}"#);
    }
    assert!(refused(&format!(r#"{{"query":{nested}}}"#)).await.contains("queries are nested deeper than [32]"));
    let clauses = vec![r#"{"match_all":{}}"#; 1_025].join(",");
    let answer = refused(&format!(r#"{{"query":{{"bool":{{"should":[{clauses}]}}}}}}"#)).await;
    assert!(answer.contains("failed to create query: maxClauseCount is set to 1024"), "{answer}");
    let mut aggregation = r#"{"avg":{"field":"PID"}}"#.to_string();
    for _ in 0..8 {
        aggregation = format!(r#"{{"terms":{{"field":"Perform"}},"aggs":{{"a":{aggregation}}}}}"#);
    }
    let answer = refused(&format!(r#"{{"aggs":{{"a":{aggregation}}}}}"#)).await;
    assert!(answer.contains("aggregations are nested deeper than [8]"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_window_over_ten_thousand_is_refused_as_opensearch_does() {
    let answer = Door::new().get(&format!("/{GENERAL}/_search?from=9999&size=2")).await;
    let reason = "Result window is too large, from + size must be less than or equal to: [10000] but was [10001]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting.";
    let exception = format!(r#""type":"illegal_argument_exception","reason":"{reason}""#);
    let expected = format!(
        r#"{{"error":{{"root_cause":[{{{exception}}}],"type":"search_phase_execution_exception","reason":"all shards failed","phase":"query","grouped":true,"failed_shards":[{{"shard":0,"index":"{GENERAL}","node":"hydrantNode0AAAAAAAAAA","reason":{{{exception}}}}}],"caused_by":{{{exception},"caused_by":{{{exception}}}}}}},"status":400}}"#
    );
    assert_eq!(answer.body, expected);
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(Door::new().get("/_search?from=9999&size=1").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn unknown_parameters_are_named() {
    let door = Door::new();
    for (path, reason) in [
        ("/_search?foo=1", "request [/_search] contains unrecognized parameter: [foo]"),
        ("/x*/_search?foo=1&bar=2", "request [/x*/_search] contains unrecognized parameters: [bar], [foo]"),
        ("/_search?scroll=1m", "request [/_search] contains unrecognized parameter: [scroll]"),
        ("/?foo=1", "request [/] contains unrecognized parameter: [foo]"),
        ("/_count?foo=1", "request [/_count] contains unrecognized parameter: [foo]"),
        ("/_cat/indices?foo=1", "request [/_cat/indices] contains unrecognized parameter: [foo]"),
        ("/_search?size=-1", "[size] parameter cannot be negative, found [-1]"),
        ("/_search?sort=Time:foo", "sort order [foo] in [Time:foo] is not supported, use [asc] or [desc]"),
        ("/_search?q=x&default_operator=xor", "No enum constant org.opensearch.index.query.Operator.XOR"),
        ("/_search?pretty=foo", "Failed to parse value [foo] as only [true] or [false] are allowed."),
        ("/_search?expand_wildcards=none", "expand_wildcards [none] is not supported"),
    ] {
        assert_eq!(door.get(path).await.body, simple("illegal_argument_exception", reason), "{path}");
    }
    assert_eq!(
        door.get("/_search?size=x").await.body,
        r#"{"error":{"root_cause":[{"type":"illegal_argument_exception","reason":"Failed to parse int parameter [size] with value [x]"}],"type":"illegal_argument_exception","reason":"Failed to parse int parameter [size] with value [x]","caused_by":{"type":"number_format_exception","reason":"For input string: \"x\""}},"status":400}"#
    );
    assert!(door.get("/_search?q=a%zz").await.body.contains("invalid escape sequence `%zz' at index 1 of: a%zz"));
}

#[tokio::test(start_paused = true)]
async fn keys_that_this_version_lacks_are_named() {
    for (body, reason) in [
        (r#"{"highlight":{"fields":{"*":{}}}}"#, "key [highlight] is not supported in this version of Hydrant"),
        (r#"{"search_after":[1]}"#, "key [search_after] is not supported in this version of Hydrant"),
        (r#"{"docvalue_fields":["Time"]}"#, "key [docvalue_fields] is not supported in this version of Hydrant"),
    ] {
        assert_eq!(refused(body).await, parsing(reason, 2), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_aggregations_are_refused_by_name() {
    for (aggregation, reason) in [
        (r#"{"foo":{}}"#, "Unknown aggregation type [foo]"),
        (r#"{"terms":{}}"#, "Required one of fields [field, script], but none were specified. "),
        (r#"{"terms":{"field":"a","include":"x"}}"#, "[terms] unknown field [include]"),
        (r#"{"terms":{"field":"a","size":0}}"#, "[terms] failed to parse field [size]"),
        (r#"{"terms":{"field":"a","order":{"x":"asc"}}}"#, "order by [x] is not supported"),
        (r#"{}"#, "Missing definition for aggregation [t]"),
        (r#"5"#, "Aggregation definition for [t starts with a [VALUE_NUMBER], expected a [START_OBJECT]."),
        (
            r#"{"terms":{"field":"a"},"avg":{"field":"b"}}"#,
            "Found two aggregation type definitions in [t]: [terms] and [avg]",
        ),
        (
            r#"{"avg":{"field":"a"},"aggs":{"x":{"avg":{"field":"b"}}}}"#,
            "Aggregator [t] of type [avg] cannot accept sub-aggregations",
        ),
        (r#"{"avg":{"field":"a","missing":1}}"#, "[avg] unknown field [missing]"),
        (r#"{"date_histogram":{"field":"a"}}"#, "Invalid interval specified, must be non-null and non-empty"),
        (
            r#"{"date_histogram":{"field":"a","fixed_interval":"1M"}}"#,
            "failed to parse setting [date_histogram.fixedInterval] with value [1M] as a time value",
        ),
        (r#"{"date_histogram":{"field":"a","fixed_interval":"0s"}}"#, "Zero or negative time interval not supported"),
        (
            r#"{"date_histogram":{"field":"a","calendar_interval":"2d"}}"#,
            "The supplied interval [2d] could not be parsed as a calendar interval.",
        ),
        (r#"{"date_histogram":{"field":"a","calendar_interval":"1M"}}"#, "The supplied interval [1M] is not supported"),
        (
            r#"{"date_histogram":{"field":"a","fixed_interval":"1d","calendar_interval":"1d"}}"#,
            "Cannot use [calendar_interval] with [fixed_interval] configuration option.",
        ),
        (
            r#"{"date_histogram":{"field":"a","fixed_interval":"1d","time_zone":"Asia/Tokyo"}}"#,
            "[date_histogram] time_zone [Asia/Tokyo] is not supported, only [UTC]",
        ),
        (
            r#"{"date_histogram":{"field":"a","fixed_interval":"1d","extended_bounds":{"min":2000,"max":1000}}}"#,
            "[extended_bounds.min][946684800000] cannot be greater than [extended_bounds.max][",
        ),
    ] {
        let answer = refused(&format!(r#"{{"size":0,"aggs":{{"t":{aggregation}}}}}"#)).await;
        assert!(answer.contains(reason), "{aggregation}\n{answer}");
    }
    let answer = refused(r#"{"aggs":{"t[":{"avg":{"field":"a"}}}}"#).await;
    assert!(answer.contains("Invalid aggregation name [t[]."), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn wrong_dates_in_ranges_are_refused_as_a_search_would() {
    for (range, reason) in [
        (
            r#"{"gte":"foo"}"#,
            "failed to parse date field [foo] with format [strict_date_optional_time||epoch_millis]: [failed to parse date field [foo] with format [strict_date_optional_time||epoch_millis]]",
        ),
        (r#"{"gte":"2022-01-16||/X"}"#, "unit [X] not supported for date math [/X]"),
        (r#"{"gte":"now-1x"}"#, "unit [x] not supported for date math [-1x]"),
        (r#"{"gte":"2022","format":"yyyy"}"#, "[range] query does not support [format] [yyyy]"),
        (r#"{"gte":"2022","time_zone":"Foo/Bar"}"#, "Unknown time-zone ID: Foo/Bar"),
    ] {
        let answer = refused(&format!(r#"{{"query":{{"range":{{"Time":{range}}}}}}}"#)).await;
        assert!(answer.contains(&format!(r#""reason":"{reason}""#)), "{range}\n{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_index_is_404() {
    let expected = r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [nope]","index":"nope","resource.id":"nope","resource.type":"index_or_alias","index_uuid":"_na_"}],"type":"index_not_found_exception","reason":"no such index [nope]","index":"nope","resource.id":"nope","resource.type":"index_or_alias","index_uuid":"_na_"},"status":404}"#;
    let missing = || Door::over(vec![general()], Err(Some(Error::IndexNotFound("nope".to_string()))));
    let reply = missing().get("/nope/_search?filter_path=took").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::NOT_FOUND, expected));
    for path in ["/nope", "/nope/_mapping", "/_cat/indices/nope"] {
        let reply = Door::new().get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::NOT_FOUND, expected), "{path}");
    }
    let head = Door::new().call("HEAD", "/nope", None).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::NOT_FOUND, ""));
    let none = Door::new().get("/nope*/_search?allow_no_indices=false").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert!(none.body.contains("no such index [nope*]"), "{}", none.body);
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_refuses_is_a_failed_search() {
    let refusal = Error::BadRequest {
        code: "query_shard_exception",
        message: "No mapping found for [nofield] in order to sort on".to_string(),
    };
    let reply = Door::over(vec![general()], Err(Some(refusal))).get("/_search?sort=nofield").await;
    let exception = r#""type":"query_shard_exception","reason":"No mapping found for [nofield] in order to sort on""#;
    let expected = format!(
        r#"{{"error":{{"root_cause":[{{{exception}}}],"type":"search_phase_execution_exception","reason":"all shards failed","phase":"query","grouped":true,"failed_shards":[{{"shard":0,"index":"_all","node":"hydrantNode0AAAAAAAAAA","reason":{{{exception}}}}}]}},"status":400}}"#
    );
    assert_eq!((reply.status, reply.body), (StatusCode::BAD_REQUEST, expected));
    let busy = Door::over(vec![general()], Err(Some(Error::Retry("busy".to_string())))).get("/_search").await;
    assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
    let broken = Door::over(vec![general()], Err(Some(Error::Fatal("broken".to_string())))).get("/_search").await;
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test(start_paused = true)]
async fn a_query_string_that_cannot_be_read_is_refused() {
    let reply = Door::new().get("/_search?q=Perform:(Query").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.body.contains("Failed to parse query [Perform:(Query]"), "{}", reply.body);
}

#[tokio::test(start_paused = true)]
async fn writing_is_refused_with_a_sentence() {
    let document = format!("/{GENERAL}/_doc/1");
    for (method, path) in [
        ("POST", "/_bulk"),
        ("PUT", "/x/_bulk"),
        ("PUT", document.as_str()),
        ("DELETE", document.as_str()),
        ("POST", "/x/_doc"),
        ("POST", "/x/_update/1"),
        ("PUT", "/x"),
        ("DELETE", "/hydrant-*"),
        ("PUT", "/x/_mapping"),
        ("POST", "/x/_delete_by_query"),
        ("PUT", "/_cluster/settings"),
        ("PUT", "/_index_template/t"),
    ] {
        let reply = Door::new().call(method, path, Some("{}")).await;
        let reason = format!(
            "[{method} {path}] is not supported: this version of Hydrant only reads through the OpenSearch API"
        );
        assert_eq!(reply.body, simple("illegal_argument_exception", &reason));
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test(start_paused = true)]
async fn other_parts_of_the_api_are_named() {
    for path in ["/_msearch", "/x/_field_caps", "/_nodes", "/_search/scroll", "/_cluster/state", "/x/_source/1"] {
        let reply = Door::new().get(path).await;
        let reason = format!("[GET {path}] is not supported in this version of Hydrant");
        assert_eq!(reply.body, simple("illegal_argument_exception", &reason));
    }
    let unknown = Door::new().call("POST", "/a/b/c", None).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(unknown.body, r#"{"error":"no handler found for uri [/a/b/c] and method [POST]"}"#);
    let unknown = Door::new().get("/_nope").await;
    assert_eq!(
        unknown.body,
        r#"{"error":{"root_cause":[{"type":"invalid_index_name_exception","reason":"Invalid index name [_nope], must not start with '_'.","index":"_nope","index_uuid":"_na_"}],"type":"invalid_index_name_exception","reason":"Invalid index name [_nope], must not start with '_'.","index":"_nope","index_uuid":"_na_"},"status":400}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_method_is_405_with_the_right_ones() {
    let reply = Door::new().call("DELETE", "/_search", None).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers[header::ALLOW], "GET,POST");
    assert_eq!(
        reply.body,
        r#"{"error":"Incorrect HTTP method for uri [/_search] and method [DELETE], allowed: [GET, POST]","status":405}"#
    );
    let options = Door::new().call("OPTIONS", "/_search", None).await;
    assert_eq!((options.status, options.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(options.headers[header::ALLOW], "GET,POST");
    assert!(!options.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test(start_paused = true)]
async fn a_body_says_that_it_is_json() {
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/yaml"] {
        let request = Request::post("/_search").header(header::CONTENT_TYPE, content_type).body(Body::from("{}"));
        let reply = Door::new().send(request.unwrap()).await;
        assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
        assert_eq!(
            reply.body,
            format!(r#"{{"error":"Content-Type header [{content_type}] is not supported","status":406}}"#)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_line_over_4096_bytes_is_refused() {
    let reply = Door::new().get(&format!("/{}", "x".repeat(4_097))).await;
    assert_eq!(reply.body, simple("too_long_http_line_exception", "An HTTP line is larger than 4096 bytes."));
}

#[tokio::test(start_paused = true)]
async fn a_count_takes_only_a_query() {
    let reply = Door::new().call("POST", "/_count", Some(r#"{"query":{"match_all":{}},"size":1}"#)).await;
    assert_eq!(reply.body, parsing("request does not support [size]", 27));
}
