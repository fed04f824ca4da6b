//! Where entries begin and end, when they go out, and what their events say.

use std::fs;
use std::time::Duration;

use hydrant_transform::entry::Format;
use hydrant_transform::envelope::EventFlags;
use jiff::tz::TimeZone;
use tokio::time::timeout;

use super::{A, B, C, D, Lab, NOW_MS, line, unique_ids};
use crate::source::tail::{ENTRY_BYTES_MAX, FileSettings, Settings};

#[tokio::test(start_paused = true)]
async fn one_event_is_one_entry_and_the_last_goes_out_after_a_quiet_second() {
    let mut lab = Lab::new();
    lab.append(format!("{A}{B}"));
    let mut tail = lab.open();
    for packed in timeout(Duration::from_millis(1), tail.next()).await.unwrap().unwrap() {
        lab.keep(packed);
    }
    lab.expect(&[A]);
    assert!(timeout(Duration::from_millis(900), tail.next()).await.is_err());
    for packed in timeout(Duration::from_millis(300), tail.next()).await.unwrap().unwrap() {
        lab.keep(packed);
    }
    lab.expect(&[A, B]);
    assert_eq!(lab.events[0].timestamp_ms, 1_795_403_165_000);
    assert!(lab.events.iter().all(|event| event.flags == EventFlags::default()));
}

