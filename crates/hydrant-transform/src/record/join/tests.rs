//! However a log is cut into events and records, and wherever its reader is stopped, the same entries come out.

use proptest::prelude::*;

use super::{Joined, Joiner, Limits, LogStream, Mark, StreamKey};
use crate::envelope::LogEvent;

const HEADER: &str = "2026-11-23T03:06:05.013294Z\t   32 Query\tSELECT";

/// What a shard brings: arrival time and log events of numbered log streams.
#[derive(Clone, Debug, Default)]
struct Record {
    arrival_ms: i64,
    events: Vec<(usize, String)>,
}

type Out = Vec<Joined<usize>>;

fn stream(number: usize) -> LogStream {
    LogStream { owner: "1".into(), log_group: "g".into(), log_stream: format!("s{number}") }
}

fn event(record: usize, idx: usize, message: &str) -> LogEvent {
    LogEvent { id: format!("{record}/{idx}"), message: message.into(), ..LogEvent::default() }
}

fn feed(joiner: &mut Joiner<usize>, number: usize, record: &Record, out: &mut Out) {
    joiner.record(record.arrival_ms, out);
    for (idx, (of, message)) in record.events.iter().enumerate() {
        joiner.push(&stream(*of), event(number, idx, message), u32::try_from(idx).unwrap(), &number, out);
    }
}

fn start(limits: Limits) -> Joiner<usize> {
    Joiner::new(limits, None, i64::MIN, 0)
}

fn all(records: &[Record], limits: Limits) -> Out {
    let (mut joiner, mut out) = (start(limits), Vec::new());
    records.iter().enumerate().for_each(|(number, record)| feed(&mut joiner, number, record, &mut out));
    joiner.finish(&mut out);
    out
}

/// A reader that stops behind `stop` records and goes on from what it remembers of them.
fn interrupted(records: &[Record], limits: Limits, stop: usize) -> Out {
    let (mut joiner, mut out) = (start(limits), Vec::new());
    let highest_before = |number: usize| records[..number].iter().map(|record| record.arrival_ms).max();
    records[..stop].iter().enumerate().for_each(|(number, record)| feed(&mut joiner, number, record, &mut out));
    let marks: Vec<(StreamKey, Mark<usize>)> = joiner.marks().map(|(key, mark)| (key.clone(), mark)).collect();
    let base = marks.iter().filter_map(|(_, mark)| Some(mark.place.as_ref()?.record)).min().unwrap_or(stop);
    let highest = highest_before(base).unwrap_or(i64::MIN);
    let mut joiner = Joiner::new(limits, None, highest, u64::try_from(base).unwrap());
    for (key, mark) in marks.iter().filter(|(_, mark)| mark.place.is_none()) {
        joiner.resume_idle(key.clone(), mark, &mut out);
    }
    let mut reached = Vec::new();
    for (number, record) in records[base..stop].iter().enumerate().map(|(idx, record)| (base + idx, record)) {
        joiner.record(record.arrival_ms, &mut out);
        for (idx, (of, message)) in record.events.iter().enumerate() {
            let Some((_, mark)) = marks.iter().find(|(key, _)| *key == stream(*of).key()) else { continue };
            let name = &stream(*of);
            let Some(place) = &mark.place else { continue };
            let idx_u32 = u32::try_from(idx).unwrap();
            if reached.contains(of) {
                joiner.push(name, event(number, idx, message), idx_u32, &number, &mut out);
            } else if (place.record, place.event_idx) == (number, idx_u32) {
                joiner.resume(name, mark.state, place, event(number, idx, message), &mut out);
                reached.push(*of);
            }
        }
    }
    for (number, record) in records[stop..].iter().enumerate() {
        feed(&mut joiner, stop + number, record, &mut out);
    }
    joiner.finish(&mut out);
    out
}

