//! The canary: a marked log event of its own log stream, followed through the chain to OpenSearch, and deleted again.
//!
//! It goes into a log stream `hydrant-canary-<uuid>`, which is its mark in every record and document. Polls are bounded
//! by [`CLASSIC`] or [`DIRECT`]. Whatever happens, also on Ctrl-C, the log stream and the documents found are deleted.

mod follow;

use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use hydrant_opensearch::{Client, Method};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::finding::{Finding, Findings, Hop};
use super::read::aws::{Action, Aws, Looked};
use super::read::{Chain, cluster, logs, quoted};
use crate::cli::output;
use crate::clock::Clock;
use follow::Shards;

/// How long it may take with Firehose, whose buffers wait.
const CLASSIC: Duration = Duration::from_secs(15 * 60);

/// Without Firehose.
const DIRECT: Duration = Duration::from_secs(2 * 60);

/// Between two looks.
const POLL: Duration = Duration::from_secs(2);

/// Documents of one canary: a chain that repeats makes more than one.
const HITS_MAX: usize = 50;

/// A document: its index and its id.
type Hit = (String, String);

/// When it was seen, since it was put.
#[derive(Default)]
struct Seen {
    stream: Option<Duration>,
    /// As a finished document that was sent back to the stream.
    again: Option<Duration>,
    index: Option<Duration>,
    hits: Vec<Hit>,
}

struct Canary<'a> {
    aws: &'a Aws,
    chain: &'a Chain,
    group: &'a str,
    /// The log stream, and the mark.
    mark: String,
    clients: Vec<(Client, String)>,
}

/// Sends one and says what became of it; it is not sent where it could not arrive.
pub(super) async fn run(
    aws: &Aws,
    provider: &SharedCredentialsProvider,
    chain: &Chain,
    wait: Option<Duration>,
) -> Vec<Finding> {
    let mut findings = Findings::default();
    let wait = wait.unwrap_or(if chain.is_classic() { CLASSIC } else { DIRECT });
    let (Some(group), Some(filter), true) = (&chain.group_name, &chain.filter, chain.group.found().is_some()) else {
        let why = "a canary needs a log group that is there, with a filter that leads on";
        let mend = "hydrant doctor LOG_GROUP --canary".to_owned();
        findings.error(Hop::Canary, "canary-not-sent", "there is no way for a canary", why, mend);
        return findings.sorted();
    };
    let clients = chain.clusters.iter().filter_map(|found| {
        let base = found.index.split("-20").next().unwrap_or_default();
        Some((cluster::client(&mut found.clone(), &chain.place.region, provider)?, format!("{base}*")))
    });
    let mark = format!("hydrant-canary-{}", uuid::Uuid::new_v4());
    let canary = Canary { aws, chain, group, clients: clients.collect(), mark };
    let now_ms = Clock::System.now_ms();
    let log = chain.origin.as_ref().map_or("general", |origin| origin.log.as_str());
    let message = message(log, &canary.mark, now_ms);
    if logs::passes(aws, &filter.filter_pattern, &message).await == Some(false) {
        let read =
            format!("the pattern {:?} of {} does not let the canary pass", filter.filter_pattern, filter.filter_name);
        let why = "it was not sent, since it could not arrive; ordinary entries may pass all the same";
        let mend = chain.place.aws(&format!("logs describe-subscription-filters --log-group-name {}", quoted(group)));
        findings.warning(Hop::Canary, "canary-filtered", read, why, mend);
        return findings.sorted();
    }
    let shards = match chain.stream.found() {
        Some(stream) => Shards::at(aws, stream, now_ms).await,
        None => Shards::default(),
    };
    if !canary.put(now_ms, &message).await {
        let read = format!("the canary could not be put into {group}");
        let why = "nothing was sent through; the finding on the refused call says why";
        let mend = chain.place.aws(&format!("logs describe-log-streams --log-group-name {}", quoted(group)));
        findings.error(Hop::Canary, "canary-not-sent", read, why, mend);
        canary.remove(&[], &mut findings).await;
        return findings.sorted();
    }
    let mut seen = Seen::default();
    let is_interrupted = tokio::select! {
        () = canary.follow(shards, wait, &mut seen) => false,
        _ = tokio::signal::ctrl_c() => true,
    };
    canary.tell(&seen, wait, is_interrupted, &mut findings);
    canary.remove(&seen.hits, &mut findings).await;
    findings.sorted()
}

