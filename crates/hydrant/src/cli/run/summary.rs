//! What a run did, for people and as JSON, and the progress line.

use std::collections::BTreeMap;
use std::time::Duration;

use hydrant_transform::record::{DropReason, Filters};
use serde::Serialize;

use crate::cli::output::grouped;
use crate::metrics::Metrics;

/// The account of a run. `entries` = `documents` + `failed` + all of `dropped`; `duplicates` are repeats of entries
/// that an earlier run delivered, counted apart.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    entries: u64,
    documents: u64,
    failed: u64,
    dropped: BTreeMap<String, u64>,
    duplicates: u64,
    seconds: f64,
    /// Records in the stream that the next run delivers.
    waiting: u64,
}

impl Summary {
    pub(super) fn of(metrics: &Metrics, filters: &Filters, elapsed: Duration, waiting: u64) -> Summary {
        let reasons = [DropReason::Banner, DropReason::ControlMessage, DropReason::Empty, DropReason::Reingested];
        let reasons = reasons.into_iter().chain(filters.reasons());
        let counted = reasons.map(|reason| (reason.name().to_owned(), metrics.dropped_for(&reason).get()));
        Summary {
            entries: metrics.entries_delivered.get(),
            documents: metrics.documents_indexed.get(),
            failed: metrics.failed.get(),
            dropped: counted.filter(|(_, count)| *count > 0).collect(),
            duplicates: metrics.duplicates.get(),
            seconds: (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            waiting,
        }
    }

    pub(super) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} entries in {:.1} s: {} documents",
            grouped(self.entries),
            self.seconds,
            grouped(self.documents)
        );
        for (reason, count) in &self.dropped {
            text.push_str(&format!(", {} dropped ({})", grouped(*count), reason.replace('_', " ")));
        }
        text.push_str(&format!(", {} failed", grouped(self.failed)));
        if self.duplicates > 0 {
            text.push_str(&format!("; {} were there already", grouped(self.duplicates)));
        }
        if self.waiting > 0 {
            text.push_str(&format!("; {} records wait for the next run", grouped(self.waiting)));
        }
        text
    }
}

/// One line for a terminal. `behind` is how long the oldest undelivered record has waited.
pub(super) fn progress(metrics: &Metrics, behind: Duration) -> String {
    format!(
        "{} entries read · {} documents indexed · {} failed · lag {:.1} s",
        grouped(metrics.entries_read.get()),
        grouped(metrics.documents_indexed.get()),
        grouped(metrics.failed.get()),
        behind.as_secs_f64()
    )
}
