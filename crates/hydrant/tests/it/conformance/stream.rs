//! The contract of `stream::Engine`, sentence by sentence, on the model, the embedded engine and servers of Kinesis.

use std::time::Duration;

use bytes::Bytes;
use hydrant::clock::Clock;
use hydrant::stream::embedded::{Embedded, Retention};
use hydrant::stream::kinesis::{Kinesis, Settings};
use hydrant::stream::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Appended, Checkpoint, Engine, Error, Mark, NewRecord, Position,
    RECORD_BYTES_MAX, ReadLimits, Record, ShardId,
};
use md5::{Digest, Md5};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::model::World;
use crate::model::stream::Stream;
use crate::peer::Peer;

/// An engine under test.
#[expect(clippy::large_enum_variant, reason = "one at a time")]
enum Case {
    Model(Stream),
    Embedded { engine: Embedded, folder: TempDir, shards: u32 },
    Kinesis { engine: Kinesis, settings: Settings, folder: TempDir },
}

const ALL: ReadLimits = ReadLimits { records_max: 10_000, bytes_max: 64 << 20, wait: Duration::ZERO };

impl Case {
    fn model(shards: u32) -> Case {
        Case::Model(Stream::new(World::calm(), Clock::starting_at(1_642_236_285_161), usize::try_from(shards).unwrap()))
    }

    fn embedded(shards: u32) -> Case {
        let folder = TempDir::new().unwrap();
        Case::Embedded { engine: open(&folder, shards), folder, shards }
    }

    async fn kinesis(peer: &Peer, shards: u32) -> Case {
        let folder = TempDir::new().unwrap();
        let settings = peer.stream(shards, folder.path()).await;
        Case::Kinesis { engine: Kinesis::open(&settings, Clock::System).await.unwrap(), settings, folder }
    }

    fn engine(&self) -> &dyn Engine {
        match self {
            Case::Model(model) => model,
            Case::Embedded { engine, .. } => engine,
            Case::Kinesis { engine, .. } => engine,
        }
    }

    /// It tells no numbers of records and no hash keys, takes what comes behind a failure, and less than AWS at once.
    fn is_kinesis(&self) -> bool {
        matches!(self, Case::Kinesis { .. })
    }

    /// Loses all that is not durable and opens what is.
    async fn restart(self) -> Case {
        match self {
            Case::Model(model) => {
                model.crash();
                Case::Model(model)
            }
            Case::Embedded { engine, folder, shards } => {
                drop(engine);
                Case::Embedded { engine: open(&folder, shards), folder, shards }
            }
            Case::Kinesis { engine, settings, folder } => {
                drop(engine);
                Case::Kinesis { engine: Kinesis::open(&settings, Clock::System).await.unwrap(), settings, folder }
            }
        }
    }

    async fn shards(&self) -> Vec<ShardId> {
        self.engine().shards().await.unwrap().into_iter().map(|shard| shard.id).collect()
    }

    async fn append(&self, records: Vec<NewRecord>) -> Vec<Appended> {
        let results = self.engine().append(records).await.unwrap();
        results.into_iter().map(Result::unwrap).collect()
    }

    async fn read(&self, shard: &ShardId, after: Option<&Position>, limits: ReadLimits) -> Vec<Record> {
        self.engine().read(shard, after, limits).await.unwrap().records
    }

    async fn all(&self, shard: &ShardId) -> Vec<Record> {
        self.read(shard, None, ALL).await
    }
}

fn open(folder: &TempDir, shards: u32) -> Embedded {
    Embedded::open(folder.path(), shards, Retention::default(), Clock::System).unwrap()
}

fn record(key: &str, data: &str) -> NewRecord {
    NewRecord {
        partition_key: key.to_owned(),
        explicit_hash_key: None,
        data: Bytes::copy_from_slice(data.as_bytes()),
        mark: None,
    }
}

fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| std::str::from_utf8(&record.data).unwrap()).collect()
}

