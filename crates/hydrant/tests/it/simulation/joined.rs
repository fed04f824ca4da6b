//! Entries that come as lines over several records: whatever kills delivery, and whenever, the same documents come out
//! as if nothing had, each once.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use hydrant::clock::Clock;
use hydrant::deliver::naming::History;
use hydrant::deliver::{Cores, Delivery, Limits, Mode, Settings, failed};
use hydrant::metrics::Metrics;
use hydrant::stream::{Engine as _, NewRecord};
use hydrant_transform::document::{IndexNaming, Rotation};
use hydrant_transform::envelope::{Encoder, Header, LogEvent};
use hydrant_transform::record::{Join, Options, join};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::mortal::Mortal;
use crate::model::failed::Failed;
use crate::model::index::Index;
use crate::model::stream::Stream;
use crate::model::{Random, World};

/// 2026-11-23T23:58:00Z: stories cross midnight, and the hour of the rotation.
const BASE_MS: i64 = 1_795_478_280_000;

struct Machine {
    world: Arc<World>,
    clock: Clock,
    stream: Arc<Stream>,
    index: Arc<Index>,
    failed: Arc<Failed>,
    folder: tempfile::TempDir,
    limits: Limits,
}

/// What is left in the end: documents with index and id, and the ids in failed/ as often as they stand there.
#[derive(Debug, PartialEq)]
struct Left {
    documents: BTreeSet<(String, String, String)>,
    failed: Vec<String>,
    waiting: u64,
}

impl Machine {
    fn new(random: &mut Random) -> Machine {
        let world = World::calm();
        let clock = Clock::starting_at(BASE_MS);
        Machine {
            stream: Arc::new(Stream::new(Arc::clone(&world), clock, 1)),
            index: Arc::new(Index::new(Arc::clone(&world), clock)),
            failed: Arc::new(Failed::new(Arc::clone(&world))),
            folder: tempfile::tempdir().unwrap(),
            limits: Limits {
                documents_max: 1 + usize::try_from(random.below(10)).unwrap(),
                bytes_max: 100 + usize::try_from(random.below(8000)).unwrap(),
                records_max: 1 + usize::try_from(random.below(6)).unwrap(),
                age_max: Duration::from_millis(random.below(300)),
            },
            world,
            clock,
        }
    }

    fn delivery(&self) -> Delivery {
        let limits = join::Limits { quiet_ms: 3_000, age_ms: 20_000, ..join::Limits::default() };
        let join = Join { log_groups: ["/lines/*".to_owned()].into(), limits };
        Delivery {
            stream: Arc::<Stream>::clone(&self.stream),
            index: Arc::<Index>::clone(&self.index),
            failed: failed::Store::new(Arc::<Failed>::clone(&self.failed)),
            backup: None,
            naming: History::open(
                self.folder.path().join("naming.json"),
                IndexNaming::new("n-{format}", Rotation::OneHour).unwrap(),
            )
            .unwrap(),
            settings: Settings {
                transform: Options { join, ..Options::default() },
                limits: self.limits,
                cores: Cores::Inline,
                jitter_seed: 1,
            },
            metrics: Metrics::default(),
            health: watch::Sender::default(),
            clock: self.clock,
        }
    }

    async fn append(&self, log_group: &str, log_stream: &str, events: &[(String, String)]) {
        let mut encoder = Encoder::new(&Header {
            owner: "1".into(),
            log_group: log_group.into(),
            log_stream: log_stream.into(),
            subscription_filters: Vec::new(),
        });
        for (id, message) in events {
            let message = message.clone().into_bytes();
            encoder.push(&LogEvent { id: id.clone(), timestamp_ms: BASE_MS + 119_000, message, ..LogEvent::default() });
        }
        let record = NewRecord {
            partition_key: "k".into(),
            explicit_hash_key: None,
            data: Bytes::from(encoder.seal()),
            mark: None,
        };
        self.stream.append(vec![record]).await.unwrap().pop().unwrap().unwrap();
    }

    fn left(&self) -> Left {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let documents = self.index.documents().into_iter().map(|(index, id, source)| (index, id, text(source)));
        let lines = self
            .failed
            .objects()
            .into_iter()
            .flat_map(|(_, bytes)| text(bytes).lines().map(str::to_owned).collect::<Vec<_>>());
        let id = |line: String| {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert!(!line["rawData"].as_str().unwrap().is_empty());
            line["esDocumentId"].as_str().unwrap().to_owned()
        };
        let mut failed: Vec<String> = lines.map(id).collect();
        failed.sort();
        let shards = self.stream.shards_now();
        Left {
            documents: documents.collect(),
            failed,
            waiting: shards.iter().map(|shard| self.stream.waiting(&shard.id)).sum(),
        }
    }
}

/// A record of a log stream, so many milliseconds after the one before.
type Step = (u64, String, Vec<(String, String)>);

