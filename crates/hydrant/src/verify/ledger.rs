//! What the hops have told, and the names of the places where it is.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::entry::{Entry, Hop, Id, State};
use super::judge::{Account, Comparison};
use super::key::{EventName, Keys};
use super::spill::{Bounds, Spill};

/// Of a name of a place, such as a sequence number or the key of an object.
const NAME_BYTES_MAX: usize = 1024;

/// A range of time: milliseconds since 1970 UTC, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from_ms: i64,
    pub to_ms: i64,
}

/// Ids by hop, on disk, and where each place is.
pub struct Ledger {
    spill: Spill,
    pub keys: Keys,
    range: Option<Range>,
    names: Names,
}

/// Names of places.
pub struct Names {
    /// By hop: files, shards, indices.
    tables: Vec<(Hop, String)>,
    /// Names that are too many for memory; a place is an offset in it.
    places: BufWriter<File>,
    length: u64,
    last: Option<(String, u64)>,
}

impl Ledger {
    /// `folder`: an empty one of its own, which the caller removes.
    ///
    /// # Errors
    /// The disk's.
    pub fn new(folder: &Path, bounds: Bounds, keys: Keys, range: Option<Range>) -> io::Result<Ledger> {
        let places =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(folder.join("places"))?;
        let names = Names { tables: Vec::new(), places: BufWriter::new(places), length: 0, last: None };
        Ok(Ledger { spill: Spill::new(folder, bounds), keys, range, names })
    }

    pub fn has_range(&self) -> bool {
        self.range.is_some()
    }

    /// The number of a file, shard or index.
    pub fn table(&mut self, hop: Hop, name: &str) -> u32 {
        let known = self.names.tables.iter().position(|(of, known)| *of == hop && known == name);
        let place = known.unwrap_or_else(|| {
            self.names.tables.push((hop, name.to_owned()));
            self.names.tables.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// A place by its name.
    ///
    /// # Errors
    /// The disk's.
    pub fn place(&mut self, name: &str) -> io::Result<u64> {
        if let Some((_, place)) = self.names.last.as_ref().filter(|(last, _)| last == name) {
            return Ok(*place);
        }
        let place = self.names.length;
        let bytes = name.as_bytes();
        let bytes = bytes.get(..bytes.len().min(NAME_BYTES_MAX)).unwrap_or_default();
        self.names.places.write_all(&u16::try_from(bytes.len()).unwrap_or(0).to_le_bytes())?;
        self.names.places.write_all(bytes)?;
        self.names.length += 2 + bytes.len() as u64;
        self.names.last = Some((name.to_owned(), place));
        Ok(place)
    }

    /// Whether a document of this time is asked for, and how much it says. `None`: it is not.
    pub fn state(&self, state: State, time_ms: Option<i64>) -> Option<State> {
        match (self.range, time_ms) {
            (None, _) => Some(state),
            (Some(_), None) => Some(State::Unplaced),
            (Some(range), Some(time_ms)) => (range.from_ms..range.to_ms).contains(&time_ms).then_some(state),
        }
    }

    /// Notes a document at a place.
    ///
    /// # Errors
    /// The disk's.
    pub fn note(&mut self, at: At, id: &str, event: Option<&EventName>) -> io::Result<()> {
        let key = self.keys.key(id, event);
        self.note_key(at, key, id)
    }

    /// See [`Ledger::note`].
    ///
    /// # Errors
    /// The disk's.
    pub fn note_key(&mut self, at: At, key: u128, id: &str) -> io::Result<()> {
        let At { hop, state, table, place } = at;
        self.spill.push(&Entry { key, hop, state, table, place, id: Id::of(id) })
    }

    /// How many ids were noted, of all hops.
    pub fn entries(&self) -> u64 {
        self.spill.entries()
    }

    /// Judges every document. `listed_max`: findings of a kind that are kept. Blocking.
    ///
    /// # Errors
    /// The disk's.
    pub fn judge(self, listed_max: usize) -> io::Result<(Account, Names)> {
        let mut account = Account::default();
        self.spill.groups(&mut |entries| account.take(entries, listed_max))?;
        Ok((account, self.names.settle()?))
    }

    /// As [`Ledger::judge`], of two indices.
    ///
    /// # Errors
    /// The disk's.
    pub fn compare(self, listed_max: usize) -> io::Result<(Comparison, Names)> {
        let mut comparison = Comparison::default();
        self.spill.groups(&mut |entries| comparison.take(entries, listed_max))?;
        Ok((comparison, self.names.settle()?))
    }
}

/// Where a document was met.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub hop: Hop,
    pub state: State,
    pub table: u32,
    pub place: u64,
}

impl Names {
    fn settle(mut self) -> io::Result<Names> {
        self.places.flush()?;
        Ok(self)
    }

    /// The file, shard or index.
    pub fn table(&self, entry: &Entry<'_>) -> &str {
        let place = usize::try_from(entry.table).ok().and_then(|table| self.tables.get(table));
        place.map_or("", |(_, name)| name)
    }

    /// The sequence number, or the key of the object; empty where a place is a number.
    pub fn place(&self, entry: &Entry<'_>) -> String {
        match entry.hop {
            Hop::Stream | Hop::Failed => self.name(entry.place).unwrap_or_default(),
            Hop::Source | Hop::Index | Hop::Other => String::new(),
        }
    }

    fn name(&self, place: u64) -> Option<String> {
        let file = self.places.get_ref();
        let mut length = [0; 2];
        file.read_exact_at(&mut length, place).ok()?;
        let mut bytes = vec![0; usize::from(u16::from_le_bytes(length))];
        file.read_exact_at(&mut bytes, place + 2).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
