//! What the entries of one key mean: pure rules, and the account of all keys.
//!
//! | in source or stream, delivered | in the index | in failed/ | then |
//! |---|---|---|---|
//! | yes | no | no | missing |
//! | in flight only | no | no | in flight |
//! | any | once | no | indexed |
//! | any | once | yes | indexed; the failed object is superseded |
//! | any | no | yes | failed; once, however often it stands there |
//! | any | twice or more | any | twice |
//!
//! What was taken of the source and is in flight in the stream is in flight. What has no time that is known counts only
//! beside something that has one.

use super::entry::{Entry, Hop, State};

/// Places of one finding that are listed.
const PLACES_MAX: usize = 16;

/// What is wrong with one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    Missing,
    Twice,
    /// Not in the index that ours is compared with.
    OnlyOurs,
    /// More than once in that one.
    OtherTwice,
}

/// A document with which something is wrong, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub wrong: Wrong,
    pub places: Vec<Entry<'static>>,
}

/// Of all keys. Each is counted in one of the first six.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub indexed: u64,
    pub failed: u64,
    pub in_flight: u64,
    pub missing: u64,
    pub twice: u64,
    /// Their time is not known, and nothing else speaks of them.
    pub unplaced: u64,
    /// Of those that are indexed: failed objects that do not count any more.
    pub superseded: u64,
    /// Of those that are indexed or failed: neither source nor stream have them any more.
    pub only_at_end: u64,
    /// At most as many as are asked for, of each kind.
    pub findings: Vec<Finding>,
}

/// What becomes of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Indexed,
    Failed,
    InFlight,
    Missing,
    Twice,
    Unplaced,
}

impl Account {
    /// Takes the entries of one key. `listed_max`: findings of a kind that are kept.
    pub fn take(&mut self, entries: &[Entry<'_>], listed_max: usize) {
        let has = |hop, state| entries.iter().any(|entry| entry.hop == hop && entry.state == state);
        let has_any = |hop| entries.iter().any(|entry| entry.hop == hop);
        let verdict = judge(entries);
        match verdict {
            Verdict::Indexed => self.indexed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::InFlight => self.in_flight += 1,
            Verdict::Unplaced => self.unplaced += 1,
            Verdict::Missing => {
                self.missing += 1;
                self.find(Wrong::Missing, entries.iter(), listed_max);
            }
            Verdict::Twice => {
                self.twice += 1;
                self.find(Wrong::Twice, entries.iter(), listed_max);
            }
        }
        if matches!(verdict, Verdict::Indexed | Verdict::Twice) && has(Hop::Failed, State::Done) {
            self.superseded += 1;
        }
        let is_at_end = matches!(verdict, Verdict::Indexed | Verdict::Failed | Verdict::Twice);
        if is_at_end && !has_any(Hop::Source) && !has_any(Hop::Stream) {
            self.only_at_end += 1;
        }
    }

    fn find<'e>(&mut self, wrong: Wrong, entries: impl Iterator<Item = &'e Entry<'e>>, listed_max: usize) {
        find(&mut self.findings, wrong, entries, listed_max);
    }
}

fn find<'e>(
    findings: &mut Vec<Finding>,
    wrong: Wrong,
    entries: impl Iterator<Item = &'e Entry<'e>>,
    listed_max: usize,
) {
    if findings.iter().filter(|finding| finding.wrong == wrong).count() < listed_max {
        let mut places: Vec<Entry<'static>> = entries.map(|entry| entry.clone().into_owned()).collect();
        places.sort_unstable();
        places.dedup();
        places.truncate(PLACES_MAX);
        findings.push(Finding { wrong, places });
    }
}

/// Different copies in an index; a copy that a scan met again is one.
fn copies(entries: &[Entry<'_>], hop: Hop) -> usize {
    let mut copies: Vec<_> =
        entries.iter().filter(|entry| entry.hop == hop).map(|entry| (entry.table, entry.place, &entry.id)).collect();
    copies.sort_unstable();
    copies.dedup();
    copies.len()
}

fn judge(entries: &[Entry<'_>]) -> Verdict {
    let has = |hop, state| entries.iter().any(|entry| entry.hop == hop && entry.state == state);
    if entries.iter().all(|entry| entry.state == State::Unplaced) {
        return Verdict::Unplaced;
    }
    match copies(entries, Hop::Index) {
        0 => {}
        1 => return Verdict::Indexed,
        _ => return Verdict::Twice,
    }
    let in_flight = has(Hop::Stream, State::InFlight);
    if has(Hop::Failed, State::Done) {
        Verdict::Failed
    } else if has(Hop::Stream, State::Done) || (has(Hop::Source, State::Done) && !in_flight) {
        // A failed object without a time accounts for it all the same.
        if has(Hop::Failed, State::Unplaced) { Verdict::Failed } else { Verdict::Missing }
    } else if in_flight || has(Hop::Source, State::InFlight) {
        Verdict::InFlight
    } else {
        Verdict::Unplaced
    }
}

/// Of two indices. Each key is counted in one of the first three, and in `twice` and `other_twice` besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub both: u64,
    /// In the other index and not in ours.
    pub missing: u64,
    /// In ours and not in the other.
    pub only_ours: u64,
    pub twice: u64,
    pub other_twice: u64,
    pub findings: Vec<Finding>,
}

impl Comparison {
    /// See [`Account::take`].
    pub fn take(&mut self, entries: &[Entry<'_>], listed_max: usize) {
        let (ours, other) = (copies(entries, Hop::Index), copies(entries, Hop::Other));
        let mut find = |wrong| find(&mut self.findings, wrong, entries.iter(), listed_max);
        if ours == 0 {
            self.missing += 1;
            find(Wrong::Missing);
        } else if other == 0 {
            self.only_ours += 1;
            find(Wrong::OnlyOurs);
        } else {
            self.both += 1;
        }
        if ours > 1 {
            self.twice += 1;
            find(Wrong::Twice);
        }
        if other > 1 {
            self.other_twice += 1;
            find(Wrong::OtherTwice);
        }
    }
}
