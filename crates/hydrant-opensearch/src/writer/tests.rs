//! The writer over a function that answers as servers do: what it sends, and what it makes of the answers.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use hydrant_transform::document::{Outcome, Reason};
use reqwest::Request;
use serde_json::json;

use super::{Limits, WIDEN_AFTER, Writer};
use crate::bulk::Action;
use crate::client::{Answer, Client, Settings};

/// One request: its query, the bytes of its body, and its documents' ids in order.
#[derive(Clone, Debug)]
struct Seen {
    query: String,
    bytes: usize,
    ids: Vec<String>,
}

impl Seen {
    fn of(request: &Request) -> Seen {
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap();
        let actions = std::str::from_utf8(body).unwrap().lines().step_by(2);
        let id = |line: &str| {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            action["create"]["_id"].as_str().unwrap().to_owned()
        };
        let query = request.url().query().unwrap().to_owned();
        Seen { query, bytes: body.len(), ids: actions.map(id).collect() }
    }
}

/// All items of a request, each the same.
fn items(count: usize, item: &serde_json::Value) -> Answer {
    let items = vec![json!({"create": item}); count];
    Answer { status: 200, body: json!({"errors": false, "items": items}).to_string().into_bytes() }
}

fn taken(request: &Seen) -> Result<Answer, String> {
    Ok(items(request.ids.len(), &json!({"status": 201})))
}

fn error(status: u16, kind: &str, reason: &str) -> Result<Answer, String> {
    let body = json!({"error": {"type": kind, "reason": reason}, "status": status});
    Ok(Answer { status, body: body.to_string().into_bytes() })
}

/// A writer whose requests are answered so, and what it has sent.
fn writer(
    limits: Limits,
    answer: impl Fn(&Seen) -> Result<Answer, String> + Send + Sync + 'static,
) -> (Writer, Arc<Mutex<Vec<Seen>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = sent.clone();
    let settings = Settings { endpoints: vec!["http://a".to_owned()], ..Settings::default() };
    let carry = move |request: Request| -> BoxFuture<'static, Result<Answer, String>> {
        let seen = Seen::of(&request);
        let told = answer(&seen);
        kept.lock().unwrap().push(seen);
        Box::pin(async move { told })
    };
    (Writer::new(Client::carried(&settings, Box::new(carry)).unwrap(), limits), sent)
}

/// So many documents of so many bytes each, their ids counted from 0.
async fn write(writer: &Writer, count: usize, bytes: usize) -> Vec<Outcome> {
    let ids: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let source = format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes.saturating_sub(8)));
    let actions: Vec<Action<'_>> =
        ids.iter().map(|id| Action { index: "i", id: Some(id), source: source.as_bytes() }).collect();
    writer.write(&actions).await
}

#[tokio::test]
async fn what_every_request_is_refused_for_pauses_all_after_one_way_down() {
    let (kind, reason) = ("illegal_argument_exception", "explicit index in bulk is not allowed");
    let (writer, sent) = writer(Limits::default(), move |_| error(400, kind, reason));
    let paused = vec![Outcome::Paused(Reason::new(kind, reason)); 64];
    for _ in 0..2 {
        assert_eq!(write(&writer, 64, 10).await, paused);
        let sizes: Vec<usize> = sent.lock().unwrap().drain(..).map(|request| request.ids.len()).collect();
        assert_eq!(sizes, [64, 32, 16, 8, 4, 2, 1]);
    }
}

#[tokio::test]
async fn a_closed_index_is_named() {
    let (writer, _) = writer(Limits::default(), move |request| {
        let closed = json!({"status": 400, "error": {"type": "index_closed_exception", "reason": "closed"}});
        Ok(items(request.ids.len(), &closed))
    });
    let paused = Outcome::Paused(Reason::new("index_closed_exception", "[i] closed"));
    assert_eq!(write(&writer, 2, 10).await, [paused.clone(), paused]);
}

#[tokio::test]
async fn an_answer_that_is_none_is_shown_by_its_beginning() {
    let page = format!("<html>\r\n<title>Sign in</title>{}", "x".repeat(1_000));
    let length = page.len();
    for (body, told) in [
        (page, format!("{length} bytes that begin with \"<html>\\r\\n<title>Sign in</title>{}\"", "x".repeat(34))),
        (String::new(), "0 bytes that begin with \"\"".to_owned()),
    ] {
        let (writer, _) =
            writer(Limits::default(), move |_| Ok(Answer { status: 200, body: body.clone().into_bytes() }));
        let message = format!("the answer is none of OpenSearch's: {told}");
        assert_eq!(write(&writer, 1, 10).await, [Outcome::Retry(Reason::new("Hydrant.NoAnswer", message))]);
    }
}

