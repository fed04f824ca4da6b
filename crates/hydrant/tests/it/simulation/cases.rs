//! Single situations, each with its name.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join;
use hydrant::clock::Clock;
use hydrant::deliver::naming::History;
use hydrant::deliver::{Cores, Delivery, Limits, Mode, Settings, failed};
use hydrant::index::opensearch::{OpenSearch, Setup};
use hydrant::metrics::Metrics;
use hydrant::stream::{Checkpoint, Engine as _, NewRecord, ShardId};
use hydrant_opensearch::client::Answer;
use hydrant_opensearch::{Carry, Limits as WriterLimits, Request};
use hydrant_transform::document::{IndexNaming, Rotation};
use hydrant_transform::envelope::{Encoder, EventFlags, Header, LogEvent};
use hydrant_transform::record::Options;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::cluster::Cluster;
use crate::model::failed::Failed;
use crate::model::index::Index;
use crate::model::stream::Stream;
use crate::model::{Faults, World};

/// 2026-11-23T12:00:00Z
const BASE_MS: i64 = 1_795_435_200_000;

struct Machine {
    stream: Arc<Stream>,
    index: Arc<Index>,
    failed: Arc<Failed>,
    delivery: Delivery,
    stop: CancellationToken,
    /// Holds the naming history; removed when dropped.
    _folder: tempfile::TempDir,
}

impl Machine {
    fn new(world: &Arc<World>, shards: usize) -> Machine {
        let clock = Clock::starting_at(BASE_MS);
        let stream = Arc::new(Stream::new(Arc::clone(world), clock, shards));
        let index = Arc::new(Index::new(Arc::clone(world), clock));
        let failed = Arc::new(Failed::new(Arc::clone(world)));
        let folder = tempfile::tempdir().unwrap();
        let naming = IndexNaming::new("hydrant-{format}", Rotation::OneDay).unwrap();
        let delivery = Delivery {
            stream: Arc::<Stream>::clone(&stream),
            index: Arc::<Index>::clone(&index),
            failed: failed::Store::new(Arc::<Failed>::clone(&failed)),
            backup: None,
            naming: History::open(folder.path().join("naming.json"), naming).unwrap(),
            settings: Settings {
                transform: Options::default(),
                limits: Limits::default(),
                cores: Cores::Inline,
                jitter_seed: 1,
            },
            metrics: Metrics::default(),
            health: watch::Sender::default(),
            clock,
        };
        Machine { stream, index, failed, delivery, stop: CancellationToken::new(), _folder: folder }
    }

    /// One envelope for a shard.
    fn record(&self, shard_idx: usize, messages: &[&str]) -> NewRecord {
        let header = Header {
            owner: "000000000000".into(),
            log_group: "/hydrant/tail".into(),
            log_stream: format!("stream-{shard_idx}"),
            subscription_filters: Vec::new(),
        };
        let mut encoder = Encoder::new(&header);
        for message in messages {
            let id =
                format!("{:056}", message.bytes().fold(7_u64, |hash, byte| hash * 31 % 1_000_003 + u64::from(byte)));
            let flags = EventFlags::default();
            encoder.push(&LogEvent {
                id,
                timestamp_ms: BASE_MS,
                message: message.as_bytes().to_vec(),
                flags,
                ..LogEvent::default()
            });
        }
        NewRecord {
            partition_key: "key".into(),
            explicit_hash_key: Some(self.stream.shards_now()[shard_idx].hash_keys.0),
            data: Bytes::from(encoder.seal()),
            mark: None,
        }
    }

    async fn append(&self, shard_idx: usize, messages: &[&str]) {
        let record = self.record(shard_idx, messages);
        self.stream.append(vec![record]).await.unwrap().pop().unwrap().unwrap();
    }

    async fn drain(&self) -> Result<(), hydrant::deliver::Error> {
        self.delivery.run(&self.stop, Mode::Drain).await
    }

    /// Follows until `until` is true, then stops.
    async fn follow(&self, until: impl Fn() -> bool) {
        let watching = async {
            while !until() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.stop.cancel();
        };
        join(self.delivery.run(&self.stop, Mode::Follow), watching).await.0.unwrap();
    }

    fn shard(&self, shard_idx: usize) -> ShardId {
        self.stream.shards_now()[shard_idx].id.clone()
    }

    fn waiting(&self, shard_idx: usize) -> u64 {
        self.stream.waiting(&self.shard(shard_idx))
    }

