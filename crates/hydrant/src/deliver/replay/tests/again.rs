//! What fails again: one line for each id, however often.

use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;

/// An index in which `n` is a number.
async fn world() -> World {
    let world = World::new();
    world.write("hydrant-json-2021-07-23", "first", &json!({"n": 1})).await;
    world
}

fn poison(number: u32) -> Vec<u8> {
    envelope_of("/app", &[(event_id(number), r#"{"n":"a word"}"#)])
}

#[tokio::test]
async fn a_line_of_failed_is_changed_in_place() {
    let world = world().await;
    let good = ours("00aa", 0, &envelope_of("/app", &[(event_id(1), r#"{"n":2}"#)]));
    let (bad, junk) = (ours("00bb", 0, &poison(2)), r#"{"no":"failed document"}"#);
    world.put("failed/processing-failed/2021/07/23/05/x", format!("{good}\n{bad}\n{junk}\n"));
    for attempts in 2..5 {
        let (counts, unreadable) = run(&world.replay("failed", Options::default())).await;
        let expected = Counts {
            objects: 1,
            read: 3,
            replayed: 1,
            failed_again: 1,
            unreadable: 1,
            documents: 1,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
        assert_eq!(
            unreadable,
            ["processing-failed/2021/07/23/05/x:3: neither a failed document nor an event of a Lambda function"]
        );
        let lines = world.failed_lines();
        assert_eq!(lines.len(), 3);
        let (_, line) = &lines[1];
        assert_eq!(line["esDocumentId"], "00bb");
        assert_eq!(line["attemptsMade"], attempts);
        assert_eq!((&line["errorCode"], &line["reasonCode"]), (&json!("400"), &json!("mapper_parsing_exception")));
        assert_eq!(line["esIndexName"], "hydrant-json-2021-07-23");
        assert_eq!(line["rawData"], base64(poison(2)));
        assert_eq!(lines[0].1, serde_json::from_str::<Value>(&good).unwrap());
    }
}

#[tokio::test]
async fn what_comes_from_elsewhere_has_one_line_in_failed_and_can_be_replayed_from_there() {
    let world = world().await;
    // Two events of one record of Firehose, a finished document, and a line of another Hydrant.
    let record = envelope_of(
        "/app",
        &[(event_id(1), r#"{"n":"x"}"#), (event_id(2), r#"{"n":3}"#), (event_id(3), r#"{"n":"y"}"#)],
    );
    let processing = json!({"rawData": base64(record), "errorCode": "Lambda.FunctionError", "errorMessage": "m",
        "attemptsMade": 4, "arrivalTimestamp": TIME_MS, "attemptEndingTimestamp": TIME_MS, "lambdaARN": "a"});
    let finished = json!({"attemptsMade": 1, "arrivalTimestamp": TIME_MS, "errorCode": "400", "errorMessage": "m",
        "attemptEndingTimestamp": TIME_MS, "esDocumentId": "496.0", "esIndexName": "hydrant-json-2021-07-23",
        "esTypeName": "", "rawData": base64(r#"{"n": "z"}"#)});
    world.put("bucket/x", format!("{processing}\n{finished}\n{}\n", ours("00bb", 0, &poison(4))));
    for round in 0..3 {
        let (counts, _) = run(&world.replay("bucket", Options::default())).await;
        assert_eq!((counts.read, counts.failed_again), (3, 3));
        let lines = world.failed_lines();
        assert_eq!(lines.len(), 4, "round {round}: {lines:?}");
        assert!(lines.iter().all(|(key, _)| key.contains("/AmazonOpenSearchService-failed/2021/07/23/05/hydrant-1-")));
    }
    // From there all is replayed into an index that takes it, each once, and the finished one as it is.
    let mut ids: Vec<String> =
        world.failed_lines().iter().map(|(_, line)| line["esDocumentId"].as_str().unwrap().to_owned()).collect();
    let as_text = Options { format: Some(Format::Text), ..Options::default() };
    let (counts, _) = run(&world.replay("failed", as_text)).await;
    assert_eq!((counts.read, counts.replayed, counts.failed_again), (4, 3, 1));
    ids.retain(|id| id != "496.0");
    for id in ids {
        assert!(world.get("hydrant-text-2021-07-23", &id).await.is_some(), "{id}");
    }
    assert_eq!(world.failed_lines().len(), 4);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let world = world().await;
    let damaged = gzip(&[b'x'; 99])[..20].to_vec();
    world.put(
        "bucket/x",
        format!("{}\n{}", ours("00aa", 0, &envelope_of("/app", &[(event_id(1), "{}")])), ours("00bb", 0, &damaged)),
    );
    let mut replay = world.replay("bucket", Options::default());
    replay.dry_run = true;
    let (counts, _) = run(&replay).await;
    let expected = Counts { objects: 1, read: 2, replayed: 1, failed_again: 1, documents: 1, ..Counts::default() };
    assert_eq!(counts, expected);
    assert_eq!((world.count("*").await, world.failed_lines()), (1, Vec::new()));
}

/// failed/ beside a run that adds a line to an object when that was read.
struct Beside {
    inner: Arc<dyn Objects>,
    line: Mutex<Option<Vec<u8>>>,
}

impl Objects for Beside {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, io::Result<Option<Vec<u8>>>> {
        async move {
            let read = self.inner.get(key).await?;
            let line = self.line.lock().unwrap().take();
            if let Some(line) = line {
                self.inner.put(key, [read.clone().unwrap_or_default(), line].concat()).await?;
            }
            Ok(read)
        }
        .boxed()
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, io::Result<()>> {
        self.inner.put(key, bytes)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, io::Result<Vec<Listed>>> {
        self.inner.list(prefix, after)
    }
}

#[tokio::test]
async fn a_line_that_a_run_adds_meanwhile_stays() {
    let world = world().await;
    let (bad, added) = (ours("00bb", 0, &poison(1)), ours("00cc", 0, &poison(2)));
    world.put("failed/processing-failed/2021/07/23/05/x", format!("{bad}\n"));
    let mut replay = world.replay("failed", Options::default());
    let line = Mutex::new(Some(format!("{added}\n").into_bytes()));
    let beside = Arc::new(Beside { inner: replay.failed.objects(), line });
    (replay.source.objects, replay.failed) = (beside.clone(), Store::new(beside));
    let (counts, _) = run(&replay).await;
    assert_eq!((counts.read, counts.failed_again), (1, 1));
    let lines = world.failed_lines();
    let told: Vec<_> = lines.iter().map(|(_, line)| (&line["esDocumentId"], &line["attemptsMade"])).collect();
    assert_eq!(told, [(&json!("00bb"), &json!(2)), (&json!("00cc"), &json!(1))]);
    assert_eq!(lines[1].1, serde_json::from_str::<Value>(&added).unwrap());
}

#[tokio::test]
async fn an_object_that_is_damaged_stays_as_it_is_and_what_fails_again_stands_beside_it() {
    let world = world().await;
    let mut cut = gzip(format!("{}\n", ours("00bb", 0, &poison(1))).as_bytes());
    cut.truncate(cut.len() - 4);
    world.put("bucket/x", &cut);
    let mut replay = world.replay("bucket", Options::default());
    replay.source.is_failed = true;
    replay.failed = Store::new(Arc::new(Directory::open(&world.folder.path().join("bucket")).unwrap()));
    let (counts, unreadable) = run(&replay).await;
    assert_eq!((counts.read, counts.failed_again, unreadable.len()), (2, 1, 1));
    assert_eq!(std::fs::read(world.folder.path().join("bucket/x")).unwrap(), cut);
    let mut lines = Vec::new();
    collect(&world.folder.path().join("bucket/AmazonOpenSearchService-failed"), &mut lines);
    assert_eq!((lines.len(), &lines[0].1["esDocumentId"]), (1, &json!("00bb")));
}
