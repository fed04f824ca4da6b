//! The stages of the embedded chain, opened from a data folder, and the ports in front of them.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::data_dir::DataDir;
use super::lag::Lag;
use super::pump::Pump;
use super::summary::progress;
use crate::api;
use crate::cli::{cluster, host, output, stores};
use crate::clock::Clock;
use crate::config::{Config, Conflicts, FormatChoice, IndexEngine, StreamEngine};
use crate::deliver::{self, Delivery};
use crate::door;
use crate::index::{self, IndexStatus};
use crate::metrics::{Health, Metrics};
use crate::page::{self, Page};
use crate::source::tail::{FileSettings, Settings, Tail};
use crate::stream;

#[cfg(feature = "aws")]
const OPEN_BACKOFF_FIRST: Duration = Duration::from_millis(500);

#[cfg(feature = "aws")]
const OPEN_BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Begins the names of parts of the program that are indices.
const INDEX: &str = "index ";

pub(super) struct Chain {
    pub(super) stream: Arc<dyn stream::Engine>,
    pub(super) index: Arc<dyn index::Engine>,
    /// Whether `/health` tells of each index: of a cluster's it tells what delivery meets.
    is_index_ours: bool,
    pub(super) delivery: Delivery,
    pub(super) metrics: Metrics,
    pub(super) health: watch::Sender<Health>,
    clock: Clock,
    lag: Mutex<Lag>,
    /// Locked as long as the chain lives.
    _data: DataDir,
}

impl Chain {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Chain> {
        let clock = Clock::System;
        let metrics = Metrics::default();
        let data = DataDir::open(&config.data)?;
        let stream = open_stream(config, &data, clock).await?;
        super::guarantee::say(config);
        let index = with_rules(open_index(config, &data.join("index"), clock).await?, config, clock);
        let failed = stores::failed(&config.failed_place(), true)?;
        let backup = config.backup.as_ref().map(stores::backup).transpose()?;
        let naming = deliver::naming::History::open(data.join("index-names.json"), config.naming.clone())
            .context("cannot read the history of index names")?;
        let settings = deliver::Settings {
            transform: config.transform.clone(),
            limits: deliver::Limits::default(),
            cores: deliver::Cores::Spread(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
            jitter_seed: clock.now_ms().unsigned_abs(),
        };
        let health = watch::Sender::new(Health::default());
        let delivery = Delivery {
            stream: stream.clone(),
            index: index.clone(),
            failed,
            backup,
            naming,
            settings,
            metrics: metrics.clone(),
            health: health.clone(),
            clock,
        };
        Ok(Chain {
            stream,
            index,
            is_index_ours: matches!(config.index, IndexEngine::Embedded),
            delivery,
            metrics,
            health,
            clock,
            lag: Mutex::default(),
            _data: data,
        })
    }

    /// The source, continued where the stream says that it was, and the pump that empties it.
    pub(super) async fn pump(&self, config: &Config, once: bool) -> anyhow::Result<Pump> {
        let marks = self.stream.marks().await?;
        let marks = marks.into_iter().map(|mark| (mark.producer, mark.state.to_vec())).collect();
        let settings = tail_settings(config, once);
        let tail = Tail::open(settings, marks, self.clock)?;
        let files = tail.progress();
        if !files.is_empty() && files.iter().all(|file| file.path.metadata().is_ok_and(|found| !found.is_file())) {
            let problems: Vec<String> = files.into_iter().filter_map(|file| file.problem).collect();
            bail!("there is nothing to follow: {}", problems.join("; "));
        }
        Ok(Pump {
            tail,
            stream: self.stream.clone(),
            metrics: self.metrics.clone(),
            health: self.health.clone(),
            clock: self.clock,
        })
    }

    pub(super) async fn show_progress(&self) {
        let Ok(status) = self.stream.status().await else { return };
        let waiting: u64 = status.iter().filter_map(|shard| shard.records_waiting).sum();
        self.metrics.records_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let mut lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        lag.tell(&status, self.clock.now_ms(), &self.metrics, &self.health);
        drop(lag);
        if !output::on_terminal() {
            return;
        }
        let oldest = status.iter().filter_map(|shard| shard.oldest_waiting_ms).min();
        let behind = oldest.map_or(0, |ms| self.clock.now_ms().saturating_sub(ms).max(0).unsigned_abs());
        output::progress(&progress(&self.metrics, Duration::from_millis(behind)));
    }

