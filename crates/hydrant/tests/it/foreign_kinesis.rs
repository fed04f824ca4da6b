//! The engine of Kinesis against servers that we did not write: where it begins, reshards, aggregated records.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hydrant::clock::Clock;
use hydrant::stream::kinesis::{Begin, Kinesis, Settings};
use hydrant::stream::{
    Checkpoint, Engine as _, Error, Mark, NewRecord, Position, ReadLimits, Record, Shard, ShardId, Standing,
};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::peer::{Peer, active};

const ALL: ReadLimits = ReadLimits { records_max: 10_000, bytes_max: 64 << 20, wait: Duration::ZERO };

async fn open(settings: &Settings) -> Kinesis {
    let engine = Kinesis::open(settings, Clock::System).await.unwrap();
    engine.shards().await.unwrap();
    engine
}

async fn put(client: &Client, settings: &Settings, key: &str, data: &[u8]) {
    let put = client.put_record().stream_name(&settings.stream).partition_key(key).data(Blob::new(data));
    put.send().await.unwrap();
}

async fn read(engine: &Kinesis, shard: &ShardId, after: Option<&Position>) -> Vec<Record> {
    engine.read(shard, after, ALL).await.unwrap().records
}

fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| std::str::from_utf8(&record.data).unwrap()).collect()
}

fn checkpoint(position: &Position) -> Checkpoint {
    Checkpoint { position: Some(position.clone()), state: Bytes::from_static(b"state") }
}