/// Everything of an entry but where it came from.
fn contents(out: &Out) -> Vec<(String, String, bool, bool, Option<u64>)> {
    out.iter()
        .filter(|joined| !joined.event.message.is_empty())
        .map(|joined| {
            let flags = joined.event.flags;
            let message = String::from_utf8_lossy(&joined.event.message).into_owned();
            (joined.stream.log_stream.clone(), message, flags.partial, flags.suspect, flags.bytes)
        })
        .collect()
}

fn messages(out: &Out) -> Vec<String> {
    contents(out).into_iter().map(|(_, message, partial, ..)| message + if partial { "…" } else { "" }).collect()
}

fn record(arrival_ms: i64, events: &[(usize, &str)]) -> Record {
    Record { arrival_ms, events: events.iter().map(|(of, message)| (*of, (*message).to_owned())).collect() }
}

#[test]
fn lines_over_events_and_records_are_one_entry_with_the_first_event_s_id() {
    let records = [
        record(0, &[(0, HEADER), (1, "text"), (0, "  a,")]),
        record(10, &[(0, "  b\r\n"), (0, "")]),
        record(20, &[(0, "FROM t"), (0, HEADER)]),
    ];
    let out = all(&records, Limits::default());
    assert_eq!(messages(&out), ["text".to_owned(), format!("{HEADER}\n  a,\n  b\r\n\nFROM t"), HEADER.to_owned()]);
    let ids: Vec<(&str, usize, u32, u32)> =
        out.iter().map(|joined| (joined.event.id.as_str(), joined.record, joined.event_idx, joined.ordinal)).collect();
    assert_eq!(ids, [("0/1", 0, 1, 0), ("0/0", 0, 0, 0), ("2/1", 2, 1, 0)]);
    let pieces: Vec<&str> = out[1].pieces.iter().map(|piece| piece.id.as_str()).collect();
    assert_eq!(pieces, ["0/0", "0/2", "1/0", "1/1", "2/0"]);
}

#[test]
fn several_entries_in_one_event_are_counted_from_their_beginnings() {
    let text = format!("{HEADER} 1\n{HEADER} 2\n  x\n{HEADER} 3");
    let out = all(&[record(0, &[(0, &text), (0, "  y"), (0, HEADER)])], Limits::default());
    assert_eq!(messages(&out), [" 1", " 2\n  x", " 3\n  y", ""].map(|rest| format!("{HEADER}{rest}")));
    let places: Vec<(u32, u32)> = out.iter().map(|joined| (joined.event_idx, joined.ordinal)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (2, 0)]);
}

#[test]
fn a_log_stream_that_is_quiet_has_finished_its_entry_by_the_records_alone() {
    let limits = Limits { quiet_ms: 1_000, ..Limits::default() };
    let (mut joiner, mut out) = (start(limits), Vec::new());
    feed(&mut joiner, 0, &record(5_000, &[(0, HEADER)]), &mut out);
    // An earlier arrival time changes nothing.
    feed(&mut joiner, 1, &record(4_000, &[(0, "a")]), &mut out);
    feed(&mut joiner, 2, &record(5_999, &[(1, "x")]), &mut out);
    assert_eq!(messages(&out), ["x"]);
    feed(&mut joiner, 3, &record(6_000, &[(0, "b")]), &mut out);
    assert_eq!(messages(&out), ["x".to_owned(), format!("{HEADER}\na…"), "b".to_owned()]);
    // What the clock may say early is what the next record would have said.
    let (mut joiner, mut out) = (start(limits), Vec::new());
    feed(&mut joiner, 0, &record(5_000, &[(0, HEADER)]), &mut out);
    joiner.close_due(5_999, &mut out);
    assert!(out.is_empty());
    joiner.close_due(6_000, &mut out);
    assert_eq!(messages(&out), [format!("{HEADER}…")]);
    assert_eq!((joiner.highest_ms(), joiner.is_empty()), (5_000, true));
}

#[test]
fn an_entry_that_never_ends_is_ended_by_its_age() {
    let limits = Limits { quiet_ms: 1_000, age_ms: 2_500, ..Limits::default() };
    let mut records = vec![record(0, &[(0, HEADER)])];
    records.extend((1..=4).map(|second| record(second * 900, &[(0, "line")])));
    let out = all(&records, limits);
    assert_eq!(messages(&out), [format!("{HEADER}\nline\nline…"), "line".to_owned(), "line".to_owned()]);
}

