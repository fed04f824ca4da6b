//! One id as one hop has it: where it is, and how it is told from others.

use std::borrow::Cow;

/// Where an id was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hop {
    Source,
    Stream,
    Index,
    Failed,
    /// The index that ours is compared with.
    Other,
}

/// How much its being there says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It has to be further on as well.
    Done,
    /// Not delivered yet, or not taken yet.
    InFlight,
    /// Its time is not known, so that it may not belong to the range that is asked for.
    Unplaced,
}

/// An id at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry<'a> {
    /// The same for the same document, whatever its id.
    pub key: u128,
    pub hop: Hop,
    pub state: State,
    /// A file, a shard, an index, by its number.
    pub table: u32,
    /// Where in it.
    pub place: u64,
    pub id: Id<'a>,
}

/// As it is printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id<'a> {
    /// 32 hexadecimal digits: an id of ours.
    Hash(u128),
    /// Its first [`ID_BYTES_MAX`] bytes.
    Text(Cow<'a, str>),
}

/// OpenSearch takes no longer ones.
pub const ID_BYTES_MAX: usize = 512;

/// Different entries of one key and hop that are told apart; beyond, one of each state at least.
pub const KEPT_MAX: usize = 64;

/// Instead of the length of an id: it is the key, or a hash that follows.
const IS_KEY: u16 = u16::MAX;
const IS_HASH: u16 = u16::MAX - 1;

impl<'a> Id<'a> {
    pub fn of(id: &'a str) -> Id<'a> {
        match hash(id) {
            Some(hash) => Id::Hash(hash),
            None => {
                let end = (0..=ID_BYTES_MAX.min(id.len())).rev().find(|end| id.is_char_boundary(*end)).unwrap_or(0);
                Id::Text(Cow::Borrowed(id.get(..end).unwrap_or_default()))
            }
        }
    }

    fn into_owned(self) -> Id<'static> {
        match self {
            Id::Hash(hash) => Id::Hash(hash),
            Id::Text(text) => Id::Text(Cow::Owned(text.into_owned())),
        }
    }
}

impl std::fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Id::Hash(hash) => write!(f, "{hash:032x}"),
            Id::Text(text) => f.write_str(text),
        }
    }
}

/// The number that an id of ours writes.
pub fn hash(id: &str) -> Option<u128> {
    let ours = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ours.then(|| u128::from_str_radix(id, 16).ok()).flatten()
}

impl Hop {
    const ALL: [Hop; 5] = [Hop::Source, Hop::Stream, Hop::Index, Hop::Failed, Hop::Other];
}

impl State {
    const ALL: [State; 3] = [State::Done, State::InFlight, State::Unplaced];
}

impl Entry<'_> {
    /// Key, kind, table, place, length of the id.
    pub(super) const BYTES_MIN: usize = 16 + 1 + 4 + 8 + 2;

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.to_be_bytes());
        out.push(((self.hop as u8) << 4) | (self.state as u8));
        out.extend_from_slice(&self.table.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
        match &self.id {
            Id::Hash(hash) if *hash == self.key => out.extend_from_slice(&IS_KEY.to_le_bytes()),
            Id::Hash(hash) => {
                out.extend_from_slice(&IS_HASH.to_le_bytes());
                out.extend_from_slice(&hash.to_be_bytes());
            }
            Id::Text(text) => {
                out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Takes one from the front. `None`: these bytes are no whole entry.
    pub(super) fn read<'a>(rest: &mut &'a [u8]) -> Option<Entry<'a>> {
        let key = u128::from_be_bytes(*take::<16>(rest)?);
        let [kind] = *take::<1>(rest)?;
        let hop = *Hop::ALL.get(usize::from(kind >> 4))?;
        let state = *State::ALL.get(usize::from(kind & 0xf))?;
        let table = u32::from_le_bytes(*take::<4>(rest)?);
        let place = u64::from_le_bytes(*take::<8>(rest)?);
        let id = match u16::from_le_bytes(*take::<2>(rest)?) {
            IS_KEY => Id::Hash(key),
            IS_HASH => Id::Hash(u128::from_be_bytes(*take::<16>(rest)?)),
            length => {
                let (text, behind) = rest.split_at_checked(usize::from(length))?;
                *rest = behind;
                Id::Text(Cow::Borrowed(std::str::from_utf8(text).ok()?))
            }
        };
        Some(Entry { key, hop, state, table, place, id })
    }

    pub(super) fn into_owned(self) -> Entry<'static> {
        let Entry { key, hop, state, table, place, id } = self;
        Entry { key, hop, state, table, place, id: id.into_owned() }
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(taken)
}

/// The different entries of one key, where there are very many.
#[derive(Default)]
pub(super) struct Kept(Vec<Entry<'static>>);

impl Kept {
    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        let of_hop = || self.0.iter().filter(|kept| kept.hop == entry.hop);
        let is_first = of_hop().all(|kept| kept.state != entry.state);
        if is_first || of_hop().count() < KEPT_MAX && of_hop().all(|kept| kept != entry) {
            self.0.push(entry.clone().into_owned());
        }
    }

    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        self.0.clone()
    }
}
