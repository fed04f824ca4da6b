//! The reconciliation against a naive one in memory, its rules one by one, and keys.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::entry::{Entry, Hop, Id, State};
use super::judge::{Account, Comparison, Wrong};
use super::key::{EventName, Keys};
use super::spill::{Bounds, Spill};
use super::{fields, wanted};

const HOPS: [Hop; 4] = [Hop::Source, Hop::Stream, Hop::Index, Hop::Failed];

const STATES: [State; 3] = [State::Done, State::InFlight, State::Unplaced];

fn account(entries: &[Entry<'_>], part_bytes_max: usize, listed_max: usize) -> Account {
    let folder = tempfile::tempdir().unwrap();
    let mut spill = Spill::new(folder.path(), Bounds { part_bytes_max });
    entries.iter().for_each(|entry| spill.push(entry).unwrap());
    assert_eq!(spill.entries(), entries.len() as u64);
    let mut account = Account::default();
    spill.groups(&mut |entries| account.take(entries, listed_max)).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "all parts are removed");
    account
}

/// What a person would do with few ids: a set for each column of a table.
fn naive(entries: &[Entry<'_>]) -> BTreeMap<&'static str, BTreeSet<u128>> {
    let with = |chosen: &dyn Fn(&Entry<'_>) -> bool| -> BTreeSet<u128> {
        entries.iter().filter(|entry| chosen(entry)).map(|entry| entry.key).collect()
    };
    let at = |hop, state| with(&|entry| (entry.hop, entry.state) == (hop, state));
    let placed = with(&|entry| entry.state != State::Unplaced);
    let before_the_end = with(&|entry| matches!(entry.hop, Hop::Source | Hop::Stream));
    let (taken, waiting) = (at(Hop::Source, State::Done), at(Hop::Source, State::InFlight));
    let (delivered, in_flight) = (at(Hop::Stream, State::Done), at(Hop::Stream, State::InFlight));
    let (failed, failed_some_time) = (at(Hop::Failed, State::Done), at(Hop::Failed, State::Unplaced));
    let copies = |key: u128| {
        let copies = entries.iter().filter(|entry| entry.hop == Hop::Index && entry.key == key);
        copies.map(|entry| (entry.table, entry.place, entry.id.to_string())).collect::<BTreeSet<_>>().len()
    };
    let mut found: BTreeMap<&str, BTreeSet<u128>> = BTreeMap::new();
    for key in with(&|_| true) {
        let must_be_there = delivered.contains(&key) || taken.contains(&key) && !in_flight.contains(&key);
        let verdict = match copies(key) {
            _ if !placed.contains(&key) => "unplaced",
            2.. => "twice",
            1 => "indexed",
            0 if failed.contains(&key) || must_be_there && failed_some_time.contains(&key) => "failed",
            0 if must_be_there => "missing",
            0 if in_flight.contains(&key) || waiting.contains(&key) => "in flight",
            0 => "unplaced",
        };
        found.entry(verdict).or_default().insert(key);
        if ["twice", "indexed"].contains(&verdict) && failed.contains(&key) {
            found.entry("superseded").or_default().insert(key);
        }
        if ["twice", "indexed", "failed"].contains(&verdict) && !before_the_end.contains(&key) {
            found.entry("only at end").or_default().insert(key);
        }
    }
    found
}

fn entry() -> impl Strategy<Value = Entry<'static>> {
    let key = prop_oneof![0..6_u128, Just(7 << 120), Just((7 << 120) | 1), any::<u128>()];
    let id = prop_oneof![
        3 => Just(None),
        1 => any::<u128>().prop_map(|hash| Some(Id::Hash(hash))),
        1 => "[a-zé]{0,3}".prop_map(|text| Some(Id::Text(Cow::Owned(text)))),
    ];
    // Some states come in some hops only.
    let state = |hop| if hop == Hop::Index { 0..1_usize } else { 0..3 };
    let hop = (0..HOPS.len()).prop_flat_map(move |hop| (Just(HOPS[hop]), state(HOPS[hop])));
    (key, hop, 0..2_u32, 0..2_u64, id).prop_map(|(key, (hop, state), table, place, id)| {
        let state = if hop == Hop::Failed && state == 1 { State::Done } else { STATES[state] };
        Entry { key, hop, state, table, place, id: id.unwrap_or(Id::Hash(key)) }
    })
}

proptest! {
    // Each entry may make a file for each byte of its key.
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_account_is_that_of_a_naive_reconciliation(
        entries in prop::collection::vec(entry(), 0..80),
        part_bytes_max in prop_oneof![1 => Just(1_usize), 2 => Just(200), 4 => Just(1 << 20)],
    ) {
        let found = account(&entries, part_bytes_max, usize::MAX);
        let naive = naive(&entries);
        let count = |name: &str| naive.get(name).map_or(0, |keys| keys.len() as u64);
        prop_assert_eq!(
            [found.indexed, found.failed, found.in_flight, found.missing, found.twice, found.unplaced],
            ["indexed", "failed", "in flight", "missing", "twice", "unplaced"].map(count)
        );
        prop_assert_eq!((found.superseded, found.only_at_end), (count("superseded"), count("only at end")));
        for (wrong, name) in [(Wrong::Missing, "missing"), (Wrong::Twice, "twice")] {
            let listed = found.findings.iter().filter(|finding| finding.wrong == wrong);
            let keys: BTreeSet<u128> = listed.map(|finding| finding.places[0].key).collect();
            prop_assert_eq!(keys, naive.get(name).cloned().unwrap_or_default());
        }
    }
}

fn at(hop: Hop, key: u128) -> Entry<'static> {
    Entry { key, hop, state: State::Done, table: 0, place: 0, id: Id::Hash(key) }
}

