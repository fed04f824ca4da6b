//! One machine's story, told by a seed: its log, its faults, its lives and deaths.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, join, join_all, join3, select};
use hydrant::deliver::Mode;
use hydrant::metrics::Metrics;
use hydrant::stream::{Engine as _, Mark, NewRecord};
use tokio_util::sync::CancellationToken;

use super::check::{Invariant, Violation, check};
use super::machine::{Machine, Setting};
use super::mortal::{Mortal, Stalling};
use super::plan::{Envelope, Planned};
use super::planted::Bug;
use crate::model::{Faults, Random, World};

/// Virtual time after which a story is taken not to end.
const STORY_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// Virtual time within which everything is delivered once all faults are over.
const HEALED_MAX: Duration = Duration::from_secs(60 * 60);

/// Processes that share a stream.
const PROCESSES: u64 = 2;

/// More shards than these are not made.
const SHARDS_MAX: usize = 12;

/// How a story ended.
pub(super) struct Story {
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
    /// Of the backup, where there is one.
    pub(super) copies: Option<Vec<(String, Vec<u8>)>>,
    pub(super) waiting: u64,
    /// Of every process, the last one last.
    pub(super) metrics: Vec<Metrics>,
    /// How many entries each process has committed, by its number, where one at a time delivers.
    pub(super) committed: BTreeMap<usize, u64>,
    /// How many documents were new to the index while each process lived, where one at a time delivers.
    pub(super) new: Vec<u64>,
    /// Nothing that was asked of the index stayed without an answer.
    pub(super) always_answers: bool,
    /// Several processes delivered it.
    pub(super) shared: bool,
}

/// A story from outside.
pub(super) struct Told {
    pub(super) log: Vec<String>,
    pub(super) violations: Vec<Violation>,
}

/// Tells the story of a seed, perhaps with a bug in it, and what it broke.
pub(super) fn run(seed: u64, bug: Option<Bug>) -> Told {
    let world = World::new(seed ^ 0xdead_beef, Faults::default());
    let mut random = Random::new(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // The machine's clock begins with the runtime's.
    let machine = runtime.block_on(async { Machine::new(seed, bug, &mut random, &world) });
    machine.watch();
    let violations = Arc::clone(&machine.violations);
    let told = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let story = runtime.block_on(async { tokio::time::timeout(STORY_MAX, tell(&machine, &mut random)).await });
        story.map(|story| check(&story))
    }));
    let found = match told {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => vec![Violation::new(Invariant::DeliveryGoesOn, "the story does not end")],
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something");
            vec![Violation::new(Invariant::DeliveryGoesOn, format!("it panics: {text}"))]
        }
    };
    let mut violations = violations.lock().map_or_else(|poisoned| poisoned.into_inner().clone(), |all| all.clone());
    violations.extend(found);
    Told { log: world.log(), violations }
}

async fn tell(machine: &Machine, random: &mut Random) -> Story {
    let lives = 1 + random.below(4) * random.below(6);
    let mut naming = 0;
    for life in 0..lives {
        if life > 0 && machine.renames && random.below(4) == 0 {
            naming = life;
            machine.world.note("naming changes");
        }
        if life + 1 < lives {
            machine.live(naming, life, random).await;
        } else {
            machine.last_life(naming, life, random).await;
        }
    }
    machine.cluster.carry_out_late();
    let shards = machine.stream.shards_now();
    let shared = machine.setting == Setting::Shared;
    let farewell = machine.farewell.iter().filter(|_| !shared);
    let mut new = machine.new_before.lock().unwrap().clone();
    new.push(machine.index.new_documents());
    Story {
        planned: machine.envelopes().flat_map(|envelope| envelope.events.clone()).collect(),
        farewell: farewell.flat_map(|envelope| envelope.events.iter().map(|event| event.id.clone())).collect(),
        naming,
        first_naming: machine.first_naming(),
        appended_in: machine.appended_in.lock().unwrap().clone(),
        documents: machine.index.documents(),
        objects: machine.failed.objects(),
        copies: machine.backup.as_ref().map(|backup| backup.objects()),
        waiting: shards.iter().map(|shard| machine.stream.waiting(&shard.id)).sum(),
        metrics: machine.metrics.lock().unwrap().clone(),
        committed: machine.committed.lock().unwrap().clone(),
        new: new.windows(2).map(|pair| pair[1] - pair[0]).collect(),
        always_answers: machine.always_answers,
        shared,
    }
}

impl Machine {
    /// Runs until a crash at a random point, or an orderly stop.
    async fn live(&self, naming: u64, life: u64, random: &mut Random) {
        let stop = CancellationToken::new();
        let delivering = self.deliver(naming, random.next(), &stop);
        let work = join3(self.produce(life, random.next()), self.reshard(random.next()), delivering);
        if random.below(4) == 0 {
            let after = Duration::from_millis(random.below(3000));
            let stopped = async {
                tokio::time::sleep(after).await;
                stop.cancel();
                tokio::time::sleep(Duration::from_secs(10)).await;
            };
            match select(Box::pin(work), Box::pin(stopped)).await {
                Either::Left(_) => self.world.note("stopped in time"),
                Either::Right(_) => self.world.note("stopped by force"),
            }
        } else {
            let magnitude = random.below(if self.setting == Setting::Shared { 14 } else { 11 });
            let polls = 1 + random.below(2 << magnitude);
            Mortal { work: Box::pin(work), polls: NonZeroU64::new(polls) }.await;
        }
        self.crash();
    }

