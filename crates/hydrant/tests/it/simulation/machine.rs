//! Everything that a story takes place on: what outlives a crash, and the processes that work on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::deliver::backup::Backup;
use hydrant::deliver::naming::History;
use hydrant::deliver::{Cores, Delivery, Limits, Settings, failed};
use hydrant::index;
use hydrant::index::opensearch::{OpenSearch, Setup};
use hydrant::metrics::Metrics;
use hydrant::stream::{self, ShardId};
use hydrant_opensearch::bulk::Operation;
use hydrant_opensearch::{Limits as WriterLimits, Oversize, Target};
use hydrant_transform::document::{IndexNaming, Rotation};
use hydrant_transform::record::Options;
use tokio::sync::watch;

use super::check::{Invariant, Ledger, Violation, rule};
use super::copies::Copies;
use super::plan::{BASE_MS, Envelope, plan};
use super::planted::{self, Bug};
use crate::model::cluster::Cluster;
use crate::model::failed::Failed;
use crate::model::index::Index;
use crate::model::lease::Leases;
use crate::model::stream::{Commit, Stream};
use crate::model::{Faults, Random, World};

/// Where a story's records come from and where its documents go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// Everything on one machine: the model of the embedded stream and index, which lose power with the process.
    Embedded,
    /// A cluster behind the real writer; the stream is the machine's own.
    Cluster,
    /// As before, on a stream that several processes share.
    Shared,
}

pub(super) struct Machine {
    pub(super) seed: u64,
    pub(super) world: Arc<World>,
    pub(super) setting: Setting,
    pub(super) stream: Arc<Stream>,
    pub(super) failed: Arc<Failed>,
    /// Half of the seeds have one.
    pub(super) backup: Option<Arc<Failed>>,
    pub(super) index: Arc<Index>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) producers: Vec<Vec<Envelope>>,
    /// Appended when the last naming is recorded.
    pub(super) farewell: Vec<Envelope>,
    /// How many changes of the stream's shards a life sees at most.
    pub(super) reshards: u64,
    /// Whether the configured naming changes between lives.
    pub(super) renames: bool,
    /// What was broken so far.
    pub(super) violations: Arc<Mutex<Vec<Violation>>>,
    /// Of every process that ever was.
    pub(super) metrics: Arc<Mutex<Vec<Metrics>>>,
    /// How many documents had been new to the index when each process began.
    pub(super) new_before: Mutex<Vec<u64>>,
    /// How many entries each process has committed, by its number.
    pub(super) committed: Arc<Mutex<BTreeMap<usize, u64>>>,
    /// Nothing that is asked of the index stays without an answer.
    pub(super) always_answers: bool,
    pub(super) appended_in: Mutex<BTreeMap<String, u64>>,
    clock: Clock,
    leases: Arc<Leases>,
    folder: tempfile::TempDir,
    limits: Limits,
    writer: WriterLimits,
    gzip: bool,
    bug: Option<Bug>,
}

