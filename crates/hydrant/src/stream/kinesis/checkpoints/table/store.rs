//! The table in DynamoDB: each call one request, never tried again here.
//!
//! All writes but the making of a row are conditional updates of single columns, so that columns of others stay. What
//! holds a lease is the pair of owner and term: a write that was done and whose answer was lost may be done again.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValue, ScalarAttributeType,
    TableDescription, TableStatus,
};
use tokio::time::Instant;

use super::super::snapshot::{Snapshot, Stored};
use super::super::{Kept, Listed, Start};
use super::row::{self, Item, Row};
use crate::aws::with_causes;
use crate::stream::{Error, ShardId};

/// How long a table that was just made may take until it can be used.
const READY_TIME_MAX: Duration = Duration::from_secs(120);

/// How often it is asked.
const READY_ASKED_EVERY: Duration = Duration::from_millis(200);

/// Of one request: longer than AWS ever takes, and short enough to renew a lease of the usual duration after one.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// Of 1 MB each. A table with more is not one of leases.
const SCAN_PAGES_MAX: usize = 1_000;

#[derive(Debug)]
pub(super) struct Store {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) worker: String,
    pub(super) stream: String,
}

/// One conditional update of a row.
struct Update<'a> {
    shard: &'a ShardId,
    /// `#name` stands for the column `name`.
    change: &'a str,
    condition: &'a str,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Store {
    /// Makes the table if it is not there, and waits until it can be used.
    pub(super) async fn make_ready(&self) -> Result<(), Error> {
        let start = Instant::now();
        let mut is_made = false;
        loop {
            match self.describe().await? {
                Some(description) => {
                    self.check_key(&description)?;
                    if matches!(description.table_status, Some(TableStatus::Active | TableStatus::Updating)) {
                        return Ok(());
                    }
                }
                None if is_made => {}
                None => {
                    self.create().await?;
                    is_made = true;
                }
            }
            if start.elapsed() > READY_TIME_MAX {
                let seconds = READY_TIME_MAX.as_secs();
                return Err(Error::Retry(format!("the table {} is not ready after {seconds} s", self.table)));
            }
            tokio::time::sleep(READY_ASKED_EVERY).await;
        }
    }

    async fn describe(&self) -> Result<Option<TableDescription>, Error> {
        let request = self.client.describe_table().table_name(&self.table).send();
        match bounded(&format!("describe the table {}", self.table), request).await {
            Ok(answer) => Ok(answer.table),
            Err(Failed::Refused(code, _)) if code == "ResourceNotFoundException" => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    async fn create(&self) -> Result<(), Error> {
        let what = format!("make the table {}", self.table);
        let key = KeySchemaElement::builder().attribute_name("leaseKey").key_type(KeyType::Hash).build();
        let text = ScalarAttributeType::S;
        let column = AttributeDefinition::builder().attribute_name("leaseKey").attribute_type(text).build();
        let fatal = |error: aws_sdk_dynamodb::error::BuildError| Error::Fatal(error.to_string());
        let request = self.client.create_table().table_name(&self.table).billing_mode(BillingMode::PayPerRequest);
        let request = request.key_schema(key.map_err(fatal)?).attribute_definitions(column.map_err(fatal)?);
        match bounded(&what, request.send()).await {
            Ok(_) => {
                tracing::info!(table = self.table, "made the table of leases and checkpoints");
                Ok(())
            }
            // Another process was quicker.
            Err(Failed::Refused(code, _)) if code == "ResourceInUseException" => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }

    fn check_key(&self, description: &TableDescription) -> Result<(), Error> {
        let names: Vec<&str> = description.key_schema().iter().map(|key| key.attribute_name.as_str()).collect();
        if names == ["leaseKey"] {
            return Ok(());
        }
        let (table, names) = (&self.table, names.join(", "));
        Err(Error::Fatal(format!(
            "the table {table} has the key `{names}`, one of leases has `leaseKey`: name another"
        )))
    }

    /// All leases.
    pub(super) async fn rows(&self) -> Result<Vec<Row>, Error> {
        let items = self.scan("#leaseKey, #leaseOwner, #leaseCounter, #checkpoint").await?;
        Ok(items.iter().filter_map(Row::of).collect())
    }

    /// The earliest place that rows of ours begin at.
    pub(super) async fn start(&self) -> Result<Option<Start>, Error> {
        Ok(earliest(&self.scan("#leaseKey, #hydrant").await?))
    }

    /// What is kept, with no lease taken; nothing where there is no table.
    pub(super) async fn snapshot(&self, configured: Start) -> Result<Snapshot, Error> {
        let items = match self.describe().await? {
            Some(_) => self.scan("#leaseKey, #checkpoint, #checkpointSubSequenceNumber, #hydrant").await?,
            None => Vec::new(),
        };
        let start = earliest(&items).unwrap_or(configured);
        let mut shards = BTreeMap::new();
        for item in &items {
            if let Some(Row { shard, delivered, .. }) = Row::of(item) {
                shards.insert(shard, Stored { kept: row::kept(item, &self.stream, start)?, delivered });
            }
        }
        Ok(Snapshot { shards, start })
    }

    async fn scan(&self, columns: &str) -> Result<Vec<Item>, Error> {
        let what = format!("read the table {}", self.table);
        let (mut items, mut next) = (Vec::new(), None);
        for _ in 0..SCAN_PAGES_MAX {
            let request = self.client.scan().table_name(&self.table).consistent_read(true);
            let request = request.projection_expression(columns).set_expression_attribute_names(names(&[columns]));
            let page = bounded(&what, request.set_exclusive_start_key(next).send()).await?;
            items.extend(page.items.unwrap_or_default());
            next = page.last_evaluated_key;
            if next.is_none() {
                return Ok(items);
            }
        }
        Err(Error::Fatal(format!("the table {} has over {SCAN_PAGES_MAX} MB: it is not one of leases", self.table)))
    }

    pub(super) async fn get(&self, shard: &ShardId) -> Result<Option<Item>, Error> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true).key("leaseKey", s(&shard.0));
        Ok(bounded(&self.of("read", shard), request.send()).await?.item)
    }

    /// Makes the row of a shard, which nobody holds yet. One that is there stays.
    pub(super) async fn insert(&self, listed: &Listed, start: Start) -> Result<(), Error> {
        let kept = Kept { start, checkpoint: None };
        let mut change = "SET #checkpoint = :checkpoint, #checkpointSubSequenceNumber = :zero, #leaseCounter = :zero, \
            #ownerSwitchesSinceCheckpoint = :zero, #hydrantTerm = :zero, #hydrant = :hydrant, #startingHashKey = :first, \
            #endingHashKey = :last"
            .to_owned();
        let mut values = vec![
            (":checkpoint", s(row::TRIM_HORIZON)),
            (":zero", n(0)),
            (":hydrant", s(&row::stored(&listed.id, &self.stream, &kept)?)),
            (":first", s(&listed.hash_keys.0.to_string())),
            (":last", s(&listed.hash_keys.1.to_string())),
        ];
        if !listed.parents.is_empty() {
            change += ", #parentShardId = :parents";
            values.push((":parents", ids(&listed.parents)));
        }
        let condition = "attribute_not_exists(#leaseKey)";
        self.update("make", Update { shard: &listed.id, change: &change, condition, values }).await?;
        Ok(())
    }

    /// Takes a lease that has not changed since it was read. Answers the whole row, `None` where another was quicker.
    pub(super) async fn take(&self, row: &Row) -> Result<Option<Item>, Error> {
        let switches = row.owner.as_ref().is_some_and(|owner| *owner != self.worker);
        let change = if switches {
            "SET #leaseOwner = :me REMOVE #checkpointOwner ADD #leaseCounter :one, #hydrantTerm :one, \
             #ownerSwitchesSinceCheckpoint :one"
        } else {
            "SET #leaseOwner = :me REMOVE #checkpointOwner ADD #leaseCounter :one, #hydrantTerm :one"
        };
        let mut values = vec![(":me", s(&self.worker)), (":one", n(1)), (":end", s(row::SHARD_END))];
        let condition = match row.counter {
            Some(counter) => {
                values.push((":counter", n(counter)));
                "#leaseCounter = :counter AND #checkpoint <> :end"
            }
            None => "attribute_exists(#leaseKey) AND attribute_not_exists(#leaseCounter) AND #checkpoint <> :end",
        };
        self.update("take", Update { shard: &row.shard, change, condition, values }).await
    }

    /// Whether the lease is still ours.
    pub(super) async fn renew(&self, shard: &ShardId, term: u64) -> Result<bool, Error> {
        self.of_ours("renew", shard, term, "ADD #leaseCounter :one", vec![(":one", n(1))]).await
    }

    pub(super) async fn release(&self, shard: &ShardId, term: u64) -> Result<bool, Error> {
        let change = "REMOVE #leaseOwner, #checkpointOwner ADD #leaseCounter :one";
        self.of_ours("give back", shard, term, change, vec![(":one", n(1))]).await
    }

    /// What a KCL prepared before goes, as with its own checkpoints.
    pub(super) async fn commit(&self, shard: &ShardId, term: u64, kept: &Kept) -> Result<bool, Error> {
        let position = kept.checkpoint.as_ref().and_then(|checkpoint| checkpoint.position.as_ref());
        let (checkpoint, sub) = row::columns(position);
        let values = vec![
            (":checkpoint", s(&checkpoint)),
            (":sub", n(sub)),
            (":hydrant", s(&row::stored(shard, &self.stream, kept)?)),
            (":zero", n(0)),
        ];
        let change = "SET #checkpoint = :checkpoint, #checkpointSubSequenceNumber = :sub, #hydrant = :hydrant, \
            #ownerSwitchesSinceCheckpoint = :zero \
            REMOVE #pendingCheckpoint, #pendingCheckpointSubSequenceNumber, #pendingCheckpointState";
        self.of_ours("commit", shard, term, change, values).await
    }

    /// A shard that is delivered needs no owner.
    pub(super) async fn finish(&self, shard: &ShardId, term: u64, children: &[ShardId]) -> Result<bool, Error> {
        let mut values = vec![(":end", s(row::SHARD_END)), (":zero", n(0)), (":one", n(1))];
        let mut change = "SET #checkpoint = :end, #checkpointSubSequenceNumber = :zero".to_owned();
        if !children.is_empty() {
            change += ", #childShardIds = :children";
            values.push((":children", ids(children)));
        }
        change += " REMOVE #leaseOwner, #checkpointOwner, #pendingCheckpoint, #pendingCheckpointSubSequenceNumber, \
            #pendingCheckpointState ADD #leaseCounter :one";
        if self.of_ours("finish", shard, term, &change, values).await? {
            return Ok(true);
        }
        // It was done already, and the answer was lost.
        Ok(self.get(shard).await?.as_ref().and_then(Row::of).is_some_and(|row| row.delivered))
    }

    /// Removes the row of a shard that was delivered to its end.
    pub(super) async fn forget(&self, shard: &ShardId) -> Result<(), Error> {
        let condition = "#checkpoint = :end";
        let request = self.client.delete_item().table_name(&self.table).key("leaseKey", s(&shard.0));
        let request = request
            .condition_expression(condition)
            .set_expression_attribute_names(names(&[condition]))
            .expression_attribute_values(":end", s(row::SHARD_END));
        bounded(&self.of("remove", shard), request.send()).await?;
        Ok(())
    }

    /// Whether the row was ours, in this term, and so is changed.
    async fn of_ours(
        &self,
        what: &str,
        shard: &ShardId,
        term: u64,
        change: &str,
        mut values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<bool, Error> {
        values.extend([(":me", s(&self.worker)), (":term", n(term))]);
        let condition = "#leaseOwner = :me AND #hydrantTerm = :term";
        Ok(self.update(what, Update { shard, change, condition, values }).await?.is_some())
    }

    /// The row as it is then, `None` where the condition does not hold.
    async fn update(&self, what: &str, update: Update<'_>) -> Result<Option<Item>, Error> {
        let Update { shard, change, condition, values } = update;
        let values: HashMap<String, AttributeValue> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let request = self.client.update_item().table_name(&self.table).key("leaseKey", s(&shard.0));
        let request = request
            .update_expression(change)
            .condition_expression(condition)
            .set_expression_attribute_names(names(&[change, condition]))
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew);
        match bounded(&self.of(what, shard), request.send()).await {
            Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
            Err(Failed::Refused(code, _)) if code == "ConditionalCheckFailedException" => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    fn of(&self, what: &str, shard: &ShardId) -> String {
        format!("{what} the lease on {shard} in the table {}", self.table)
    }
}

/// The earliest place that rows of ours begin at.
fn earliest(items: &[Item]) -> Option<Start> {
    let time = |start: &Start| match start {
        Start::Oldest => i64::MIN,
        Start::At(ms) => *ms,
    };
    items.iter().filter_map(row::start).min_by_key(time)
}

/// A request that has failed.
enum Failed {
    /// The service has answered with this code.
    Refused(String, String),
    /// It did not answer, or cannot be understood.
    Unknown(String),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        match failed {
            Failed::Refused(code, text) if code == "ValidationException" => Error::Fatal(text),
            // Rights, a table that is gone: somebody can mend them while we wait.
            Failed::Refused(_, text) | Failed::Unknown(text) => Error::Retry(text),
        }
    }
}

/// `what` completes "cannot …".
async fn bounded<T, E, R>(what: &str, request: impl Future<Output = Result<T, SdkError<E, R>>>) -> Result<T, Failed>
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata + 'static,
{
    let error = match tokio::time::timeout(REQUEST_TIME_MAX, request).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(_) => {
            let seconds = REQUEST_TIME_MAX.as_secs();
            return Err(Failed::Unknown(format!("cannot {what}: DynamoDB has not answered in {seconds} s")));
        }
    };
    if let Some(code) = error.code() {
        let text = format!("cannot {what}: {code}: {}", error.message().unwrap_or("no message"));
        return Err(Failed::Refused(code.to_owned(), text));
    }
    Err(Failed::Unknown(format!("cannot {what}: {}", with_causes(&error))))
}

/// Every `#name` of the expressions, for the column `name`: many names of columns are words of DynamoDB's own.
fn names(expressions: &[&str]) -> Option<HashMap<String, String>> {
    let words =
        expressions.iter().flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric() && letter != '#'));
    Some(words.filter_map(|word| Some((word.to_owned(), word.strip_prefix('#')?.to_owned()))).collect())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn ids(shards: &[ShardId]) -> AttributeValue {
    AttributeValue::Ss(shards.iter().map(|shard| shard.0.clone()).collect())
}
