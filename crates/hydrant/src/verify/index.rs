//! The index's hop: every document of the indices that a list of names and wildcards selects.

use futures_util::TryStreamExt as _;

use super::entry::{Hop, State, hash};
use super::ledger::At;
use super::{Error, Keys, Ledger, Patience, fields};
use crate::index::{Engine, Error as IndexError, IndexStatus, Query, Scan, Scanned};
use sha2::{Digest, Sha256};

/// What the index held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexAccount {
    pub indices: u64,
    pub documents: u64,
    /// Indices that do not answer, each with the reason.
    pub unreadable: Vec<String>,
    /// Documents with ids that are not Hydrant's.
    pub foreign: u64,
    /// Documents that name no event: two indices cannot be compared by them.
    pub without_event: u64,
}

/// How documents are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// As in the other hops.
    Id,
    /// By event id and ordinal, as far as they have any.
    Event,
}

/// Reads all documents. `hop`: whose index it is.
///
/// # Errors
/// The engine's and the disk's.
pub async fn take(
    ledger: &mut Ledger,
    engine: &dyn Engine,
    patterns: &[String],
    (hop, by): (Hop, By),
    progress: &mut dyn FnMut(&IndexAccount),
) -> Result<IndexAccount, Error> {
    let mut account = IndexAccount::default();
    for IndexStatus { name, damaged, .. } in list(engine, patterns).await? {
        account.indices += 1;
        if let Some(problem) = damaged {
            account.unreadable.push(problem);
            continue;
        }
        let table = ledger.table(hop, &name);
        // A cluster makes searchable at intervals what was written.
        refresh(engine, &name).await?;
        let scan = Scan { index_name: name.clone(), query: Query::MatchAll, fields: fields::wanted() };
        let mut pages = engine.scan(scan);
        let mut patience = Patience::new();
        loop {
            match pages.try_next().await {
                Ok(None) => break,
                Ok(Some(page)) => {
                    patience = Patience::new();
                    for scanned in &page {
                        note(ledger, &mut account, scanned, (hop, table), by)?;
                    }
                    progress(&account);
                }
                Err(IndexError::Retry(problem)) if !patience.wait(&problem).await => {
                    return Err(Error::Index(format!("[{name}]: {problem}")));
                }
                Err(IndexError::Retry(_)) => {}
                Err(error) => return Err(Error::Index(format!("[{name}]: {error}"))),
            }
        }
    }
    Ok(account)
}

fn note(
    ledger: &mut Ledger,
    account: &mut IndexAccount,
    scanned: &Scanned,
    (hop, table): (Hop, u32),
    by: By,
) -> Result<(), Error> {
    let told = fields::read(&scanned.source);
    let Some(state) = ledger.state(State::Done, told.time_ms) else { return Ok(()) };
    account.documents += u64::from(state != State::Unplaced);
    account.foreign += u64::from(hash(&scanned.id).is_none());
    // The same id under another routing is another copy.
    let place = scanned.routing.as_ref().map_or(0, |routing| {
        Sha256::digest(routing.as_bytes()).first_chunk().map_or(1, |bytes| u64::from_be_bytes(*bytes) | 1)
    });
    let at = At { hop, state, table, place };
    match (by, &told.event) {
        (By::Id, event) => ledger.note(at, &scanned.id, event.as_ref())?,
        (By::Event, Some(event)) => {
            ledger.note_key(at, Keys::event_key(&event.event_id, event.ordinal), &scanned.id)?;
        }
        (By::Event, None) => account.without_event += 1,
    }
    Ok(())
}

async fn list(engine: &dyn Engine, patterns: &[String]) -> Result<Vec<IndexStatus>, Error> {
    let mut patience = Patience::new();
    loop {
        match engine.indices(patterns).await {
            Ok(indices) => return Ok(indices),
            Err(IndexError::Retry(problem)) if !patience.wait(&problem).await => return Err(Error::Index(problem)),
            Err(IndexError::Retry(_)) => {}
            Err(error) => return Err(Error::Index(error.to_string())),
        }
    }
}

async fn refresh(engine: &dyn Engine, name: &str) -> Result<(), Error> {
    let (mut patience, names) = (Patience::new(), [name.to_owned()]);
    loop {
        match engine.refresh(&names).await {
            Ok(()) => return Ok(()),
            Err(IndexError::Retry(problem)) if !patience.wait(&problem).await => return Err(Error::Index(problem)),
            Err(IndexError::Retry(_)) => {}
            // Some services refuse it and refresh by themselves.
            Err(IndexError::BadRequest { .. }) => return Ok(()),
            Err(error) => return Err(Error::Index(error.to_string())),
        }
    }
}
