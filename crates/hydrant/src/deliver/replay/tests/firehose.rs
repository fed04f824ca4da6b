//! Failed objects of Firehose, on-failure records of Lambda, backups.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hydrant_transform::document::Outcome;

use super::*;
use crate::index::{Engine, Error, IndexStatus, Scan, Scanned, SearchResult};

/// As real objects have them, in both spellings of the function's name.
fn processing_failed(spelling: &str, raw: &[u8]) -> String {
    let raw = base64(raw);
    match spelling {
        "lambdaARN" => format!(
            r#"{{"rawData":"{raw}","errorCode":"Lambda.FunctionError","errorMessage":"The Lambda function was successfully invoked but it returned an error result.","attemptsMade":4,"arrivalTimestamp":1741088912364,"attemptEndingTimestamp":1741089007666,"lambdaARN":"arn:aws:lambda:eu-west-2:1:function:f:$LATEST"}}"#
        ),
        _ => format!(
            r#"{{"attemptsMade":4,"arrivalTimestamp":1741088912364,"errorCode":"Lambda.FunctionTimedOut","errorMessage":"The Lambda function invocation timed out.","attemptEndingTimestamp":1741089007666,"rawData":"{raw}","lambdaArn":"arn:aws:lambda:eu-west-2:1:function:f:$LATEST"}}"#
        ),
    }
}

const GENERAL: &str = "hydrant-general-2021-07-23";

#[tokio::test]
async fn records_that_a_function_failed_on_are_transformed_in_both_spellings_plain_and_gzipped() {
    let world = World::new();
    let first = envelope(&[(event_id(1), &general("SELECT 1")), (event_id(2), &general("SELECT 2"))]);
    let second = envelope(&[(event_id(3), &general("SELECT 3"))]);
    let folder = "bucket/retries/processing-failed/2025/03/04/11";
    world.put(&format!("{folder}/fh-9-a"), processing_failed("lambdaARN", &first) + "\n");
    world.put(&format!("{folder}/fh-9-b.gz"), gzip((processing_failed("lambdaArn", &second) + "\n").as_bytes()));
    let replay = world.replay("bucket", Options::default());
    let (counts, _) = run(&replay).await;
    assert_eq!(counts, Counts { objects: 2, read: 2, replayed: 2, documents: 3, ..Counts::default() });
    assert_eq!(world.count(GENERAL).await, 3);
    // Once more they are there already, under the ids that are functions of their log events.
    let (counts, _) = run(&replay).await;
    assert_eq!(counts, Counts { objects: 2, read: 2, already_there: 2, ..Counts::default() });
    assert_eq!(world.count("*").await, 3);
    assert_eq!(world.failed_lines(), []);
}

fn index_failed(prefix: &str, id: Option<&str>, index: &str, document: &Value) -> String {
    json!({
        "attemptsMade": 5, "arrivalTimestamp": TIME_MS, "errorCode": "429", "errorMessage": "busy",
        "attemptEndingTimestamp": TIME_MS, format!("{prefix}DocumentId"): id, format!("{prefix}IndexName"): index,
        "rawData": base64(document.to_string()),
    })
    .to_string()
}

#[tokio::test]
async fn finished_documents_go_as_they_are_where_firehose_has_not_indexed_them() {
    let world = World::new();
    let document = |number: u32, ordinal: Option<u32>| {
        let mut document = json!({"event_id": event_id(number), "n": number});
        if let Some(ordinal) = ordinal {
            document["ordinal"] = json!(ordinal);
        }
        document
    };
    // Under an id of Firehose, in the index of another day.
    world.write("logs-2021-07-22", "49612.0", &document(1, None)).await;
    world.write("logs-2021-07-22", "49612.1", &document(2, Some(1))).await;
    let other = json!({"text": "not ours"});
    let lines = [
        index_failed("es", Some("49612.2"), "logs-2021-07-23", &document(1, None)),
        index_failed("es", Some("49612.3"), "logs-2021-07-23", &document(2, Some(1))),
        index_failed("es", Some("49612.4"), "logs-2021-07-23", &document(2, Some(2))),
        index_failed("os", None, "logs-2021-07-23", &document(3, None)),
        index_failed("es", Some("49612.5"), "logs-2021-07-23", &document(3, None)),
        index_failed("os", Some("49612.6"), "logs-2021-07-23", &other),
    ];
    world.put("bucket/AmazonOpenSearchService-failed/2021/07/23/05/x", lines.join("\n"));
    let replay = world.replay("bucket", Options::default());
    let (counts, _) = run(&replay).await;
    // Two are there, two others are one document.
    let expected = Counts { objects: 1, read: 6, replayed: 3, already_there: 3, documents: 3, ..Counts::default() };
    assert_eq!(counts, expected);
    assert_eq!((world.count("logs-2021-07-22").await, world.count("logs-2021-07-23").await), (2, 3));
    assert_eq!(world.get("logs-2021-07-23", "49612.6").await, Some(other));
    let (counts, _) = run(&replay).await;
    assert_eq!((counts.already_there, counts.replayed), (6, 0));
    assert_eq!(world.count("*").await, 5);
}