    /// Index names of what is indexed, sorted.
    fn index_names(&self) -> Vec<String> {
        self.index.documents().into_iter().map(|(index_name, ..)| index_name).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn counters_reconcile_and_a_second_delivery_counts_duplicates_only() {
    let machine = Machine::new(&World::calm(), 1);
    let messages = ["one", r#"{"n":1}"#, r#"{"poison":1}"#, "", "two"];
    machine.append(0, &messages).await;
    machine.drain().await.unwrap();
    let metrics = &machine.delivery.metrics;
    assert_eq!(metrics.documents_indexed.get(), 3);
    assert_eq!(metrics.failed.get(), 1);
    assert_eq!(metrics.entries_delivered.get(), 5);
    assert_eq!(metrics.duplicates.get(), 0);
    assert_eq!(
        machine.index_names(),
        ["hydrant-json-2026-11-23", "hydrant-text-2026-11-23", "hydrant-text-2026-11-23"]
    );
    let objects = machine.failed.objects();
    assert_eq!(objects.len(), 1);
    assert!(objects[0].0.starts_with("AmazonOpenSearchService-failed/2026/11/23/12/hydrant-1-2026-11-23-12-00-00-"));

    machine.append(0, &["one", "two"]).await;
    machine.drain().await.unwrap();
    assert_eq!(metrics.duplicates.get(), 2);
    assert_eq!(metrics.entries_delivered.get(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_does_not_lose_a_document_nor_count_it_as_a_repeat() {
    let world = World::new(3, Faults { lost_reply: 700, ..Faults::default() });
    let machine = Machine::new(&world, 1);
    while machine.waiting(0) == 0 {
        let record = machine.record(0, &["only"]);
        drop(machine.stream.append(vec![record]).await);
    }
    machine.drain().await.unwrap();
    assert!(world.log().iter().any(|line| line == "index reply lost"), "{:?}", world.log());
    assert_eq!(machine.index.documents().len(), 1);
    assert_eq!(machine.delivery.metrics.documents_indexed.get(), 1);
    assert_eq!(machine.delivery.metrics.duplicates.get(), 0);
}

/// A producer's repeat is one, whatever held it up; only what an attempt of ours may have written is not.
#[tokio::test(start_paused = true)]
async fn a_repeat_counts_as_a_document_only_where_nobody_knows_what_became_of_an_attempt() {
    let item = |status: u16, kind: &str| {
        let item = format!(r#"{{"create":{{"status":{status},"error":{{"type":"{kind}","reason":"r"}}}}}}"#);
        Ok((200, format!(r#"{{"errors":true,"items":[{item}]}}"#)))
    };
    let whole = |status: u16, kind: &str| Ok((status, format!(r#"{{"error":{{"type":"{kind}","reason":"r"}}}}"#)));
    for (first, expected) in [
        (item(429, "rejected_execution_exception"), (1, 1)),
        (item(429, "cluster_block_exception"), (1, 1)),
        (item(404, "index_not_found_exception"), (1, 1)),
        (whole(429, "rejected_execution_exception"), (1, 1)),
        (whole(403, "security_exception"), (1, 1)),
        (Ok((401, "Unauthorized".to_owned())), (1, 1)),
        (item(503, "unavailable_shards_exception"), (2, 0)),
        (Ok((200, "<html>".to_owned())), (2, 0)),
        (Ok((504, "<html>".to_owned())), (2, 0)),
        (Err("connection reset by peer".to_owned()), (2, 0)),
    ] {
        let world = World::calm();
        let mut machine = Machine::new(&world, 1);
        let armed = Arc::new(Mutex::new(None));
        let next = Arc::clone(&armed);
        let between = move |carry: Carry| -> Carry {
            Box::new(move |request: Request| {
                let is_bulk = request.url().path() == "/_bulk";
                let canned: Option<Result<Answer, String>> = if is_bulk { next.lock().unwrap().take() } else { None };
                canned.map_or_else(|| carry(request), |answer| async move { answer }.boxed())
            })
        };
        let client = Cluster::new(Arc::clone(&world), Arc::clone(&machine.index)).client(false, between);
        let setup = Setup { ids: true, templates: None };
        machine.delivery.index = Arc::new(OpenSearch::over(client, WriterLimits::default(), setup));
        machine.append(0, &["one"]).await;
        machine.drain().await.unwrap();
        let about = format!("{first:?}");
        *armed.lock().unwrap() = Some(first.map(|(status, body)| Answer { status, body: body.into_bytes() }));
        machine.append(0, &["one"]).await;
        machine.drain().await.unwrap();
        assert!(armed.lock().unwrap().is_none(), "{about}");
        let metrics = &machine.delivery.metrics;
        assert_eq!((metrics.documents_indexed.get(), metrics.duplicates.get()), expected, "{about}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_written_within_three_tenths_of_a_second() {
    let machine = Machine::new(&World::calm(), 1);
    let appending = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        machine.append(0, &["one"]).await;
        Instant::now()
    };
    let written = async {
        machine.follow(|| machine.waiting(0) == 0 && machine.index.documents().len() == 1).await;
        Instant::now()
    };
    let (appended, written) = join(appending, written).await;
    assert!(written - appended <= Duration::from_millis(300), "{:?}", written - appended);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_index_holds_up_its_own_documents_until_it_is_mended() {
    let machine = Machine::new(&World::calm(), 2);
    machine.append(0, &["text", r#"{"n":1}"#]).await;
    machine.append(1, &[r#"{"n":2}"#]).await;
    machine.index.damage("hydrant-text-2026-11-23", true);
    let mending = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(machine.index_names(), ["hydrant-json-2026-11-23", "hydrant-json-2026-11-23"]);
        assert_eq!(machine.waiting(0), 1, "nothing is acknowledged past a damaged index");
        assert_eq!(machine.waiting(1), 0, "the other shard goes on");
        machine.index.damage("hydrant-text-2026-11-23", false);
    };
    let (drained, ()) = join(machine.drain(), mending).await;
    drained.unwrap();
    assert_eq!(machine.index.documents().len(), 3);
    assert_eq!(machine.waiting(0), 0);
    let metrics = &machine.delivery.metrics;
    assert_eq!((metrics.documents_indexed.get(), metrics.duplicates.get()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_record_ends_its_shard_with_its_place_and_no_other_shard() {
    let world = World::calm();
    let machine = Machine::new(&world, 2);
    machine.append(0, &["before"]).await;
    machine.append(0, &["damaged"]).await;
    machine.append(1, &["elsewhere"]).await;
    machine.stream.damage_newest(&machine.shard(0));
    let error = machine.drain().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "delivery of shard shardId-000000000000 has ended: cannot read the stream: shard shardId-000000000000: record 2 \
         is damaged"
    );
    let sources: Vec<String> =
        machine.index.documents().into_iter().map(|(.., source)| String::from_utf8(source).unwrap()).collect();
    assert_eq!(sources.len(), 2);
    assert!(sources[0].contains("before") && sources[1].contains("elsewhere"), "{sources:?}");
    assert_eq!((machine.waiting(0), machine.waiting(1)), (1, 0));
    let problems = machine.delivery.health.borrow().problems.clone();
    assert_eq!(problems, [("delivery of shard shardId-000000000000".to_owned(), error)].into());
    let given_up: Vec<String> = world.log().into_iter().filter(|line| line.starts_with("gave up")).collect();
    assert_eq!(given_up, ["gave up shardId-000000000000"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_batch_in_flight_and_commits_it() {
    let machine = Machine::new(&World::calm(), 1);
    machine.append(0, &["one", "two"]).await;
    machine.index.damage("hydrant-text-2026-11-23", true);
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        machine.stop.cancel();
        assert_eq!(machine.waiting(0), 1);
        machine.index.damage("hydrant-text-2026-11-23", false);
    };
    let began = Instant::now();
    let (followed, ()) = join(machine.delivery.run(&machine.stop, Mode::Follow), stopping).await;
    followed.unwrap();
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!((machine.waiting(0), machine.index.documents().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn children_come_after_their_parent_and_are_delivered_in_one_drain() {
    let machine = Machine::new(&World::calm(), 1);
    machine.append(0, &["parent"]).await;
    machine.stream.split(&machine.shard(0));
    machine.append(1, &["left child"]).await;
    machine.append(2, &["right child"]).await;
    machine.drain().await.unwrap();
    let sources: Vec<String> =
        machine.index.documents().into_iter().map(|(.., source)| String::from_utf8(source).unwrap()).collect();
    assert!(sources[0].contains("parent"), "{sources:?}");
    assert_eq!(sources.len(), 3);
}

#[tokio::test]
async fn records_spread_over_threads_keep_their_order() {
    let mut machine = Machine::new(&World::calm(), 1);
    machine.delivery.settings.cores = Cores::Spread(NonZeroUsize::new(3).unwrap());
    let messages: Vec<String> = (0..200).map(|number| format!("message {number:03}")).collect();
    for message in &messages {
        machine.append(0, &[message]).await;
    }
    machine.drain().await.unwrap();
    let documents = machine.index.documents();
    assert_eq!(documents.len(), 200);
    for ((.., source), message) in documents.iter().zip(&messages) {
        assert!(String::from_utf8_lossy(source).contains(message), "{message}");
    }
}

/// As where a client library of Kinesis has read the shard before.
#[tokio::test(start_paused = true)]
async fn a_position_without_a_state_is_gone_on_from() {
    let machine = Machine::new(&World::calm(), 1);
    machine.append(0, &["one"]).await;
    let shard = machine.shard(0);
    let position = machine.stream.end(&shard).await.unwrap();
    machine.append(0, &["two", "three"]).await;
    machine.stream.commit(&shard, Checkpoint { position, state: Bytes::new() }).await.unwrap();
    machine.drain().await.unwrap();
    assert_eq!(machine.index.documents().len(), 2);
    assert_eq!(machine.waiting(0), 0);
}