impl Machine {
    pub(super) fn new(seed: u64, bug: Option<Bug>, random: &mut Random, world: &Arc<World>) -> Machine {
        let setting = [Setting::Embedded, Setting::Cluster, Setting::Shared][pick(random, 3)];
        let faults = world.set_faults(faults(setting, random));
        world.note(format!("{setting:?} {faults:?}"));
        let clock = Clock::starting_at(BASE_MS);
        let n_producers = 1 + random.below(3);
        let clustered = setting != Setting::Embedded;
        let mut producers: Vec<Vec<Envelope>> =
            (0..n_producers).map(|producer| plan(producer, clustered, random)).collect();
        let farewell = producers.iter_mut().filter_map(Vec::pop).collect();
        let stream = Arc::new(Stream::new(Arc::clone(world), clock, 1 + pick(random, 3)));
        let index = Arc::new(Index::new(Arc::clone(world), clock));
        Machine {
            seed,
            setting,
            failed: Arc::new(Failed::new(Arc::clone(world))),
            backup: (random.below(2) == 0).then(|| Arc::new(Failed::backup(Arc::clone(world)))),
            cluster: Cluster::new(Arc::clone(world), Arc::clone(&index)),
            leases: Leases::new(Arc::clone(world), Arc::clone(&stream), bug != Some(Bug::StaleCommitTaken)),
            stream,
            index,
            folder: tempfile::tempdir().unwrap(),
            producers,
            farewell,
            reshards: random.below(2) * random.below(6),
            renames: random.below(2) == 0,
            violations: Arc::default(),
            metrics: Arc::default(),
            new_before: Mutex::default(),
            committed: Arc::default(),
            always_answers: faults == Faults { slow: faults.slow, step: faults.step, ..Faults::default() },
            appended_in: Mutex::default(),
            limits: Limits {
                documents_max: 1 + pick(random, 30),
                bytes_max: 100 + pick(random, 8000),
                records_max: 1 + pick(random, 10),
                age_max: Duration::from_millis(random.below(300)),
            },
            writer: WriterLimits {
                operation: Operation::Create,
                body_bytes: 500 + pick(random, 10_000),
                body_documents: 1 + pick(random, 30),
                connections: 1 + pick(random, 3),
                oversize: Oversize::Fail,
                target: Target::Index,
            },
            gzip: random.below(2) == 0,
            world: Arc::clone(world),
            clock,
            bug,
        }
    }

    pub(super) fn envelopes(&self) -> impl Iterator<Item = &Envelope> {
        self.producers.iter().flatten().chain(&self.farewell)
    }

    /// A process that is started now, with the naming of this number.
    pub(super) fn process(&self, naming: u64) -> Delivery {
        let naming = IndexNaming::new(format!("n{naming}-{{format}}"), Rotation::OneHour).unwrap();
        let metrics = Metrics::default();
        self.new_before.lock().unwrap().push(self.index.new_documents());
        let number = {
            let mut all = self.metrics.lock().unwrap();
            all.push(metrics.clone());
            all.len() as u64
        };
        let stream: Arc<dyn stream::Engine> = match self.setting {
            Setting::Embedded | Setting::Cluster => Arc::<Stream>::clone(&self.stream),
            Setting::Shared => Arc::new(self.leases.process(number)),
        };
        let failed: Arc<dyn failed::Objects> = Arc::<Failed>::clone(&self.failed);
        Delivery {
            stream: planted::stream(self.bug, stream),
            index: planted::index(self.bug, self.index()),
            failed: failed::Store::new(planted::failed(self.bug, failed)),
            backup: self.backup.clone().map(|backup| Backup::new(planted::backup(self.bug, backup))),
            naming: History::open(self.folder.path().join("naming.json"), naming).unwrap(),
            settings: Settings {
                transform: Options::default(),
                limits: self.limits,
                cores: Cores::Inline,
                jitter_seed: self.seed ^ number,
            },
            metrics,
            health: watch::Sender::default(),
            clock: self.clock,
        }
    }

    fn index(&self) -> Arc<dyn index::Engine> {
        match self.setting {
            Setting::Embedded => Arc::<Index>::clone(&self.index),
            Setting::Cluster | Setting::Shared => {
                let client = self.cluster.client(self.gzip, |carry| planted::wire(self.bug, carry));
                Arc::new(OpenSearch::over(client, self.writer, Setup { ids: true, templates: None }))
            }
        }
    }

    pub(super) fn broke(&self, invariant: Invariant, what: impl Into<String>) {
        self.violations.lock().unwrap().push(Violation::new(invariant, what));
    }

