//! The table of checkpoints: whether it is there, has the right key, and may be read and changed.
//!
//! That it may be changed is seen by a change whose condition does not hold, which DynamoDB refuses only after it has
//! looked at the rights.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::scan::ScanError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::report::Report;
use crate::config::Kinesis;
use crate::stream::{Position, ShardId};

const WHAT: &str = "checkpoints";

/// The key of a table of leases.
const KEY: &str = "leaseKey";

/// A table of leases is one page; this is far above what the shards of an account take.
const PAGES_MAX: usize = 64;

/// A row that is not there.
const ABSENT: &str = "hydrant-connect-absent";

type Positions = BTreeMap<ShardId, Option<Position>>;

/// The positions that the table keeps, as far as it can be read.
pub(super) async fn check(table: &str, found: &Kinesis, report: &mut Report) -> Option<Positions> {
    // As the stream: its region, and the endpoint of its own.
    let endpoint = found.checkpoints_endpoint.as_deref();
    let client = Client::new(&crate::aws::config(found.region.as_deref(), endpoint).await);
    let described = match client.describe_table().table_name(table).send().await {
        Ok(answer) => answer.table,
        Err(error) if error.code() == Some("ResourceNotFoundException") => {
            report.ok(WHAT, format!("the table {table} is not there yet; run makes it, with dynamodb:CreateTable"));
            return None;
        }
        Err(error) => return refused(table, "dynamodb:DescribeTable", &error, report),
    };
    let keys: Vec<String> =
        described.iter().flat_map(|table| table.key_schema()).map(|key| key.attribute_name.clone()).collect();
    if keys != [KEY] {
        let told = format!("the table {table} has the key `{}`, one of leases has `{KEY}`", keys.join(", "));
        report.failed(WHAT, told, "name another table in `stream.checkpoints`");
        return None;
    }
    let positions = match positions(&client, table).await {
        Ok(positions) => positions,
        Err(error) => return refused(table, "dynamodb:Scan", error.as_ref(), report),
    };
    let change = client.update_item().table_name(table).key(KEY, AttributeValue::S(ABSENT.to_owned()));
    let change = change.condition_expression("attribute_exists(leaseKey)");
    let change = change
        .update_expression("ADD leaseCounter :one")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    match change.send().await {
        Ok(_) => {}
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => {}
        Err(error) => return refused(table, "dynamodb:UpdateItem", &error, report),
    }
    report.ok(WHAT, format!("the table {table} can be read and changed, and has those of {} shards", positions.len()));
    Some(positions)
}

async fn positions(client: &Client, table: &str) -> Result<Positions, Box<SdkError<ScanError>>> {
    let (mut positions, mut next) = (Positions::new(), None);
    for _ in 0..PAGES_MAX {
        let request = client.scan().table_name(table).projection_expression("leaseKey, checkpoint");
        let page = request.set_exclusive_start_key(next).send().await.map_err(Box::new)?;
        for item in page.items.unwrap_or_default() {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
            let (Some(shard), Some(checkpoint)) = (text(KEY), text("checkpoint")) else { continue };
            let is_number = checkpoint.bytes().all(|byte| byte.is_ascii_digit());
            match checkpoint.as_str() {
                "SHARD_END" => drop(positions.insert(ShardId(shard), None)),
                _ if is_number => drop(positions.insert(ShardId(shard), Some(Position(checkpoint)))),
                _ => {}
            }
        }
        next = page.last_evaluated_key;
        if next.is_none() {
            break;
        }
    }
    Ok(positions)
}

fn refused<E, R>(table: &str, right: &str, error: &SdkError<E, R>, report: &mut Report) -> Option<Positions>
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata,
{
    let told = match error.code() {
        Some(code) => format!("the table {table}: {code}: {}", error.message().unwrap_or("no message")),
        None => format!("the table {table}: {}", DisplayErrorContext(error)),
    };
    let advice = format!("the credentials have to have {right} on the table, and DynamoDB has to be reached");
    report.failed(WHAT, told, &advice);
    None
}
