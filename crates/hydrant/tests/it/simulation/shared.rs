//! Single situations of processes that share a stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use hydrant::clock::Clock;
use hydrant::deliver::naming::History;
use hydrant::deliver::{Cores, Delivery, Limits, Mode, Settings, failed};
use hydrant::index::opensearch::{OpenSearch, Setup};
use hydrant::index::{Addressed, Engine as _};
use hydrant::metrics::Metrics;
use hydrant::stream::{Checkpoint, Engine, Error, NewRecord, Position, ReadLimits, ShardId, Standing};
use hydrant_transform::document::{Document, IndexNaming, Outcome, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Encoder, Header, LogEvent};
use hydrant_transform::record::Options;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::model::cluster::Cluster;
use crate::model::failed::Failed;
use crate::model::index::Index;
use crate::model::lease::{LEASE, Leases};
use crate::model::stream::Stream;
use crate::model::{Faults, World};

/// 2026-11-23T12:00:00Z
const BASE_MS: i64 = 1_795_435_200_000;

struct Machine {
    world: Arc<World>,
    clock: Clock,
    stream: Arc<Stream>,
    leases: Arc<Leases>,
    index: Arc<Index>,
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let (world, clock) = (World::calm(), Clock::starting_at(BASE_MS));
        let stream = Arc::new(Stream::new(Arc::clone(&world), clock, 1));
        Machine {
            leases: Leases::new(Arc::clone(&world), Arc::clone(&stream), true),
            index: Arc::new(Index::new(Arc::clone(&world), clock)),
            folder: tempfile::tempdir().unwrap(),
            world,
            clock,
            stream,
        }
    }

    fn delivery(&self, process: u64) -> Delivery {
        let naming = IndexNaming::new("hydrant-{format}", Rotation::OneDay).unwrap();
        Delivery {
            stream: Arc::new(self.leases.process(process)),
            index: Arc::<Index>::clone(&self.index),
            failed: failed::Store::new(Arc::new(Failed::new(Arc::clone(&self.world)))),
            backup: None,
            naming: History::open(self.folder.path().join("naming.json"), naming).unwrap(),
            settings: Settings {
                transform: Options::default(),
                limits: Limits::default(),
                cores: Cores::Inline,
                jitter_seed: process,
            },
            metrics: Metrics::default(),
            health: watch::Sender::default(),
            clock: self.clock,
        }
    }

    async fn append(&self, message: &str) {
        let mut encoder = Encoder::new(&Header {
            owner: "1".into(),
            log_group: "g".into(),
            log_stream: "s".into(),
            subscription_filters: Vec::new(),
        });
        let id = format!("{:056}", message.bytes().fold(7_u64, |hash, byte| hash * 31 % 1_000_003 + u64::from(byte)));
        let message = message.as_bytes().to_vec();
        encoder.push(&LogEvent { id, timestamp_ms: BASE_MS, message, ..LogEvent::default() });
        let data = Bytes::from(encoder.seal());
        let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data, mark: None };
        self.stream.append(vec![record]).await.unwrap().pop().unwrap().unwrap();
    }

    fn shard(&self) -> ShardId {
        self.stream.shards_now()[0].id.clone()
    }

    fn waiting(&self) -> u64 {
        self.stream.waiting(&self.shard())
    }
}