    /// Checks every commit: what it acknowledges has to be durable.
    pub(super) fn watch(&self) {
        let (index, failed, found) = (Arc::clone(&self.index), Arc::clone(&self.failed), Arc::clone(&self.violations));
        let (backup, processes, committed) = (self.backup.clone(), self.metrics.clone(), self.committed.clone());
        let envelopes: Vec<Envelope> = self.envelopes().cloned().collect();
        let mut rules: BTreeMap<ShardId, u64> = BTreeMap::new();
        let (mut ledger, mut copies) = (Ledger::default(), Copies::default());
        self.stream.watch(Box::new(move |commit| {
            let Commit { shard, parents_waiting, goes_back, records } = commit;
            let mut found = found.lock().unwrap();
            let mut broke = |invariant, what: String| found.push(Violation::new(invariant, format!("{shard}: {what}")));
            if *goes_back > 0 {
                broke(Invariant::CheckpointForward, format!("a commit goes back by {goes_back} records"));
            }
            if records.is_empty() {
                return;
            }
            if *parents_waiting > 0 {
                broke(Invariant::ParentsFirst, format!("{parents_waiting} records of its parents wait"));
            }
            let (documents, objects) = (index.documents(), failed.objects());
            let backup = backup.as_ref().map(|backup| backup.objects());
            for record in *records {
                let envelope = envelopes.iter().find(|envelope| envelope.data == record.data).unwrap();
                for problem in ledger.not_durable(&envelope.events, &documents, &objects) {
                    broke(Invariant::CheckpointBehind, format!("{}: {problem}", record.sequence_number));
                }
                for problem in backup.iter().flat_map(|backup| copies.lacking(&envelope.events, backup)) {
                    broke(Invariant::BackedUp, format!("{}: {problem}", record.sequence_number));
                }
                let process = processes.lock().unwrap().len();
                *committed.lock().unwrap().entry(process).or_default() += envelope.events.len() as u64;
                let rule = rules.entry((*shard).clone()).or_default();
                for problem in ledger.goes_back(&envelope.events, &documents, rule) {
                    broke(Invariant::NothingChanged, format!("{}: {problem}", record.sequence_number));
                }
            }
        }));
    }

    /// A machine that crashes before it has recorded its naming has delivered nothing by it.
    pub(super) fn first_naming(&self) -> u64 {
        let states = self.stream.first_states().into_iter();
        let states = states.map(|state| serde_json::from_slice::<serde_json::Value>(&state).unwrap());
        states.map(|state| rule(state["naming"][0]["pattern"].as_str().unwrap())).max().unwrap_or(0)
    }

    /// Loses power. A cluster, and a stream that is shared, are other machines.
    pub(super) fn crash(&self) {
        self.world.note("crash");
        self.failed.crash();
        if let Some(backup) = &self.backup {
            backup.crash();
        }
        match self.setting {
            Setting::Embedded => {
                self.stream.crash();
                self.index.crash();
            }
            Setting::Cluster => self.stream.crash(),
            Setting::Shared => self.stream.lose_appends(),
        }
    }
}

/// Swarm: each seed switches whole kinds of fault off. A sixteenth has none, so that no call is without an answer and counters
/// are exact; others run between its steps all the same, and die there.
fn faults(setting: Setting, random: &mut Random) -> Faults {
    if random.below(16) == 0 {
        return Faults { step: 1 + random.below(900), ..Faults::default() };
    }
    let mut kind = |per_mille: u64| random.below(2) * (1 + random.below(per_mille));
    let mut faults = Faults {
        unavailable: kind(150),
        lost_reply: kind(150),
        item_retry: kind(150),
        slow: kind(30),
        step: kind(900),
        ..Faults::default()
    };
    if setting != Setting::Embedded {
        faults = Faults {
            item_pause: kind(60),
            limit: kind(300),
            auth: kind(60),
            cut: kind(100),
            late: kind(30),
            restart: kind(20),
            ..faults
        };
    }
    if setting == Setting::Shared {
        faults = Faults { stall: kind(20), steal: kind(100), ..faults };
    }
    faults
}

fn pick(random: &mut Random, end: u64) -> usize {
    usize::try_from(random.below(end)).unwrap()
}