/// Finds what was written only after a refresh, as a cluster does.
struct Late {
    inner: Arc<Embedded>,
    is_stale: AtomicBool,
}

impl Engine for Late {
    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        self.is_stale.store(true, Ordering::Relaxed);
        self.inner.write(documents)
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        if self.is_stale.load(Ordering::Relaxed) {
            return Box::pin(async { Err(Error::IndexNotFound("nothing is found yet".to_owned())) });
        }
        self.inner.search(search)
    }

    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        self.inner.get(index_name, id)
    }

    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        self.inner.indices(patterns)
    }

    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        self.is_stale.store(false, Ordering::Relaxed);
        self.inner.refresh(patterns)
    }

    fn scan(&self, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        self.inner.scan(scan)
    }
}

/// Firehose sends a record again, and the index rotates in between.
#[tokio::test]
async fn copies_that_failed_on_their_way_to_two_rotated_indices_are_one_document() {
    let line = |day: u32, number: u32, n: &str| {
        let document = json!({"event_id": event_id(number), "n": n});
        index_failed("es", Some(&format!("496.{day}")), &format!("logs-2021-07-{day}"), &document)
    };
    // In one object; in two that are done one after the other; and where the first copy's index refuses it.
    let world = World::new();
    world.write("logs-2021-07-22", "first", &json!({"n": 1})).await;
    world.write("logs-2021-07-23", "first", &json!({"n": "a word"})).await;
    world.put("bucket/0000", [line(22, 1, "2"), line(23, 1, "2"), line(22, 3, "x"), line(23, 3, "x")].join("\n"));
    world.put("bucket/0001", line(22, 2, "2"));
    for number in 2..=CHUNK_OBJECTS {
        world.put(&format!("bucket/{number:04}"), "\n");
    }
    world.put("bucket/9999", line(23, 2, "2"));
    let mut replay = world.replay("bucket", Options::default());
    replay.index = Arc::new(Late { inner: world.index.clone(), is_stale: AtomicBool::new(true) });
    let (counts, _) = run(&replay).await;
    assert_eq!((counts.read, counts.replayed, counts.already_there, counts.failed_again), (6, 3, 2, 1));
    assert_eq!((world.count("logs-2021-07-22").await, world.count("logs-2021-07-23").await), (3, 2));
    // An `event_id` that is somebody's own may be that of several documents.
    let own = |n: u32| index_failed("es", Some(&format!("497.{n}")), "own", &json!({"event_id": "5", "n": n}));
    world.put("other/x", [own(1), own(2)].join("\n"));
    assert_eq!(run(&world.replay("other", Options::default())).await.0.replayed, 2);
    assert_eq!(world.count("own").await, 2);
    let refused: Vec<Value> = world.failed_lines().into_iter().map(|(_, line)| line).collect();
    assert_eq!((refused.len(), &refused[0]["esIndexName"]), (1, &json!("logs-2021-07-22")));
}

#[tokio::test]
async fn events_that_firehose_has_indexed_by_other_ids_are_skipped_in_the_index_that_is_named() {
    let world = World::new();
    world.write("firehose-2025-03-04", "49612.0", &json!({"event_id": event_id(1)})).await;
    let record = envelope(&[(event_id(1), &general("SELECT 1")), (event_id(2), &general("SELECT 2"))]);
    world.put("bucket/processing-failed/x", processing_failed("lambdaARN", &record));
    let mut replay = world.replay("bucket", Options::default());
    replay.rules.firehose_index = Some("firehose-*".to_owned());
    let (counts, _) = run(&replay).await;
    assert_eq!(counts, Counts { objects: 1, read: 1, replayed: 1, documents: 1, ..Counts::default() });
    assert_eq!(world.count("hydrant-*").await, 1);
}