/// A record that holds others, after the Kinesis Producer Library's messages.proto.
fn aggregated(key: &str, parts: &[&str]) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| [&[tag, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let mut message = field(0x0a, key.as_bytes());
    for part in parts {
        let record = [&[0x08, 0x00][..], &field(0x1a, part.as_bytes())].concat();
        message.extend(field(0x1a, &record));
    }
    [&[0xf3, 0x89, 0x9a, 0xc2], &message[..], &Md5::digest(&message)[..]].concat()
}

#[tokio::test]
async fn packed_records_are_taken_apart_and_a_checkpoint_may_lie_between_them() {
    for peer in [Peer::kinesalite().await, Peer::moto().await] {
        let folder = tempfile::tempdir().unwrap();
        let settings = peer.stream(1, folder.path()).await;
        let client = peer.client();
        put(&client, &settings, "k", b"before").await;
        put(&client, &settings, "k", &aggregated("packed", &["a", "b", "c"])).await;
        put(&client, &settings, "k", b"behind").await;
        let engine = open(&settings).await;
        let shard = ShardId("shardId-000000000000".into());
        let records = read(&engine, &shard, None).await;
        assert_eq!(texts(&records), ["before", "a", "b", "c", "behind"]);
        let keys: Vec<&str> = records.iter().map(|record| record.partition_key.as_str()).collect();
        assert_eq!(keys, ["k", "packed", "packed", "packed", "k"]);
        // Each is known by a number of its own, since ids of lines are made of it.
        let number = &records[1].sequence_number;
        assert_eq!(
            records[2..4].iter().map(|record| record.sequence_number.clone()).collect::<Vec<_>>(),
            [format!("{number}/1"), format!("{number}/2")]
        );
        // Behind each of them the rest is read, also by a process that starts there.
        for (idx, record) in records.iter().enumerate() {
            let rest = read(&engine, &shard, Some(&record.position)).await;
            assert_eq!(texts(&rest), ["before", "a", "b", "c", "behind"][idx + 1..], "behind {idx}");
        }
        engine.commit(&shard, checkpoint(&records[2].position)).await.unwrap();
        drop(engine);
        let engine = open(&settings).await;
        let position = engine.checkpoint(&shard).await.unwrap().unwrap().position.unwrap();
        assert_eq!(texts(&read(&engine, &shard, Some(&position)).await), ["c", "behind"]);
        assert_eq!(engine.end(&shard).await.unwrap(), Some(records[4].position.clone()));
    }
}

#[tokio::test]
async fn the_first_start_begins_where_it_is_told_and_a_later_one_goes_on() {
    let peer = Peer::kinesalite().await;
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let oldest = peer.stream(1, folder.path()).await;
    let latest = Settings { begin: Begin::Latest, folder: other.path().into(), ..oldest.clone() };
    let client = peer.client();
    put(&client, &oldest, "k", b"early").await;
    let shard = ShardId("shardId-000000000000".into());
    let first = read(&open(&oldest).await, &shard, None).await;
    assert_eq!(texts(&first), ["early"]);
    // A second later, since arrival times may be told in seconds.
    let after_first = first[0].arrival_ms + 1_000;
    while Clock::System.now_ms() <= after_first {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(open(&latest).await);
    put(&client, &oldest, "k", b"late").await;
    // Nothing was committed: the time of the first start holds.
    assert_eq!(texts(&read(&open(&latest).await, &shard, None).await), ["late"]);
    let third = tempfile::tempdir().unwrap();
    let at = Settings { begin: Begin::AtTimestamp(after_first), folder: third.path().into(), ..oldest.clone() };
    assert_eq!(texts(&read(&open(&at).await, &shard, None).await), ["late"]);
    assert_eq!(texts(&read(&open(&oldest).await, &shard, None).await), ["early", "late"]);
}

#[tokio::test]
async fn shards_are_split_and_merged_and_children_follow_their_parents() {
    for peer in [Peer::kinesalite().await, Peer::kinesis_local().await] {
        let folder = tempfile::tempdir().unwrap();
        let settings = peer.stream(1, folder.path()).await;
        let client = peer.client();
        let engine = open(&settings).await;
        put(&client, &settings, "k", b"parent").await;
        let parent = ShardId("shardId-000000000000".into());
        let middle = (u128::MAX / 2 + 1).to_string();
        let split = client.split_shard().stream_name(&settings.stream).shard_to_split(&parent.0);
        split.new_starting_hash_key(middle).send().await.unwrap();
        active(&client, &settings.stream).await;
        put(&client, &settings, "k", b"child").await;
        let find = |shards: &[Shard], id: &str| shards.iter().find(|shard| shard.id.0 == id).unwrap().clone();
        let shards = engine.shards().await.unwrap();
        let child = find(&shards, "shardId-000000000001");
        assert_eq!((shards.len(), child.parents.as_slice()), (3, std::slice::from_ref(&parent)));
        assert_eq!(child.standing, Standing::Mine { term: 0 });
        // The parent is read to its end, then it has ended.
        let first = engine.read(&parent, None, ALL).await.unwrap();
        assert_eq!(texts(&first.records), ["parent"]);
        let position = first.records[0].position.clone();
        let end = engine.read(&parent, Some(&position), ALL).await.unwrap();
        assert!(end.records.is_empty() && end.ended, "{end:?}");
        engine.commit(&parent, checkpoint(&position)).await.unwrap();
        engine.finish(&parent).await.unwrap();
        assert_eq!(find(&engine.shards().await.unwrap(), &parent.0).standing, Standing::Delivered);
        let merge = client.merge_shards().stream_name(&settings.stream);
        let merge = merge.shard_to_merge("shardId-000000000001").adjacent_shard_to_merge("shardId-000000000002");
        merge.send().await.unwrap();
        active(&client, &settings.stream).await;
        put(&client, &settings, "k", b"grandchild").await;
        let engine = open(&settings).await;
        let shards = engine.shards().await.unwrap();
        let merged = find(&shards, "shardId-000000000003");
        let mut parents: Vec<&str> = merged.parents.iter().map(|parent| parent.0.as_str()).collect();
        parents.sort_unstable();
        assert_eq!(parents, ["shardId-000000000001", "shardId-000000000002"]);
        assert_eq!(find(&shards, &parent.0).standing, Standing::Delivered, "after a restart");
        let mut children = Vec::new();
        for id in ["shardId-000000000001", "shardId-000000000002"] {
            let of = engine.read(&ShardId(id.into()), None, ALL).await.unwrap();
            assert!(of.ended || !of.records.is_empty());
            children.extend(of.records);
        }
        assert_eq!(texts(&children), ["child"]);
        assert_eq!(texts(&read(&engine, &merged.id, None).await), ["grandchild"]);
    }
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_said_at_once() {
    let peer = Peer::kinesalite().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { stream: "nowhere".into(), ..peer.stream(1, folder.path()).await };
    let error = Kinesis::open(&settings, Clock::System).await.unwrap_err();
    let expected =
        "cannot describe the stream: ResourceNotFoundException: Stream nowhere under account 000000000000 not found.";
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error, hydrant::stream::Error::Fatal(_)));
}

#[tokio::test]
async fn more_than_one_request_holds_is_appended_in_order() {
    let peer = Peer::kinesalite().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = peer.stream(1, folder.path()).await;
    let engine = open(&settings).await;
    let record = |number: usize| NewRecord {
        partition_key: "k".into(),
        explicit_hash_key: None,
        data: Bytes::from(format!("{number}{}", " ".repeat(999_999))),
        mark: None,
    };
    let results = engine.append((0..9).map(record).collect()).await.unwrap();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 9);
    let shard = ShardId("shardId-000000000000".into());
    let (mut after, mut numbers) = (None, Vec::new());
    while numbers.len() < 9 {
        let records = read(&engine, &shard, after.as_ref()).await;
        numbers.extend(texts(&records).iter().map(|text| text.trim().parse::<usize>().unwrap()));
        after = Some(records.last().unwrap().position.clone());
    }
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
}

