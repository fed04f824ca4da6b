//! The same delivery from a server that speaks as Kinesis does.

use std::fmt::Write as _;

use anyhow::Context;
use aws_sdk_kinesis::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::corpus::Corpus;
use super::{Bench, POLL, Progress, round};
use crate::clock::Clock;
use crate::stream::kinesis::{Begin, Keep, Kinesis, Settings};

const REGION: &str = "us-east-1";

impl Bench<'_> {
    /// Makes a stream of one shard there, fills it, delivers it, and deletes it.
    pub(super) async fn beside_kinesis(&self, endpoint: &str, corpus: &Corpus) -> anyhow::Result<Value> {
        let client = Client::new(&crate::aws::config(Some(REGION), Some(endpoint)).await);
        let name = format!("hydrant-bench-{}", std::process::id());
        client.create_stream().stream_name(&name).shard_count(1).send().await.context("cannot make a stream")?;
        let measured = self.measured(endpoint, &name, &client, corpus).await;
        client.delete_stream().stream_name(&name).send().await.context("cannot delete the stream")?;
        measured
    }

    async fn measured(&self, endpoint: &str, name: &str, client: &Client, corpus: &Corpus) -> anyhow::Result<Value> {
        let mut progress = Progress::new();
        loop {
            let told = client.describe_stream_summary().stream_name(name).send().await?;
            let status = told.stream_description_summary.map(|summary| summary.stream_status.as_str().to_owned());
            if status.as_deref() == Some("ACTIVE") {
                break;
            }
            progress.check(0)?;
            sleep(POLL).await;
        }
        let settings = Settings {
            stream: name.to_owned(),
            region: Some(REGION.to_owned()),
            endpoint: Some(endpoint.to_owned()),
            begin: Begin::TrimHorizon,
            checkpoints: Keep::Folder,
            folder: self.dir.join("kinesis"),
        };
        corpus.append(&Kinesis::open(&settings, Clock::System).await?).await?;
        let mut stream = String::new();
        writeln!(
            stream,
            "[stream]\nengine = \"kinesis\"\nname = {name:?}\nregion = {REGION:?}\nendpoint = {endpoint:?}"
        )?;
        self.write_config(&stream)?;
        let delivered = self.deliver(None, corpus.documents).await;
        self.write_config("")?;
        let delivered = delivered?;
        let documents = corpus.documents as f64;
        Ok(json!({
            "delivered_per_second": (documents / delivered.seconds).round(),
            "cpu_whole_process_us": delivered.cpu.map(|cpu| round(cpu.as_secs_f64() * 1e6 / documents)),
            "peak_mb": delivered.peak_mb.map(round),
        }))
    }
}
