//! Source to stream: what the tail packed is appended until it is durable.
//!
//! The same envelopes are offered for ever at a bounded back-off, so a full disk makes the chain wait and loses
//! nothing. At most one hand-out of the tail is in memory.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::{Health, Metrics};
use crate::source::tail::Tail;
use crate::source::{Packed, subscription};
use crate::stream::{self, APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Engine, Mark, NewRecord};

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

pub(super) struct Pump {
    pub(super) tail: Tail,
    pub(super) stream: Arc<dyn Engine>,
    pub(super) metrics: Metrics,
    pub(super) health: watch::Sender<Health>,
    pub(super) clock: Clock,
}

impl Pump {
    /// Runs until `stop`, or until the tail is finished (`--once`).
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let packed = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                packed = self.tail.next() => packed?,
            };
            if packed.is_empty() && self.tail.finished() {
                return Ok(());
            }
            for packed in &packed {
                self.metrics.entries_read.inc_by(u64::try_from(packed.entries).unwrap_or(u64::MAX));
                self.metrics.bytes_read.inc_by(packed.source_bytes);
                self.metrics.set_lag("source", self.age_seconds(packed.newest_ms));
            }
            if !self.append(packed, &stop).await? {
                return Ok(());
            }
        }
    }

    /// Appends everything, in order. `false`: stopped while the stream did not take it; the tail's marks then still
    /// tell that it was not taken.
    async fn append(&self, packed: Vec<Packed>, stop: &CancellationToken) -> anyhow::Result<bool> {
        let newest_ms = packed.iter().map(|packed| packed.newest_ms).max().unwrap_or(0);
        let mut waiting: Vec<NewRecord> = packed.into_iter().map(record).collect();
        let mut backoff = BACKOFF_FIRST;
        while !waiting.is_empty() {
            waiting = fit(waiting, self.stream.record_bytes_max());
            let batch = batch_len(&waiting);
            let offered = waiting.get(..batch).unwrap_or_default().to_vec();
            let problem = match self.stream.append(offered).await {
                Ok(results) => self.keep_refused(&mut waiting, results)?,
                Err(stream::Error::Retry(problem)) => Some(problem),
                Err(stream::Error::Fatal(problem) | stream::Error::Lost(problem)) => bail!(problem),
            };
            let Some(problem) = problem else {
                self.waits(None);
                backoff = BACKOFF_FIRST;
                continue;
            };
            self.waits(Some(format!("the stream takes nothing now, reading waits: {problem}")));
            tokio::select! {
                () = stop.cancelled() => return Ok(false),
                () = sleep(backoff) => {}
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
        self.metrics.set_lag("stream", self.age_seconds(newest_ms));
        Ok(true)
    }

    /// Says that reading waits, or that it goes on, when that changes.
    fn waits(&self, problem: Option<String>) {
        self.health.send_if_modified(|health| {
            let before = match &problem {
                Some(text) => health.problems.insert("stream".to_owned(), text.clone()),
                None => health.problems.remove("stream"),
            };
            match (&before, &problem) {
                (None, Some(text)) => tracing::warn!("{text}"),
                (Some(_), None) => tracing::warn!("the stream takes records again"),
                (Some(_), Some(_)) | (None, None) => {}
            }
            before != problem
        });
    }

    /// Removes what is durable from the front part of `waiting`; answers why something is not.
    fn keep_refused(
        &self,
        waiting: &mut Vec<NewRecord>,
        results: Vec<Result<stream::Appended, stream::Error>>,
    ) -> anyhow::Result<Option<String>> {
        assert!(results.len() <= waiting.len(), "an append answers one result for each record");
        let rest = waiting.split_off(results.len());
        let mut problem = None;
        let offered = std::mem::take(waiting);
        for (record, result) in offered.into_iter().zip(results) {
            match result {
                Ok(_) => {
                    self.metrics.records_appended.inc();
                    self.metrics.bytes_appended.inc_by(u64::try_from(record.data.len()).unwrap_or(u64::MAX));
                }
                Err(stream::Error::Retry(text)) => {
                    problem.get_or_insert(text);
                    waiting.push(record);
                }
                Err(stream::Error::Fatal(text) | stream::Error::Lost(text)) => bail!(text),
            }
        }
        waiting.extend(rest);
        Ok(problem)
    }

    fn age_seconds(&self, event_ms: i64) -> f64 {
        Duration::from_millis(u64::try_from(self.clock.now_ms().saturating_sub(event_ms)).unwrap_or(0)).as_secs_f64()
    }
}

fn record(packed: Packed) -> NewRecord {
    NewRecord {
        partition_key: packed.partition_key,
        explicit_hash_key: None,
        data: Bytes::from(packed.data),
        mark: Some(Mark { producer: packed.producer, state: Bytes::from(packed.mark) }),
    }
}

/// Splits records that are over the stream's bound for one, in order. The last part has the mark.
fn fit(records: Vec<NewRecord>, bytes_max: usize) -> Vec<NewRecord> {
    let mut fitting = Vec::with_capacity(records.len());
    for record in records {
        if size(&record) <= bytes_max {
            fitting.push(record);
            continue;
        }
        let parts = subscription::fit(&record.data, bytes_max.saturating_sub(record.partition_key.len()));
        let n_before = parts.len().saturating_sub(1);
        let part = |(nth, data): (usize, Vec<u8>)| {
            let mark = record.mark.clone().filter(|_| nth == n_before);
            NewRecord { data: Bytes::from(data), mark, ..record.clone() }
        };
        fitting.extend(parts.into_iter().enumerate().map(part));
    }
    fitting
}

/// How many records from the front fit one append; one at least. A mark covers the parts before it, so it is offered
/// when they are durable.
fn batch_len(records: &[NewRecord]) -> usize {
    let (mut bytes, mut has_part) = (0, false);
    let fit = records.iter().take(APPEND_RECORDS_MAX).take_while(|record| {
        bytes += size(record);
        let covers_part = has_part && record.mark.is_some();
        has_part |= record.mark.is_none();
        bytes <= APPEND_BYTES_MAX && !covers_part
    });
    fit.count().max(1)
}

fn size(record: &NewRecord) -> usize {
    record.data.len() + record.partition_key.len()
}

#[cfg(test)]
mod tests {
    use hydrant_transform::envelope::LogEvent;

    use super::*;

    fn record(data: Vec<u8>, mark: Option<&'static [u8]>) -> NewRecord {
        let mark = mark.map(|state| Mark { producer: "p".into(), state: Bytes::from_static(state) });
        NewRecord { partition_key: "key".into(), explicit_hash_key: None, data: data.into(), mark }
    }

    #[test]
    fn a_mark_is_offered_when_the_parts_before_it_are_durable() {
        let records = |marks: &[bool]| -> Vec<NewRecord> {
            marks.iter().map(|marked| record(vec![1], marked.then_some(b"m"))).collect()
        };
        for (marks, expected) in [
            (&[true, true, true][..], 3),
            (&[true, false, false, true], 3),
            (&[false, true], 1),
            (&[true, false], 2),
            (&[true], 1),
        ] {
            assert_eq!(batch_len(&records(marks)), expected, "{marks:?}");
        }
        let large = || record(vec![1; APPEND_BYTES_MAX / 2], Some(b"m"));
        assert_eq!(batch_len(&[large(), large()]), 1);
    }

    #[test]
    fn what_is_over_the_bound_is_split_and_its_last_part_has_the_mark() {
        let of = subscription::LogStream { owner: "1".into(), log_group: "/g".into(), log_stream: "s".into() };
        let mut packer = subscription::Packer::new(&of).gzip(false);
        // Letters that gzip cannot make much smaller.
        let letter = |place: u64| b'!' + u8::try_from(place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58).unwrap();
        for number in 0..4 {
            let message = (0..1_000).map(|place| letter(place * place + number)).collect();
            packer.push(&LogEvent { id: number.to_string(), message, ..LogEvent::default() });
        }
        let long = record(packer.seal().data, Some(b"long"));
        let short = record(vec![b'x'; 10], Some(b"short"));
        let fitting = fit(vec![short.clone(), long.clone(), short.clone()], 1_500);
        let marks: Vec<Option<&[u8]>> =
            fitting.iter().map(|record| record.mark.as_ref().map(|mark| &mark.state[..])).collect();
        let n_parts = fitting.len() - 2;
        assert!(n_parts > 1 && fitting.iter().all(|record| size(record) <= 1_500 && record.partition_key == "key"));
        let mut expected = vec![None; fitting.len()];
        (expected[0], expected[n_parts], expected[n_parts + 1]) =
            (Some(&b"short"[..]), Some(&b"long"[..]), Some(&b"short"[..]));
        assert_eq!(marks, expected);
        assert_eq!((&fitting[0], &fitting[n_parts + 1]), (&short, &short));
        assert_eq!(fit(vec![long.clone()], size(&long)), [long]);
    }
}
