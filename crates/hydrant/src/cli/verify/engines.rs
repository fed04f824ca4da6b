//! The engines of a chain, for reading only.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::cli::run::chain::open_index;
use crate::cli::stores;
use crate::clock::Clock;
use crate::config::{Config, IndexEngine, Kinesis, StreamEngine};
use crate::deliver::failed::Store;
use crate::{index, stream};

/// A chain that runs may remove or begin a segment while its folder is opened.
const OPEN_ATTEMPTS_MAX: u32 = 20;

const OPEN_AGAIN_AFTER: Duration = Duration::from_millis(100);

pub(super) struct Engines {
    /// `None`: there is no stream yet.
    pub(super) stream: Option<Arc<dyn stream::Engine>>,
    pub(super) index: Arc<dyn index::Engine>,
    pub(super) failed: Store,
}

pub(super) async fn open_read_only(config: &Config) -> anyhow::Result<Engines> {
    let folder = config.data.join("index");
    let index: Arc<dyn index::Engine> = match &config.index {
        IndexEngine::Embedded => Arc::new(index::embedded::Embedded::open_read_only(&folder, Clock::System)),
        IndexEngine::OpenSearch(_) => open_index(config, &folder, Clock::System).await?,
    };
    let failed = stores::failed_to_read(&config.failed_place())?;
    Ok(Engines { stream: open_stream(config).await?, index, failed })
}

async fn open_stream(config: &Config) -> anyhow::Result<Option<Arc<dyn stream::Engine>>> {
    if let StreamEngine::Kinesis(kinesis) = &config.stream.engine {
        return open_kinesis(config, kinesis).await.map(Some);
    }
    let mut attempts = 1;
    loop {
        match stream::embedded::Embedded::open_read_only(&config.data.join("stream"), Clock::System) {
            Ok(opened) => return Ok(opened.map(|opened| -> Arc<dyn stream::Engine> { Arc::new(opened) })),
            Err(error) if attempts >= OPEN_ATTEMPTS_MAX => return Err(error).context("cannot open the stream"),
            Err(_) => attempts += 1,
        }
        tokio::time::sleep(OPEN_AGAIN_AFTER).await;
    }
}

#[cfg(feature = "aws")]
async fn open_kinesis(config: &Config, kinesis: &Kinesis) -> anyhow::Result<Arc<dyn stream::Engine>> {
    let settings = crate::cli::kinesis::settings(kinesis, config.data.join("kinesis"));
    let opened = stream::kinesis::Kinesis::open_read_only(&settings, Clock::System).await;
    Ok(Arc::new(opened.context("cannot open the stream")?))
}

#[cfg(not(feature = "aws"))]
async fn open_kinesis(_config: &Config, kinesis: &Kinesis) -> anyhow::Result<Arc<dyn stream::Engine>> {
    anyhow::bail!("the stream {} needs a build with the feature `aws`", kinesis.name)
}
