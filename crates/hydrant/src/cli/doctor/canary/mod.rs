//! The canary: a marked log event of its own log stream, followed through the chain to OpenSearch, and deleted again.
//!
//! It goes into a log stream `hydrant-canary-<uuid>`, which is its mark in every record and document. Polls are bounded
//! by [`CLASSIC`] or [`DIRECT`]. Whatever happens, also on Ctrl-C and SIGTERM, the log stream and the documents found are
//! deleted.

mod documents;

mod follow;

use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::finding::{Finding, Findings, Hop};
use super::read::aws::{Action, Aws, Looked};
use super::read::cluster::{self, Cluster};
use super::read::{Chain, logs, quoted};
use super::remedy::TO_SEARCH;
use crate::cli::output;
use crate::cli::run::signals::Signals;
use crate::clock::Clock;
use documents::{Hit, Look, Place, Places};
use follow::Shards;

/// How long it may take with Firehose, whose buffers wait.
const CLASSIC: Duration = Duration::from_secs(15 * 60);

/// Without Firehose.
const DIRECT: Duration = Duration::from_secs(2 * 60);

/// Between two looks.
const POLL: Duration = Duration::from_secs(2);

/// When it was seen, since it was put.
#[derive(Default)]
struct Seen {
    stream: Option<Duration>,
    /// As a finished document that was sent back to the stream.
    again: Option<Duration>,
    index: Option<Duration>,
    /// Of the last look into OpenSearch.
    look: Look,
    /// One of the looks was answered.
    is_answered: bool,
}

struct Canary<'a> {
    aws: &'a Aws,
    chain: &'a Chain,
    group: &'a str,
    /// The log stream, and the mark.
    mark: String,
    places: Places,
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
        let mend = format!("{} --canary", chain.place.doctor("LOG_GROUP"));
        findings.error(Hop::Canary, "canary-not-sent", "there is no way for a canary", why, mend);
        return findings.sorted();
    };
    let places =
        Places(chain.clusters.iter().filter_map(|found| place(found, &chain.place.region, provider)).collect());
    let canary = Canary { aws, chain, group, places, mark: format!("hydrant-canary-{}", uuid::Uuid::new_v4()) };
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
    canary.sent(shards, now_ms, &message, wait, &mut findings).await;
    findings.sorted()
}

fn place(found: &Cluster, region: &str, provider: &SharedCredentialsProvider) -> Option<Place> {
    let client = cluster::client(&mut found.clone(), region, provider)?;
    let endpoint = found.endpoint.clone().unwrap_or_default();
    Some(Place { client, endpoint, sign: found.sign, pattern: found.index.pattern() })
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
    /// Puts it, follows it, and removes it, whatever comes between.
    async fn sent(&self, shards: Shards, now_ms: i64, message: &str, wait: Duration, findings: &mut Findings) {
        let not_sent = |why| {
            let read = format!("the canary could not be put into {}", self.group);
            let mend =
                self.chain.place.aws(&format!("logs describe-log-streams --log-group-name {}", quoted(self.group)));
            (read, why, mend)
        };
        // From here on neither signal ends the program: what was put has to be removed.
        let Ok(mut signals) = Signals::new() else {
            let (read, why, mend) = not_sent("this system lets nobody wait for signals, so it might stay");
            return findings.error(Hop::Canary, "canary-not-sent", read, why, mend);
        };
        let mut seen = Seen::default();
        if self.put(now_ms, message).await {
            let is_interrupted = tokio::select! {
                biased;
                () = signals.next() => true,
                () = self.follow(shards, wait, &mut seen) => false,
            };
            self.tell(&seen, wait, is_interrupted, findings);
        } else {
            let (read, why, mend) = not_sent("nothing was sent through; the finding on the refused call says why");
            findings.error(Hop::Canary, "canary-not-sent", read, why, mend);
        }
        self.remove(&seen.look.hits, findings).await;
    }

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

    /// Looks into the stream and into OpenSearch until it is found, time is up, or no cluster lets it be looked for.
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
            seen.look = self.places.search(&self.mark).await;
            seen.is_answered |= seen.look.is_answered;
            first(&mut seen.index, !seen.look.hits.is_empty(), start, "in OpenSearch");
            let places = self.places.0.len();
            let is_refused = places > 0 && seen.look.refused.len() == places;
            if seen.index.is_some() || is_refused || (places == 0 && seen.stream.is_some()) {
                return;
            }
            tokio::time::sleep(POLL.min(wait.saturating_sub(start.elapsed()))).await;
        }
    }

    fn tell(&self, seen: &Seen, wait: Duration, is_interrupted: bool, findings: &mut Findings) {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let mut hops = Vec::new();
        hops.extend(seen.stream.map(|time| format!("in the stream after {}", seconds(time))));
        hops.extend(seen.again.map(|time| format!("back in the stream as a document after {}", seconds(time))));
        hops.extend(seen.index.map(|time| format!("in OpenSearch after {}", seconds(time))));
        let told = if hops.is_empty() { "it was seen nowhere".to_owned() } else { hops.join(", ") };
        let again = format!("{}{} --canary", self.chain.place.doctor(self.group), self.chain.given.options());
        let not_seen = seen.index.is_none() && !seen.is_answered;
        if is_interrupted {
            let why = "it was given up before its time was over, so its absence says nothing";
            findings.warning(Hop::Canary, "canary-interrupted", told, why, again);
        } else if seen.index.is_some() {
            let copies = seen.look.hits.len();
            let read = format!("{told}; {copies} documents");
            let why = "an entry that is put now arrives in that time";
            findings.info(Hop::Canary, "canary-delivered", read, why, "nothing has to be done".to_owned());
        } else if not_seen && !seen.look.refused.is_empty() {
            let read = format!("{}; {told}; {TO_SEARCH} is refused: {}", self.mark, seen.look.refused.join("; "));
            let why = "whether it arrives is not known; a document that does stays, under its mark as log stream";
            findings.warning(Hop::Canary, "canary-not-followed", read, why, self.places.permit(&self.chain.place));
        } else if let (true, Some(problem)) = (not_seen, &seen.look.problem) {
            let read = format!("{}; {told}; no search was answered: {problem}", self.mark);
            let why = "whether it arrives is not known; a document that does stays, under its mark as log stream";
            findings.warning(Hop::Canary, "canary-not-followed", read, why, again);
        } else if self.places.0.is_empty() && seen.stream.is_some() {
            let why = "no OpenSearch is known in which it could be looked for";
            let mend = format!("{again} --opensearch https://HOST");
            findings.warning(Hop::Canary, "canary-not-followed", told, why, mend);
        } else {
            let read = format!("{} did not arrive in {} s: {told}", self.mark, wait.as_secs());
            let why = "the hop behind the last one where it was seen loses entries, or is slow; a document that comes \
                       later stays, under its mark as log stream";
            let group = quoted(self.group);
            let mend = self.chain.place.aws(&format!("logs describe-subscription-filters --log-group-name {group}"));
            findings.error(Hop::Canary, "canary-lost", read, why, mend);
        }
    }

    /// Deletes what is known of it, and says what stays.
    async fn remove(&self, hits: &[Hit], findings: &mut Findings) {
        let mut left = Vec::new();
        // One that came meanwhile goes too.
        let mut hits: Vec<Hit> = hits.iter().cloned().chain(self.places.search(&self.mark).await.hits).collect();
        hits.sort();
        hits.dedup();
        for hit in &hits {
            if let Err(why) = self.places.delete(hit).await {
                left.push(format!("the document {} in {}: {why}", hit.1, hit.0));
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
