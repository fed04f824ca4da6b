//! Entries that come as lines over several records: whatever kills delivery, and whenever, the same documents come out
//! as if nothing had, each once.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use hydrant::clock::Clock;
use hydrant::deliver::backup::Backup;
use hydrant::deliver::naming::History;
use hydrant::deliver::{Cores, Delivery, Limits, Mode, Settings, failed};
use hydrant::metrics::Metrics;
use hydrant::stream::{Engine as _, NewRecord};
use hydrant_transform::document::{IndexNaming, Rotation};
use hydrant_transform::envelope::{Encoder, Header, LogEvent};
use hydrant_transform::record::{Join, Options, join};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::copies::{self, Copy};
use super::mortal::Mortal;
use crate::model::failed::Failed;
use crate::model::index::Index;
use crate::model::stream::Stream;
use crate::model::{Faults, Random, World};

/// 2026-11-23T23:58:00Z: stories cross midnight, and the hour of the rotation.
const BASE_MS: i64 = 1_795_478_280_000;

struct Machine {
    world: Arc<World>,
    clock: Clock,
    stream: Arc<Stream>,
    index: Arc<Index>,
    failed: Arc<Failed>,
    backup: Arc<Failed>,
    folder: tempfile::TempDir,
    limits: Limits,
}

/// What is left in the end: documents with index and id, the copies of all that were offered, and the ids in failed/ as
/// often as they stand there.
#[derive(Debug, PartialEq)]
struct Left {
    documents: BTreeSet<(String, String, String)>,
    copies: BTreeSet<Copy>,
    failed: Vec<String>,
    waiting: u64,
}