#[tokio::test(start_paused = true)]
async fn every_line_of_a_text_goes_out_at_once() {
    let mut lab = Lab::new();
    lab.append("one\n\ntwo\nthr");
    let mut tail = lab.open();
    for packed in timeout(Duration::from_millis(1), tail.next()).await.unwrap().unwrap() {
        lab.keep(packed);
    }
    lab.expect(&["one", "two"]);
    lab.append("ee\n");
    lab.take(&mut tail, 1).await;
    lab.expect(&["one", "two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_line_goes_out_after_30_seconds_and_its_rest_is_an_entry_of_its_own() {
    let mut lab = Lab::new();
    let (begin, rest) = D.split_at(45);
    lab.append(format!("{A}{begin}"));
    let mut tail = lab.open();
    lab.take(&mut tail, 20).await;
    lab.expect(&[A]);
    lab.take(&mut tail, 20).await;
    lab.expect(&[A, begin]);
    lab.append(format!("{rest}{C}"));
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, begin, rest, C]);
    let partial: Vec<bool> = lab.events.iter().map(|event| event.flags.partial).collect();
    assert_eq!(partial, [false, true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_line_that_is_finished_in_time_is_whole() {
    let mut lab = Lab::new();
    lab.append(&B[..60]);
    let mut tail = lab.open();
    lab.take(&mut tail, 25).await;
    lab.append(&B[60..]);
    lab.take(&mut tail, 3).await;
    lab.expect(&[B]);
    assert!(!lab.events[0].flags.partial);
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_a_line_that_may_belong_to_the_entry_does_not_cut_it() {
    let mut lab = Lab::new();
    let (begin, rest) = B.split_at(B.len() - 4);
    lab.append(begin);
    let mut tail = lab.open();
    lab.take(&mut tail, 10).await;
    lab.expect(&[]);
    lab.append(rest);
    lab.take(&mut tail, 3).await;
    lab.expect(&[B]);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_line_stays_partial_over_a_restart() {
    let mut lab = Lab::new();
    lab.append("a line that is not fin");
    let mut tail = lab.open();
    lab.take(&mut tail, 40).await;
    drop(tail);
    lab.append("ished\nnext\n");
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    lab.expect(&["a line that is not fin", "ished", "next"]);
    let partial: Vec<bool> = lab.events.iter().map(|event| event.flags.partial).collect();
    assert_eq!(partial, [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_over_a_mebibyte_is_cut_and_tells_its_length() {
    let mut lab = Lab::new();
    let long = format!("2026-11-23T03:06:05.000002Z\t   32 Query\tSELECT '{}'\nFROM t", "x\n".repeat(2_000_000));
    lab.append(format!("{A}{long}\n{C}"));
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    assert_eq!(lab.events.len(), 3);
    let event = &lab.events[1];
    assert_eq!(event.message, long.as_bytes()[..ENTRY_BYTES_MAX]);
    let flags = EventFlags { truncated: true, bytes: Some(long.len() as u64), ..EventFlags::default() };
    assert_eq!(event.flags, flags);
    assert_eq!(lab.messages()[2], line(C));
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_exactly_a_mebibyte_is_whole() {
    let mut lab = Lab::new();
    let line = "y".repeat(ENTRY_BYTES_MAX);
    lab.append(format!("{line}\r\n{line}z\n"));
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    assert_eq!(lab.messages(), [line.as_str(), line.as_str()]);
    assert_eq!(lab.events[0].flags, EventFlags::default());
    assert_eq!(lab.events[1].flags.bytes, Some(ENTRY_BYTES_MAX as u64 + 1));
}

#[tokio::test(start_paused = true)]
async fn a_long_line_that_is_never_finished_goes_out_truncated_and_partial() {
    let mut lab = Lab::new();
    lab.append("z".repeat(3_000_000));
    let mut tail = lab.open();
    lab.take(&mut tail, 20).await;
    lab.expect(&[]);
    lab.take(&mut tail, 20).await;
    let flags = EventFlags { truncated: true, partial: true, bytes: Some(3_000_000), ..EventFlags::default() };
    assert_eq!((lab.events.len(), lab.events[0].flags), (1, flags));
    lab.append("rest\n");
    lab.take(&mut tail, 3).await;
    assert_eq!(lab.messages()[1], "rest");
}

/// The mark must stand between two entries, also while a long one is under way.
#[tokio::test(start_paused = true)]
async fn a_restart_within_a_long_entry_begins_it_again() {
    let mut lab = Lab::new();
    let long = "w".repeat(5_000_000);
    lab.append(format!("{A}{C}2026-11-23T03:06:05.000005Z\t   32 Query\t{}", &long[..3_000_000]));
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    assert_eq!(lab.events.len(), 2);
    drop(tail);
    lab.append(format!("{}\n{D}", &long[3_000_000..]));
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    assert_eq!(lab.events.len(), 4);
    assert_eq!(lab.events[2].flags.bytes, Some(40 + 5_000_000));
    assert!(lab.messages()[2].starts_with("2026-11-23T03:06:05.000005Z\t   32 Query\twww"));
    assert_eq!(unique_ids(&lab.events), 4);
}

#[tokio::test(start_paused = true)]
async fn bytes_are_kept_as_they_are() {
    let mut lab = Lab::new();
    lab.append(b"\xef\xbb\xbf2026-11-23T03:06:05.000001Z\t    1 Query\tSELECT '\xff\0\xe9'\r\n");
    lab.append(b"2026-11-23T03:06:05.000002Z\t    1 Quit\t\r\n");
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    assert_eq!(lab.events[0].message, b"\xef\xbb\xbf2026-11-23T03:06:05.000001Z\t    1 Query\tSELECT '\xff\0\xe9'");
    assert_eq!(lab.events[1].message, b"2026-11-23T03:06:05.000002Z\t    1 Quit\t");
}

#[tokio::test(start_paused = true)]
async fn an_empty_file_and_empty_lines_are_no_entries() {
    let mut lab = Lab::new();
    lab.append("");
    let mut tail = lab.open();
    lab.take(&mut tail, 40).await;
    lab.append("\n\r\n\n");
    lab.take(&mut tail, 40).await;
    assert_eq!(lab.events, []);
    lab.append("text\n");
    lab.take(&mut tail, 3).await;
    lab.expect(&["text"]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_a_stamp_takes_the_last_one_over_a_restart_too() {
    let mut lab = Lab::new();
    lab.append("261123  3:06:08\t    13 Query\tSELECT 1\n\t\t    13 Query\tSELECT 2\n");
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    drop(tail);
    lab.append("\t\t    13 Quit\t\n");
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    let times: Vec<i64> = lab.events.iter().map(|event| event.timestamp_ms).collect();
    assert_eq!(times, [1_795_403_168_000; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_any_stamp_before_it_has_the_time_of_reading() {
    let mut lab = Lab::new();
    lab.append("one\n");
    let mut tail = lab.open();
    lab.take(&mut tail, 5).await;
    lab.append("two\n");
    lab.take(&mut tail, 5).await;
    // The second line came 5 s later.
    assert_eq!(lab.events[0].timestamp_ms, NOW_MS);
    let later = lab.events[1].timestamp_ms - NOW_MS;
    assert!((5_000..5_500).contains(&later), "{later}");
}

/// Two zones for one stamp, and a format that has no stamps.
#[tokio::test(start_paused = true)]
async fn zone_and_format_are_those_of_the_file() {
    let mut lab = Lab::new();
    let stamped = "261123  3:06:08\t    13 Quit\t\n";
    for name in ["a.log", "b.log", "c.log"] {
        lab.append_to(name, stamped);
    }
    let berlin = FileSettings { time_zone: TimeZone::get("Europe/Berlin").unwrap(), ..lab.file("b.log") };
    let text = FileSettings { format: Some(Format::Text), ..lab.file("c.log") };
    let settings = Settings { files: vec![lab.file("a.log"), berlin, text], ..lab.settings() };
    let mut tail = lab.open_as(settings);
    lab.take(&mut tail, 3).await;
    let mut times: Vec<i64> = lab.events.iter().map(|event| event.timestamp_ms).collect();
    times.sort_unstable();
    assert_eq!(times, [1_795_399_568_000, 1_795_403_168_000, NOW_MS]);
}

#[tokio::test(start_paused = true)]
async fn the_id_is_stamp_generation_offset_and_a_hash_of_host_and_path() {
    let mut lab = Lab::new();
    lab.append(format!("{A}{B}"));
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    let place = |id: &str| {
        // The low 64 bits are the hash; what is above is time, generation, offset.
        let mut number = [0_u64; 3];
        for digit in id.bytes() {
            let mut carry = u128::from(digit - b'0');
            for limb in number.iter_mut().rev() {
                let product = u128::from(*limb) * 10 + carry;
                *limb = u64::try_from(product & u128::from(u64::MAX)).unwrap();
                carry = product >> 64;
            }
        }
        (number[0] >> 16, number[1], number[2])
    };
    let (first, second) = (place(&lab.events[0].id), place(&lab.events[1].id));
    assert_eq!((first.0, first.1), (1_795_403_165_000, 0));
    assert_eq!((second.0, second.1), (1_795_403_165_000, A.len() as u64));
    assert_eq!(first.2, second.2);
    let mut other = Lab::new();
    fs::remove_dir(other.dir.path()).unwrap();
    fs::rename(lab.dir.path(), other.dir.path()).unwrap();
    let mut tail = other.open();
    other.take(&mut tail, 3).await;
    assert_ne!(place(&other.events[0].id).2, first.2, "another path");
    assert_eq!(place(&other.events[0].id).1, 0);
}

const CAPTURE: &str = include_str!("../../../../../../examples/logs/mysql-general.log");

/// 501 lines, of which 498 begin with a stamp (counted with grep).
#[tokio::test(start_paused = true)]
async fn a_capture_is_cut_alike_whether_it_is_there_or_grows() {
    let mut there = Lab::new();
    there.append(CAPTURE);
    there.take(&mut there.open(), 3).await;
    assert_eq!(there.events.len(), 498);
    assert_eq!(there.messages().join("\n") + "\n", CAPTURE);
    assert!(there.events.iter().all(|event| event.flags == EventFlags::default()));

    let mut grows = Lab::new();
    let mut tail = grows.open();
    for piece in CAPTURE.as_bytes().chunks(777) {
        grows.append(piece);
        for packed in timeout(Duration::from_millis(150), tail.next()).await.into_iter().flat_map(Result::unwrap) {
            grows.keep(packed);
        }
    }
    grows.take(&mut tail, 3).await;
    assert_eq!(grows.messages(), there.messages());
}
