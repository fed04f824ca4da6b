//! moto's Kinesis, a small event-source mapping, and a real OpenSearch: every log event is in its index once, with its
//! content, although invocations are repeated, bisected and killed.

use std::collections::BTreeMap;
use std::time::Duration;

use hydrant_opensearch::Method;
use serde_json::{Value, json};

use crate::events::{BASE_MS, OWNER, control_message, envelope, event_id, gzip, kinesis_record, statement};
use crate::firehose::TIME;
use crate::moto::{BUCKET, Moto, Stored};
use crate::runtime_api::{Ended, Lambda};
use crate::server::Server;
use crate::trigger::nothing_failed;

const INDEX: &str = "hydrant-general-2026-11-23";

/// Invocations of one batch before the mapping gives up.
const TRIES_MAX: usize = 20;

/// A mapping of event source and function: batches in order, from where the answer says, bisected where it errs.
struct Mapping<'a> {
    function: &'a mut Lambda,
    /// Which invocations are killed, and after what time.
    kills: BTreeMap<usize, Duration>,
    /// Which are repeated, as if their answer was lost.
    repeats: Vec<usize>,
    invocations: usize,
    bisected: usize,
}

fn event_of(records: &[Stored]) -> Value {
    let records = records.iter().map(|stored| {
        let mut record = kinesis_record(&stored.sequence_number, &stored.data);
        record["eventID"] = json!(format!("{}:{}", stored.shard, stored.sequence_number));
        record
    });
    json!({"Records": records.collect::<Vec<Value>>()})
}

