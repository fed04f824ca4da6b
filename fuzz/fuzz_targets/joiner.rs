//! Joining: however a log is cut at its line ends into events, the same entries come out; and within any bounds no event is
//! lost.
#![no_main]

use hydrant_transform::envelope::LogEvent;
use hydrant_transform::record::join::{Joined, Joiner, Limits, LogStream};
use libfuzzer_sys::fuzz_target;

fn stream(number: u8) -> LogStream {
    LogStream { owner: "1".into(), log_group: "g".into(), log_stream: number.to_string() }
}

fn joined(limits: Limits, events: &[(u8, Vec<u8>)]) -> Vec<Joined<usize>> {
    let (mut joiner, mut out) = (Joiner::new(limits, None, i64::MIN, 0), Vec::new());
    for (number, (of, message)) in events.iter().enumerate() {
        joiner.record(i64::try_from(number).unwrap_or(0), &mut out);
        let event = LogEvent { id: number.to_string(), message: message.clone(), ..LogEvent::default() };
        joiner.push(&stream(*of), event, 0, &number, &mut out);
    }
    joiner.finish(&mut out);
    out
}

/// Everything of an entry but where it came from.
fn contents(joined: &[Joined<usize>]) -> Vec<(&[u8], bool, bool, Option<u64>)> {
    let of =
        |joined: &'_ Joined<usize>| (joined.event.flags.partial, joined.event.flags.suspect, joined.event.flags.bytes);
    joined
        .iter()
        .filter(|joined| !joined.event.message.is_empty())
        .map(|joined| {
            let (partial, suspect, bytes) = of(joined);
            (&joined.event.message[..], partial, suspect, bytes)
        })
        .collect()
}

fuzz_target!(|input: (u64, u8, u16, u8, &[u8])| {
    let (cuts, entry_max, bytes_max, streams, log) = input;
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();

    // Bit by bit: whether an event ends behind this line.
    let mut events: Vec<(u8, Vec<u8>)> = vec![(0, Vec::new())];
    for (idx, line) in lines.iter().enumerate() {
        if let Some((_, last)) = events.last_mut() {
            last.extend_from_slice(line);
        }
        if cuts >> (idx % 64) & 1 == 1 {
            events.push((0, Vec::new()));
        }
    }
    events.retain(|(_, message)| !message.is_empty());
    let endless = Limits { quiet_ms: i64::MAX, age_ms: i64::MAX, ..Limits::default() };
    let whole = joined(endless, &[(0, log.to_vec())]);
    assert_eq!(contents(&joined(endless, &events)), contents(&whole), "any cut gives the same entries");

    let limits = Limits {
        entry_bytes_max: usize::from(entry_max) + 1,
        bytes_max: usize::from(bytes_max) + 1,
        streams_max: usize::from(streams % 4) + 1,
        quiet_ms: 3,
        age_ms: 9,
    };
    for (idx, (of, _)) in events.iter_mut().enumerate() {
        *of = u8::try_from(cuts >> (idx % 32) & 3).unwrap_or(0);
    }
    let out = joined(limits, &events);
    let told: u64 =
        out.iter().map(|joined| joined.event.flags.bytes.unwrap_or(joined.event.message.len() as u64)).sum();
    let bytes = log.iter().filter(|byte| !b"\r\n".contains(byte)).count();
    assert!(told >= bytes as u64, "every byte is in an entry, or in the length of one that was cut");
});
