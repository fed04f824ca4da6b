//! Records to a Kinesis stream or to Firehose: only what was not taken is sent again, until its time is over.

use std::collections::BTreeSet;

use base64_simd::STANDARD;
use hydrant_aws::{CallError, Client, Connection, Service};
use hydrant_transform::firehose::{Again, Target, batches};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::deadline::{BackOff, in_time};
use crate::failed::is_passing;

/// Tries of one call, those of its failed entries among them.
const TRIES_MAX: u32 = 20;

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
        let mut unsent = Unsent::default();
        let mut back_off = BackOff::new(seed);
        for batch in batches(records, self.target) {
            self.batch(batch, &mut back_off, until, &mut unsent).await;
        }
        unsent
    }

    async fn batch(&self, mut batch: Vec<Again>, back_off: &mut BackOff, until: Instant, unsent: &mut Unsent) {
        for _ in 0..TRIES_MAX {
            let problem = match self.call(&batch, until).await {
                Ok(told) => {
                    let refused = self.refused(&told, batch.len());
                    let mut problem = String::new();
                    let mut idx = 0;
                    batch.retain(|_| {
                        let why = refused.get(idx).cloned().flatten();
                        idx += 1;
                        let is_refused = why.is_some();
                        problem = why.unwrap_or(std::mem::take(&mut problem));
                        is_refused
                    });
                    if batch.is_empty() {
                        return;
                    }
                    problem
                }
                Err(error) if is_passing(&error) => error.to_string(),
                Err(error) => {
                    unsent.problems.insert(error.to_string());
                    break;
                }
            };
            let Some(wait) = back_off.next(until) else {
                unsent.problems.insert(problem);
                break;
            };
            sleep(wait).await;
        }
        if unsent.problems.is_empty() && !batch.is_empty() {
            unsent.problems.insert(format!("records were refused {TRIES_MAX} times"));
        }
        unsent.records.append(&mut batch);
    }

    async fn call(&self, batch: &[Again], until: Instant) -> Result<Value, CallError> {
        let target = match self.target {
            Target::Kinesis => "Kinesis_20131202.PutRecords",
            Target::Firehose => "Firehose_20150804.PutRecordBatch",
        };
        let body = self.body(batch).into_bytes();
        in_time(until, &self.stream.1, self.client.json(target, body)).await
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

    /// Why each entry of a call was not taken. An answer of another length tells of none.
    fn refused(&self, told: &Value, count: usize) -> Vec<Option<String>> {
        let name = match self.target {
            Target::Kinesis => "Records",
            Target::Firehose => "RequestResponses",
        };
        let entries = told.get(name).and_then(Value::as_array).filter(|entries| entries.len() == count);
        let Some(entries) = entries else {
            return vec![Some(format!("the answer does not tell of {count} records")); count];
        };
        let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        entries.iter().map(|entry| text(entry, "ErrorCode").filter(|code| !code.is_empty())).collect()
    }
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