/// What another process does with a shard that it has taken: it delivers all that is there.
async fn deliver_all(process: &dyn Engine, shard: &ShardId) -> Position {
    let limits = ReadLimits { records_max: 100, bytes_max: 1_000_000, wait: Duration::ZERO };
    let last = process.read(shard, None, limits).await.unwrap().records.pop().unwrap().position;
    let state = process.checkpoint(shard).await.unwrap().unwrap().state;
    process.commit(shard, Checkpoint { position: Some(last.clone()), state }).await.unwrap();
    last
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_has_lost_its_shard_ends_also_where_the_shard_comes_back() {
    let machine = Machine::new();
    machine.append("text").await;
    machine.index.damage("hydrant-text-2026-11-23", true);
    let (delivery, stop) = (machine.delivery(1), CancellationToken::new());
    let others = async {
        // The first batch is on its way and cannot be written.
        tokio::time::sleep(Duration::from_secs(2)).await;
        machine.append("more text").await;
        machine.world.set_faults(Faults { steal: 1000, ..Faults::default() });
        let other = machine.leases.process(2);
        assert_eq!(other.shards().await.unwrap()[0].standing, Standing::Mine { term: 2 });
        deliver_all(&other, &machine.shard()).await;
        // The first process is told by one list, and takes the shard back by the next.
        tokio::time::sleep(Duration::from_secs(12)).await;
        machine.world.set_faults(Faults::default());
        machine.append("news").await;
        machine.index.damage("hydrant-text-2026-11-23", false);
        while machine.waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.cancel();
    };
    let (followed, ()) = join(delivery.run(&stop, Mode::Follow), others).await;
    followed.unwrap();
    let documents = machine.index.documents();
    let sources: Vec<_> = documents.iter().map(|(.., source)| String::from_utf8_lossy(source)).collect();
    assert!(sources.len() == 1 && sources[0].contains("news"), "{sources:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_wakes_up_after_it_was_taken_over_is_refused() {
    let machine = Machine::new();
    let shard = machine.shard();
    let (first, second) = (machine.leases.process(1), machine.leases.process(2));
    assert_eq!(first.shards().await.unwrap()[0].standing, Standing::Mine { term: 1 });
    assert_eq!(second.shards().await.unwrap()[0].standing, Standing::Elsewhere);
    machine.append("text").await;
    first.commit(&shard, Checkpoint { position: None, state: Bytes::new() }).await.unwrap();
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(second.shards().await.unwrap()[0].standing, Standing::Mine { term: 2 });
    let limits = ReadLimits { records_max: 1, bytes_max: 1_000_000, wait: Duration::ZERO };
    let stale = Checkpoint { position: None, state: Bytes::new() };
    for refused in [
        first.read(&shard, None, limits).await.map(drop),
        first.checkpoint(&shard).await.map(drop),
        first.commit(&shard, stale).await,
        first.finish(&shard).await,
    ] {
        assert!(matches!(refused, Err(Error::Lost(_))), "{refused:?}");
    }
    let position = deliver_all(&second, &shard).await;
    assert_eq!(second.checkpoint(&shard).await.unwrap().unwrap().position, Some(position));
}

/// Rights that lack when the first document comes, where the writer first asks who answers.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_refuses_its_caller_from_the_beginning_is_waited_for() {
    let (machine, world) = (Machine::new(), World::new(1, Faults { auth: 1000, ..Faults::default() }));
    let cluster = Cluster::new(Arc::clone(&world), Arc::clone(&machine.index));
    let client = cluster.client(true, |carry| carry);
    let engine = OpenSearch::over(client, hydrant_opensearch::Limits::default(), Setup { ids: true, templates: None });
    let document = Document {
        id: "0123456789abcdef0123456789abcdef".to_owned().into(),
        format: Format::Text,
        timestamp_ms: BASE_MS,
        ordinal: 0,
        source: b"{}".to_vec(),
        event_idx: 0,
    };
    let documents = [Addressed { index_name: "a".into(), document }];
    let mut paused = 0;
    for _ in 0..20 {
        match engine.write(&documents).await {
            Ok(outcomes) => {
                assert!(matches!(outcomes[..], [Outcome::Paused(_)]), "{outcomes:?}");
                paused += 1;
            }
            // 401, of which nothing is known but the status.
            Err(hydrant::index::Error::Retry(problem)) => assert!(problem.contains("401"), "{problem}"),
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!(paused > 0);
    world.heal();
    assert_eq!(engine.write(&documents).await.unwrap(), [Outcome::Indexed]);
}
