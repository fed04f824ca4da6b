//! What a cluster says before the first document, and what becomes of it.

use std::sync::{Arc, Mutex};

use hydrant_transform::document::{Document, DocumentId, Profile};
use hydrant_transform::entry::Format;
use serde_json::json;

use super::*;

type Asked = Arc<Mutex<Vec<String>>>;

/// An engine whose cluster answers by a function of method and path, and what it was asked.
fn cluster(answer: impl Fn(&str, &str) -> (u16, Json) + Send + Sync + 'static) -> (OpenSearch, Asked) {
    let settings = Settings { endpoints: vec!["http://a".to_owned()], ..Settings::default() };
    let asked = Asked::default();
    let kept = asked.clone();
    let carry = move |request: hydrant_opensearch::Request| {
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        kept.lock().unwrap().push(format!("{method} {path}"));
        let (status, body) = answer(&method, &path);
        let answer: BoxFuture<'static, _> =
            Box::pin(async move { Ok(Answer { status, body: body.to_string().into_bytes() }) });
        answer
    };
    let client = Client::carried(&settings, Box::new(carry)).unwrap();
    let templates = Some(Wanted { formats: vec![Format::Slow], ..Wanted::new("hydrant-{format}", Profile::Classic) });
    (OpenSearch::over(client, Limits::default(), Setup { ids: true, templates }), asked)
}

fn usual(method: &str, path: &str) -> (u16, Json) {
    match (method, path) {
        ("GET", "/") => (200, json!({"version": {"distribution": "opensearch", "number": "2.19.1"}})),
        ("GET", "/_cluster/health") => (200, json!({"number_of_data_nodes": 1})),
        ("GET", _) => (404, json!({})),
        ("POST", _) => (200, json!({"errors": false, "items": [{"create": {"status": 201}}]})),
        _ => (200, json!({"acknowledged": true})),
    }
}

async fn write(engine: &OpenSearch) -> Result<Outcome, Error> {
    let id = DocumentId::from("1".to_owned());
    let document =
        Document { id, format: Format::Slow, timestamp_ms: 0, ordinal: 0, source: b"{}".to_vec(), event_idx: 0 };
    let documents = [Addressed { index_name: "hydrant-slow-x".to_owned(), document }];
    engine.write(&documents).await.map(|mut outcomes| outcomes.pop().unwrap())
}

