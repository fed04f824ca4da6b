//! The hop of failed/: the documents that are there with their reasons.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::entry::Format;
use serde_json::Value;

use super::entry::{Hop, State};
use super::ledger::At;
use super::{Error, Ledger, Patience, fields};
use crate::deliver::failed::{INDEX, Listed, PROCESSING, Store};
use crate::deliver::replay::OBJECT_BYTES_MAX;

/// What failed/ held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedAccount {
    pub objects: u64,
    /// A document that stands there several times counts as often.
    pub lines: u64,
    /// Lines without a document id, as Firehose writes them.
    pub foreign: u64,
    /// Objects that are larger than any is read.
    pub too_large: u64,
    /// The first of them, each with its size.
    pub unreadable: Vec<String>,
}

/// Objects that cannot be read are named up to so many.
const UNREADABLE_NAMED_MAX: usize = 100;

/// Reads all objects of both kinds, one of [`OBJECT_BYTES_MAX`] at a time at most.
///
/// # Errors
/// The store's and the disk's.
pub async fn take(
    ledger: &mut Ledger,
    store: &Store,
    progress: &mut dyn FnMut(&FailedAccount),
) -> Result<FailedAccount, Error> {
    let mut account = FailedAccount::default();
    for prefix in [PROCESSING, INDEX] {
        let table = ledger.table(Hop::Failed, prefix);
        let mut after: Option<String> = None;
        loop {
            let page = patiently(|| store.list(prefix, after.as_deref())).await?;
            let Some(last) = page.last() else { break };
            let last = last.key.clone();
            for listed in page {
                if listed.bytes > OBJECT_BYTES_MAX {
                    account.too_large += 1;
                    if account.unreadable.len() < UNREADABLE_NAMED_MAX {
                        let Listed { key, bytes } = listed;
                        account
                            .unreadable
                            .push(format!("{key}: it has {bytes} bytes, and {OBJECT_BYTES_MAX} are read"));
                    }
                    continue;
                }
                // One that vanished was replayed or removed meanwhile.
                let Some(object) = patiently(|| store.get(&listed.key)).await? else { continue };
                account.objects += 1;
                let place = ledger.place(&listed.key)?;
                for line in object.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
                    note(ledger, &mut account, line, (table, place))?;
                }
            }
            progress(&account);
            after = Some(last);
        }
    }
    Ok(account)
}

fn note(
    ledger: &mut Ledger,
    account: &mut FailedAccount,
    line: &[u8],
    (table, place): (u32, u64),
) -> Result<(), Error> {
    let Some((object, id)) = fields::failed_line(line) else {
        account.foreign += 1;
        return Ok(());
    };
    let ordinal = object.get("ordinal").and_then(Value::as_u64).and_then(|ordinal| u32::try_from(ordinal).ok());
    let raw = object.get("rawData").and_then(Value::as_str).and_then(|raw| STANDARD.decode(raw).ok());
    let mut told = fields::of_raw(&raw.unwrap_or_default(), ordinal.unwrap_or(0));
    if told.event.is_none() {
        told.time_ms = object.get("arrivalTimestamp").and_then(Value::as_i64);
    }
    // What the index refused has the time that its document says, which the event does not tell where the entry has one.
    let is_own = object.get("format").and_then(Value::as_str).is_some_and(|name| name != Format::Text.name());
    if is_own && ledger.state(State::Done, told.time_ms).is_none() {
        told.time_ms = None;
    }
    let Some(state) = ledger.state(State::Done, told.time_ms) else { return Ok(()) };
    account.lines += u64::from(state != State::Unplaced);
    ledger.note(At { hop: Hop::Failed, state, table, place }, &id, told.event.as_ref())?;
    Ok(())
}

async fn patiently<T, F: Future<Output = std::io::Result<T>>>(mut call: impl FnMut() -> F) -> Result<T, Error> {
    let mut patience = Patience::new();
    loop {
        match call().await {
            Ok(done) => return Ok(done),
            Err(error) if !patience.wait(&error).await => return Err(Error::Failed(error.to_string())),
            Err(_) => {}
        }
    }
}