#[tokio::test]
async fn an_action_that_spoils_its_request_is_found_and_its_neighbours_are_taken() {
    let (kind, reason) = ("action_request_validation_exception", "Validation Failed: 1: id is too long");
    let (writer, sent) = writer(Limits::default(), move |request| {
        if request.ids.iter().any(|id| id == "37") { error(400, kind, reason) } else { taken(request) }
    });
    let mut expected = vec![Outcome::Indexed; 64];
    expected[37] = Outcome::Rejected(Reason::new(kind, reason));
    assert_eq!(write(&writer, 64, 10).await, expected);
    // Two for each level below the first.
    assert_eq!(sent.lock().unwrap().len(), 13);
}

#[tokio::test]
async fn a_collection_that_takes_no_ids_pauses_and_says_what_to_set() {
    let (kind, said) = ("illegal_argument_exception", "Document ID is not supported in create/index operation request");
    let (of_items, _) = writer(Limits::default(), move |request| {
        Ok(items(request.ids.len(), &json!({"status": 400, "error": {"type": kind, "reason": said}})))
    });
    let (of_requests, _) = writer(Limits::default(), move |_| error(400, kind, said));
    for writer in [of_items, of_requests] {
        let outcomes = write(&writer, 2, 10).await;
        let [Outcome::Paused(first), Outcome::Paused(second)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!((first, first.code.as_ref()), (second, kind));
        let behind = first.message.strip_prefix(said).unwrap();
        assert!(behind.starts_with(". Set `ids = \"off\"` under [index]"), "{behind}");
    }
}

#[tokio::test]
async fn bodies_grow_again_where_the_limit_was_there_for_a_while_only() {
    const MOST: usize = 64 * 1024;
    let limit = Arc::new(Mutex::new(8 * 1024));
    let taking = limit.clone();
    let (writer, sent) = writer(Limits { body_bytes: MOST, ..Limits::default() }, move |request| {
        if request.bytes > *taking.lock().unwrap() {
            return Ok(Answer { status: 413, body: Vec::new() });
        }
        taken(request)
    });
    // The largest body of a call.
    let largest = || sent.lock().unwrap().drain(..).map(|request| request.bytes).max().unwrap();
    let all = vec![Outcome::Indexed; 600];
    assert_eq!(write(&writer, 600, 400).await, all);
    assert!(largest() > MOST - 1_000);
    let learned = writer.body_bytes();
    assert!((4 * 1024..=8 * 1024).contains(&learned), "{learned}");
    // The limit is gone: from size to size, each at most twice the one before, and never beyond what is configured.
    *limit.lock().unwrap() = usize::MAX;
    let mut calls = 0;
    while writer.body_bytes() < MOST {
        let before = writer.body_bytes();
        assert_eq!(write(&writer, 600, 400).await, all);
        let (sent, now) = (largest(), writer.body_bytes());
        assert!(sent <= before && now <= MOST && (before..=before * 2).contains(&now), "{sent}, {before} to {now}");
        calls += 1;
        assert!(calls < 1_000, "{now}");
    }
    // Three times 256 bodies at least, of which a call has no more than 70.
    assert!(calls > 10, "{calls}");
    assert_eq!(write(&writer, 600, 400).await, all);
    assert!(largest() > MOST - 1_000);
    // It is there again.
    *limit.lock().unwrap() = 8 * 1024;
    assert_eq!(write(&writer, 600, 400).await, all);
    assert!(writer.body_bytes() <= 8 * 1024, "{}", writer.body_bytes());
}

#[tokio::test]
async fn one_request_at_a_time_where_there_is_trouble_and_more_again_after_answers_without() {
    let is_busy = Arc::new(Mutex::new(true));
    let asked = is_busy.clone();
    let limits = Limits { connections: 3, ..Limits::default() };
    let (writer, _) = writer(limits, move |request| {
        let status = if *asked.lock().unwrap() { 429 } else { 201 };
        Ok(items(request.ids.len(), &json!({"status": status})))
    });
    let mut widths = vec![writer.width()];
    assert!(matches!(write(&writer, 1, 10).await[..], [Outcome::Retry(_)]));
    widths.push(writer.width());
    *is_busy.lock().unwrap() = false;
    for answers in [WIDEN_AFTER - 1, 1, WIDEN_AFTER - 1, 1, WIDEN_AFTER] {
        for _ in 0..answers {
            assert_eq!(write(&writer, 1, 10).await, [Outcome::Indexed]);
        }
        widths.push(writer.width());
    }
    assert_eq!(widths, [3, 1, 1, 2, 2, 3, 3]);
}

#[tokio::test]
async fn the_server_is_to_answer_before_the_client_gives_up() {
    let (writer, sent) = writer(Limits::default(), taken);
    write(&writer, 1, 10).await;
    let query = sent.lock().unwrap().pop().unwrap().query;
    // Of 60 s.
    assert!(query.split('&').any(|parameter| parameter == "timeout=30000ms"), "{query}");
}