#[test]
fn a_hundred_thousand_repeats_of_one_id_take_no_room_and_hide_nothing() {
    let mut entries: Vec<Entry<'_>> = (0..100_000).map(|place| Entry { place, ..at(Hop::Source, 1) }).collect();
    entries.push(at(Hop::Source, 2));
    assert_eq!(account(&entries, 1_000, 9).missing, 2);
    // What comes last is seen all the same.
    entries.push(at(Hop::Index, 1));
    let found = account(&entries, 1_000, 9);
    assert_eq!((found.missing, found.indexed), (1, 1));
    assert_eq!(found.findings[0].places, [at(Hop::Source, 2)]);
    // As within one part.
    let found = account(&entries, 1 << 30, 9);
    assert_eq!((found.missing, found.indexed), (1, 1));
    // Nor do repeats in one hop hide a second copy in another.
    entries.push(Entry { table: 1, ..at(Hop::Index, 1) });
    for part_bytes_max in [1_000, 1 << 30] {
        let found = account(&entries, part_bytes_max, 9);
        assert_eq!((found.missing, found.twice, found.indexed), (1, 1, 0));
    }
}

#[test]
fn no_more_is_listed_than_is_asked_for_and_all_is_counted() {
    let entries: Vec<Entry<'_>> = (0..50).map(|key| at(Hop::Stream, key)).collect();
    let found = account(&entries, 1_000, 3);
    assert_eq!((found.missing, found.findings.len()), (50, 3));
}

#[test]
fn a_copy_that_a_scan_met_again_is_one_and_one_in_another_index_is_another() {
    let again = account(&[at(Hop::Index, 1), at(Hop::Index, 1)], 1_000, 9);
    assert_eq!((again.indexed, again.twice), (1, 0));
    for other in [
        Entry { table: 1, ..at(Hop::Index, 1) },
        Entry { place: 5, ..at(Hop::Index, 1) },
        Entry { id: Id::of("Y-4WCKIBLXnU3OOvkaGz"), ..at(Hop::Index, 1) },
    ] {
        let found = account(&[at(Hop::Index, 1), other.clone()], 1_000, 9);
        assert_eq!((found.indexed, found.twice), (0, 1));
        assert_eq!(found.findings[0].places, [at(Hop::Index, 1), other]);
    }
}

#[test]
fn two_indices_are_compared_by_what_each_has() {
    let entries = [
        (Hop::Index, 1, 0),
        (Hop::Other, 1, 0),
        (Hop::Index, 2, 0),
        (Hop::Other, 3, 0),
        (Hop::Index, 4, 0),
        (Hop::Index, 4, 1),
        (Hop::Other, 4, 0),
        (Hop::Other, 4, 1),
    ];
    let mut comparison = Comparison::default();
    for key in 1..=4 {
        let group: Vec<Entry<'_>> = entries
            .iter()
            .filter(|(_, of, _)| *of == key)
            .map(|(hop, _, table)| Entry { table: *table, ..at(*hop, key) })
            .collect();
        comparison.take(&group, 9);
    }
    let Comparison { both, missing, only_ours, twice, other_twice, findings } = comparison;
    assert_eq!((both, missing, only_ours, twice, other_twice), (2, 1, 1, 1, 1));
    let found: Vec<_> = findings.iter().map(|finding| (finding.wrong, finding.places[0].key)).collect();
    assert_eq!(found, [(Wrong::OnlyOurs, 2), (Wrong::Missing, 3), (Wrong::Twice, 4), (Wrong::OtherTwice, 4)]);
}