/// A server in front of a Kinesis, which spoils some answers: as AWS does under load, and after five minutes.
struct Spoiler {
    url: String,
    spoils: Arc<Mutex<Spoils>>,
    _serving: tokio::task::JoinSet<()>,
}

/// What is left to spoil, and what was seen.
#[derive(Default)]
struct Spoils {
    /// Answers of `GetRecords`: the next calls get these errors.
    reads: Vec<&'static str>,
    /// The record that the next good answer of `GetRecords` has, whatever is there.
    instead: Option<Value>,
    /// Of the next `PutRecords`, entries with this in their data are refused.
    refused: Option<&'static str>,
    reads_seen: Vec<tokio::time::Instant>,
    puts_seen: Vec<usize>,
}

impl Spoiler {
    async fn start(upstream: &str) -> Spoiler {
        let spoils = Arc::new(Mutex::new(Spoils::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (upstream, seen) = (upstream.to_owned(), Arc::clone(&spoils));
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let answer = move |headers: HeaderMap, body: Bytes| {
            let (upstream, seen, agent) = (upstream.clone(), Arc::clone(&seen), agent.clone());
            async move {
                tokio::task::spawn_blocking(move || forward(&upstream, &seen, &agent, &headers, &body)).await.unwrap()
            }
        };
        let router = axum::Router::new().route("/", axum::routing::post(answer));
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        let mut serving = tokio::task::JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Spoiler { url, spoils, _serving: serving }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Spoils> {
        self.spoils.lock().unwrap()
    }
}

fn forward(
    upstream: &str,
    spoils: &Mutex<Spoils>,
    agent: &ureq::Agent,
    headers: &HeaderMap,
    body: &Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1], Vec<u8>) {
    let kind = [("content-type", "application/x-amz-json-1.1")];
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let (mut sent, mut refused) = (body.to_vec(), Vec::new());
    {
        let mut spoils = spoils.lock().unwrap();
        if target.ends_with(".GetRecords") {
            spoils.reads_seen.push(tokio::time::Instant::now());
            if let Some(error) = spoils.reads.pop() {
                let body = json!({"__type": error, "message": "as it was told"}).to_string();
                return (StatusCode::BAD_REQUEST, kind, body.into_bytes());
            }
        }
        if target.ends_with(".PutRecords") {
            let mut request: Value = serde_json::from_slice(body).unwrap();
            let entries = request["Records"].as_array_mut().unwrap();
            spoils.puts_seen.push(entries.len());
            if let Some(text) = spoils.refused.take() {
                let is_refused = |entry: &Value| {
                    let data = STANDARD.decode(entry["Data"].as_str().unwrap()).unwrap();
                    String::from_utf8(data).unwrap().contains(text)
                };
                refused = entries.iter().map(is_refused).collect();
                let mut kept = refused.iter().map(|refused| !refused);
                entries.retain(|_| kept.next().unwrap());
                sent = request.to_string().into_bytes();
            }
        }
    }
    let mut request = agent.post(upstream);
    for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
        request = request.header(name, headers[name].to_str().unwrap());
    }
    let mut answer = request.send(&sent).unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let mut told = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
    if target.ends_with(".GetRecords")
        && let Some(record) = spoils.lock().unwrap().instead.take()
    {
        let mut answer: Value = serde_json::from_slice(&told).unwrap();
        answer["Records"] = json!([record]);
        told = answer.to_string().into_bytes();
    }
    if refused.contains(&true) {
        let mut taken: Value = serde_json::from_slice(&told).unwrap();
        let mut results = std::mem::take(taken["Records"].as_array_mut().unwrap()).into_iter();
        let error = json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"});
        let all: Vec<Value> =
            refused.iter().map(|refused| if *refused { error.clone() } else { results.next().unwrap() }).collect();
        told = json!({"FailedRecordCount": 1, "Records": all}).to_string().into_bytes();
    }
    (status, kind, told)
}

#[tokio::test]
async fn expired_iterators_and_throttling_are_waited_out_and_the_pace_is_kept() {
    let peer = Peer::kinesalite().await;
    let spoiler = Spoiler::start(&peer.url).await;
    let folder = tempfile::tempdir().unwrap();
    let direct = peer.stream(1, folder.path()).await;
    let client = peer.client();
    let settings = Settings { endpoint: Some(spoiler.url.clone()), ..direct.clone() };
    for text in ["a", "b"] {
        put(&client, &direct, "k", text.as_bytes()).await;
    }
    let engine = open(&settings).await;
    let shard = ShardId("shardId-000000000000".into());
    let two = engine.read(&shard, None, ReadLimits { records_max: 1, ..ALL }).await.unwrap();
    assert_eq!(texts(&two.records), ["a"]);
    put(&client, &direct, "k", b"c").await;
    let throttled = "ProvisionedThroughputExceededException";
    spoiler.lock().reads = vec![throttled, "ExpiredIteratorException", throttled, throttled];
    let after = two.records[0].position.clone();
    let b = read(&engine, &shard, Some(&after)).await;
    assert_eq!(texts(&b), ["b"]);
    let c = read(&engine, &shard, Some(&b[0].position)).await;
    assert_eq!(texts(&c), ["c"]);
    assert!(spoiler.lock().reads.is_empty());
    // Never more than five in a second.
    let seen = spoiler.lock().reads_seen.clone();
    assert!(seen.len() >= 6 && seen.windows(6).all(|six| six[5] - six[0] >= Duration::from_millis(950)), "{seen:?}");
    // Throttling without end is said, and reading goes on when it is over.
    spoiler.lock().reads = vec![throttled; 10];
    let said = engine.read(&shard, Some(&c[0].position), ALL).await.unwrap_err();
    assert!(matches!(&said, Error::Retry(text) if text.contains(throttled)), "{said:?}");
    put(&client, &direct, "k", b"d").await;
    assert_eq!(texts(&read(&engine, &shard, Some(&c[0].position)).await), ["d"]);
}

#[tokio::test]
async fn of_an_append_only_what_was_refused_is_answered_so_and_marks_wait_for_it() {
    let peer = Peer::kinesalite().await;
    let spoiler = Spoiler::start(&peer.url).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { endpoint: Some(spoiler.url.clone()), ..peer.stream(1, folder.path()).await };
    let engine = open(&settings).await;
    let record = |text: &'static str| NewRecord {
        partition_key: "k".into(),
        explicit_hash_key: None,
        data: Bytes::from_static(text.as_bytes()),
        mark: Some(Mark { producer: "tail".into(), state: Bytes::from_static(text.as_bytes()) }),
    };
    spoiler.lock().refused = Some("second");
    let results = engine.append(vec![record("first"), record("second"), record("third")]).await.unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    let refused = "cannot append to the stream: ProvisionedThroughputExceededException: Rate exceeded";
    assert!(matches!(&results[1], Err(Error::Retry(text)) if text == refused), "{results:?}");
    let mark = |text: &'static str| vec![Mark { producer: "tail".into(), state: Bytes::from_static(text.as_bytes()) }];
    assert_eq!(engine.marks().await.unwrap(), mark("first"), "the second is not durable");
    assert_eq!(open(&settings).await.marks().await.unwrap(), mark("first"));
    assert!(engine.append(vec![record("second")]).await.unwrap()[0].is_ok());
    assert_eq!(open(&settings).await.marks().await.unwrap(), mark("third"));
    assert_eq!(spoiler.lock().puts_seen, [3, 1]);
    let shard = ShardId("shardId-000000000000".into());
    assert_eq!(texts(&read(&engine, &shard, None).await), ["first", "third", "second"]);
}

