//! moto's Kinesis, Firehose and S3 around the transformation: each log event is delivered at least once, by its id and
//! ordinal, although invocations are killed and repeated; and the second pass is the last.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::events::{Source, control_message, envelope, event_id, firehose, kinesis, record_id, statement};
use crate::firehose::{Became, TIME, document, results};
use crate::moto::{Moto, STREAM};
use crate::runtime_api::Lambda;
use crate::trigger::nothing_failed;

/// What has arrived at the destination: statements by event id and ordinal, and how often.
#[derive(Default)]
struct Destination(BTreeMap<(String, u64), (String, usize)>);

impl Destination {
    fn take(&mut self, document: &Value) {
        let key = (document["event_id"].as_str().unwrap().to_owned(), document["ordinal"].as_u64().unwrap_or(0));
        let statement = document["Statement"].as_str().unwrap().to_owned();
        let (before, count) = self.0.entry(key).or_insert_with(|| (statement.clone(), 0));
        assert_eq!(*before, statement, "one content");
        *count += 1;
    }

    fn verify(&self, events: u64) {
        let found: BTreeMap<&str, &str> =
            self.0.iter().map(|((id, _), (statement, _))| (id.as_str(), statement.as_str())).collect();
        let expected: BTreeMap<String, String> = (0..events).map(|n| (event_id(n), statement(n))).collect();
        assert_eq!(found.len(), self.0.len(), "one ordinal an event");
        assert_eq!(found.len(), expected.len());
        assert!(expected.iter().all(|(id, statement)| found.get(id.as_str()) == Some(&statement.as_str())));
    }

    fn deliveries(&self) -> usize {
        self.0.values().map(|(_, count)| count).sum()
    }
}

/// Envelopes of 1 to 20 log events.
fn envelopes(count: u64) -> (Vec<Vec<u8>>, u64) {
    let (mut data, mut next) = (vec![control_message()], 0);
    for place in 0..count {
        let events = if place % 4 == 0 { 1 } else { 1 + (place * 7) % 20 };
        data.push(envelope(next..next + events));
        next += events;
    }
    (data, next)
}

/// Firehose with its buffer: what is in the stream goes through the function, batch after batch, until nothing is left.
/// An invocation without an answer is made again.
async fn run(moto: &Moto, function: &mut Lambda, kills: bool) -> (Destination, usize) {
    let mut destination = Destination::default();
    let (mut read, mut invocations): (BTreeMap<String, usize>, u64) = (BTreeMap::new(), 0);
    loop {
        let mut waiting: VecDeque<(String, Vec<u8>)> = VecDeque::new();
        let mut shards: BTreeMap<String, usize> = BTreeMap::new();
        for stored in moto.records().await {
            let place = shards.entry(stored.shard.clone()).or_default();
            *place += 1;
            if *place > read.get(&stored.shard).copied().unwrap_or(0) {
                waiting.push_back((format!("{}{}", stored.shard, stored.sequence_number), stored.data));
            }
        }
        read = shards;
        if waiting.is_empty() {
            return (destination, read.values().sum());
        }
        while !waiting.is_empty() {
            let batch: Vec<(String, Vec<u8>)> = (0..15).filter_map(|_| waiting.pop_front()).collect();
            let event = firehose(Source::Kinesis, &batch);
            invocations += 1;
            assert!(invocations < 500, "the loop does not end");
            if kills && invocations % 3 == 0 && invocations < 40 {
                function.invoke_and_kill(event.to_string(), Duration::from_millis(invocations * 3)).await;
            }
            for became in results(&event, &function.answer(&event, TIME).await) {
                match became {
                    Became::Ok(_) => destination.take(&document(&became)),
                    Became::Dropped => {}
                    Became::Failed => panic!("nothing of this fails"),
                }
            }
        }
    }
}

