//! One machine's story, told by a seed: its log, its faults, its lives and deaths.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, join, select};
use hydrant::clock::Clock;
use hydrant::deliver::naming::History;
use hydrant::deliver::{Cores, Delivery, Limits, Mode, Settings, failed};
use hydrant::metrics::Metrics;
use hydrant::stream::{Engine as _, Mark, NewRecord, ShardId};
use hydrant_transform::document::{IndexNaming, Rotation};
use hydrant_transform::envelope::{Encoder, EventFlags, Header, LogEvent};
use hydrant_transform::record::Options;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::check;
use crate::model::failed::Failed;
use crate::model::index::Index;
use crate::model::stream::Stream;
use crate::model::{Faults, Random, World};

/// 2026-11-23T23:58:00Z: stories cross midnight.
const BASE_MS: i64 = 1_795_478_280_000;

/// How a log event has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Document,
    /// The index refuses it.
    Rejected,
    /// Its record cannot be decoded. `id` is then the record's bytes, in hexadecimal.
    Undecodable,
    Dropped,
}

/// A log event, or an undecodable record, that the producer appends.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) id: String,
    pub(super) message: String,
    pub(super) fate: Fate,
}

/// What one producer appends as one record.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) data: Bytes,
    pub(super) events: Vec<Planned>,
}

/// How a story ended.
pub(super) struct Story {
    pub(super) seed: u64,
    pub(super) log: Vec<String>,
    pub(super) planned: Vec<Planned>,
    /// Ids of the events that were appended after the last change of the naming.
    pub(super) farewell: BTreeSet<String>,
    /// The last naming, and the newest of those that were the first to be recorded for a shard.
    pub(super) naming: u64,
    pub(super) first_naming: u64,
    /// The last life in which each event was offered to the stream, by its id.
    pub(super) appended_in: BTreeMap<String, u64>,
    pub(super) documents: Vec<(String, String, Vec<u8>)>,
    pub(super) objects: Vec<(String, Vec<u8>)>,
    pub(super) waiting: u64,
    pub(super) violations: Vec<String>,
    /// Of the whole story, if it has one life only.
    pub(super) metrics: Option<Metrics>,
}

/// What outlives a crash.
struct Machine {
    world: Arc<World>,
    clock: Clock,
    stream: Arc<Stream>,
    index: Arc<Index>,
    failed: Arc<Failed>,
    folder: tempfile::TempDir,
    producers: Vec<Vec<Envelope>>,
    /// Appended when the last naming is recorded.
    farewell: Vec<Envelope>,
    appended_in: Mutex<BTreeMap<String, u64>>,
    limits: Limits,
}

/// Tells the story of a seed.
pub(super) fn run(seed: u64) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(tell(seed))
}

async fn tell(seed: u64) -> Story {
    let mut random = Random::new(seed);
    let machine = Machine::new(seed, &mut random);
    let violations = machine.watch();
    let lives = 1 + random.below(4) * random.below(6);
    let split_in = random.below(2 * lives + 1);
    let mut naming = 0;
    let mut metrics = None;
    for life in 0..lives {
        if life > 0 && random.below(4) == 0 {
            naming = life;
            machine.world.note("naming changes");
        }
        if life == split_in {
            let first = machine.stream.shards_now()[0].id.clone();
            machine.stream.split(&first);
            machine.world.note("split");
        }
        if random.below(3) == 0 {
            machine.stream.trim();
            machine.world.note("trimmed");
        }
        let delivery = machine.delivery(seed, naming);
        let alone = lives == 1;
        metrics = alone.then(|| delivery.metrics.clone());
        if life + 1 < lives {
            machine.live(&delivery, life, &mut random).await;
        } else {
            machine.last_life(&delivery, life).await;
        }
    }
    let shards = machine.stream.shards_now();
    let violations = violations.lock().unwrap().clone();
    Story {
        seed,
        log: machine.world.log(),
        planned: machine.envelopes().flat_map(|envelope| envelope.events.clone()).collect(),
        farewell: machine.farewell.iter().flat_map(|envelope| envelope.events.iter().map(|e| e.id.clone())).collect(),
        naming,
        first_naming: machine.first_naming(),
        appended_in: machine.appended_in.lock().unwrap().clone(),
        documents: machine.index.documents(),
        objects: machine.failed.objects(),
        waiting: shards.iter().map(|shard| machine.stream.waiting(&shard.id)).sum(),
        violations,
        metrics,
    }
}

