//! A server that dies while it is written to.

use hydrant_opensearch::bulk::Action;
use hydrant_opensearch::{Limits, NO_ANSWER};
use hydrant_transform::document::Outcome;

use crate::server::Server;
use crate::writer_of;

/// What was in flight is unknown; offered again under its ids it is there once.
#[tokio::test]
async fn foreign_a_server_that_is_killed_in_the_middle_of_a_request_has_everything_once_afterwards() {
    const DOCUMENTS: usize = 20_000;
    let server = Server::start("").await;
    let writer = writer_of(&server, Limits { body_documents: 500, ..Limits::default() });
    let ids: Vec<String> = (0..DOCUMENTS).map(|number| number.to_string()).collect();
    let actions: Vec<Action<'_>> =
        ids.iter().map(|id| Action { index: "a", id: Some(id), source: br#"{"Statement":"SELECT 1"}"# }).collect();
    let kill = async {
        while server.count("a*").await == 0 {}
        server.kill();
    };
    let (outcomes, ()) = tokio::join!(writer.write(&actions), kill);
    let unknown =
        outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Retry(reason) if reason.code == NO_ANSWER));
    let (unknown, indexed) = (unknown.count(), outcomes.iter().filter(|outcome| **outcome == Outcome::Indexed).count());
    assert!(unknown > 0 && unknown + indexed == DOCUMENTS, "{unknown} and {indexed}");
    assert_eq!(writer.width(), 1);
    server.restart().await;
    let again = writer.write(&actions).await;
    let other = again.iter().find(|outcome| !matches!(outcome, Outcome::Indexed | Outcome::Duplicate));
    assert_eq!(other, None);
    // After forty answers without trouble there are two requests at a time again.
    assert_eq!(writer.width(), 2);
    // What was acknowledged is there still.
    let duplicates = again.iter().filter(|outcome| **outcome == Outcome::Duplicate).count();
    assert!(duplicates >= indexed, "{duplicates} of {indexed}");
    assert_eq!(server.count("a").await, DOCUMENTS as u64);
}