    /// The faults go on until all but the farewell is appended; then the rest has to be delivered.
    async fn last_life(&self, naming: u64, life: u64, random: &mut Random) {
        match self.setting {
            Setting::Embedded | Setting::Cluster => self.last_life_alone(naming, life, random).await,
            Setting::Shared => {
                let stop = CancellationToken::new();
                let producing = async {
                    join(self.produce(life, 1), self.reshard(random.next())).await;
                    self.world.heal();
                    self.append_farewell(life).await;
                    let delivered = async {
                        while !self.stream.is_delivered() {
                            tokio::time::sleep(Duration::from_secs(1)).await;
                        }
                    };
                    if tokio::time::timeout(HEALED_MAX, delivered).await.is_err() {
                        self.broke(Invariant::DeliveryGoesOn, "something waits though all faults are over");
                    }
                    stop.cancel();
                };
                join(producing, self.deliver(naming, 1, &stop)).await;
            }
        }
    }

    async fn last_life_alone(&self, naming: u64, life: u64, random: &mut Random) {
        let delivery = self.process(naming);
        let stop = CancellationToken::new();
        let producing = async {
            join(self.produce(life, 1), self.reshard(random.next())).await;
            stop.cancel();
        };
        let ((), followed) = join(producing, delivery.run(&stop, Mode::Follow)).await;
        self.world.heal();
        self.append_farewell(life).await;
        let never = CancellationToken::new();
        let drained = delivery.run(&never, Mode::Drain);
        let drained = tokio::time::timeout(HEALED_MAX, drained).await;
        for ended in [Ok(followed), drained] {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.broke(Invariant::DeliveryGoesOn, error.to_string()),
                Err(_) => self.broke(Invariant::DeliveryGoesOn, "something waits though all faults are over"),
            }
        }
    }

    async fn append_farewell(&self, life: u64) {
        for envelope in &self.farewell {
            let record = NewRecord {
                partition_key: "farewell".into(),
                explicit_hash_key: None,
                data: envelope.data.clone(),
                mark: None,
            };
            self.remember(envelope, life);
            self.stream.append(vec![record]).await.unwrap().pop().unwrap().unwrap();
        }
    }

    fn remember(&self, envelope: &Envelope, life: u64) {
        self.appended_in.lock().unwrap().extend(envelope.events.iter().map(|event| (event.id.clone(), life)));
    }

    /// The processes of a life, until `stop`.
    async fn deliver(&self, naming: u64, seed: u64, stop: &CancellationToken) {
        if self.setting != Setting::Shared {
            return self.deliver_alone(naming, stop).await;
        }
        let processes = (0..PROCESSES).map(|process| {
            let mut random = Random::new(seed ^ (process + 1));
            async move {
                for _ in 0..random.below(3) {
                    let delivery = self.process(naming);
                    let magnitude = random.below(12);
                    let polls = NonZeroU64::new(1 + random.below(2 << magnitude));
                    let running = Box::pin(delivery.run(stop, Mode::Follow));
                    let stalling = Stalling { work: running, world: Arc::clone(&self.world), asleep: None };
                    Mortal { work: Box::pin(stalling), polls }.await;
                    self.world.note("a process dies");
                    tokio::time::sleep(Duration::from_millis(random.below(20_000))).await;
                }
                let delivery = self.process(naming);
                let running = Box::pin(delivery.run(stop, Mode::Follow));
                if let Err(error) = (Stalling { work: running, world: Arc::clone(&self.world), asleep: None }).await {
                    self.broke(Invariant::DeliveryGoesOn, error.to_string());
                }
            }
        });
        join_all(processes).await;
    }

    async fn deliver_alone(&self, naming: u64, stop: &CancellationToken) {
        let delivery = self.process(naming);
        if let Err(error) = delivery.run(stop, Mode::Follow).await {
            self.broke(Invariant::DeliveryGoesOn, error.to_string());
        }
    }

    /// Splits, merges and trims at any moment.
    async fn reshard(&self, seed: u64) {
        let mut random = Random::new(seed);
        for _ in 0..random.below(self.reshards + 1) {
            tokio::time::sleep(Duration::from_millis(random.below(2500))).await;
            let open = self.stream.open();
            let first = usize::try_from(random.below(open.len() as u64)).unwrap();
            match random.below(4) {
                0 => {
                    self.stream.trim();
                    self.world.note("trimmed");
                }
                1 if self.stream.shards_now().len() < SHARDS_MAX => {
                    let neighbour = open.iter().find(|second| self.stream.merge(&open[first], second));
                    if neighbour.is_some() {
                        self.world.note("merge");
                    }
                }
                _ if self.stream.shards_now().len() < SHARDS_MAX => {
                    self.stream.split(&open[first]);
                    self.world.note("split");
                }
                _ => {}
            }
        }
    }

    /// Appends what is not in the stream yet, by what its marks say.
    async fn produce(&self, life: u64, seed: u64) {
        let mut random = Random::new(seed);
        let pause_ms = if self.setting == Setting::Shared { 3_000 } else { 200 };
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
                    self.remember(envelope, life);
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
            tokio::time::sleep(Duration::from_millis(random.below(pause_ms))).await;
        }
    }
}
