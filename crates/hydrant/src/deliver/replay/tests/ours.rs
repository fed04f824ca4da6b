//! Lines that Hydrant wrote: which id each entry has, and what gives way.

use super::*;

const GENERAL: &str = "hydrant-general-2021-07-23";

#[tokio::test]
async fn an_entry_keeps_its_id_and_a_fixed_rule_overwrites() {
    let world = World::new();
    let raw = envelope(&[(event_id(1), &general("SELECT 'secret'"))]);
    world.put("failed/processing-failed/2021/07/23/05/x", ours("00aa", 0, &raw) + "\n");
    let (counts, _) = run(&world.replay("failed", Options::default())).await;
    assert_eq!(counts, Counts { objects: 1, read: 1, replayed: 1, documents: 1, ..Counts::default() });
    assert_eq!(world.get(GENERAL, "00aa").await.unwrap()["Statement"], "SELECT 'secret'");
    let fixed = Options { redact: hydrant_transform::sql::redact::Redact::Literals, ..Options::default() };
    let mut replay = world.replay("failed", fixed);
    replay.rules.overwrites = false;
    assert_eq!(run(&replay).await.0.already_there, 1);
    assert_eq!(world.get(GENERAL, "00aa").await.unwrap()["Statement"], "SELECT 'secret'");
    replay.rules.overwrites = true;
    assert_eq!(run(&replay).await.0.replayed, 1);
    assert_eq!(world.get(GENERAL, "00aa").await.unwrap()["Statement"], "SELECT ?");
    assert_eq!(world.count("*").await, 1);
    // The index is computed again, too.
    let as_text = Options { format: Some(Format::Text), ..Options::default() };
    assert_eq!(run(&world.replay("failed", as_text)).await.0.replayed, 1);
    assert!(world.get("hydrant-text-2021-07-23", "00aa").await.is_some());
}

/// A record that was no envelope: its failed document holds all of it in an envelope that names nothing.
#[tokio::test]
async fn an_entry_of_a_plain_record_is_found_by_its_ordinal_and_further_ones_count_on() {
    let world = World::new();
    let event = json!({"id": "", "timestamp": TIME_MS, "message": "{\"n\":0}\n{\"n\":1}\n{\"n\":2}"});
    let raw = json!({"messageType": "DATA_MESSAGE", "owner": "", "logGroup": "", "logStream": "",
        "subscriptionFilters": [], "logEvents": [event]});
    world.put("failed/AmazonOpenSearchService-failed/x", ours("00bb", 1, &gzip(raw.to_string().as_bytes())));
    let (counts, _) = run(&world.replay("failed", Options::default())).await;
    assert_eq!(counts, Counts { objects: 1, read: 1, replayed: 1, documents: 2, ..Counts::default() });
    let own = world.get("hydrant-json-2021-07-23", "00bb").await.unwrap();
    assert_eq!((&own["n"], &own["ordinal"]), (&json!(1), &json!(1)));
    // The first object has a document of its own; the third counts on.
    assert_eq!(world.count("*").await, 2);
    assert_eq!(run(&world.replay("failed", Options::default())).await.0.replayed, 1);
    assert_eq!(world.count("*").await, 2);
}

#[tokio::test]
async fn a_record_that_could_not_be_decoded_gives_its_id_to_its_first_entry() {
    let world = World::new();
    let raw = envelope(&[(event_id(1), &general("SELECT 1")), (event_id(2), &general("SELECT 2"))]);
    world.put("failed/processing-failed/x", ours("00cc", 0, &raw));
    // Another line has the second event by itself, under the id that is a function of it.
    world.put("failed/processing-failed/y", ours("00dd", 7, &envelope(&[(event_id(3), &general("SELECT 3"))])));
    let (counts, _) = run(&world.replay("failed", Options::default())).await;
    assert_eq!(counts, Counts { objects: 2, read: 2, replayed: 2, documents: 3, ..Counts::default() });
    let first = world.get(GENERAL, "00cc").await.unwrap();
    assert_eq!((&first["Statement"], &first["event_id"]), (&json!("SELECT 1"), &json!(event_id(1))));
    let counted_on = world.get(GENERAL, "00dd").await.unwrap();
    assert_eq!((&counted_on["Statement"], &counted_on["ordinal"]), (&json!("SELECT 3"), &json!(7)));
}

/// Ids and expected documents are those of `transform`'s golden rule: owner, group, stream, event, ordinal.
#[tokio::test]
async fn entries_of_other_lines_are_not_touched_where_an_id_is_found_again() {
    let world = World::new();
    // Pieces that are joined: one event ends an entry and begins the next.
    let join = hydrant_transform::record::Join { log_groups: Arc::from(["*".to_owned()]), ..Default::default() };
    let options = Options { join, ..Options::default() };
    let message = format!("{}\n{}", general("SELECT 1"), general("SELECT 2"));
    let raw = envelope(&[(event_id(1), &message)]);
    let id = hydrant_transform::document::document_id(
        &hydrant_transform::document::EventSource {
            owner: "908047316593",
            log_group: "/aws/rds/instance/db/general",
            log_stream: "db",
            event_id: &event_id(1),
            shard: "",
            sequence_number: "",
        },
        0,
        1,
    );
    world.put("failed/processing-failed/x", ours(id.as_str(), 1, &raw));
    let (counts, _) = run(&world.replay("failed", options)).await;
    assert_eq!(counts, Counts { objects: 1, read: 1, replayed: 1, documents: 1, ..Counts::default() });
    assert_eq!(world.get(GENERAL, id.as_str()).await.unwrap()["Statement"], "SELECT 2");
    assert_eq!(world.count("*").await, 1);
}

#[tokio::test]
async fn what_the_configuration_drops_now_is_counted_as_dropped() {
    let world = World::new();
    let banner = "/usr/sbin/mysqld, Version: 8.0.36 (Source distribution). started with:\nTcp port: 3306  Unix socket: /tmp/mysql.sock\nTime                 Id Command    Argument";
    world.put("failed/processing-failed/x", ours("00ee", 0, &envelope(&[(event_id(1), banner)])));
    let (counts, _) = run(&world.replay("failed", Options::default())).await;
    assert_eq!(counts, Counts { objects: 1, read: 1, dropped: 1, ..Counts::default() });
}