#[tokio::test]
async fn each_entry_comes_at_least_once_through_kinesis_and_the_second_pass_is_the_last() {
    for kills in [false, true] {
        let moto = Moto::start(2).await;
        let (data, events) = envelopes(60);
        moto.put(&data).await;
        let mut function = Lambda::deploy(&[("AWS_ENDPOINT_URL", moto.url.as_str())]).await;
        let (destination, records) = run(&moto, &mut function, kills).await;
        destination.verify(events);
        // One record of an event goes back for each entry of several; none of those makes another.
        let singles = (0..60).filter(|place| place % 4 == 0 || (place * 7) % 20 == 0).count();
        let expected = data.len() + usize::try_from(events).unwrap() - singles;
        if kills {
            assert!(records >= expected, "{records} of {expected}");
            assert!(function.starts() > 5);
        } else {
            assert_eq!((records, destination.deliveries()), (expected, usize::try_from(events).unwrap()));
        }
    }
}

/// moto writes what a delivery stream takes to S3 at once, so its transformation is played here.
#[tokio::test]
async fn each_entry_comes_once_through_a_delivery_stream_of_direct_put() {
    let moto = Moto::start(1).await;
    moto.delivery_stream("to-opensearch").await;
    let (data, events) = envelopes(40);
    let mut function = Lambda::deploy(&[("AWS_ENDPOINT_URL", moto.url.as_str())]).await;
    let mut destination = Destination::default();
    let records: Vec<(String, Vec<u8>)> =
        data.into_iter().enumerate().map(|(n, d)| (record_id(Source::DirectPut, n), d)).collect();
    let event = firehose(Source::DirectPut, &records);
    let first = results(&event, &function.answer(&event, TIME).await);
    first.iter().filter(|became| **became != Became::Dropped).for_each(|became| destination.take(&document(became)));
    // Marked records follow each other without a newline.
    let objects = moto.objects("to-opensearch/").await;
    let again: Vec<Vec<u8>> = objects
        .iter()
        .flat_map(|object| serde_json::Deserializer::from_slice(object).into_iter::<Box<serde_json::value::RawValue>>())
        .map(|marked| marked.unwrap().get().as_bytes().to_vec())
        .collect();
    let n_objects = objects.len();
    let records: Vec<(String, Vec<u8>)> =
        again.into_iter().enumerate().map(|(n, d)| (record_id(Source::DirectPut, n), d)).collect();
    let event = firehose(Source::DirectPut, &records);
    let second = results(&event, &function.answer(&event, TIME).await);
    second.iter().for_each(|became| destination.take(&document(became)));
    destination.verify(events);
    assert_eq!(destination.deliveries(), usize::try_from(events).unwrap());
    assert_eq!(moto.objects("to-opensearch/").await.len(), n_objects, "the second pass sends nothing");
}

/// The trigger with the output `firehose`: one document a record, into a delivery stream without a transformation.
#[tokio::test]
async fn the_trigger_writes_to_a_delivery_stream() {
    let moto = Moto::start(1).await;
    moto.delivery_stream("documents").await;
    let variables = [
        ("AWS_ENDPOINT_URL", moto.url.as_str()),
        ("HYDRANT_OUTPUT", "firehose"),
        ("HYDRANT_DELIVERY_STREAM", "documents"),
    ];
    let mut function = Lambda::deploy(&variables).await;
    let (data, events) = envelopes(40);
    moto.put(&data).await;
    let stored = moto.records().await;
    assert_eq!(stored.len(), data.len(), "{STREAM}");
    let answer = function.answer(&kinesis(stored.into_iter().map(|stored| stored.data)), TIME).await;
    assert!(nothing_failed(&answer), "{answer}");
    let mut destination = Destination::default();
    for object in moto.objects("documents/").await {
        serde_json::Deserializer::from_slice(&object)
            .into_iter()
            .for_each(|d: Result<Value, _>| destination.take(&d.unwrap()));
    }
    destination.verify(events);
    assert_eq!(destination.deliveries(), usize::try_from(events).unwrap());
}
