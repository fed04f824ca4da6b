//! Results, and the bytes that each must become.

use std::io::Read;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use flate2::read::GzDecoder;

use super::{Door, GENERAL, SOURCE, nothing_found};
use crate::index::query::{AggregationResult, Bucket, BucketKey, BucketsKind, Hit, SearchResult, SortValue, Total};

const HEAD: &str = r#"{"took":0,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"#;

fn one_hit(score: Option<f32>, sort: Vec<SortValue>) -> SearchResult {
    let hit =
        Hit { index_name: GENERAL.to_string(), id: "3".to_string(), score, source: SOURCE.as_bytes().to_vec(), sort };
    SearchResult { total: Some(Total { value: 1, exact: true }), max_score: score, hits: vec![hit], ..nothing_found() }
}

fn bucket(key: BucketKey, doc_count: u64, sub: Vec<(String, AggregationResult)>) -> Bucket {
    Bucket { key, doc_count, sub }
}

#[tokio::test(start_paused = true)]
async fn a_hit_has_its_source_as_it_was_written() {
    let reply = Door::answering(one_hit(Some(0.980_829_1), Vec::new())).get("/_search?q=Perform:Query").await;
    let expected = format!(
        r#"{HEAD}"hits":{{"total":{{"value":1,"relation":"eq"}},"max_score":0.9808291,"hits":[{{"_index":"{GENERAL}","_id":"3","_score":0.9808291,"_source":{SOURCE}}}]}}}}"#
    );
    assert_eq!(reply.body, expected);
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json; charset=UTF-8");
    assert_eq!(reply.headers[header::CONTENT_LENGTH], expected.len().to_string().as_str());
}

