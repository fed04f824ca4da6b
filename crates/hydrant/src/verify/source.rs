//! The source's hop: followed files as far as they still exist, and files that are given, read again and transformed.

use hydrant_transform::record::{Options, RecordSource, Transformed, transform};

use super::entry::{Hop, State};
use super::ledger::At;
use super::{Counts, Error, Ledger, count};
use crate::source::tail::again::{self, Part, Reread};
use crate::source::tail::{FileSettings, Settings, event_place};

/// What the files held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceAccount {
    /// Of what was taken.
    pub counts: Counts,
    /// Entries that the tail has not taken yet.
    pub waiting: u64,
    /// Entries whose time is nobody's but the moment's at which they were read.
    pub unstamped: u64,
    /// A followed path each.
    pub files: Vec<Reread>,
}

/// Reads the files of a tail. The other hops have to be noted before: they tell which generations there were.
///
/// # Errors
/// A file that cannot be read; the disk's.
pub fn tails(
    ledger: &mut Ledger,
    settings: &Settings,
    marks: &std::collections::BTreeMap<String, Vec<u8>>,
    options: &Options,
    account: &mut SourceAccount,
) -> Result<(), Error> {
    let known = ledger.keys.known().clone();
    for file in &settings.files {
        // A table of the tail may have a format of its own.
        let options = Options { format: file.format.or(options.format), ..options.clone() };
        let reread =
            again::read(settings, file, marks, &known, |part| take_part(ledger, account, file, &options, &part))?;
        account.files.push(reread);
    }
    Ok(())
}

fn take_part(
    ledger: &mut Ledger,
    account: &mut SourceAccount,
    file: &FileSettings,
    options: &Options,
    part: &Part,
) -> Result<(), Error> {
    let source = RecordSource { shard: "", sequence_number: "", arrival_ms: 0 };
    let transformed = transform(&part.data, source, options);
    let name = if part.name == file.path {
        format!("{} (generation {})", part.name.display(), part.generation)
    } else {
        format!("{} (generation {} of {})", part.name.display(), part.generation, file.path.display())
    };
    let table = ledger.table(Hop::Source, &name);
    take(ledger, account, table, &transformed, if part.is_taken { State::Done } else { State::InFlight })
}

/// Notes what a record of a source became. Its time counts as unknown where it is 0.
///
/// # Errors
/// The disk's.
pub fn take(
    ledger: &mut Ledger,
    account: &mut SourceAccount,
    table: u32,
    transformed: &Transformed,
    state: State,
) -> Result<(), Error> {
    let place = |event: usize| {
        let event = transformed.events.get(event);
        event.and_then(|event| event_place(&event.id)).map_or(0, |place| place.offset)
    };
    account.unstamped += transformed.events.iter().filter(|event| event.timestamp_ms == 0).count() as u64;
    let mut waiting = Counts::default();
    let counts = if state == State::InFlight { &mut waiting } else { &mut account.counts };
    let at = |event: usize| At { hop: Hop::Source, state, table, place: place(event) };
    count::note(ledger, counts, transformed, 0, at)?;
    account.waiting += waiting.entries();
    Ok(())
}