#[tokio::test]
async fn the_first_documents_find_their_template() {
    let (engine, asked) = cluster(usual);
    for _ in 0..2 {
        assert_eq!(write(&engine).await.unwrap(), Outcome::Indexed);
    }
    let asked = asked.lock().unwrap().clone();
    let template = "/_index_template/hydrant-slow";
    let expected = [
        "GET /",
        "GET /_cluster/health",
        &format!("GET {template}"),
        &format!("PUT {template}"),
        "POST /_index_template/_simulate_index/hydrant-slow-20-0",
        "POST /_bulk",
        "POST /_bulk",
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_server_that_is_too_old_gets_nothing_and_is_named() {
    let (engine, asked) = cluster(|method, path| match path {
        "/" => (200, json!({"version": {"number": "6.8.23"}})),
        _ => usual(method, path),
    });
    let Outcome::Paused(reason) = write(&engine).await.unwrap() else { panic!("it is paused") };
    assert_eq!(reason.code, TOO_OLD);
    assert!(reason.message.starts_with("elasticsearch 6.8.23 is too old"), "{}", reason.message);
    assert_eq!(*asked.lock().unwrap(), ["GET /"]);
}

/// A wrong clock, a wrong password: nothing is lost, the server's words are told, and it goes on by itself.
#[tokio::test]
async fn where_nobody_is_let_in_delivery_pauses_until_it_is() {
    for (status, body, sentence) in [
        (403, json!({"message": "Signature expired: 20261127T102030Z"}), "Signature expired: 20261127T102030Z"),
        (
            403,
            json!({"Message": "User: arn:aws:iam::1:user/u is not authorized to perform: es:ESHttpGet"}),
            "User: arn:aws:iam::1:user/u is not authorized to perform: es:ESHttpGet",
        ),
        (401, json!("Unauthorized"), "OpenSearch answers with HTTP status 401"),
    ] {
        let refusals = Mutex::new(2);
        let (engine, asked) = cluster(move |method, path| {
            let mut refusals = refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return (status, body.clone());
            }
            usual(method, path)
        });
        for _ in 0..2 {
            let Outcome::Paused(reason) = write(&engine).await.unwrap() else { panic!("it is paused") };
            assert_eq!(reason.message, sentence);
        }
        assert_eq!(write(&engine).await.unwrap(), Outcome::Indexed);
        // The template is put once it can be.
        assert!(asked.lock().unwrap().contains(&"PUT /_index_template/hydrant-slow".to_owned()));
    }
}

#[tokio::test]
async fn rights_that_are_missing_for_questions_only_do_not_hold_documents_up() {
    let reason =
        "no permissions for [cluster:monitor/main] and User [name=hydrant, backend_roles=[], requestedTenant=null]";
    let (engine, _) = cluster(move |method, path| match (method, path) {
        ("POST", _) => usual(method, path),
        _ => (403, json!({"error": {"type": "security_exception", "reason": reason}, "status": 403})),
    });
    assert_eq!(write(&engine).await.unwrap(), Outcome::Indexed);
}

/// The right to put templates comes later: until then documents are written all the same.
#[tokio::test(start_paused = true)]
async fn a_template_that_cannot_be_put_is_tried_again_with_later_batches() {
    let may_put = Arc::new(Mutex::new(false));
    let allowed = may_put.clone();
    let (engine, asked) = cluster(move |method, path| match method {
        "PUT" if !*allowed.lock().unwrap() => {
            let reason = "no permissions for [indices:admin/index_template/put] and User [name=hydrant]";
            (403, json!({"error": {"type": "security_exception", "reason": reason}, "status": 403}))
        }
        _ => usual(method, path),
    });
    let puts = || asked.lock().unwrap().iter().filter(|request| request.starts_with("PUT ")).count();
    for _ in 0..3 {
        assert_eq!((write(&engine).await.unwrap(), puts()), (Outcome::Indexed, 1));
    }
    tokio::time::advance(TEMPLATES_AGAIN).await;
    for _ in 0..3 {
        assert_eq!((write(&engine).await.unwrap(), puts()), (Outcome::Indexed, 2));
    }
    *may_put.lock().unwrap() = true;
    for expected in [3, 3] {
        tokio::time::advance(TEMPLATES_AGAIN).await;
        assert_eq!((write(&engine).await.unwrap(), puts()), (Outcome::Indexed, expected));
    }
    let looked_at = asked.lock().unwrap().iter().filter(|request| *request == "GET /").count();
    assert_eq!(looked_at, 1);
}

/// Nobody can put it, so nobody is asked again.
#[tokio::test(start_paused = true)]
async fn a_template_that_the_server_refuses_for_good_is_tried_once() {
    let (engine, asked) = cluster(|method, path| match method {
        "PUT" => (400, json!({"error": {"type": "illegal_argument_exception", "reason": "same priority"}})),
        _ => usual(method, path),
    });
    for _ in 0..2 {
        assert_eq!(write(&engine).await.unwrap(), Outcome::Indexed);
        tokio::time::advance(TEMPLATES_AGAIN).await;
    }
    assert_eq!(asked.lock().unwrap().iter().filter(|request| request.starts_with("PUT ")).count(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_without_a_document() {
    let (engine, asked) = cluster(usual);
    assert_eq!(engine.prepare().await.unwrap(), None);
    let put = ["PUT /_index_template/hydrant-slow", "POST /_index_template/_simulate_index/hydrant-slow-20-0"];
    assert!(asked.lock().unwrap().ends_with(&put.map(str::to_owned)));
    let (engine, asked) = cluster(|_, _| (401, json!("Unauthorized")));
    let reason = engine.prepare().await.unwrap().unwrap();
    assert_eq!(reason.message, "OpenSearch answers with HTTP status 401");
    assert_eq!(*asked.lock().unwrap(), ["GET /"]);
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let (engine, _) = cluster(|_, _| (503, json!({"error": {"type": "x", "reason": "no master"}})));
    assert!(matches!(write(&engine).await, Err(Error::Retry(problem)) if problem == "no master"));
}

#[test]
fn a_refusal_is_told_whoever_refuses() {
    let told = |status: u16, body: &str| {
        let error = refused(&Answer { status, body: body.as_bytes().to_vec() });
        let Error::BadRequest { code, message } = error else { panic!("{error:?}") };
        (code, message)
    };
    let cause =
        r#"{"error":{"root_cause":[{"type":"a","reason":"no such field"}],"type":"parsing_exception","reason":"all"}}"#;
    assert_eq!(told(400, cause), ("parsing_exception", "no such field".to_owned()));
    let of_aws = r#"{"Message":"User: anonymous is not authorized to perform: es:ESHttpGet"}"#;
    assert_eq!(told(403, of_aws).1, "User: anonymous is not authorized to perform: es:ESHttpGet");
    for nothing in ["", "<html>", "{}"] {
        assert_eq!(told(403, nothing).1, "OpenSearch answers with HTTP status 403");
    }
}