fn checkpoint(position: &Position, state: &'static [u8]) -> Checkpoint {
    Checkpoint { position: Some(position.clone()), state: Bytes::from_static(state) }
}

async fn records_are_read_in_order_also_over_restarts(case: Case) {
    let shard = case.shards().await.remove(0);
    let first = case.append(vec![record("k", "a"), record("k", "b")]).await;
    let case = case.restart().await;
    let second = case.append(vec![record("k", "c")]).await;
    let read = case.all(&shard).await;
    assert_eq!(texts(&read), ["a", "b", "c"]);
    let numbers: Vec<&str> = read.iter().map(|record| record.sequence_number.as_str()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let told: Vec<&str> = first.iter().chain(&second).map(|appended| appended.sequence_number.as_str()).collect();
    assert_eq!(numbers, told);
    assert!(read.iter().all(|record| record.partition_key == "k"));
}

async fn a_hash_key_chooses_the_shard(case: Case) {
    let shards = case.engine().shards().await.unwrap();
    assert_eq!(shards.len(), 4);
    assert_eq!((shards[0].hash_keys.0, shards[3].hash_keys.1), (0, u128::MAX));
    assert!(shards.windows(2).all(|pair| pair[0].hash_keys.1 + 1 == pair[1].hash_keys.0));
    for key in ["a", "b", "c", "d", "log-stream"] {
        let hash = u128::from_be_bytes(Md5::digest(key.as_bytes()).into());
        let expected = shards.iter().find(|shard| (shard.hash_keys.0..=shard.hash_keys.1).contains(&hash)).unwrap();
        assert_eq!(case.append(vec![record(key, key)]).await[0].shard, expected.id);
    }
    for shard in &shards {
        // moto knows no shard for the last key of each.
        let last = if case.is_kinesis() { shard.hash_keys.1 - 1 } else { shard.hash_keys.1 };
        for key in [shard.hash_keys.0, last] {
            let explicit = NewRecord { explicit_hash_key: Some(key), ..record("a", "x") };
            assert_eq!(case.append(vec![explicit]).await[0].shard, shard.id);
            let newest = case.all(&shard.id).await.pop().unwrap();
            assert_eq!(newest.explicit_hash_key, (!case.is_kinesis()).then_some(key));
        }
    }
}

async fn marks_are_durable_with_their_records_and_the_newest_is_told(case: Case) {
    let marked = |producer: &str, state: &'static [u8]| NewRecord {
        mark: Some(Mark { producer: producer.to_owned(), state: Bytes::from_static(state) }),
        ..record(producer, "x")
    };
    case.append(vec![marked("p", b"1"), marked("q", b"5"), marked("p", b"2")]).await;
    let case = case.restart().await;
    case.append(vec![marked("p", b"3")]).await;
    let case = case.restart().await;
    let mut marks: Vec<(String, Bytes)> =
        case.engine().marks().await.unwrap().into_iter().map(|mark| (mark.producer, mark.state)).collect();
    marks.sort();
    let expected = [("p", &b"3"[..]), ("q", b"5")].map(|(name, state)| (name.to_owned(), Bytes::from_static(state)));
    assert_eq!(marks, expected);
}

async fn a_read_goes_on_behind_a_position_within_its_limits(case: Case) {
    let shard = case.shards().await.remove(0);
    let long = "x".repeat(1_000);
    case.append(vec![record("k", "a"), record("k", &long), record("k", "c"), record("k", "d")]).await;
    let two = case.read(&shard, None, ReadLimits { records_max: 2, ..ALL }).await;
    assert_eq!(texts(&two), ["a", &long]);
    let rest = case.read(&shard, Some(&two[1].position), ALL).await;
    assert_eq!(texts(&rest), ["c", "d"]);
    let alone = case.read(&shard, Some(&two[0].position), ReadLimits { bytes_max: 10, ..ALL }).await;
    assert_eq!(texts(&alone), [&long]);
    assert_eq!(case.engine().end(&shard).await.unwrap(), Some(rest[1].position.clone()));
    let end = case.engine().read(&shard, Some(&rest[1].position), ALL).await.unwrap();
    assert!(end.records.is_empty() && !end.ended && end.behind == Duration::ZERO);
}