/// The server says that the tip is reached with each answer; only one that is not full has nothing behind it.
#[tokio::test]
async fn the_end_is_that_of_all_records_however_many_answers_they_take() {
    let peer = Peer::kinesalite().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = peer.stream(1, folder.path()).await;
    let client = peer.client();
    for first in [0, 500, 1_000] {
        let entry = |number: u32| {
            let entry = aws_sdk_kinesis::types::PutRecordsRequestEntry::builder().partition_key("k");
            entry.data(Blob::new(number.to_string().into_bytes())).build().unwrap()
        };
        let put = client.put_records().stream_name(&settings.stream);
        let put = put.set_records(Some((first..(first + 500).min(1_100)).map(entry).collect()));
        assert_eq!(put.send().await.unwrap().failed_record_count, Some(0));
    }
    let engine = open(&settings).await;
    let shard = ShardId("shardId-000000000000".into());
    let end = engine.end(&shard).await.unwrap();
    let mut all: Vec<Record> = Vec::new();
    while all.len() < 1_100 {
        let after = all.last().map(|record| record.position.clone());
        let read = engine.read(&shard, after.as_ref(), ALL).await.unwrap();
        // Whoever waits for the tip has not reached it.
        assert_eq!(read.behind.is_zero(), all.len() + read.records.len() == 1_100, "{}", all.len());
        all.extend(read.records);
    }
    assert_eq!(texts(&all)[1_099], "1099");
    assert_eq!(end, Some(all[1_099].position.clone()));
}

