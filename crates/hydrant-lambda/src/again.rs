//! Records to a Kinesis stream or to Firehose: only what was not taken is sent again, until its time is over.

use std::collections::{BTreeSet, VecDeque};

use base64_simd::STANDARD;
use hydrant_aws::{CallError, Client, Connection, Service, Tries};
use hydrant_transform::firehose::{Again, Target, batches};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Tries of one call, those of its failed entries among them.
const TRIES_MAX: u32 = 20;

/// Calls of one event that are made again in halves. One bad record of 500 takes nine.
const HALVINGS_MAX: usize = 64;

/// Codes of refusals, with status 400, for which one record may stand.
const OF_A_RECORD: [&str; 3] = ["InvalidArgumentException", "SerializationException", "ValidationException"];

/// What stands about the data of an entry, mostly.
const ENTRY_BYTES: usize = 128;

/// Where records go.
pub(crate) struct Sender {
    client: Client,
    target: Target,
    /// The member of a request that names the stream, and its name.
    stream: (&'static str, String),
}

/// What was not taken in time, and why.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    pub(crate) records: Vec<Again>,
    pub(crate) problems: BTreeSet<String>,
    /// How many were.
    pub(crate) sent: usize,
}

impl Unsent {
    pub(crate) fn append(&mut self, other: Unsent) {
        self.records.extend(other.records);
        self.problems.extend(other.problems);
        self.sent += other.sent;
    }
}

impl Sender {
    /// To the Kinesis stream of an ARN.
    pub(crate) fn kinesis(connection: &Connection, arn: &str) -> Result<Sender, CallError> {
        let region = region_of(arn).unwrap_or(connection.region());
        let client = connection.service_in(Service::usual("kinesis"), "kinesis", region)?;
        Ok(Sender { client, target: Target::Kinesis, stream: ("StreamARN", arn.to_owned()) })
    }

    /// To a delivery stream, by its name or its ARN.
    pub(crate) fn firehose(connection: &Connection, stream: &str) -> Result<Sender, CallError> {
        let region = region_of(stream).unwrap_or(connection.region());
        let client = connection.service_in(Service::usual("firehose"), "firehose", region)?;
        let name = stream.rsplit('/').next().unwrap_or(stream).to_owned();
        Ok(Sender { client, target: Target::Firehose, stream: ("DeliveryStreamName", name) })
    }

    /// Sends records. What is not taken before `until`, or never will be, is answered.
    pub(crate) async fn send(&self, records: Vec<Again>, seed: &str, until: Instant) -> Unsent {
        let count = records.len();
        let mut unsent = Unsent::default();
        let mut halvings_left = HALVINGS_MAX;
        let mut waiting = VecDeque::from(batches(records, self.target));
        while let Some(mut batch) = waiting.pop_front() {
            let tries = Tries::new(seed, until).at_most(TRIES_MAX);
            let Err(error) = self.batch(&mut batch, tries).await else { continue };
            if batch.len() > 1 && halvings_left > 0 && is_of_a_record(&error) {
                halvings_left -= 1;
                let second = batch.split_off(batch.len() / 2);
                waiting.push_front(second);
                waiting.push_front(batch);
                continue;
            }
            unsent.problems.insert(error.to_string());
            unsent.records.append(&mut batch);
        }
        unsent.sent = count - unsent.records.len();
        unsent
    }

    /// One call, until all of it is taken. What is not stays in `batch`.
    async fn batch(&self, batch: &mut Vec<Again>, mut tries: Tries) -> Result<(), CallError> {
        loop {
            let error = match tries.one(&self.stream.1, self.call(batch)).await {
                Ok(told) => match self.not_taken(batch, &told) {
                    Some(error) => error,
                    None => return Ok(()),
                },
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            if !tries.next().await {
                return Err(error);
            }
        }
    }

    async fn call(&self, batch: &[Again]) -> Result<Value, CallError> {
        self.client.json(self.action(), self.body(batch).into_bytes()).await
    }

    fn action(&self) -> &'static str {
        match self.target {
            Target::Kinesis => "Kinesis_20131202.PutRecords",
            Target::Firehose => "Firehose_20150804.PutRecordBatch",
        }
    }

    /// Written at once: of each byte that is sent there is one copy.
    fn body(&self, batch: &[Again]) -> String {
        let (name, stream) = &self.stream;
        let bytes: usize = batch.iter().map(|record| record.data.len() * 4 / 3 + ENTRY_BYTES).sum();
        let mut body = String::with_capacity(bytes);
        body.push_str(&format!("{{\"{name}\":{},\"Records\":[", json!(stream)));
        for (idx, record) in batch.iter().enumerate() {
            body.push_str(if idx == 0 { "{\"Data\":\"" } else { ",{\"Data\":\"" });
            STANDARD.encode_append(&record.data, &mut body);
            match self.target {
                Target::Kinesis => body.push_str(&format!("\",\"PartitionKey\":{}}}", json!(record.partition_key))),
                Target::Firehose => body.push_str("\"}"),
            }
        }
        body.push_str("]}");
        body
    }

    /// Leaves in `batch` what was not taken; answers why. `None`: all of it was.
    fn not_taken(&self, batch: &mut Vec<Again>, told: &Value) -> Option<CallError> {
        let name = match self.target {
            Target::Kinesis => "Records",
            Target::Firehose => "RequestResponses",
        };
        let entries = told.get(name).and_then(Value::as_array).filter(|entries| entries.len() == batch.len());
        let Some(entries) = entries else {
            let problem = format!("it does not tell of {} records", batch.len());
            return Some(CallError::NoAnswer { endpoint: self.stream.1.clone(), problem });
        };
        let code = |entry: &Value| entry.get("ErrorCode")?.as_str().filter(|code| !code.is_empty()).map(str::to_owned);
        let codes: Vec<Option<String>> = entries.iter().map(code).collect();
        let mut is_left = codes.iter().map(Option::is_some);
        batch.retain(|_| is_left.next().unwrap_or(true));
        let code = codes.into_iter().flatten().next_back()?;
        let action = self.action().rsplit('.').next().unwrap_or_default().to_owned();
        Some(CallError::Refused { action, status: 200, code, message: "not all records were taken".to_owned() })
    }
}

/// Whether the others of the call may be taken without the one that it was refused for.
fn is_of_a_record(error: &CallError) -> bool {
    matches!(error, CallError::Refused { status: 400, code, .. } if OF_A_RECORD.contains(&code.as_str()))
}

/// The fourth part of an ARN.
fn region_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_arn() {
        assert_eq!(region_of("arn:aws-cn:kinesis:cn-north-1:1:stream/s"), Some("cn-north-1"));
        assert_eq!(region_of("arn:aws:s3:::bucket"), None);
        assert_eq!(region_of("name"), None);
    }
}
