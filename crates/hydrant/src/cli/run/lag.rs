//! How far delivery is behind, for each shard: said in metrics and on the page, and against what the stream keeps.
//!
//! A stream of Kinesis trims by time, so a delivery that waits longer than the retention loses records without an error.
//! At half of it and at four fifths this is said in the log, by `/health` and on the page.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::metrics::{Health, Metrics};
use crate::stream::ShardStatus;

/// Of the retention.
pub(in crate::cli) const WARNED_AT: f64 = 0.5;

/// Of the retention: somebody has to act now.
pub(in crate::cli) const ALARMED_AT: f64 = 0.8;

/// Begins the names of parts of the program that are shards which fall behind.
const PART: &str = "retention of shard ";

/// What was said of each shard.
#[derive(Debug, Default)]
pub(super) struct Lag(BTreeMap<String, Level>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Fine,
    Warned,
    Alarmed,
}

impl Level {
    fn of(used: f64) -> Level {
        match used {
            used if used >= ALARMED_AT => Level::Alarmed,
            used if used >= WARNED_AT => Level::Warned,
            _ => Level::Fine,
        }
    }
}

impl Lag {
    pub(super) fn tell(
        &mut self,
        status: &[ShardStatus],
        now_ms: i64,
        metrics: &Metrics,
        health: &watch::Sender<Health>,
    ) {
        metrics.forget_shards();
        let (mut behind, mut problems, mut levels) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for shard in status {
            let waits_ms = shard.oldest_waiting_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms).max(0));
            let waits = Duration::from_millis(waits_ms.unsigned_abs());
            let name = &shard.shard.0;
            behind.insert(name.clone(), waits);
            let used = shard.kept_for.map(|kept_for| waits.as_secs_f64() / kept_for.as_secs_f64().max(1.0));
            metrics.set_shard_lag(name, waits.as_secs_f64(), used);
            let (Some(kept_for), level) = (shard.kept_for, Level::of(used.unwrap_or(0.0))) else { continue };
            let sentence = format!(
                "delivery of shard {name} is {} behind, and the stream keeps records for {}: older ones are lost",
                spoken(waits),
                spoken(kept_for)
            );
            if level != self.0.get(name).copied().unwrap_or(Level::Fine) {
                match level {
                    Level::Alarmed => tracing::error!("{sentence}"),
                    Level::Warned => tracing::warn!("{sentence}"),
                    Level::Fine => tracing::warn!("delivery of shard {name} has caught up"),
                }
            }
            if level > Level::Fine {
                problems.insert(format!("{PART}{name}"), sentence);
            }
            levels.insert(name.clone(), level);
        }
        self.0 = levels;
        health.send_if_modified(|health| {
            let before = health.clone();
            health.behind = behind;
            health.problems.retain(|part, _| !part.starts_with(PART));
            health.problems.append(&mut problems);
            *health != before
        });
    }
}

pub(in crate::cli) fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3_600 {
        0 => format!("{} min {} s", seconds / 60, seconds % 60),
        hours => format!("{hours} h {} min", seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::ShardId;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn each_step_of_falling_behind_is_logged_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = std::sync::Mutex::new(file.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
        tracing::subscriber::with_default(subscriber.with_writer(writer).finish(), || {
            let (mut lag, metrics, health) = (Lag::default(), Metrics::default(), watch::Sender::default());
            for hours in [11, 12, 13, 20, 23, 12, 0] {
                let status = ShardStatus {
                    shard: ShardId("shardId-7".into()),
                    records_waiting: None,
                    oldest_waiting_ms: Some((100 - hours) * HOUR_MS),
                    kept_for: Some(Duration::from_secs(24 * 3_600)),
                };
                lag.tell(&[status], 100 * HOUR_MS, &metrics, &health);
            }
        });
        let behind = "delivery of shard shardId-7 is";
        let kept = "h 0 min behind, and the stream keeps records for 24 h 0 min: older ones are lost";
        let expected = format!(
            " WARN {behind} 12 {kept}\nERROR {behind} 20 {kept}\n WARN {behind} 12 {kept}\n WARN delivery of shard \
             shardId-7 has caught up\n"
        );
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), expected);
    }

    #[test]
    fn what_falls_behind_the_retention_is_said_until_it_has_caught_up() {
        let (mut lag, metrics, health) = (Lag::default(), Metrics::default(), watch::Sender::new(Health::default()));
        let now_ms = 1_000 * HOUR_MS;
        let mut tell = |hours: i64| {
            let status = ShardStatus {
                shard: ShardId("shardId-7".into()),
                records_waiting: None,
                oldest_waiting_ms: Some(now_ms - hours * HOUR_MS),
                kept_for: Some(Duration::from_secs(24 * 3_600)),
            };
            lag.tell(&[status], now_ms, &metrics, &health);
            health.borrow().clone()
        };
        assert_eq!(tell(11).problems.len(), 0);
        let part = "retention of shard shardId-7";
        let sentence = |hours: u32| {
            format!(
                "delivery of shard shardId-7 is {hours} h 0 min behind, and the stream keeps records for 24 h 0 min: older ones are lost"
            )
        };
        assert_eq!(tell(12).problems.get(part), Some(&sentence(12)));
        let late = tell(20);
        assert_eq!(late.problems.get(part), Some(&sentence(20)));
        assert_eq!(late.behind, [("shardId-7".to_owned(), Duration::from_secs(20 * 3_600))].into());
        let text = metrics.text();
        assert!(text.contains("\nhydrant_shard_lag_seconds{shard=\"shardId-7\"} 72000.0\n"), "{text}");
        let ratio = text.lines().find(|line| line.starts_with("hydrant_shard_retention_used_ratio{"));
        assert!(
            ratio.is_some_and(|line| line.starts_with("hydrant_shard_retention_used_ratio{shard=\"shardId-7\"} 0.83")),
            "{text}"
        );
        assert_eq!(tell(0).problems.len(), 0);
        lag.tell(&[], now_ms, &metrics, &health);
        assert!(health.borrow().behind.is_empty());
        assert!(!metrics.text().contains("shardId-7"), "a shard that is gone is told no more");
    }
}