#[test]
fn the_bounds_end_the_oldest_entry_first() {
    let limits = Limits { streams_max: 2, ..Limits::default() };
    let records = [record(0, &[(0, HEADER), (1, HEADER)]), record(0, &[(2, HEADER), (1, "more")])];
    let out = all(&records, limits);
    assert_eq!(messages(&out), [format!("{HEADER}…"), format!("{HEADER}\nmore"), HEADER.to_owned()]);
    assert_eq!(out[0].stream.log_stream, "s0");
    let limits = Limits { bytes_max: 3_000, ..Limits::default() };
    let long = "x".repeat(900);
    let records = [record(0, &[(0, HEADER), (1, HEADER), (1, &long), (1, &long)])];
    let out = all(&records, limits);
    assert_eq!(out[0].stream.log_stream, "s0");
    assert_eq!(messages(&out)[0], format!("{HEADER}…"));
}

#[test]
fn an_entry_over_the_bound_is_cut_and_tells_its_length() {
    let limits = Limits { entry_bytes_max: 100, ..Limits::default() };
    let mut events = vec![(0, HEADER)];
    events.extend(std::iter::repeat_n((0, "  éééééééééééééé"), 2_000));
    events.push((0, HEADER));
    let out = all(&[record(0, &events)], limits);
    let first = &out[0].event;
    // 46 bytes, then lines of 31 with the newline before each.
    assert_eq!(first.flags.bytes, Some(46 + 2_000 * 31));
    assert!(first.flags.truncated && first.message.len() <= 100 && first.message.len() > 96);
    assert!(std::str::from_utf8(&first.message).is_ok());
    assert!(out[0].pieces.len() < 10, "{}", out[0].pieces.len());
    assert_eq!(messages(&out)[1], HEADER);
}

#[test]
fn an_event_that_is_an_empty_line_is_told_as_no_entry() {
    let out = all(&[record(0, &[(0, ""), (0, "\n"), (0, "x\n\n"), (0, "")])], Limits::default());
    let told: Vec<(&str, &[u8])> =
        out.iter().map(|joined| (joined.event.id.as_str(), &joined.event.message[..])).collect();
    assert_eq!(told, [("0/0", &b""[..]), ("0/1", b""), ("0/2", b"x"), ("0/3", b"")]);
}

/// Lines of logs of all kinds, with what makes cutting hard.
const LINES: [&str; 18] = [
    HEADER,
    "2026-11-23T03:06:06.013294Z\t   33 Query\tINSERT INTO t VALUES ('open",
    "2026-11-23T03:06:07.013294Z\t   33 Quit\t",
    "2026-11-23T03:06:06.000000Z\t   99 Query\tDROP TABLE users');",
    "closed')",
    "  FROM t /* open",
    "closed */",
    "",
    "plain text",
    "# Time: 2026-11-23T03:06:05.222163Z",
    "# Query_time: 0.200490  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1",
    "SELECT SLEEP(0.2);",
    "261123  3:06:08\t    13 Connect\troot@localhost on  using Socket",
    "\t\t    13 Query\tSET NAMES utf8mb4",
    "/usr/sbin/mysqld, Version: 8.0.28 (Source distribution). started with:",
    "20261123 03:09:49,vm,app,localhost,39,0,CONNECT,app_db,,0",
    "2026-11-23T03:09:31.363212Z 74 [Note] [MY-010926] [Server] Access denied",
    "{\"a\":1}",
];

fn lines() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(LINES.to_vec()), 1..40)
}