impl<'a> Mapping<'a> {
    fn new(function: &'a mut Lambda) -> Mapping<'a> {
        Mapping { function, kills: BTreeMap::new(), repeats: Vec::new(), invocations: 0, bisected: 0 }
    }

    async fn run(&mut self, records: &[Stored], batch: usize) {
        let mut shards: BTreeMap<&str, Vec<Stored>> = BTreeMap::new();
        for record in records {
            shards.entry(&record.shard).or_default().push(record.clone());
        }
        for records in shards.into_values() {
            for batch in records.chunks(batch) {
                self.batch(batch).await;
            }
        }
    }

    async fn batch(&mut self, records: &[Stored]) {
        let mut waiting = vec![records.to_vec()];
        let mut tries = 0;
        while let Some(part) = waiting.pop() {
            tries += 1;
            assert!(tries < TRIES_MAX, "a batch does not come to its end\n{}", self.function.output());
            match self.invoke(&part).await {
                Some(answer) if nothing_failed(&answer) => {}
                Some(answer) => {
                    let failed = answer["batchItemFailures"][0]["itemIdentifier"].as_str().unwrap();
                    let first = part.iter().position(|record| record.sequence_number == failed).expect("one of these");
                    waiting.push(part[first..].to_vec());
                }
                // Neither an answer nor an error that tells where: the halves come apart.
                None if part.len() > 1 => {
                    self.bisected += 1;
                    let (first, second) = part.split_at(part.len() / 2);
                    waiting.extend([second.to_vec(), first.to_vec()]);
                }
                None => waiting.push(part),
            }
        }
    }

    async fn invoke(&mut self, records: &[Stored]) -> Option<Value> {
        let (event, number) = (event_of(records).to_string(), self.invocations);
        self.invocations += 1;
        if let Some(after) = self.kills.remove(&number) {
            self.function.invoke_and_kill(event, after).await;
            return None;
        }
        if self.repeats.contains(&number) {
            self.function.invoke(event.clone(), TIME).await;
        }
        match self.function.invoke(event, TIME).await {
            Ended::Answer(answer) => Some(serde_json::from_slice(&answer).unwrap()),
            Ended::Error(_) | Ended::TimedOut | Ended::Exited | Ended::TooLarge(_) => None,
        }
    }
}

/// Each event once, by id and content.
async fn verify(server: &Server, numbers: impl Iterator<Item = u64>) {
    let expected: BTreeMap<String, String> = numbers.map(|number| (event_id(number), statement(number))).collect();
    let count = server.count(INDEX).await;
    let ask = json!({"size": 10_000, "query": {"match_all": {}}, "_source": ["event_id", "Statement", "PID"]});
    let (status, told) = server.ask(Method::POST, &format!("/{INDEX}/_search"), ask).await;
    assert_eq!(status, 200, "{told}");
    let hits = told["hits"]["hits"].as_array().unwrap();
    let text = |hit: &Value, name: &str| hit["_source"][name].as_str().unwrap_or_default().to_owned();
    let found: BTreeMap<String, String> =
        hits.iter().map(|hit| (text(hit, "event_id"), text(hit, "Statement"))).collect();
    assert_eq!(usize::try_from(count).unwrap(), expected.len(), "no document twice");
    assert_eq!(hits.len(), found.len());
    assert!(found == expected, "{} of {} events", found.len(), expected.len());
}

/// Envelopes of 1 to 40 log events each.
fn envelopes(count: u64) -> (Vec<Vec<u8>>, u64) {
    let (mut data, mut next) = (Vec::new(), 0);
    for place in 0..count {
        let events = 1 + (place * 17) % 40;
        data.push(envelope(next..next + events));
        next += events;
        if place % 9 == 0 {
            data.push(control_message());
        }
    }
    (data, next)
}

async fn deploy(moto: &Moto, server: &Server) -> Lambda {
    let failed = format!("s3://{BUCKET}/failed");
    let variables = [
        ("AWS_ENDPOINT_URL", moto.url.as_str()),
        ("HYDRANT_INDEX_ENDPOINT", server.url.as_str()),
        ("HYDRANT_FAILED_TO", failed.as_str()),
    ];
    Lambda::deploy(&variables).await
}

#[tokio::test]
async fn every_entry_is_indexed_once_through_kills_repeats_and_bisections() {
    let (moto, server) = (Moto::start(3).await, Server::start("").await);
    let (data, events) = envelopes(120);
    moto.put(&data).await;
    let records = moto.records().await;
    assert_eq!(records.len(), data.len());
    let mut function = deploy(&moto, &server).await;
    let mut mapping = Mapping::new(&mut function);
    // From before the event is read to after it is written.
    let kills = (0..16).map(|number| (number * 2, Duration::from_millis(u64::try_from(number).unwrap() * 9)));
    mapping.kills = kills.collect();
    mapping.repeats = (0..200).filter(|number| number % 3 == 1).collect();
    mapping.run(&records, 12).await;
    assert!(mapping.bisected >= 8, "{} bisections", mapping.bisected);
    assert!(function.starts() > 10);
    verify(&server, 0..events).await;
    // The whole stream once more, as after a new mapping from TRIM_HORIZON.
    let mut mapping = Mapping::new(&mut function);
    mapping.run(&records, 50).await;
    verify(&server, 0..events).await;
    assert!(moto.objects("failed/").await.is_empty());
}

/// What OpenSearch and the transformation refuse is in the bucket, once, and blocks no shard.
#[tokio::test]
async fn poison_goes_to_the_bucket_of_moto_and_the_rest_to_opensearch() {
    let (moto, server) = (Moto::start(1).await, Server::start("").await);
    // An index that takes no other PID.
    let mapping = json!({"mappings": {"properties": {"Statement": {"type": "text"}, "PID": {"type": "long"}}}});
    server.put(&format!("/{INDEX}"), mapping).await;
    let refused = json!({
        "messageType": "DATA_MESSAGE", "owner": OWNER, "logGroup": "/app", "logStream": "s", "subscriptionFilters": ["f"],
        "logEvents": [{"id": event_id(51), "timestamp": BASE_MS, "message": "{\"Statement\": {\"a\": 1}}"}],
    });
    let refused = gzip(refused.to_string().as_bytes());
    let poison = vec![0x1f, 0x8b, 8, 0, 1, 2, 3];
    moto.put(&[envelope(0..3), poison.clone(), refused, envelope(3..5)]).await;
    let records = moto.records().await;
    let failed = format!("s3://{BUCKET}/failed");
    let variables = [
        ("AWS_ENDPOINT_URL", moto.url.as_str()),
        ("HYDRANT_INDEX_ENDPOINT", server.url.as_str()),
        ("HYDRANT_FAILED_TO", failed.as_str()),
        ("HYDRANT_INDEX_NAME", "hydrant-general"),
    ];
    let mut function = Lambda::deploy(&variables).await;
    let mut mapping = Mapping::new(&mut function);
    mapping.repeats = vec![0];
    mapping.run(&records, 10).await;
    verify(&server, 0..5).await;
    let lines = |objects: Vec<Vec<u8>>| {
        let text: String = objects.into_iter().map(|object| String::from_utf8(object).unwrap()).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let undecodable = lines(moto.objects("failed/processing-failed/").await);
    assert_eq!(undecodable.len(), 1);
    use base64::Engine as _;
    let raw = undecodable[0]["rawData"].as_str().unwrap();
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(raw).unwrap(), poison);
    let rejected = lines(moto.objects("failed/AmazonOpenSearchService-failed/").await);
    assert_eq!(rejected.len(), 1, "{rejected:#?}");
    assert_eq!(rejected[0]["esIndexName"], INDEX);
    assert!(rejected[0]["errorMessage"].as_str().unwrap().contains("Statement"), "{}", rejected[0]);
}

/// While OpenSearch is down answers name the first record, in time; afterwards each entry is there once.
#[tokio::test]
async fn an_outage_of_opensearch_loses_and_doubles_nothing() {
    let (moto, server) = (Moto::start(1).await, Server::start("").await);
    let (data, events) = envelopes(30);
    moto.put(&data).await;
    let records = moto.records().await;
    let mut function = deploy(&moto, &server).await;
    let mut mapping = Mapping::new(&mut function);
    mapping.run(&records[..10], 10).await;
    server.kill();
    for _ in 0..3 {
        let answer = function.answer(&event_of(&records[10..]), Duration::from_secs(1)).await;
        assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], json!(records[10].sequence_number));
    }
    assert_eq!((function.starts(), function.timeouts()), (1, 0));
    server.restart().await;
    let mut mapping = Mapping::new(&mut function);
    mapping.run(&records[10..], 10).await;
    verify(&server, 0..events).await;
}
