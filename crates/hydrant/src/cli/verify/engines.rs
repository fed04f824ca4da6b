//! The engines of a chain, for reading only.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::cli::run::chain::open_index;
use crate::cli::stores;
use crate::clock::Clock;
use crate::config::{Config, IndexEngine, StreamEngine};
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
        return kinesis::open(config, kinesis).await.map(Some);
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
mod kinesis {
    //! A stream of Kinesis beside the process that delivers it: on a copy of its checkpoints, which stays as it is.

    use std::sync::Arc;

    use anyhow::{Context, bail};

    use crate::cli::run::chain::open_kinesis;
    use crate::config::{Checkpoints, Config, Kinesis};
    use crate::stream;

    pub(super) async fn open(config: &Config, kinesis: &Kinesis) -> anyhow::Result<Arc<dyn stream::Engine>> {
        if let Checkpoints::Table(table) = &kinesis.checkpoints {
            bail!(
                "the checkpoints of the stream {} are in the table {table}, beside whose holders they cannot be read yet; \
                 verify works with checkpoints in the data folder",
                kinesis.name
            );
        }
        let copy = tempfile::tempdir().context("cannot make a folder for a copy of the checkpoints")?;
        copy_all(&config.data.join("kinesis"), copy.path()).context("cannot copy the checkpoints")?;
        // Kept until the process ends: the engine may write to it.
        open_kinesis(kinesis, copy.keep(), crate::clock::Clock::System).await
    }

    fn copy_all(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
        let entries = match std::fs::read_dir(from) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        for entry in entries {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                std::fs::create_dir_all(&target)?;
                copy_all(&entry.path(), &target)?;
            } else {
                std::fs::copy(entry.path(), target)?;
            }
        }
        Ok(())
    }
}

#[cfg(not(feature = "aws"))]
mod kinesis {
    //! The configuration names no stream of Kinesis in such a build.

    use std::sync::Arc;

    use crate::config::{Config, Kinesis};
    use crate::stream;

    pub(super) async fn open(_config: &Config, kinesis: &Kinesis) -> anyhow::Result<Arc<dyn stream::Engine>> {
        anyhow::bail!("the stream {} needs a build with the feature `aws`", kinesis.name)
    }
}