fn plan(random: &mut Random) -> Vec<Step> {
    let mut serial = 0;
    let mut line = |random: &mut Random| {
        serial += 1;
        let message = match random.below(9) {
            0..=3 => format!("2026-11-23T23:58:00.{serial:06}Z\t    9 Query\tselect 'entry-{serial}"),
            4 | 5 => format!("  and-{serial}'"),
            6 => format!("part-{serial}\n\t\t    9 Quit\t\nrest-{serial}"),
            7 => String::new(),
            _ => format!(r#"{{"poison":"{serial}"}}"#),
        };
        (format!("{serial:056}"), message)
    };
    let steps = 3 + random.below(25);
    let mut plan = Vec::new();
    for _ in 0..steps {
        let group = if random.below(4) == 0 { "/plain" } else { "/lines/a" };
        let events = (0..random.below(5)).map(|_| line(random)).collect();
        let pause = if random.below(5) == 0 { random.below(6_000) } else { random.below(600) };
        plan.push((pause, format!("{group} {}", random.below(3)), events));
    }
    plan
}

/// What is left when delivery is killed `deaths` times while the plan is carried out.
async fn tell(seed: u64, deaths: u64) -> Left {
    let mut random = Random::new(seed);
    let machine = Machine::new(&mut random);
    let plan = plan(&mut random);
    let done = CancellationToken::new();
    let producing = async {
        for (pause, stream, events) in &plan {
            tokio::time::sleep(Duration::from_millis(*pause)).await;
            let (group, name) = stream.split_once(' ').unwrap();
            machine.append(group, name, events).await;
        }
        done.cancel();
    };
    let mut chance = Random::new(seed ^ deaths);
    let living = async {
        for _ in 0..deaths {
            let delivery = machine.delivery();
            let never = CancellationToken::new();
            let magnitude = chance.below(10);
            let polls = 1 + chance.below(2 << magnitude);
            let work = Box::pin(delivery.run(&never, Mode::Follow));
            tokio::select! {
                _ = Mortal { work, polls: NonZeroU64::new(polls) } => {}
                () = done.cancelled() => {}
            }
            machine.index.crash();
            machine.failed.crash();
            tokio::time::sleep(Duration::from_millis(chance.below(2_000))).await;
        }
        let delivery = machine.delivery();
        delivery.run(&done, Mode::Follow).await.unwrap();
        machine.delivery().run(&CancellationToken::new(), Mode::Drain).await.unwrap();
    };
    join(producing, living).await;
    machine.world.note("told");
    machine.left()
}

fn run(seed: u64, deaths: u64) -> Left {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(tell(seed, deaths))
}

#[test]
fn deaths_change_no_document_of_joined_entries() {
    let (mut joined, mut failed) = (0, 0);
    for seed in 0..200 {
        let undisturbed = run(seed, 0);
        assert_eq!(undisturbed.waiting, 0, "seed {seed}");
        joined += undisturbed.documents.iter().filter(|(_, _, source)| source.contains("\\n  and-")).count();
        failed += undisturbed.failed.len();
        let disturbed = run(seed, 1 + seed % 7);
        assert_eq!(disturbed, undisturbed, "seed {seed}");
    }
    assert!(joined > 100 && failed > 20, "{joined} {failed}");
}

#[tokio::test(start_paused = true)]
async fn lines_over_records_are_one_document_under_the_name_of_the_first() {
    let machine = Machine::new(&mut Random::new(1));
    let id = |number: u32| format!("{number:056}");
    let header = "2026-11-23T23:58:00.000001Z\t    9 Query\tselect";
    machine.append("/lines/a", "s", &[(id(1), header.into()), (id(2), "  1".into())]).await;
    machine.append("/lines/a", "t", &[(id(9), "other".into())]).await;
    machine.append("/lines/a", "s", &[(id(3), "  , 2".into()), (id(4), header.into())]).await;
    machine.append("/plain", "s", &[(id(5), "  , 3".into())]).await;
    machine.delivery().run(&CancellationToken::new(), Mode::Drain).await.unwrap();
    let documents = machine.left().documents;
    let told: BTreeSet<(String, String, bool)> = documents
        .iter()
        .map(|(_, _, source)| {
            let source: serde_json::Value = serde_json::from_str(source).unwrap();
            let text = source.get("Statement").or(source.get("message")).unwrap().as_str().unwrap().to_owned();
            (source["event_id"].as_str().unwrap().to_owned(), text, source.get("partial").is_some())
        })
        .collect();
    let expected = [
        (id(1), "select\n  1\n  , 2".to_owned(), false),
        (id(4), "select".to_owned(), true),
        (id(5), "  , 3".to_owned(), false),
        (id(9), "other".to_owned(), false),
    ];
    assert_eq!(told, expected.into());
}