async fn a_read_waits_for_the_first_record_and_no_longer_than_it_may(case: Case) {
    let shard = case.shards().await.remove(0);
    assert_eq!(case.engine().end(&shard).await.unwrap(), None);
    let wait = Duration::from_millis(50);
    let start = Instant::now();
    assert!(case.read(&shard, None, ReadLimits { wait, ..ALL }).await.is_empty());
    assert!(start.elapsed() >= wait);
    let patient = ReadLimits { wait: Duration::from_secs(60), ..ALL };
    let (read, _) = tokio::join!(case.read(&shard, None, patient), case.append(vec![record("k", "late")]));
    assert_eq!(texts(&read), ["late"]);
}

async fn a_read_or_an_append_may_be_dropped(case: Case) {
    let shard = case.shards().await.remove(0);
    let patient = ReadLimits { wait: Duration::from_secs(60), ..ALL };
    timeout(Duration::from_millis(5), case.read(&shard, None, patient)).await.unwrap_err();
    drop(case.engine().append(vec![record("k", "never asked for")]));
    case.append(vec![record("k", "b")]).await;
    let read = case.all(&shard).await;
    assert_eq!(texts(&read).last(), Some(&"b"));
    assert!(read.len() <= 2);
}

async fn a_checkpoint_is_kept_and_never_goes_back(case: Case) {
    let shard = case.shards().await.remove(0);
    assert_eq!(case.engine().checkpoint(&shard).await.unwrap(), None);
    case.append(vec![record("k", "a"), record("k", "b"), record("k", "c")]).await;
    let read = case.all(&shard).await;
    // Before the first record nothing is delivered, but a state may be kept.
    let before = Checkpoint { position: None, state: Bytes::from_static(b"before") };
    case.engine().commit(&shard, before.clone()).await.unwrap();
    assert_eq!(case.engine().checkpoint(&shard).await.unwrap(), Some(before.clone()));
    let second = checkpoint(&read[1].position, b"state");
    case.engine().commit(&shard, second.clone()).await.unwrap();
    let case = case.restart().await;
    assert_eq!(case.engine().checkpoint(&shard).await.unwrap(), Some(second.clone()));
    assert!(matches!(case.engine().commit(&shard, before).await, Err(Error::Fatal(_))));
    let back = case.engine().commit(&shard, checkpoint(&read[0].position, b"")).await;
    assert!(matches!(back, Err(Error::Fatal(_))), "{back:?}");
    assert_eq!(case.engine().checkpoint(&shard).await.unwrap(), Some(second));
    assert_eq!(texts(&case.read(&shard, Some(&read[1].position), ALL).await), ["c"]);
    let status = case.engine().status().await.unwrap();
    let waiting = (!case.is_kinesis()).then_some(1);
    assert_eq!((status[0].records_waiting, status[0].oldest_waiting_ms), (waiting, Some(read[2].arrival_ms)));
    // A stream of Kinesis that was just made keeps records for a day.
    assert_eq!(status[0].kept_for, case.is_kinesis().then_some(Duration::from_secs(24 * 3_600)));
    case.engine().commit(&shard, checkpoint(&read[2].position, b"")).await.unwrap();
    assert_eq!(case.engine().status().await.unwrap()[0].oldest_waiting_ms, None);
}