impl Machine {
    fn new(seed: u64, random: &mut Random) -> Machine {
        // Swarm: each seed switches whole kinds of fault off.
        let mut kind = |per_mille: u64| random.below(2) * (1 + random.below(per_mille));
        let faults = Faults {
            unavailable: kind(150),
            lost_reply: kind(150),
            item_retry: kind(150),
            slow: kind(30),
            step: kind(900),
        };
        let world = World::new(seed ^ 0xdead_beef, faults);
        world.note(format!("{faults:?}"));
        let clock = Clock::starting_at(BASE_MS);
        let shards = 1 + usize::try_from(random.below(3)).unwrap();
        let n_producers = 1 + random.below(3);
        let mut producers: Vec<Vec<Envelope>> = (0..n_producers).map(|producer| plan(producer, random)).collect();
        let farewell = producers.iter_mut().filter_map(Vec::pop).collect();
        Machine {
            stream: Arc::new(Stream::new(Arc::clone(&world), clock, shards)),
            index: Arc::new(Index::new(Arc::clone(&world), clock)),
            failed: Arc::new(Failed::new(Arc::clone(&world))),
            folder: tempfile::tempdir().unwrap(),
            producers,
            farewell,
            appended_in: Mutex::default(),
            limits: Limits {
                documents_max: 1 + usize::try_from(random.below(30)).unwrap(),
                bytes_max: 100 + usize::try_from(random.below(8000)).unwrap(),
                records_max: 1 + usize::try_from(random.below(10)).unwrap(),
                age_max: Duration::from_millis(random.below(300)),
            },
            world,
            clock,
        }
    }

    /// Checks every commit: what it acknowledges has to be durable.
    fn watch(&self) -> Arc<Mutex<Vec<String>>> {
        let violations = Arc::new(Mutex::new(Vec::new()));
        let (index, failed, found) = (Arc::clone(&self.index), Arc::clone(&self.failed), Arc::clone(&violations));
        let envelopes: Vec<Envelope> = self.envelopes().cloned().collect();
        let mut rules: BTreeMap<ShardId, u64> = BTreeMap::new();
        self.stream.watch(Box::new(move |shard, parents_waiting, records| {
            if parents_waiting > 0 && !records.is_empty() {
                found.lock().unwrap().push(format!("{shard} is delivered before its parents"));
            }
            for record in records {
                let envelope = envelopes.iter().find(|envelope| envelope.data == record.data).unwrap();
                let documents = index.documents();
                let mut problems = check::not_durable(&envelope.events, &documents, &failed.objects());
                let rule = rules.entry(shard.clone()).or_default();
                problems.extend(check::goes_back(&envelope.events, &documents, rule));
                let problems = problems.iter().map(|problem| format!("{shard} {}: {problem}", record.sequence_number));
                found.lock().unwrap().extend(problems);
            }
        }));
        violations
    }

    /// A machine that crashes before it has recorded its naming has delivered nothing by it.
    fn first_naming(&self) -> u64 {
        let states = self.stream.first_states().into_iter();
        let states = states.map(|state| serde_json::from_slice::<serde_json::Value>(&state).unwrap());
        states.map(|state| check::rule(state["naming"][0]["pattern"].as_str().unwrap())).max().unwrap()
    }

    fn envelopes(&self) -> impl Iterator<Item = &Envelope> {
        self.producers.iter().flatten().chain(&self.farewell)
    }

    fn delivery(&self, seed: u64, naming: u64) -> Delivery {
        let naming = IndexNaming::new(format!("n{naming}-{{format}}"), Rotation::OneHour).unwrap();
        Delivery {
            stream: Arc::<Stream>::clone(&self.stream),
            index: Arc::<Index>::clone(&self.index),
            failed: failed::Store::new(Arc::<Failed>::clone(&self.failed)),
            naming: History::open(self.folder.path().join("naming.json"), naming).unwrap(),
            settings: Settings {
                transform: Options::default(),
                limits: self.limits,
                cores: Cores::Inline,
                jitter_seed: seed,
            },
            metrics: Metrics::default(),
            health: watch::Sender::default(),
            clock: self.clock,
        }
    }

    /// Runs until a crash at a random point, or an orderly stop.
    async fn live(&self, delivery: &Delivery, life: u64, random: &mut Random) {
        let stop = CancellationToken::new();
        let work = join(self.produce(life, random.next()), delivery.run(&stop, Mode::Follow));
        if random.below(4) == 0 {
            let after = Duration::from_millis(random.below(3000));
            let stopped = async {
                tokio::time::sleep(after).await;
                stop.cancel();
                tokio::time::sleep(Duration::from_secs(10)).await;
            };
            match select(Box::pin(work), Box::pin(stopped)).await {
                Either::Left((((), result), _)) => {
                    result.unwrap();
                    self.world.note("stopped in time");
                }
                Either::Right(_) => self.world.note("stopped by force"),
            }
        } else {
            let magnitude = random.below(11);
            let polls = 1 + random.below(2 << magnitude);
            Mortal { work: Box::pin(work), polls: NonZeroU64::new(polls) }.await;
        }
        self.world.note("crash");
        self.stream.crash();
        self.index.crash();
        self.failed.crash();
    }

