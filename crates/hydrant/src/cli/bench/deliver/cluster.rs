//! The cluster of the measurement: it is asked, cleaned, and written to without anything between.

use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hydrant_opensearch::bulk::Body;
use hydrant_opensearch::{Client, Limits, Method, Settings};
use hydrant_transform::entry::Format;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::index_name;

pub(super) struct Cluster {
    client: Client,
    index: String,
}

/// What the server has rejected since its start, by its own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Tasks, for which its queue had no place.
    pub(super) queue: u64,
    /// Requests, for which it had no memory.
    pub(super) memory: u64,
}

impl Cluster {
    pub(super) fn new(endpoint: &str) -> anyhow::Result<Cluster> {
        let settings = Settings { endpoints: vec![endpoint.to_owned()], ..Settings::default() };
        Ok(Cluster { client: Client::new(&settings)?, index: index_name(Format::General) })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<(u16, Value)> {
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let answer = self.client.send(method, path, "application/json", body).await?;
        Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()))
    }

    /// Name and version, for the report; nobody's index may have our name.
    pub(super) async fn begin(&self) -> anyhow::Result<String> {
        let (status, about) = self.ask(Method::GET, "/", None).await?;
        let number = about.pointer("/version/number").and_then(Value::as_str);
        let number = number.with_context(|| format!("what answers with {status} is no OpenSearch"))?;
        if self.ask(Method::GET, &format!("/{}/_settings", self.index), None).await?.0 != 404 {
            bail!("the index {} is there already: delete it first", self.index);
        }
        Ok(number.to_owned())
    }

    pub(super) async fn delete_index(&self) -> anyhow::Result<()> {
        self.ask(Method::DELETE, &format!("/{}", self.index), None).await.map(|_| ())
    }

    /// Removes what the measurement made.
    pub(super) async fn clean(&self) -> anyhow::Result<()> {
        self.delete_index().await?;
        for format in Format::ALL {
            self.ask(Method::DELETE, &format!("/_index_template/hydrant-bench-{}", format.name()), None).await?;
        }
        Ok(())
    }

    /// An index that takes nothing yet, or one that does.
    pub(super) async fn blocked(&self, is_new: bool, blocked: bool) -> anyhow::Result<()> {
        let setting = json!({"index": {"blocks.write": blocked}});
        let (path, body) = match is_new {
            true => (format!("/{}", self.index), json!({"settings": setting})),
            false => (format!("/{}/_settings", self.index), setting),
        };
        let (status, told) = self.ask(Method::PUT, &path, Some(body)).await?;
        if status != 200 {
            bail!("{path} answers {status}: {told}");
        }
        Ok(())
    }

    /// Documents that are there.
    pub(super) async fn count(&self) -> anyhow::Result<u64> {
        self.ask(Method::POST, &format!("/{}/_refresh", self.index), None).await?;
        let (_, told) = self.ask(Method::GET, &format!("/{}/_count", self.index), None).await?;
        told.get("count").and_then(Value::as_u64).context("the answer has no count")
    }

    pub(super) async fn rejected(&self) -> anyhow::Result<Rejected> {
        let (_, told) = self.ask(Method::GET, "/_nodes/stats/thread_pool,indexing_pressure", None).await?;
        let nodes = told.get("nodes").and_then(Value::as_object).context("the answer has no nodes")?;
        let sum = |place: &str| nodes.values().filter_map(|node| node.pointer(place).and_then(Value::as_u64)).sum();
        Ok(Rejected {
            queue: sum("/thread_pool/write/rejected"),
            memory: sum("/indexing_pressure/memory/total/coordinating_rejections"),
        })
    }

    /// Sends the bodies over as many connections as the writer has, each as soon as one is free.
    pub(super) async fn replay(&self, bodies: &[Body]) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let path = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";
        let sending = bodies.iter().map(|body| async {
            let answer = self.client.send(Method::POST, path, "application/x-ndjson", body.bytes.clone()).await?;
            if answer.status != 200 || !answer.body.starts_with(br#"{"errors":false"#) {
                let told = String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>();
                bail!("a replayed request is answered with {}: {told}", answer.status);
            }
            Ok(())
        });
        stream::iter(sending).buffer_unordered(Limits::default().connections).try_collect::<Vec<()>>().await?;
        Ok(start.elapsed())
    }
}