#[tokio::test]
async fn what_lambda_hands_to_its_destinations_and_queues() {
    let world = World::new();
    let record = |number: u32| envelope(&[(event_id(number), &general("SELECT 1"))]);
    let kinesis = |number: u32| {
        json!({"Records": [{"eventID": "shardId-000000000000:4959", "kinesis": {"sequenceNumber": "4959",
            "data": base64(record(number)), "approximateArrivalTimestamp": 1_627_019_152.976}}]})
    };
    let batch = json!({"shardId": "shardId-000000000000", "startSequenceNumber": "495", "endSequenceNumber": "497",
        "batchSize": 2, "streamArn": "arn:aws:kinesis:eu-west-1:1:stream/s"});
    let context = json!({"requestId": "r", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 4});
    // To S3: the event is in it, as text.
    let s3 = json!({"requestContext": context, "version": "1.0", "KinesisBatchInfo": batch,
        "payload": kinesis(1).to_string()});
    // An asynchronous invocation.
    let invocation = json!({"version": "1.0", "requestContext": context,
        "requestPayload": {"awslogs": {"data": base64(record(2))}}, "responsePayload": {"errorType": "E"}});
    // To a queue: the place of the records only. It comes with what receives it around it.
    let queue = json!({"requestContext": context, "KinesisBatchInfo": batch});
    let messages = json!({"Messages": [{"Body": queue.to_string()}, {"Body": invocation.to_string()}]});
    world.put("bucket/aws/lambda/a/shardId-000000000000/2021/07/23/x", serde_json::to_vec_pretty(&s3).unwrap());
    world.put("bucket/aws/lambda/async/f/2021/07/23/x", invocation.to_string());
    world.put("bucket/queue.json", messages.to_string());
    world.put("bucket/event.json", kinesis(4).to_string());
    let (counts, unreadable) = run(&world.replay("bucket", Options::default())).await;
    let expected =
        Counts { objects: 4, read: 5, replayed: 3, already_there: 1, unreadable: 1, documents: 3, ..Counts::default() };
    assert_eq!(counts, expected);
    assert_eq!(
        unreadable,
        ["queue.json:1: it names records of arn:aws:kinesis:eu-west-1:1:stream/s, shard shardId-000000000000, \
             from 495 to 497, and does not hold them: they are in the stream"]
    );
    assert_eq!(world.count(GENERAL).await, 3);
}

#[tokio::test]
async fn a_backup_is_put_back_where_it_was() {
    let world = World::new();
    world.write("i", "a", &json!({"n": 0})).await;
    let lines = "{\"_index\":\"i\",\"_id\":\"a\",\"_source\":{\"n\":1}}\n{\"_index\":\"i\",\"_id\":\"b\",\"_source\":{\"n\":2}}\n";
    world.put("backup/2021/07/23/05/hydrant-1-x.gz", gzip(lines.as_bytes()));
    world.put("backup/hydrant-backup.json", "{\"version\":1}\n");
    let (counts, _) = run(&world.replay("backup", Options::default())).await;
    let expected = Counts { objects: 1, read: 2, replayed: 1, already_there: 1, documents: 1, ..Counts::default() };
    assert_eq!(counts, expected);
    assert_eq!(world.get("i", "a").await, Some(json!({"n": 0})));
    assert_eq!(world.get("i", "b").await, Some(json!({"n": 2})));
}

/// A document that our function has sent back, and that Firehose could not bring on its second way.
#[tokio::test]
async fn a_marked_record_is_the_document_that_it_holds() {
    use hydrant_transform::firehose::{Settings, plan, read_event};
    let world = World::new();
    let record = envelope(&[(event_id(1), &general("SELECT 1")), (event_id(2), &general("SELECT 2"))]);
    let event = json!({"records": [{"recordId": "r", "data": base64(record), "approximateArrivalTimestamp": TIME_MS}]});
    let event = event.to_string();
    let sent_again = plan(&read_event(event.as_bytes()).unwrap(), &Settings::default()).unwrap().again;
    assert_eq!(sent_again.len(), 2);
    let lines: Vec<String> = sent_again.iter().map(|again| processing_failed("lambdaARN", &again.data)).collect();
    world.put("bucket/processing-failed/x", lines.join("\n"));
    let (counts, _) = run(&world.replay("bucket", Options::default())).await;
    assert_eq!(counts, Counts { objects: 1, read: 2, replayed: 2, documents: 2, ..Counts::default() });
    assert_eq!(world.count(GENERAL).await, 2);
    let (counts, _) = run(&world.replay("bucket", Options::default())).await;
    assert_eq!(counts.already_there, 2);
}