/// Records that arrive in about their order, of lines of three log streams, one or more lines to an event.
fn shard() -> impl Strategy<Value = Vec<Record>> {
    let event = (0..3_usize, lines().prop_map(|lines| lines.join("\n")), any::<bool>())
        .prop_map(|(of, text, newline)| (of, if newline { text + "\n" } else { text }));
    let record = (0..1_500_i64, prop::collection::vec(event, 0..4));
    prop::collection::vec(record, 1..12).prop_map(|records| {
        let mut arrival_ms = 0;
        let timed = records.into_iter().map(|(step, events)| {
            arrival_ms += step - 300;
            Record { arrival_ms, events }
        });
        timed.collect()
    })
}

proptest! {
    #[test]
    fn any_cut_at_line_ends_gives_the_same_entries(
        lines in lines(),
        cuts in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 40),
    ) {
        let whole = all(&[record(0, &[(0, &(lines.join("\n") + "\n"))])], Limits::default());
        let mut records = vec![Record::default()];
        let mut text = String::new();
        for (line, (ends_event, newline, ends_record)) in lines.iter().zip(&cuts) {
            text.push_str(line);
            if *ends_event {
                // The newline of a last, empty line cannot be left out.
                let newline = *newline || text.ends_with('\n');
                let text = std::mem::take(&mut text) + if newline { "\n" } else { "" };
                records.last_mut().unwrap().events.push((0, text));
                if *ends_record {
                    records.push(Record::default());
                }
            } else {
                text.push('\n');
            }
        }
        if !text.is_empty() {
            records.last_mut().unwrap().events.push((0, text));
        }
        prop_assert_eq!(contents(&all(&records, Limits::default())), contents(&whole));
    }

    #[test]
    fn a_stop_anywhere_gives_the_same_entries_ids_and_all(records in shard(), stop in 0..12_usize) {
        let limits = Limits { quiet_ms: 1_000, age_ms: 3_000, ..Limits::default() };
        let stop = stop.min(records.len());
        prop_assert_eq!(interrupted(&records, limits, stop), all(&records, limits));
    }

    #[test]
    fn log_streams_do_not_disturb_each_other(records in shard()) {
        let together = all(&records, Limits { quiet_ms: i64::MAX, age_ms: i64::MAX, ..Limits::default() });
        for of in 0..3 {
            let alone: Vec<Record> = records
                .iter()
                .map(|record| Record {
                    events: record.events.iter().filter(|(stream, _)| *stream == of).cloned().collect(),
                    ..*record
                })
                .collect();
            let alone = all(&alone, Limits { quiet_ms: i64::MAX, age_ms: i64::MAX, ..Limits::default() });
            let mine: Vec<_> =
                contents(&together).into_iter().filter(|(stream, ..)| *stream == format!("s{of}")).collect();
            prop_assert_eq!(mine, contents(&alone));
        }
    }

    #[test]
    fn no_bytes_and_no_bounds_make_it_lose_an_event(
        events in prop::collection::vec((0..4_usize, prop::collection::vec(any::<u8>(), 0..60)), 0..40),
        entry_bytes_max in 1..100_usize,
        bytes_max in 1..2_000_usize,
        streams_max in 1..4_usize,
    ) {
        let limits = Limits { entry_bytes_max, bytes_max, streams_max, quiet_ms: 10, age_ms: 50 };
        let (mut joiner, mut out) = (start(limits), Vec::new());
        for (number, (of, message)) in events.iter().enumerate() {
            joiner.record(i64::try_from(number).unwrap(), &mut out);
            let event = LogEvent { id: number.to_string(), message: message.clone(), ..LogEvent::default() };
            joiner.push(&stream(*of), event, 0, &number, &mut out);
        }
        joiner.finish(&mut out);
        // Every byte that is no line end is in an entry, or in the length that a cut one tells.
        let told: u64 = out
            .iter()
            .map(|joined| joined.event.flags.bytes.unwrap_or(joined.event.message.len() as u64))
            .sum();
        let is_end = |byte: &&u8| matches!(**byte, b'\n' | b'\r');
        let bytes: usize = events.iter().map(|(_, message)| message.iter().filter(|byte| !is_end(byte)).count()).sum();
        prop_assert!(told >= bytes as u64, "{} of {}", told, bytes);
    }
}
