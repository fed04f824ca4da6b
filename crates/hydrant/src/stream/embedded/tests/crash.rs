//! Power losses and kills at every operation that changes the disk, several times in a row.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::Embedded;
use super::super::sequence;
use super::super::storage::Storage;
use super::crash_storage::{CrashStorage, Plan, Random};
use super::{DIR, open, read_all, record, shard, text};
use crate::stream::{Checkpoint, Engine, NewRecord};

const N_STEPS: u64 = 30;

/// What was asked of the stream, and what it has acknowledged.
#[derive(Default)]
struct History {
    /// Data, and the producer that marked it with the data, in the order of appending.
    appended: Vec<(String, Option<String>)>,
    n_acknowledged: usize,
    commit_asked: u64,
    commit_acknowledged: u64,
}

impl History {
    /// Works until done or until the machine stops. True if done.
    async fn work(&mut self, stream: &Embedded, seed: u64) -> bool {
        let mut random = Random(seed);
        for _ in 0..N_STEPS {
            let records = self.make(&mut random);
            let n = records.len();
            let results = stream.append_records(records).await.unwrap();
            if results.iter().any(Result::is_err) {
                assert!(results.iter().all(Result::is_err), "one write for all");
                return false;
            }
            for (i, result) in results.into_iter().enumerate() {
                let counter = (self.n_acknowledged + i + 1) as u64;
                assert_eq!(result.unwrap().sequence_number, sequence::write(0, counter));
            }
            self.n_acknowledged += n;
            if random.below(3) == 0 && !self.commit(stream, &mut random).await {
                return false;
            }
        }
        true
    }

    fn make(&mut self, random: &mut Random) -> Vec<NewRecord> {
        let n = 1 + random.below(3);
        let made = (0..n).map(|_| {
            let filler = "x".repeat(usize::try_from(random.below(900)).unwrap());
            let data = format!("{}:{filler}", self.appended.len());
            let producer = (random.below(3) > 0).then(|| format!("log-{}", random.below(3)));
            self.appended.push((data.clone(), producer.clone()));
            let state = data.split(':').next().unwrap();
            record(&data, producer.as_deref().map(|producer| (producer, state)))
        });
        made.collect()
    }

    async fn commit(&mut self, stream: &Embedded, random: &mut Random) -> bool {
        let ahead = self.n_acknowledged as u64 - self.commit_acknowledged;
        let counter = self.commit_acknowledged + random.below(ahead + 1);
        if counter == 0 {
            return true;
        }
        self.commit_asked = counter;
        let checkpoint =
            Checkpoint { position: Some(sequence::position(0, counter)), state: counter.to_string().into() };
        if Engine::commit(stream, &shard(), checkpoint).await.is_err() {
            return false;
        }
        self.commit_acknowledged = counter;
        true
    }

    /// Compares a reopened stream with what was acknowledged, and takes over what turned out to be there.
    async fn check(&mut self, stream: &Embedded) {
        let checkpoint = Engine::checkpoint(stream, &shard()).await.unwrap();
        let committed =
            checkpoint.as_ref().map_or(0, |it| sequence::counter(0, it.position.as_ref().unwrap()).unwrap());
        assert!([self.commit_acknowledged, self.commit_asked].contains(&committed), "checkpoint at {committed}");
        if let Some(checkpoint) = checkpoint {
            assert_eq!(checkpoint.state, committed.to_string());
        }

        let (records, error) = read_all(stream, None).await;
        assert!(error.is_none(), "{error:?}");
        let first = records
            .first()
            .map_or(self.n_acknowledged as u64 + 1, |record| sequence::counter(0, &record.position).unwrap());
        assert!(first <= committed + 1, "record {first} is the oldest, but {committed} is committed");
        let before = usize::try_from(first).unwrap() - 1;
        let n_there = before + records.len();
        assert!(n_there >= self.n_acknowledged, "{n_there} records of {} acknowledged", self.n_acknowledged);
        assert!(n_there <= self.appended.len());
        for ((counter, record), (data, _)) in (first..).zip(&records).zip(&self.appended[before..]) {
            assert_eq!(record.sequence_number, sequence::write(0, counter));
            assert_eq!(&text(record), data);
        }
        self.appended.truncate(n_there);

        let mut expected = BTreeMap::new();
        for (data, producer) in &self.appended {
            if let Some(producer) = producer {
                expected.insert(producer.clone(), data.split(':').next().unwrap().to_owned());
            }
        }
        let marks = Engine::marks(stream).await.unwrap();
        let marks = marks.into_iter().map(|mark| (mark.producer, String::from_utf8(mark.state.to_vec()).unwrap()));
        assert_eq!(marks.collect::<BTreeMap<_, _>>(), expected);

        self.n_acknowledged = n_there;
        (self.commit_acknowledged, self.commit_asked) = (committed, committed);
    }
}