#[tokio::test(start_paused = true)]
async fn a_sorted_hit_has_sort_values_and_no_score() {
    let values = vec![
        SortValue::Integer(1_642_322_686_264_986_000),
        SortValue::String("a3".to_string()),
        SortValue::Float(1.0),
        SortValue::Null,
    ];
    let reply = Door::answering(one_hit(None, values))
        .call("POST", "/_search", Some(r#"{"_source":false,"sort":["Time","event_id","f","x"]}"#))
        .await;
    let expected = format!(
        r#"{HEAD}"hits":{{"total":{{"value":1,"relation":"eq"}},"max_score":null,"hits":[{{"_index":"{GENERAL}","_id":"3","_score":null,"sort":[1642322686264986000,"a3",1.0,null]}}]}}}}"#
    );
    assert_eq!(reply.body, expected);
}

#[tokio::test(start_paused = true)]
async fn totals_are_an_object_a_number_or_nothing() {
    let at_least = SearchResult { total: Some(Total { value: 2, exact: false }), ..nothing_found() };
    let untold = SearchResult { total: None, ..nothing_found() };
    for (result, path, expected) in [
        (&at_least, "/_search?size=0", r#""hits":{"total":{"value":2,"relation":"gte"},"max_score":null,"hits":[]}}"#),
        (&at_least, "/_search?size=0&rest_total_hits_as_int=true", r#""hits":{"total":2,"max_score":null,"hits":[]}}"#),
        (&untold, "/_search?size=0", r#""hits":{"max_score":null,"hits":[]}}"#),
        (&untold, "/_search?rest_total_hits_as_int", r#""hits":{"total":-1,"max_score":null,"hits":[]}}"#),
    ] {
        assert_eq!(Door::answering(result.clone()).get(path).await.body, format!("{HEAD}{expected}"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_index_searched_is_no_shard_and_a_score_of_zero() {
    let reply = Door::answering(SearchResult { indices_searched: 0, ..nothing_found() }).get("/nope*/_search").await;
    assert_eq!(
        reply.body,
        r#"{"took":0,"timed_out":false,"_shards":{"total":0,"successful":0,"skipped":0,"failed":0},"hits":{"total":{"value":0,"relation":"eq"},"max_score":0.0,"hits":[]}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn an_index_that_could_not_be_searched_is_a_failed_shard() {
    let failures = vec![("broken".to_string(), "damaged".to_string())];
    let reply = Door::answering(SearchResult { failures, ..nothing_found() }).get("/_count").await;
    assert_eq!(
        reply.body,
        r#"{"count":0,"_shards":{"total":2,"successful":1,"skipped":0,"failed":1,"failures":[{"shard":0,"index":"broken","node":"hydrantNode0AAAAAAAAAA","reason":{"type":"exception","reason":"damaged"}}]}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn sources_are_filtered_by_name_and_pattern() {
    let hits = r#"{"hits":{"hits":[{"_source":"#;
    for (source, expected) in [
        (r#"["o.*","arr.x","PID"]"#, r#"{"PID":5,"o":{"k":1,"l":{"m":"x"}},"arr":[{"x":1},{"x":3}]}"#),
        (r#""o""#, r#"{"o":{"k":1,"l":{"m":"x"}}}"#),
        (r#""*.m""#, r#"{"o":{"l":{"m":"x"}}}"#),
        (r#"["arr.y"]"#, r#"{"arr":[{"y":2}]}"#),
        (r#"["zz"]"#, "{}"),
        (
            r#"{"excludes":["o.l","Time","arr.x","Statement"]}"#,
            r#"{"PID":5,"Perform":"Init DB","o":{"k":1},"arr":[{"y":2}]}"#,
        ),
        (r#"{"includes":["o"],"excludes":"o.k"}"#, r#"{"o":{"l":{"m":"x"}}}"#),
    ] {
        let json = format!("{{\"_source\":{source}}}");
        let door = Door::answering(one_hit(Some(1.0), Vec::new()));
        let reply = door.call("POST", "/_search?filter_path=hits.hits._source", Some(&json)).await;
        assert_eq!(reply.body, format!("{hits}{expected}}}]}}}}"), "{source}");
    }
    let door = Door::answering(one_hit(Some(1.0), Vec::new()));
    let reply = door.get("/_search?_source_includes=PID,o&_source_excludes=o.l&filter_path=**._source").await;
    assert_eq!(reply.body, format!(r#"{hits}{{"PID":5,"o":{{"k":1}}}}}}]}}}}"#));
}

#[tokio::test(start_paused = true)]
async fn filter_path_keeps_and_leaves_out() {
    let door = Door::answering(one_hit(Some(1.0), Vec::new()));
    for (filter, expected) in [
        ("hits.total", r#"{"hits":{"total":{"value":1,"relation":"eq"}}}"#),
        ("hits.hits._source.PID", r#"{"hits":{"hits":[{"_source":{"PID":5}}]}}"#),
        ("-hits,-_shards", r#"{"took":0,"timed_out":false}"#),
        ("hits.*,-hits.hits", r#"{"hits":{"total":{"value":1,"relation":"eq"},"max_score":1.0}}"#),
        ("took,nope", r#"{"took":0}"#),
        ("nope", "{}"),
        ("h*.t*", r#"{"hits":{"total":{"value":1,"relation":"eq"}}}"#),
        ("**.m", r#"{"hits":{"hits":[{"_source":{"o":{"l":{"m":"x"}}}}]}}"#),
        (
            "hits.hits,-**._source",
            r#"{"hits":{"hits":[{"_index":"hydrant-general-2022-01-15","_id":"3","_score":1.0}]}}"#,
        ),
    ] {
        assert_eq!(door.get(&format!("/_search?filter_path={filter}")).await.body, expected, "{filter}");
    }
}

#[tokio::test(start_paused = true)]
async fn pretty_answers_have_one_member_on_a_line() {
    let result = SearchResult { indices_searched: 0, ..nothing_found() };
    let expected = r#"{
  "took" : 0,
  "timed_out" : false,
  "_shards" : {
    "total" : 0,
    "successful" : 0,
    "skipped" : 0,
    "failed" : 0
  },
  "hits" : {
    "total" : {
      "value" : 0,
      "relation" : "eq"
    },
    "max_score" : 0.0,
    "hits" : [ ]
  }
}
"#;
    assert_eq!(Door::answering(result).get("/_search?pretty").await.body, expected);
    let sources = Door::answering(one_hit(Some(1.0), Vec::new())).get("/_search?pretty&filter_path=**.arr").await.body;
    let expected = r#"{
  "hits" : {
    "hits" : [
      {
        "_source" : {
          "arr" : [
            {
              "x" : 1,
              "y" : 2
            },
            {
              "x" : 3
            }
          ]
        }
      }
    ]
  }
}
"#;
    assert_eq!(sources, expected);
}

#[tokio::test(start_paused = true)]
async fn aggregations_have_openseachs_shapes_in_the_order_asked() {
    let date = |ms| BucketKey::Date(ms);
    let metric = |number| AggregationResult::Metric(number);
    let terms = |buckets, sum_other_doc_count| AggregationResult::Buckets {
        buckets,
        kind: BucketsKind::Terms { sum_other_doc_count },
    };
    let results = [
        (
            "t",
            terms(
                vec![bucket(
                    BucketKey::String("Query".to_string()),
                    972,
                    vec![("a".to_string(), metric(Some(9_566.0)))],
                )],
                275,
            ),
        ),
        (
            "h",
            AggregationResult::Buckets {
                buckets: vec![bucket(date(1_642_204_800_000), 2, Vec::new())],
                kind: BucketsKind::DateHistogram,
            },
        ),
        ("tt", terms(vec![bucket(date(1_642_236_285_164), 1, Vec::new())], 0)),
        ("tb", terms(vec![bucket(BucketKey::Boolean(true), 1, Vec::new())], 0)),
        ("tf", terms(vec![bucket(BucketKey::Float(1.5), 1, Vec::new())], 0)),
        ("tp", terms(vec![bucket(BucketKey::Integer(57), 1, Vec::new())], 0)),
        ("c", AggregationResult::Count(60)),
        ("mx", AggregationResult::DateMetric(Some(1_642_322_686_264.0))),
        ("s", metric(Some(110_616_085.0))),
        ("s0", metric(None)),
        ("a0", metric(None)),
    ];
    let aggregations = results.into_iter().map(|(name, result)| (name.to_string(), result)).collect();
    let json = r#"{"size":0,"aggs":{"t":{"terms":{"field":"Perform"},"aggs":{"a":{"avg":{"field":"PID"}}}},
        "h":{"date_histogram":{"field":"Time","fixed_interval":"1d"}},"tt":{"terms":{"field":"Time"}},
        "tb":{"terms":{"field":"b"}},"tf":{"terms":{"field":"f"}},"tp":{"terms":{"field":"PID"}},
        "c":{"cardinality":{"field":"PID"}},"mx":{"max":{"field":"Time"}},"s":{"sum":{"field":"PID"}},
        "s0":{"sum":{"field":"x"}},"a0":{"avg":{"field":"x"}}}}"#;
    let reply = Door::answering(SearchResult { aggregations, ..nothing_found() })
        .call("POST", "/_search?filter_path=aggregations", Some(json))
        .await;
    let expected = concat!(
        r#"{"aggregations":{"t":{"doc_count_error_upper_bound":0,"sum_other_doc_count":275,"buckets":[{"key":"Query","doc_count":972,"a":{"value":9566.0}}]},"#,
        r#""h":{"buckets":[{"key_as_string":"2022-01-15T00:00:00.000Z","key":1642204800000,"doc_count":2}]},"#,
        r#""tt":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":1642236285164,"key_as_string":"2022-01-15T08:44:45.164Z","doc_count":1}]},"#,
        r#""tb":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":1,"key_as_string":"true","doc_count":1}]},"#,
        r#""tf":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":1.5,"doc_count":1}]},"#,
        r#""tp":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":57,"doc_count":1}]},"#,
        r#""c":{"value":60},"mx":{"value":1.642322686264E12,"value_as_string":"2022-01-16T08:44:46.264Z"},"#,
        r#""s":{"value":1.10616085E8},"s0":{"value":0.0},"a0":{"value":null}}}"#,
    );
    assert_eq!(reply.body, expected);
}

#[tokio::test(start_paused = true)]
async fn a_count_says_how_many_and_where() {
    let result = SearchResult { total: Some(Total { value: 2_000, exact: true }), ..nothing_found() };
    let reply = Door::answering(result).get("/_count").await;
    assert_eq!(reply.body, r#"{"count":2000,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0}}"#);
}

#[tokio::test(start_paused = true)]
async fn a_document_is_answered_by_its_id() {
    let door = Door::new();
    let found = door.get(&format!("/{GENERAL}/_doc/3")).await;
    let expected = format!(
        r#"{{"_index":"{GENERAL}","_id":"3","_version":1,"_seq_no":0,"_primary_term":1,"found":true,"_source":{SOURCE}}}"#
    );
    assert_eq!(found.body, expected);
    let head = door.call("HEAD", &format!("/{GENERAL}/_doc/3"), None).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.headers[header::CONTENT_LENGTH], expected.len().to_string().as_str());
    let part = door.get(&format!("/{GENERAL}/_doc/3?_source=PID,o.k")).await;
    assert!(part.body.ends_with(r#""found":true,"_source":{"PID":5,"o":{"k":1}}}"#), "{}", part.body);
    let bare = door.get(&format!("/{GENERAL}/_doc/3?_source=false")).await;
    assert!(bare.body.ends_with(r#""found":true}"#), "{}", bare.body);
    let missing = door.get(&format!("/{GENERAL}/_doc/zz")).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(missing.body, format!(r#"{{"_index":"{GENERAL}","_id":"zz","found":false}}"#));
    let nowhere = door.get("/nope/_doc/1").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert!(nowhere.body.contains(r#""resource.type":"index_expression""#), "{}", nowhere.body);
}

#[tokio::test(start_paused = true)]
async fn answers_are_gzipped_where_the_client_takes_it() {
    let door = Door::answering(one_hit(Some(1.0), Vec::new()));
    let plain = door.get("/_search").await.body;
    let request = Request::get("/_search").header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(door.router.clone(), request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let mut inflated = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut inflated).unwrap();
    assert_eq!(inflated, plain);
}
