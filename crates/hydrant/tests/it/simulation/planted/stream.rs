//! A stream as a loop with a mistake would use it.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hydrant::stream::{
    Appended, Checkpoint, Engine, Error, Mark, NewRecord, Position, Read, ReadLimits, Shard, ShardId, ShardStatus,
};

use super::Bug;

pub(super) struct Wrong {
    pub(super) bug: Bug,
    pub(super) inner: Arc<dyn Engine>,
}

impl Wrong {
    /// Moves the checkpoint, and leaves what else it holds.
    async fn commit_to(&self, shard: &ShardId, position: Position) {
        if let Ok(Some(Checkpoint { state, .. })) = self.inner.checkpoint(shard).await {
            drop(self.inner.commit(shard, Checkpoint { position: Some(position), state }).await);
        }
    }
}

impl Engine for Wrong {
    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, Error>> {
        async {
            let mut shards = self.inner.shards().await?;
            if self.bug == Bug::ChildrenFirst {
                shards.iter_mut().for_each(|shard| shard.parents.clear());
            }
            Ok(shards)
        }
        .boxed()
    }

    fn append(&self, records: Vec<NewRecord>) -> BoxFuture<'_, Result<Vec<Result<Appended, Error>>, Error>> {
        self.inner.append(records)
    }

    fn read<'a>(
        &'a self,
        shard: &'a ShardId,
        after: Option<&'a Position>,
        limits: ReadLimits,
    ) -> BoxFuture<'a, Result<Read, Error>> {
        async move {
            let read = self.inner.read(shard, after, limits).await?;
            if let Some(last) = read.records.last().filter(|_| self.bug == Bug::CommitBeforeWrite) {
                self.commit_to(shard, last.position.clone()).await;
            }
            Ok(read)
        }
        .boxed()
    }

    fn end<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Position>, Error>> {
        self.inner.end(shard)
    }

    fn checkpoint<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Checkpoint>, Error>> {
        async move {
            let mut checkpoint = self.inner.checkpoint(shard).await?;
            if let Some(checkpoint) = checkpoint.as_mut().filter(|_| self.bug == Bug::ResumeOneLate) {
                let one = ReadLimits { records_max: 1, bytes_max: usize::MAX, wait: std::time::Duration::ZERO };
                let next = self.inner.read(shard, checkpoint.position.as_ref(), one).await?;
                if let Some(skipped) = next.records.first() {
                    checkpoint.position = Some(skipped.position.clone());
                }
            }
            Ok(checkpoint)
        }
        .boxed()
    }

    fn commit<'a>(&'a self, shard: &'a ShardId, mut checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            if self.bug == Bug::CommitAhead {
                checkpoint.position = self.inner.end(shard).await?;
            }
            match self.inner.commit(shard, checkpoint).await {
                // It was moved further already.
                Err(Error::Fatal(_)) if self.bug == Bug::CommitBeforeWrite => Ok(()),
                done => done,
            }
        }
        .boxed()
    }

    fn finish<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.finish(shard)
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>, Error>> {
        self.inner.marks()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }

    fn status(&self) -> BoxFuture<'_, Result<Vec<ShardStatus>, Error>> {
        self.inner.status()
    }
}