    /// What `/health` says of the embedded indices; a folder that was mended is said no more.
    pub(super) async fn refresh_health(&self) {
        if !self.is_index_ours {
            return;
        }
        let Ok(indices) = self.index.indices(&["_all".to_owned()]).await else { return };
        let named = |index: IndexStatus| index.damaged.map(|problem| (format!("{INDEX}{}", index.name), problem));
        let damaged: Vec<(String, String)> = indices.into_iter().filter_map(named).collect();
        self.health.send_modify(|health| {
            health.problems.retain(|part, _| !part.starts_with(INDEX));
            health.problems.extend(damaged);
        });
    }
}

/// How the configured files are followed.
pub(in crate::cli) fn tail_settings(config: &Config, once: bool) -> Settings {
    let files = config.tails.iter().map(|tail| FileSettings {
        path: tail.file.clone(),
        log_group: tail.log_group.clone(),
        log_stream: tail.log_stream.clone(),
        time_zone: tail.time_zone.clone(),
        format: tail.format.map_or(config.transform.format, FormatChoice::fixed),
    });
    let (packed_max, packed_bytes_max) = (stream::APPEND_RECORDS_MAX, stream::APPEND_BYTES_MAX);
    let (host, owner) = (host::name(), config.owner.clone());
    Settings { files: files.collect(), host, owner, once, gzip: true, packed_max, packed_bytes_max }
}

async fn open_stream(config: &Config, data: &DataDir, clock: Clock) -> anyhow::Result<Arc<dyn stream::Engine>> {
    match &config.stream.engine {
        StreamEngine::Embedded => {
            let retention =
                stream::embedded::Retention { age: config.stream.retention, bytes: config.stream.retention_bytes };
            let stream = stream::embedded::Embedded::open(&data.join("stream"), config.stream.shards, retention, clock);
            Ok(Arc::new(stream.context("cannot open the stream")?))
        }
        #[cfg(feature = "aws")]
        StreamEngine::Kinesis(kinesis) => open_kinesis(kinesis, data.join("kinesis"), clock).await,
        #[cfg(not(feature = "aws"))]
        StreamEngine::Kinesis(_) => bail!("this program was built without Kinesis"),
    }
}

/// Waits out an outage; a wrong name and missing rights are said at once.
#[cfg(feature = "aws")]
async fn open_kinesis(
    kinesis: &crate::config::Kinesis,
    folder: std::path::PathBuf,
    clock: Clock,
) -> anyhow::Result<Arc<dyn stream::Engine>> {
    let settings = crate::cli::kinesis::settings(kinesis, folder);
    let mut backoff = OPEN_BACKOFF_FIRST;
    loop {
        match stream::kinesis::Kinesis::open(&settings, clock).await {
            Ok(stream) => return Ok(Arc::new(stream)),
            Err(stream::Error::Retry(problem)) => {
                tracing::warn!(problem, "the stream does not answer: waiting for it");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(OPEN_BACKOFF_MAX);
            }
            Err(error @ (stream::Error::Fatal(_) | stream::Error::Lost(_))) => {
                return Err(error).context("cannot open the stream");
            }
        }
    }
}

/// `folder`: of the embedded engine's indices.
pub(in crate::cli) async fn open_index(
    config: &Config,
    folder: &Path,
    clock: Clock,
) -> anyhow::Result<Arc<dyn index::Engine>> {
    Ok(match &config.index {
        IndexEngine::Embedded => {
            Arc::new(index::embedded::Embedded::open(folder, clock).context("cannot open the indices")?)
        }
        IndexEngine::OpenSearch(found) => {
            let settings = cluster::settings(found).await?;
            let templates = found.templates.then(|| cluster::wanted(found, config));
            let setup = index::opensearch::Setup { ids: found.ids, templates };
            Arc::new(index::opensearch::OpenSearch::open(&settings, found.limits, setup)?)
        }
    })
}

/// What the configuration says of documents that an index does not take.
pub(in crate::cli) fn with_rules(
    engine: Arc<dyn index::Engine>,
    config: &Config,
    clock: Clock,
) -> Arc<dyn index::Engine> {
    let engine = match config.conflicts {
        Conflicts::Fail => engine,
        Conflicts::Text => Arc::new(index::moving::Moving::new(engine)),
    };
    match config.index_retention {
        None => engine,
        Some(age) => Arc::new(index::retention::Retention::new(engine, age, clock)),
    }
}

/// The ports, open before anything else so that one that is in use is said at once.
pub(super) struct Doors {
    rest: TcpListener,
    page: TcpListener,
}

impl Doors {
    pub(super) async fn bind(config: &Config) -> anyhow::Result<Doors> {
        let rest = door::bind("the OpenSearch API", config.listen.rest).await?;
        let page = door::bind("the page", config.listen.page).await?;
        Ok(Doors { rest, page })
    }

    pub(super) fn rest_url(&self) -> String {
        url(&self.rest)
    }

    pub(super) fn page_url(&self) -> String {
        url(&self.page)
    }

    pub(super) fn serve(self, chain: &Arc<Chain>, stop: &CancellationToken, tasks: &mut JoinSet<anyhow::Result<()>>) {
        let rest_url = self.rest_url();
        let page = page::router(Page {
            index: chain.index.clone(),
            metrics: chain.metrics.clone(),
            health: chain.health.subscribe(),
            clock: chain.clock,
            rest: rest_url,
        });
        let api = api::router(chain.index.clone(), chain.clock);
        for (listener, router, limit) in
            [(self.rest, api, api::BODY_BYTES_MAX), (self.page, page, page::BODY_BYTES_MAX)]
        {
            let stop = stop.clone();
            tasks.spawn(async move {
                let address = listener.local_addr()?;
                door::serve(listener, door::guard(router, address, limit), stop).await.context("a port has closed")
            });
        }
    }
}

fn url(listener: &TcpListener) -> String {
    listener.local_addr().map_or_else(|error| format!("unknown ({error})"), |address| format!("http://{address}"))
}