#[tokio::test]
async fn a_record_of_ten_mebibytes_is_read_whole_and_the_next_read_waits_as_aws_asks() {
    let peer = Peer::kinesalite().await;
    let spoiler = Spoiler::start(&peer.url).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { endpoint: Some(spoiler.url.clone()), ..peer.stream(1, folder.path()).await };
    let engine = open(&settings).await;
    let shard = ShardId("shardId-000000000000".into());
    let data: Vec<u8> =
        (0..10_u32 << 20).map(|number| u8::try_from(number.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    let record = json!({"SequenceNumber": "1", "PartitionKey": "k", "Data": STANDARD.encode(&data), "ApproximateArrivalTimestamp": 5.0});
    spoiler.lock().instead = Some(record);
    let records = read(&engine, &shard, None).await;
    assert_eq!(records.len(), 1);
    assert!(records[0].data == data && records[0].arrival_ms == 5_000);
    let nothing = read(&engine, &shard, Some(&records[0].position)).await;
    assert_eq!(texts(&nothing), [""; 0]);
    // 10 MiB at 2 MiB a second.
    let seen = spoiler.lock().reads_seen.clone();
    let pause = seen[1] - seen[0];
    assert!(pause >= Duration::from_millis(4_900), "{pause:?}");
}

#[tokio::test]
async fn a_clock_that_is_ahead_delays_the_begin_and_ends_nothing() {
    let peer = Peer::kinesalite().await;
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let oldest = peer.stream(1, folder.path()).await;
    let client = peer.client();
    let shard = ShardId("shardId-000000000000".into());
    put(&client, &oldest, "k", b"early").await;
    let ahead_ms = Clock::System.now_ms() + 3_000;
    let latest = Settings { begin: Begin::Latest, folder: other.path().into(), ..oldest.clone() };
    let engine = Kinesis::open(&latest, Clock::starting_at(ahead_ms)).await.unwrap();
    engine.shards().await.unwrap();
    let begun_ms = Clock::System.now_ms() + 3_000;
    let refused = engine.read(&shard, None, ALL).await.unwrap_err();
    assert!(matches!(&refused, Error::Retry(text) if text.contains("InvalidArgumentException")), "{refused:?}");
    // A second later, since arrival times may be told in seconds.
    while Clock::System.now_ms() <= begun_ms + 1_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    put(&client, &oldest, "k", b"late").await;
    assert_eq!(texts(&read(&engine, &shard, None).await), ["late"]);
    // What is looked for a while ago lies ahead too.
    let ahead = Kinesis::open(&oldest, Clock::starting_at(begun_ms + 7_200_000)).await.unwrap();
    ahead.shards().await.unwrap();
    let newest = read(&ahead, &shard, None).await.pop().unwrap();
    assert_eq!(ahead.end(&shard).await.unwrap(), Some(newest.position));
}