/// An entry of this kind of log, with the mark in it.
fn message(log: &str, mark: &str, now_ms: i64) -> String {
    let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
    match log {
        "slowquery" => format!(
            "# Time: {stamp}\n# User@Host: hydrant[hydrant] @ localhost []  Id:     1\n\
             # Query_time: 0.000001  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 0\n\
             SET timestamp={};\nSELECT '{mark}';",
            now.as_second()
        ),
        "error" => format!("{stamp} 0 [Note] [MY-000000] [Server] {mark}"),
        "audit" => {
            let stamp = now.strftime("%Y%m%d %H:%M:%S");
            format!("{stamp},hydrant,hydrant,localhost,1,1,QUERY,,'SELECT \\'{mark}\\'',0")
        }
        _ => format!("{stamp}\t    1 Query\tSELECT '{mark}'"),
    }
}

impl Canary<'_> {
    async fn put(&self, now_ms: i64, message: &str) -> bool {
        let names = json!({"logGroupName": self.group, "logStreamName": self.mark});
        if self.aws.json(Action::CreateLogStream, self.group, &names).await.found().is_none() {
            return false;
        }
        let mut asked = names;
        if let Some(asked) = asked.as_object_mut() {
            asked.insert("logEvents".to_owned(), json!([{"timestamp": now_ms, "message": message}]));
        }
        let answer = self.aws.json(Action::PutLogEvents, self.group, &asked).await;
        answer.found().is_some_and(|answer| answer.get("rejectedLogEventsInfo").is_none_or(Json::is_null))
    }

    /// Looks into the stream and into OpenSearch until it is found, or time is up.
    async fn follow(&self, mut shards: Shards, wait: Duration, seen: &mut Seen) {
        let start = Instant::now();
        output::notice(&format!("canary: {} is put; it is followed for {} s at most", self.mark, wait.as_secs()));
        while start.elapsed() < wait {
            let is_done_with_stream = seen.stream.is_some() && (seen.again.is_some() || !self.chain.is_classic());
            if !is_done_with_stream {
                let (envelope, again) = shards.look(self.aws, &self.mark).await;
                first(&mut seen.stream, envelope, start, "in the stream");
                first(&mut seen.again, again, start, "back in the stream, transformed");
            }
            seen.hits = self.search().await;
            first(&mut seen.index, !seen.hits.is_empty(), start, "in OpenSearch");
            let is_all = seen.index.is_some() || (self.clients.is_empty() && seen.stream.is_some());
            if is_all {
                return;
            }
            tokio::time::sleep(POLL.min(wait.saturating_sub(start.elapsed()))).await;
        }
    }

    async fn search(&self) -> Vec<Hit> {
        let query = json!({"size": HITS_MAX, "_source": false, "query": {"simple_query_string":
            {"query": format!("\"{}\"", self.mark), "fields": ["*"], "lenient": true}}});
        let mut hits = Vec::new();
        for (client, indices) in &self.clients {
            let path = format!("/{indices}/_search?ignore_unavailable=true&allow_no_indices=true");
            let answer = client.send(Method::POST, &path, "application/json", query.to_string().into_bytes()).await;
            let Ok(answer) = answer else { continue };
            let told: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
            let found = told.pointer("/hits/hits").and_then(Json::as_array).into_iter().flatten();
            let text = |hit: &Json, name: &str| Some(hit.get(name)?.as_str()?.to_owned());
            hits.extend(found.filter_map(|hit| Some((text(hit, "_index")?, text(hit, "_id")?))));
        }
        hits.sort();
        hits.dedup();
        hits
    }

    fn tell(&self, seen: &Seen, wait: Duration, is_interrupted: bool, findings: &mut Findings) {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let mut hops = Vec::new();
        hops.extend(seen.stream.map(|time| format!("in the stream after {}", seconds(time))));
        hops.extend(seen.again.map(|time| format!("back in the stream as a document after {}", seconds(time))));
        hops.extend(seen.index.map(|time| format!("in OpenSearch after {}", seconds(time))));
        let told = if hops.is_empty() { "it was seen nowhere".to_owned() } else { hops.join(", ") };
        let again = self
            .chain
            .place
            .aws(&format!("logs describe-subscription-filters --log-group-name {}", quoted(self.group)));
        if is_interrupted {
            let why = "it was given up before its time was over, so its absence says nothing";
            let mend = format!("hydrant doctor {} --canary", quoted(self.group));
            findings.warning(Hop::Canary, "canary-interrupted", told, why, mend);
        } else if seen.index.is_some() {
            let copies = seen.hits.len();
            let read = format!("{told}; {copies} documents");
            let why = "an entry that is put now arrives in that time";
            findings.info(Hop::Canary, "canary-delivered", read, why, "nothing has to be done".to_owned());
        } else if self.clients.is_empty() && seen.stream.is_some() {
            let why = "no OpenSearch is known in which it could be looked for";
            let mend = format!("hydrant doctor {} --canary --opensearch https://HOST", quoted(self.group));
            findings.warning(Hop::Canary, "canary-not-followed", told, why, mend);
        } else {
            let read = format!("{} did not arrive in {} s: {told}", self.mark, wait.as_secs());
            let why = "the hop behind the last one where it was seen loses entries, or is slow";
            findings.error(Hop::Canary, "canary-lost", read, why, again);
        }
    }

    /// Deletes what is known of it, and says what stays.
    async fn remove(&self, hits: &[Hit], findings: &mut Findings) {
        let mut left = Vec::new();
        // One that came meanwhile goes too.
        let mut hits: Vec<Hit> = hits.iter().cloned().chain(self.search().await).collect();
        hits.sort();
        hits.dedup();
        for (index, id) in &hits {
            let path = format!("/{}/_doc/{}", super::read::encoded(index), super::read::encoded(id));
            let mut is_gone = false;
            for (client, _) in &self.clients {
                let answer = client.send(Method::DELETE, &path, "", Vec::new()).await;
                is_gone |= answer.is_ok_and(|answer| (200..300).contains(&answer.status) || answer.status == 404);
            }
            if !is_gone {
                left.push(format!("the document {id} in {index}"));
            }
        }
        let names = json!({"logGroupName": self.group, "logStreamName": self.mark});
        if matches!(self.aws.json(Action::DeleteLogStream, self.group, &names).await, Looked::Unknown) {
            left.push(format!("the log stream {}", self.mark));
        }
        if !left.is_empty() {
            let why = "what the canary left is no entry of the database";
            let mend = self.chain.place.aws(&format!(
                "logs delete-log-stream --log-group-name {} --log-stream-name {}",
                quoted(self.group),
                quoted(&self.mark)
            ));
            findings.warning(Hop::Canary, "canary-not-removed", left.join(", "), why, mend);
        }
    }
}

fn first(when: &mut Option<Duration>, is_seen: bool, start: Instant, what: &str) {
    if is_seen && when.is_none() {
        *when = Some(start.elapsed());
        output::notice(&format!("canary: {what} after {:.1} s", start.elapsed().as_secs_f64()));
    }
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_canary_is_an_entry_of_its_log() {
        let now_ms = 1_795_874_400_123;
        assert_eq!(message("general", "m", now_ms), "2026-11-28T14:00:00.123000Z\t    1 Query\tSELECT 'm'");
        assert!(message("slowquery", "m", now_ms).ends_with("SET timestamp=1795874400;\nSELECT 'm';"));
        assert_eq!(message("error", "m", now_ms), "2026-11-28T14:00:00.123000Z 0 [Note] [MY-000000] [Server] m");
        let audit = "20261128 14:00:00,hydrant,hydrant,localhost,1,1,QUERY,,'SELECT \\'m\\'',0";
        assert_eq!(message("audit", "m", now_ms), audit);
    }
}