async fn what_is_over_the_bounds_is_refused_for_ever(case: Case) {
    let shard = case.shards().await.remove(0);
    let many = (0..=APPEND_RECORDS_MAX).map(|_| record("k", "x")).collect();
    let refused = case.engine().append(many).await;
    assert!(matches!(refused, Err(Error::Fatal(_))), "{refused:?}");
    let half = "x".repeat(APPEND_BYTES_MAX / 2 + 1);
    let refused = case.engine().append(vec![record("k", &half), record("k", &half)]).await;
    assert!(matches!(refused, Err(Error::Fatal(_))), "{refused:?}");
    let large = case.engine().append(vec![record("k", &"x".repeat(RECORD_BYTES_MAX))]).await;
    let results = large.into_iter().flatten().collect::<Vec<_>>();
    assert!(results.iter().all(|result| matches!(result, Err(Error::Fatal(_)))), "{results:?}");
    assert!(case.all(&shard).await.is_empty());
    // Of a stream of Kinesis that was just made.
    let most = if case.is_kinesis() { 1024 * 1024 } else { RECORD_BYTES_MAX };
    assert_eq!(case.engine().record_bytes_max(), most);
    let most = most - 1;
    case.append(vec![record("k", &"x".repeat(most))]).await;
    assert_eq!(case.all(&shard).await[0].data.len(), most);
    if case.is_kinesis() {
        // A neighbour does not wait for what may be let in one day.
        let results = case.engine().append(vec![record("k", &"x".repeat(most + 1)), record("k", "beside")]).await;
        let results = results.unwrap();
        assert!(matches!(results[0], Err(Error::Retry(_))) && results[1].is_ok(), "{results:?}");
    }
}

async fn after_a_record_that_fails_the_later_ones_of_its_shard_fail_too(case: Case) {
    let shard = case.shards().await.remove(0);
    let unnamed = record("", "without a key");
    let results = case.engine().append(vec![record("k", "a"), unnamed, record("k", "c")]).await.unwrap();
    assert_eq!(results.len(), 3);
    assert!(results[0].is_ok() && matches!(results[1], Err(Error::Fatal(_))), "{results:?}");
    assert_eq!(results[2].is_ok(), case.is_kinesis(), "{results:?}");
    assert_eq!(texts(&case.all(&shard).await).len(), if case.is_kinesis() { 2 } else { 1 });
}

async fn positions_and_shards_of_other_streams_are_refused(case: Case) {
    let shard = case.shards().await.remove(0);
    case.append(vec![record("k", "a")]).await;
    let foreign = Position("elsewhere".to_owned());
    let read = case.engine().read(&shard, Some(&foreign), ALL).await;
    assert!(matches!(read, Err(Error::Fatal(_))), "{read:?}");
    let nowhere = ShardId("shardId-999999999999".to_owned());
    let read = case.engine().read(&nowhere, None, ALL).await;
    assert!(matches!(read, Err(Error::Fatal(_))), "{read:?}");
}

/// Each case on each engine.
macro_rules! on_every_engine {
    ($($case:ident: $shards:literal,)*) => {
        mod model {
            $(#[tokio::test(start_paused = true)]
            async fn $case() {
                super::$case(super::Case::model($shards)).await;
            })*
        }

        mod embedded {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Case::embedded($shards)).await;
            })*
        }

        async fn every_case_on(peer: &Peer) {
            $(println!(stringify!($case));
            $case(Case::kinesis(peer, $shards).await).await;)*
        }
    };
}

on_every_engine! {
    records_are_read_in_order_also_over_restarts: 1,
    a_hash_key_chooses_the_shard: 4,
    marks_are_durable_with_their_records_and_the_newest_is_told: 2,
    a_read_goes_on_behind_a_position_within_its_limits: 1,
    a_read_waits_for_the_first_record_and_no_longer_than_it_may: 1,
    a_read_or_an_append_may_be_dropped: 1,
    a_checkpoint_is_kept_and_never_goes_back: 1,
    what_is_over_the_bounds_is_refused_for_ever: 1,
    after_a_record_that_fails_the_later_ones_of_its_shard_fail_too: 1,
    positions_and_shards_of_other_streams_are_refused: 1,
}

#[tokio::test]
async fn foreign_every_case_on_kinesalite() {
    every_case_on(&Peer::kinesalite().await).await;
}

#[tokio::test]
async fn foreign_every_case_on_kinesis_local() {
    every_case_on(&Peer::kinesis_local().await).await;
}

#[tokio::test]
async fn foreign_every_case_on_moto() {
    every_case_on(&Peer::moto().await).await;
}
