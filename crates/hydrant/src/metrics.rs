//! Every metric of the program, in one place: counters that stages add to, and their Prometheus text.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hydrant_transform::record::DropReason;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use prometheus_client::registry::{Registry, Unit};

/// Shared by all stages; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Source: entries cut from files, and the bytes they covered.
    pub entries_read: Counter,
    pub bytes_read: Counter,
    /// Stream: records and bytes that are durable.
    pub records_appended: Counter,
    pub bytes_appended: Counter,
    /// Deliver: what became of the entries.
    pub entries_delivered: Counter,
    pub documents_indexed: Counter,
    pub duplicates: Counter,
    pub failed: Counter,
    pub dropped: Family<DropLabels, Counter>,
    /// Deliver: objects of the backup that are durable, and their bytes.
    pub backup_objects: Counter,
    pub backup_bytes: Counter,
    /// Deliver: calls that had to be repeated.
    pub retries: Counter,
    /// Deliver: shards that wait because the index says that somebody has to act.
    pub paused: Gauge,
    /// Seconds between an entry's event and now, at the newest one that went through the stage.
    pub lag: Family<StageLabels, Gauge<f64, AtomicU64>>,
    /// Seconds that the oldest record of a shard has waited, and that time as a part of the stream's retention.
    pub shard_lag: Family<ShardLabels, Gauge<f64, AtomicU64>>,
    pub shard_retention_used: Family<ShardLabels, Gauge<f64, AtomicU64>>,
    /// Records that the stream holds and delivery has not committed.
    pub records_waiting: Gauge,
}

/// How the running program is, for `/health` and `/ready`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The stream and the indices are open and entries are taken.
    pub ready: bool,
    /// What waits or has ended: a part of the program, and a sentence.
    pub problems: BTreeMap<String, String>,
    /// How long the oldest undelivered record of each shard has waited.
    pub behind: BTreeMap<String, Duration>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DropLabels {
    pub reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StageLabels {
    pub stage: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ShardLabels {
    pub shard: String,
}

impl Metrics {
    pub fn dropped_for(&self, reason: &DropReason) -> Counter {
        self.dropped.get_or_create(&DropLabels { reason: reason.name().to_owned() }).clone()
    }

    /// `stage`: `source`, `stream` or `deliver`.
    pub fn set_lag(&self, stage: &'static str, seconds: f64) {
        self.lag.get_or_create(&StageLabels { stage }).set(seconds);
    }

    pub fn set_shard_lag(&self, shard: &str, seconds: f64, retention_used: Option<f64>) {
        let labels = ShardLabels { shard: shard.to_owned() };
        self.shard_lag.get_or_create(&labels).set(seconds);
        if let Some(used) = retention_used {
            self.shard_retention_used.get_or_create(&labels).set(used);
        }
    }

    /// Before those are told that are there now.
    pub fn forget_shards(&self) {
        self.shard_lag.clear();
        self.shard_retention_used.clear();
    }

    /// The text that `/metrics` answers.
    pub fn text(&self) -> String {
        let mut registry = Registry::with_prefix("hydrant");
        registry.register("entries_read", "Log entries cut from files", self.entries_read.clone());
        registry.register_with_unit("read", "Bytes of log files taken", Unit::Bytes, self.bytes_read.clone());
        registry.register("records_appended", "Records durable in the stream", self.records_appended.clone());
        registry.register_with_unit(
            "appended",
            "Bytes durable in the stream",
            Unit::Bytes,
            self.bytes_appended.clone(),
        );
        registry.register("entries_delivered", "Log entries that were transformed", self.entries_delivered.clone());
        registry.register("documents_indexed", "Documents new in an index", self.documents_indexed.clone());
        registry.register("duplicates", "Documents whose id was in the index already", self.duplicates.clone());
        registry.register("failed", "Documents put into failed/", self.failed.clone());
        registry.register("dropped", "Entries that are not indexed, by reason", self.dropped.clone());
        registry.register("backup_objects", "Objects written to the backup", self.backup_objects.clone());
        registry.register_with_unit("backup", "Bytes written to the backup", Unit::Bytes, self.backup_bytes.clone());
        registry.register("retries", "Calls of delivery that had to be repeated", self.retries.clone());
        registry.register(
            "paused",
            "Shards whose delivery waits for somebody to act on the index",
            self.paused.clone(),
        );
        registry.register_with_unit(
            "lag",
            "Age of the newest entry that passed a stage",
            Unit::Seconds,
            self.lag.clone(),
        );
        registry.register_with_unit(
            "shard_lag",
            "How long the oldest undelivered record of a shard has waited",
            Unit::Seconds,
            self.shard_lag.clone(),
        );
        registry.register_with_unit(
            "shard_retention_used",
            "That time as a part of the stream's retention; at 1 records are lost",
            Unit::Other("ratio".to_owned()),
            self.shard_retention_used.clone(),
        );
        registry.register(
            "records_waiting",
            "Records of the stream that are not delivered",
            self.records_waiting.clone(),
        );
        let mut out = String::new();
        match text::encode(&mut out, &registry) {
            Ok(()) => out,
            Err(std::fmt::Error) => String::new(),
        }
    }
}