impl Machine {
    /// `faults`: of all but the stream, whose times of arrival say which entries there are.
    fn new(random: &mut Random, faults: Faults) -> Machine {
        let world = World::new(random.next(), faults);
        let clock = Clock::starting_at(BASE_MS);
        Machine {
            stream: Arc::new(Stream::new(World::calm(), clock, 1)),
            index: Arc::new(Index::new(Arc::clone(&world), clock)),
            failed: Arc::new(Failed::new(Arc::clone(&world))),
            backup: Arc::new(Failed::backup(Arc::clone(&world))),
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
            backup: Some(Backup::new(Arc::<Failed>::clone(&self.backup))),
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
        let copies = self.backup.objects().into_iter().flat_map(|(_, packed)| copies::read(&packed));
        Left {
            documents: documents.collect(),
            copies: copies.map(|(_, copy)| copy).collect(),
            failed,
            waiting: self.waiting(),
        }
    }

    fn waiting(&self) -> u64 {
        self.stream.shards_now().iter().map(|shard| self.stream.waiting(&shard.id)).sum()
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
async fn tell(seed: u64, deaths: u64, faults: Faults) -> Left {
    let mut random = Random::new(seed);
    let machine = Machine::new(&mut random, faults);
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
            machine.backup.crash();
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

fn run(seed: u64, deaths: u64, faults: Faults) -> Left {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(tell(seed, deaths, faults))
}

#[test]
fn neither_deaths_nor_outages_change_a_document_of_joined_entries() {
    let slow = Faults { slow: 300, step: 500, ..Faults::default() };
    let broken = Faults { unavailable: 200, lost_reply: 200, item_retry: 200, ..slow };

    let (mut joined, mut failed) = (0, 0);
    for seed in 0..200 {
        let undisturbed = run(seed, 0, Faults::default());
        assert_eq!(undisturbed.waiting, 0, "seed {seed}");
        let Left { documents, copies, .. } = &undisturbed;
        assert_eq!(copies.len(), documents.len() + undisturbed.failed.len(), "seed {seed}: all are offered");
        let ids: BTreeSet<&str> = copies.iter().map(|copy| copy.id.as_str()).collect();
        assert!(documents.iter().all(|(_, id, _)| ids.contains(id.as_str())), "seed {seed}");
        joined += undisturbed.documents.iter().filter(|(_, _, source)| source.contains("\\n  and-")).count();
        failed += undisturbed.failed.len();
        for (deaths, faults) in [(1 + seed % 7, Faults::default()), (0, slow), (seed % 3, broken)] {
            assert_eq!(run(seed, deaths, faults), undisturbed, "seed {seed}, {deaths} deaths, {faults:?}");
        }
    }
    assert!(joined > 100 && failed > 20, "{joined} {failed}");
}

/// The first is on its way when the clock ends the second, and both begin at the same place.
#[tokio::test(start_paused = true)]
async fn what_fails_of_entries_that_the_clock_has_ended_one_after_the_other_stays_in_failed() {
    const INDEX: &str = "n-json-2026-11-23-23";
    let machine = Machine::new(&mut Random::new(1), Faults::default());
    let (delivery, stop) = (machine.delivery(), CancellationToken::new());
    machine.index.damage(INDEX, true);
    let others = async {
        for (number, stream) in (1..).zip(["a", "b"]) {
            let poison = (format!("{number:056}"), r#"{"poison":1}"#.to_owned());
            machine.append("/lines/a", stream, &[poison]).await;
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        // Both have been quiet for long enough.
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(machine.waiting() > 0 && machine.left().failed.is_empty());
        machine.index.damage(INDEX, false);
        while machine.waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.cancel();
    };
    join(delivery.run(&stop, Mode::Follow), others).await.0.unwrap();
    let Left { documents, copies, failed, .. } = machine.left();
    let ids: BTreeSet<&str> = copies.iter().map(|copy| copy.id.as_str()).collect();
    assert_eq!((documents.len(), copies.len(), failed.len()), (0, 2, 2));
    assert_eq!(ids, failed.iter().map(String::as_str).collect());
}

#[tokio::test(start_paused = true)]
async fn lines_over_records_are_one_document_under_the_name_of_the_first() {
    let machine = Machine::new(&mut Random::new(1), Faults::default());
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

/// A stay that was longer than the retention: of what the checkpoint says, a part or nothing is there any more.
#[tokio::test(start_paused = true)]
async fn what_the_stream_has_trimmed_of_unfinished_entries_is_lost_and_delivery_goes_on() {
    let header = "2026-11-23T23:58:00.000001Z\t    9 Query\tselect 1";
    for (trimmed, expected) in [
        (0, &["plain 1", "plain 2", "select 1\n  , 2"][..]),
        (1, &["  , 2", "plain 1", "plain 2"]),
        (2, &["  , 2", "plain 1", "plain 2"]),
        (3, &["plain 1", "plain 2"]),
        (4, &["plain 1"]),
    ] {
        let machine = Machine::new(&mut Random::new(1), Faults::default());
        machine.append("/lines/a", "s", &[(format!("{:056}", 1), header.into())]).await;
        machine.append("/plain", "p", &[(format!("{:056}", 2), "plain 1".into())]).await;
        let stop = CancellationToken::new();
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stop.cancel();
        };
        let delivery = machine.delivery();
        join(delivery.run(&stop, Mode::Follow), stopping).await.0.unwrap();
        // The second record is delivered; the checkpoint stands before the first one, which waits for its end.
        assert_eq!((machine.left().documents.len(), machine.left().waiting), (1, 2), "{trimmed}");
        machine.append("/lines/a", "s", &[(format!("{:056}", 3), "  , 2".into())]).await;
        machine.append("/plain", "p", &[(format!("{:056}", 4), "plain 2".into())]).await;
        machine.stream.expire(trimmed);
        machine.delivery().run(&CancellationToken::new(), Mode::Drain).await.unwrap();
        machine.append("/plain", "p", &[(format!("{:056}", 5), "later".into())]).await;
        machine.delivery().run(&CancellationToken::new(), Mode::Drain).await.unwrap();
        let left = machine.left();
        let text = |(_, _, source): &(String, String, String)| {
            let source: serde_json::Value = serde_json::from_str(source).unwrap();
            source.get("Statement").or(source.get("message")).unwrap().as_str().unwrap().to_owned()
        };
        let mut told: Vec<String> = left.documents.iter().map(text).collect();
        told.sort();
        let mut expected: Vec<&str> = expected.iter().copied().chain(["later"]).collect();
        expected.sort_unstable();
        assert_eq!(told, expected, "{trimmed}");
        assert_eq!((left.waiting, left.failed.len()), (0, 0), "{trimmed}");
    }
}