/// As `hydrant transform` gave them for a line of a log; 3 is the path hash.
fn event(timestamp_ms: u64) -> EventName {
    // Milliseconds << 144, byte 7 << 64, 3.
    let ids = [
        (0, "00000000000000000000000000000000000129127208515966861315"),
        (1, "00000000000022300745198530623141535718272648361505980416"),
    ];
    let event_id = ids.iter().find(|(ms, _)| *ms == timestamp_ms).unwrap().1.to_owned();
    EventName { owner: "o".to_owned(), log_group: "g".to_owned(), log_stream: "s".to_owned(), event_id, ordinal: 0 }
}

#[test]
fn an_event_of_a_file_is_told_by_its_place_and_any_other_by_its_id() {
    let id = "00ff0102030405060708090a0b0c0d0e";
    let mut keys = Keys::new(BTreeSet::from([3]));
    let place = keys.key(id, Some(&event(0)));
    assert_eq!(keys.key("another", Some(&event(0))), place);
    assert_ne!(keys.key(id, Some(&EventName { ordinal: 1, ..event(0) })), place);
    assert_ne!(keys.key(id, Some(&EventName { log_stream: "t".to_owned(), ..event(0) })), place);
    assert_eq!(keys.known().iter().collect::<Vec<_>>(), [(&(3, 0), &7)]);
    // Of no file that is followed.
    assert_eq!(keys.key(id, Some(&event(1))), 0x00ff_0102_0304_0506_0708_090a_0b0c_0d0e);
    assert_eq!(Keys::default().key(id, Some(&event(0))), 0x00ff_0102_0304_0506_0708_090a_0b0c_0d0e);
    // A server's id says nothing; what the document says of its event does.
    let mut keys = Keys::default();
    let made = keys.key("Y-4WCKIBLXnU3OOvkaGz", Some(&event(1)));
    assert_eq!(keys.key("Z-4WCKIBLXnU3OOvkaGz", Some(&event(1))), made);
    assert_ne!(keys.key("Y-4WCKIBLXnU3OOvkaGz", None), made);
    let ours = hydrant_transform::document::document_id(
        &hydrant_transform::document::EventSource {
            owner: "o",
            log_group: "g",
            log_stream: "s",
            event_id: &event(1).event_id,
            shard: "",
            sequence_number: "",
        },
        0,
        0,
    );
    assert_eq!(keys.key(ours.as_str(), None), made);
}

#[test]
fn a_document_says_its_event_and_time_under_the_names_of_any_profile() {
    let classic = br#"{"@timestamp":"2022-01-15T08:44:45.164986Z","owner":"o","log_group":"g","log_stream":"s","event_id":"5","ordinal":2,"Statement":"x"}"#;
    let otel = br#"{"@timestamp":"2022-01-15T08:44:45.164Z","cloud.account.id":"o","aws.log.group.names":["g"],"aws.log.stream.names":["s"],"event_id":"5","ordinal":2}"#;
    // An older chain writes numbers as texts.
    let older =
        br#"{"@timestamp":1642236285164,"owner":"o","log_group":"g","log_stream":"s","event_id":"5","ordinal":"2"}"#;
    for source in [&classic[..], otel, older] {
        let told = fields::read(source);
        let event = EventName {
            owner: "o".to_owned(),
            log_group: "g".to_owned(),
            log_stream: "s".to_owned(),
            event_id: "5".to_owned(),
            ordinal: 2,
        };
        assert_eq!((told.event, told.time_ms), (Some(event), Some(1_642_236_285_164)));
    }
    assert_eq!(fields::read(b"[]"), fields::Told::default());
    assert!(wanted().contains(&"event_id".to_owned()) && wanted().contains(&"cloud.account.id".to_owned()));
}
