//! The wire below the writer, with answers as a writer with a mistake would take them.

use std::sync::Arc;

use futures_util::FutureExt;
use hydrant_opensearch::client::Answer;
use hydrant_opensearch::{Carry, Request};
use serde_json::{Value, json};

use super::Bug;
use crate::model::cluster::body;

pub(super) fn wrong(bug: Bug, inner: Carry) -> Carry {
    let inner = Arc::new(inner);
    Box::new(move |request| {
        let inner = Arc::clone(&inner);
        async move {
            if request.url().path() == "/_bulk" { carried(bug, &inner, request).await } else { inner(request).await }
        }
        .boxed()
    })
}

async fn carried(bug: Bug, inner: &Carry, request: Request) -> Result<Answer, String> {
    let sent = body(&request);
    let lines: Vec<&[u8]> = sent.split_inclusive(|byte| *byte == b'\n').collect();
    let n_documents = lines.len() / 2;
    let again = request.try_clone().unwrap();
    let answer = inner(request).await;
    match (bug, answer) {
        (Bug::NoAnswerTakenForDone, Err(_)) => Ok(done(Vec::new(), n_documents)),
        (Bug::CutAnswerTrusted, Ok(answer)) if answer.status == 200 => Ok(done(items(&answer), n_documents)),
        (Bug::RefusedDropped, Ok(answer)) if (400..500).contains(&answer.status) => Ok(done(Vec::new(), n_documents)),
        (Bug::HalvingLosesOne, Ok(answer)) if answer.status == 413 => {
            let mut kept = n_documents;
            let mut answer = answer;
            while answer.status == 413 && kept > 1 {
                kept -= 1;
                let mut request = again.try_clone().unwrap();
                request.headers_mut().remove("content-encoding");
                *request.body_mut() = Some(lines[..2 * kept].concat().into());
                answer = inner(request).await?;
            }
            Ok(if answer.status == 200 { done(items(&answer), n_documents) } else { answer })
        }
        (_, answer) => answer,
    }
}

fn items(answer: &Answer) -> Vec<Value> {
    let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    answer["items"].as_array().cloned().unwrap_or_default()
}

/// With what is missing taken for done.
fn done(mut items: Vec<Value>, n_documents: usize) -> Answer {
    items.resize(n_documents, json!({"create": {"status": 201}}));
    Answer { status: 200, body: json!({"items": items}).to_string().into_bytes() }
}
