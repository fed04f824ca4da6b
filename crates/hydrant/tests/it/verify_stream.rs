//! The stream's hop of `hydrant verify`, over the model of a stream: what is in flight, and what may have expired before
//! it was delivered.

use bytes::Bytes;
use hydrant::clock::Clock;
use hydrant::deliver::naming::History;
use hydrant::stream::{Checkpoint, Engine as _, NewRecord, ReadLimits, ShardId};
use hydrant::verify::spill::Bounds;
use hydrant::verify::stream::{Gap, StreamAccount, snapshot, take};
use hydrant::verify::{Keys, Ledger};
use hydrant_transform::document::{IndexNaming, Rotation};
use hydrant_transform::record::Options;
use serde_json::json;
use tempfile::TempDir;

use crate::model::World;
use crate::model::stream::Stream;

/// 2026-11-23T12:00:00Z
const BASE_MS: i64 = 1_795_435_200_000;

struct Chain {
    stream: Stream,
    folder: TempDir,
}

impl Chain {
    /// So many records of one entry each.
    async fn new(records: u32) -> Chain {
        let stream = Stream::new(World::calm(), Clock::starting_at(BASE_MS), 1);
        let chain = Chain { stream, folder: tempfile::tempdir().unwrap() };
        for number in 0..records {
            chain.append(number).await;
        }
        chain
    }

    async fn append(&self, number: u32) {
        let envelope = json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
            "subscriptionFilters": [], "logEvents": [{"id": format!("{number:056}"), "timestamp": BASE_MS, "message": "text"}]});
        let data = Bytes::from(envelope.to_string());
        let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data, mark: None };
        self.stream.append(vec![record]).await.unwrap().remove(0).unwrap();
    }

    fn shard(&self) -> ShardId {
        self.stream.shards_now()[0].id.clone()
    }

    /// The first so many records are delivered, as another program says it.
    async fn deliver(&self, records: usize) {
        let limits = ReadLimits { records_max: records, bytes_max: 1 << 20, wait: std::time::Duration::ZERO };
        let read = self.stream.read(&self.shard(), None, limits).await.unwrap();
        let position = Some(read.records[records - 1].position.clone());
        self.stream.commit(&self.shard(), Checkpoint { position, state: Bytes::new() }).await.unwrap();
    }

    /// What the stream holds, and how many of its documents are in flight.
    async fn verify(&self) -> (StreamAccount, u64) {
        let naming = IndexNaming::new("hydrant-{format}", Rotation::OneDay).unwrap();
        let history = History::open(self.folder.path().join("index-names.json"), naming.clone()).unwrap();
        let ids = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::new(ids.path(), Bounds::default(), Keys::default(), None).unwrap();
        let snapshot = snapshot(&self.stream, &history).await.unwrap();
        let options = Options::default();
        let account = take(&mut ledger, &self.stream, &snapshot, (&options, &naming), &mut |_| {}).await.unwrap();
        let (judged, _) = ledger.judge(9).unwrap();
        assert_eq!(judged.missing + judged.in_flight, account.counts.documents);
        (account, judged.in_flight)
    }

    async fn gaps(&self) -> Vec<Option<i64>> {
        let (account, _) = self.verify().await;
        let of = |Gap { shard, before_ms }| {
            assert_eq!(shard, self.shard().0);
            before_ms
        };
        account.gaps.into_iter().map(of).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_the_checkpoint_of_another_program_is_in_flight() {
    let chain = Chain::new(5).await;
    assert_eq!(chain.verify().await.1, 5);
    chain.deliver(3).await;
    let (account, in_flight) = chain.verify().await;
    assert_eq!((account.records, in_flight, account.gaps), (5, 2, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn records_that_may_have_expired_undelivered_are_told() {
    let chain = Chain::new(5).await;
    // Nothing is delivered yet, so nothing says where delivery begins.
    assert_eq!(chain.gaps().await, []);
    chain.deliver(3).await;
    // The record of the checkpoint is kept, and so is all behind it.
    chain.stream.expire(2);
    assert_eq!(chain.gaps().await, []);
    // Not any more: whether the fourth was the next one cannot be told.
    chain.stream.expire(3);
    assert_eq!(chain.gaps().await, [Some(BASE_MS)]);
    chain.stream.expire(5);
    assert_eq!(chain.gaps().await, [None]);
    // Delivered to the end, and what is new is not.
    let chain = Chain::new(2).await;
    chain.deliver(2).await;
    chain.stream.expire(1);
    assert_eq!(chain.gaps().await, []);
    chain.append(2).await;
    assert_eq!(chain.gaps().await, []);
    chain.stream.expire(2);
    assert!(matches!(chain.gaps().await[..], [Some(before_ms)] if before_ms >= BASE_MS));
}

/// A stream that trims what is delivered, and nothing else, has no gaps.
#[tokio::test(start_paused = true)]
async fn what_is_trimmed_when_it_is_delivered_is_no_loss() {
    let chain = Chain::new(5).await;
    chain.deliver(3).await;
    chain.stream.trim();
    let (account, in_flight) = chain.verify().await;
    assert_eq!((account.records, in_flight, account.gaps), (2, 2, Vec::new()));
}
