//! `hydrant config check --connect`: stream, checkpoints, index, failed/ and folders are asked before the first record is
//! read, and nothing is changed there.
//!
//! A line for each check: `ok`, `warning` or `failed`, what was found, and what to do. What a role may not ask for is said
//! and is no failure. Not here: whether every document will be taken; that depends on the documents.

mod blocks;

mod cluster;

#[cfg(feature = "aws")]
mod kinesis;

mod places;

mod report;

#[cfg(feature = "aws")]
mod table;

use std::path::Path;

use anyhow::bail;

use super::output;
use crate::config::{Config, IndexEngine, StreamEngine};
use report::Report;

pub(super) fn connect(file: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(check(&config));
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    for line in report.lines() {
        output::line(&line)?;
    }
    let (failed, all) = report.counts();
    if failed > 0 {
        bail!("{failed} of {all} checks failed");
    }
    Ok(())
}

async fn check(config: &Config) -> Report {
    let mut report = Report::default();
    report.ok("configuration", "every key is known and every value is possible");
    places::data(config, &mut report);
    places::tails(config, &mut report);
    match &config.stream.engine {
        StreamEngine::Embedded => places::folder("stream", &config.data.join("stream"), &mut report),
        #[cfg(feature = "aws")]
        StreamEngine::Kinesis(found) => kinesis::check(found, config, &mut report).await,
        #[cfg(not(feature = "aws"))]
        StreamEngine::Kinesis(_) => report.failed(
            "stream",
            "this program was built without Kinesis",
            "build it with `cargo build --release --features aws`",
        ),
    }
    match &config.index {
        IndexEngine::Embedded => places::folder("index", &config.data.join("index"), &mut report),
        IndexEngine::OpenSearch(found) => cluster::check(found, config, &mut report).await,
    }
    places::objects("failed", &config.failed_place(), crate::deliver::failed::MARKER, &mut report).await;
    if let Some(backup) = &config.backup {
        places::objects("backup", backup, crate::deliver::backup::MARKER, &mut report).await;
    }
    report
}