    /// The faults go on until all but the farewell is appended; then the rest has to be delivered.
    async fn last_life(&self, delivery: &Delivery, life: u64) {
        let stop = CancellationToken::new();
        let producing = async {
            self.produce(life, 1).await;
            stop.cancel();
        };
        let ((), followed) = join(producing, delivery.run(&stop, Mode::Follow)).await;
        followed.unwrap();
        self.world.heal();
        for envelope in &self.farewell {
            let record = NewRecord {
                partition_key: "farewell".into(),
                explicit_hash_key: None,
                data: envelope.data.clone(),
                mark: None,
            };
            self.appended_in.lock().unwrap().extend(envelope.events.iter().map(|event| (event.id.clone(), life)));
            self.stream.append(vec![record]).await.unwrap().pop().unwrap().unwrap();
        }
        delivery.run(&CancellationToken::new(), Mode::Drain).await.unwrap();
    }

    /// Appends what is not in the stream yet, by what its marks say.
    async fn produce(&self, life: u64, seed: u64) {
        let mut random = Random::new(seed);
        loop {
            let Ok(marks) = self.stream.marks().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let mut records = Vec::new();
            for (producer, envelopes) in self.producers.iter().enumerate() {
                let name = format!("producer-{producer}");
                let mark = marks.iter().find(|mark| mark.producer == name);
                let taken = mark.map_or(0, |mark| std::str::from_utf8(&mark.state).unwrap().parse().unwrap());
                let upto = envelopes.len().min(taken + 1 + usize::try_from(random.below(3)).unwrap());
                for (envelope_idx, envelope) in envelopes.iter().enumerate().take(upto).skip(taken) {
                    for event in &envelope.events {
                        self.appended_in.lock().unwrap().insert(event.id.clone(), life);
                    }
                    let mark = Mark { producer: name.clone(), state: Bytes::from((envelope_idx + 1).to_string()) };
                    records.push(NewRecord {
                        partition_key: name.clone(),
                        explicit_hash_key: None,
                        data: envelope.data.clone(),
                        mark: Some(mark),
                    });
                }
            }
            if records.is_empty() {
                return;
            }
            // Whatever the answer is, the marks tell what became of it.
            drop(self.stream.append(records).await);
            tokio::time::sleep(Duration::from_millis(random.below(200))).await;
        }
    }
}

/// What one producer appends: records of log events, some of them undecodable.
fn plan(producer: u64, random: &mut Random) -> Vec<Envelope> {
    let mut envelopes = Vec::new();
    let mut serial = 0;
    for _ in 0..(4 + random.below(40)) {
        if random.below(10) == 0 {
            let mut bytes = vec![0x1f, 0x8b, 0x08, 0x00];
            bytes.extend_from_slice(format!("{producer}-{serial} is not gzip").as_bytes());
            serial += 1;
            let id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let events = vec![Planned { id, message: String::new(), fate: Fate::Undecodable }];
            envelopes.push(Envelope { data: Bytes::from(bytes), events });
            continue;
        }
        let header = Header {
            owner: "000000000000".into(),
            log_group: "/hydrant/simulation".into(),
            log_stream: format!("producer-{producer}"),
            subscription_filters: vec!["all".into()],
        };
        let mut encoder = Encoder::new(&header);
        let mut events = Vec::new();
        for _ in 0..(1 + random.below(9)) {
            serial += 1;
            let timestamp_ms = BASE_MS + i64::try_from(serial * 5_000).unwrap();
            let id = format!("{:040}{producer:08}{serial:08}", timestamp_ms);
            let (message, fate) = message(producer, serial, random);
            let flags = EventFlags::default();
            encoder.push(&LogEvent {
                id: id.clone(),
                timestamp_ms,
                message: message.clone().into_bytes(),
                flags,
                ..LogEvent::default()
            });
            events.push(Planned { id, message, fate });
        }
        envelopes.push(Envelope { data: Bytes::from(encoder.seal()), events });
    }
    envelopes
}

/// A message that names itself, so that a document can be told by its content.
fn message(producer: u64, serial: u64, random: &mut Random) -> (String, Fate) {
    match random.below(12) {
        0 => ("Tcp port: 3306  Unix socket: /run/mysqld/mysqld.sock".into(), Fate::Dropped),
        1 => (String::new(), Fate::Dropped),
        2 | 3 => (format!(r#"{{"poison":"entry-{producer}-{serial}."}}"#), Fate::Rejected),
        4 | 5 => (format!(r#"{{"note":"entry-{producer}-{serial}."}}"#), Fate::Document),
        6 | 7 => (format!("entry-{producer}-{serial}. is no statement"), Fate::Document),
        _ => {
            let stamp = "2026-11-23T23:58:00.000001Z";
            (format!("{stamp}\t    9 Query\tselect 'entry-{producer}-{serial}.'"), Fate::Document)
        }
    }
}

/// Drops its future at a poll: a crash that can strike at any `.await`.
pub(super) struct Mortal<F> {
    pub(super) work: Pin<Box<F>>,
    pub(super) polls: Option<NonZeroU64>,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(polls) = self.polls else { return Poll::Ready(None) };
        self.polls = NonZeroU64::new(polls.get() - 1);
        if self.polls.is_none() {
            return Poll::Ready(None);
        }
        self.work.as_mut().poll(context).map(Some)
    }
}