/// Works, stops at the given operation, comes back, several times. True if the first round was cut short.
async fn live_through(seed: u64, first_stop: u64, power: bool) -> bool {
    let crashing = CrashStorage::new(seed);
    let storage: Arc<dyn Storage> = Arc::new(crashing.clone());
    let mut history = History::default();
    let mut random = Random(seed ^ first_stop);
    let mut cut_short = false;
    for round in 0..3 {
        let stop = if round == 0 { first_stop } else { random.below(60) };
        crashing.plan(Plan::StopAt(stop));
        let finished = match open(&storage, Path::new(DIR)) {
            Ok(stream) => history.work(&stream, seed + round).await,
            Err(_) => false,
        };
        cut_short |= round == 0 && !finished;
        crashing.plan(Plan::Work);
        // A kill leaves all that was written to the kernel. A later loss of power takes what was never synced.
        if power {
            crashing.lose_power();
        }
        let stream = open(&storage, Path::new(DIR)).unwrap();
        history.check(&stream).await;
        drop(stream);
        crashing.lose_power();
        let stream = open(&storage, Path::new(DIR)).unwrap();
        let n_seen = history.n_acknowledged;
        history.check(&stream).await;
        assert_eq!(history.n_acknowledged, n_seen, "what readers saw is durable");
    }
    cut_short
}

async fn stop_everywhere(seed: u64, power: bool) {
    let mut stop = 0;
    while live_through(seed, stop, power).await {
        stop += 1;
        assert!(stop < 1000, "the work comes to an end");
    }
    assert!(stop > 100, "only {stop} places to stop at");
}

#[tokio::test(start_paused = true)]
async fn a_power_loss_at_any_operation_loses_nothing_acknowledged() {
    for seed in 0..4 {
        stop_everywhere(seed, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_and_a_later_power_loss_lose_nothing_that_was_seen() {
    for seed in 10..12 {
        stop_everywhere(seed, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn records_in_the_stream_may_look_like_frames() {
    let crashing = CrashStorage::new(1);
    let storage: Arc<dyn Storage> = Arc::new(crashing.clone());
    let stream = open(&storage, Path::new(DIR)).unwrap();
    stream.append_records(vec![record("first", None)]).await.unwrap();
    let segment = Path::new(DIR).join("shardId-000000000000/00000000000000000001.segment");
    let copy = crashing.files()[&segment].clone();
    let mut planted = record("", None);
    planted.data = copy.into();
    crashing.plan(Plan::StopAt(1));
    assert!(stream.append_records(vec![planted]).await.unwrap()[0].is_err());
    drop(stream);
    crashing.plan(Plan::Work);
    let length = crashing.files()[&segment].len();
    crashing.flip(&segment, 44 + 64 + 3 + 5 + 20);
    let stream = open(&storage, Path::new(DIR)).unwrap();
    let (records, error) = read_all(&stream, None).await;
    assert!(error.is_none());
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["first"]);
    assert!(crashing.files()[&segment].len() < length, "the torn frame is cut, with the copies of frames in it");
}
