//! From the bytes of an entry to its log event: id, time, flags.

use std::path::Path;

use hydrant_transform::document::timestamp::instant_micros;
use hydrant_transform::entry::Format;
use hydrant_transform::entry::mysql::audit::{self, AuditStamp};
use hydrant_transform::entry::mysql::error;
use hydrant_transform::entry::mysql::general::{self, Stamp};
use hydrant_transform::entry::mysql::slow;
use hydrant_transform::entry::split::boundary;
use hydrant_transform::envelope::{EventFlags, Extra, LogEvent};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::cutting::Taken;

/// An entry keeps so many bytes; of a longer one the whole length is told.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;

/// Bytes that are enough to read the header of an entry.
const HEADER_BYTES: usize = 4 * 1024;

/// The last millisecond whose id has 56 digits, whatever follows: 2112-02-05. Later ones, and those before 1970, have
/// the ids, and the timestamps, of the nearest that fits.
pub(super) const TIMESTAMP_MS_MAX: i64 = 4_484_155_085_838;

/// A stamp that lies further ahead of the clock is suspect: no difference of time zones is a day.
const AHEAD_MS_MAX: i64 = 24 * 3_600_000;

/// Each of the four groups of digits of an id.
const GROUP: u128 = 100_000_000_000_000;

/// Tells the files of all hosts and paths apart in event ids.
pub(super) fn path_hash(host: &str, path: &Path) -> u64 {
    let mut hash = Sha256::new();
    hash.update((host.len() as u64).to_be_bytes());
    hash.update(host.as_bytes());
    hash.update(path.as_os_str().as_encoded_bytes());
    hash.finalize().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// 56 decimal digits: the time as CloudWatch's ids have it (milliseconds << 144), then the generation (24 bits) and the
/// byte offset (56 bits), so that entries of one millisecond keep the file's order, then a hash of host and path (64
/// bits). Of a generation the low 24 bits count.
pub(super) fn event_id(timestamp_ms: i64, generation: u64, offset: u64, path_hash: u64) -> String {
    let ms = u128::from(timestamp_ms.clamp(0, TIMESTAMP_MS_MAX).unsigned_abs());
    let place = (u128::from(generation & 0xFF_FFFF) << 56) | u128::from(offset & 0xFF_FFFF_FFFF_FFFF);
    // The number in three 64-bit limbs, highest first, divided by hand.
    let mut limbs = [(ms << 16) | (place >> 64), place & u128::from(u64::MAX), u128::from(path_hash)];
    let mut groups = [0_u64; 4];
    for group in groups.iter_mut().rev() {
        let mut rest = 0;
        for limb in &mut limbs {
            let part = (rest << 64) | *limb;
            *limb = part / GROUP;
            rest = part % GROUP;
        }
        *group = u64::try_from(rest).unwrap_or(u64::MAX);
    }
    let mut digits = [b'0'; 56];
    for (place, mut group) in digits.chunks_exact_mut(14).zip(groups) {
        for digit in place.iter_mut().rev() {
            *digit = b'0' + u8::try_from(group % 10).unwrap_or(0);
            group /= 10;
        }
    }
    String::from_utf8_lossy(&digits).into_owned()
}

/// What an event id of a tail says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPlace {
    pub timestamp_ms: i64,
    pub generation: u64,
    pub offset: u64,
    /// Tells host and path.
    pub path_hash: u64,
}

/// Reads an event id as a tail makes it. `None`: these are not 56 digits. CloudWatch's own ids look alike; only their
/// path hashes tell that they are of no file.
pub fn event_place(event_id: &str) -> Option<EventPlace> {
    if event_id.len() != 56 || !event_id.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The number in three 64-bit limbs, lowest first, a group of digits after the other.
    let mut limbs = [0_u64; 3];
    for digits in event_id.as_bytes().chunks(14) {
        let mut carry: u128 = digits.iter().fold(0, |number, digit| number * 10 + u128::from(digit - b'0'));
        for limb in &mut limbs {
            let product = u128::from(*limb) * GROUP + carry;
            *limb = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(u64::MAX);
            carry = product >> 64;
        }
    }
    let [path_hash, low, high] = limbs;
    let place = (u128::from(high & 0xFFFF) << 64) | u128::from(low);
    Some(EventPlace {
        timestamp_ms: i64::try_from(high >> 16).ok()?,
        generation: u64::try_from(place >> 56).ok()?,
        offset: low & 0xFF_FFFF_FFFF_FFFF,
        path_hash,
    })
}

/// Makes log events of the entries of one log stream.
pub(super) struct Events {
    pub(super) path_hash: u64,
    /// Of stamps that name none.
    pub(super) time_zone: TimeZone,
    /// `None`: told from each entry.
    pub(super) format: Option<Format>,
    /// The last stamp of the log stream, microseconds since 1970 UTC.
    pub(super) last_stamp: Option<i64>,
    /// The time of events before any stamp; `None`: the present.
    pub(super) unstamped_ms: Option<i64>,
}

impl Events {
    /// The event's time is the entry's stamp, else the last one of the log stream, else `unstamped_ms`.
    pub(super) fn event(&mut self, taken: Taken, generation: u64, now_ms: i64) -> LogEvent {
        let Taken { offset, mut message, length, suspect, rest, unfinished } = taken;
        let truncated = length > ENTRY_BYTES_MAX as u64;
        if truncated {
            message.truncate(boundary(&message, ENTRY_BYTES_MAX));
        }
        // What is not the beginning of an entry has no stamp, whatever it looks like.
        if !rest {
            self.last_stamp = self.stamp(&message).or(self.last_stamp);
        }
        let from_future = self.last_stamp.is_some_and(|micros| micros.div_euclid(1_000) - now_ms > AHEAD_MS_MAX);
        let timestamp_ms =
            self.last_stamp.map_or(self.unstamped_ms.unwrap_or(now_ms), |micros| micros.div_euclid(1_000));
        let timestamp_ms = timestamp_ms.clamp(0, TIMESTAMP_MS_MAX);
        LogEvent {
            extra: Extra::default(),
            id: event_id(timestamp_ms, generation, offset, self.path_hash),
            timestamp_ms,
            message,
            flags: EventFlags {
                partial: rest || unfinished,
                truncated,
                suspect: suspect || from_future,
                bytes: truncated.then_some(length),
            },
        }
    }

    fn stamp(&self, message: &[u8]) -> Option<i64> {
        let head = message.get(..HEADER_BYTES).unwrap_or(message);
        let (stamp, fraction_micros) = match self.format {
            Some(Format::Json | Format::Pattern | Format::Text) => return None,
            Some(Format::General) => (general::parse(head)?.stamp?, 0),
            Some(Format::Slow) => slow_stamp(head)?,
            Some(Format::Error) => return self.error_micros(head, message),
            Some(Format::Audit) => return self.audit_micros(head),
            None => match general::parse(head) {
                Some(entry) => (entry.stamp?, 0),
                None => match slow_stamp(head) {
                    Some(stamp) => stamp,
                    None => return self.error_micros(head, message).or_else(|| self.audit_micros(head)),
                },
            },
        };
        let micros = instant_micros(&stamp, &self.time_zone, self.last_stamp)?;
        Some(micros + fraction_micros)
    }

    fn error_micros(&self, head: &[u8], message: &[u8]) -> Option<i64> {
        match error::parse(head) {
            Some(entry) => instant_micros(&entry.stamp?, &self.time_zone, self.last_stamp),
            None => instant_micros(&Stamp::Rfc3339(&error::parse_sink(message)?.time), &self.time_zone, None),
        }
    }

    fn audit_micros(&self, head: &[u8]) -> Option<i64> {
        match audit::parse(head)?.stamp {
            AuditStamp::Micros(micros) => Some(micros),
            AuditStamp::Local(stamp) => instant_micros(&stamp, &self.time_zone, self.last_stamp),
        }
    }
}

fn slow_stamp(head: &[u8]) -> Option<(Stamp<'_>, i64)> {
    let entry = slow::parse(head)?;
    Some((entry.stamp?, entry.fraction_micros))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hydrant_transform::entry::Format;
    use hydrant_transform::envelope::EventFlags;
    use jiff::tz::TimeZone;

    use super::{
        AHEAD_MS_MAX, ENTRY_BYTES_MAX, EventPlace, Events, TIMESTAMP_MS_MAX, Taken, event_id, event_place, path_hash,
    };

    fn events(format: Option<Format>) -> Events {
        Events { path_hash: 5, time_zone: TimeZone::UTC, format, last_stamp: None, unstamped_ms: None }
    }

    fn taken(message: &[u8]) -> Taken {
        let length = message.len() as u64;
        Taken { offset: 0, message: message.to_vec(), length, suspect: false, rest: false, unfinished: false }
    }

    fn times(mut events: Events, messages: &[&str]) -> Vec<i64> {
        messages.iter().map(|message| events.event(taken(message.as_bytes()), 0, 99).timestamp_ms).collect()
    }

    #[test]
    fn a_slow_log_s_stamp_is_the_event_s_time_and_lasts() {
        let entry = |head: &str| format!("{head}# User@Host: a[a] @ h []\n# Query_time: 1\nSELECT 1;\n");
        let iso = entry("# Time: 2021-07-23T05:45:52.976229Z\n");
        let legacy = entry("# Time: 210723  5:45:53.250001\n");
        let (none, general) = (entry(""), "2021-07-23T05:45:54.000000Z\t    5 Quit\t\n".to_owned());
        let all = [&iso, &none, &legacy, &none, &general].map(String::as_str);
        let told = [1_627_019_152_976, 1_627_019_152_976, 1_627_019_153_250, 1_627_019_153_250, 1_627_019_154_000];
        assert_eq!(times(events(None), &all), told);
        assert_eq!(times(events(Some(Format::Slow)), &all[..3]), &told[..3]);
        assert_eq!(times(events(Some(Format::General)), &[&iso]), [99]);
    }

    #[test]
    fn an_error_log_s_stamp_is_the_event_s_time() {
        let messages = [
            "2021-07-23T05:45:52.976229Z 74 [Note] [MY-010926] [Server] x",
            "210723  5:45:53 server_audit: x",
            "2021-07-23  5:45:54 3 [Warning] x",
            "05:45:55 UTC - mysqld got signal 11 ;",
            r#"{"err_code":1,"label":"Note","msg":"x","time":"2021-07-23T05:45:56.000001Z"}"#,
        ];
        let told = [1_627_019_152_976, 1_627_019_153_000, 1_627_019_154_000, 1_627_019_154_000, 1_627_019_156_000];
        for format in [None, Some(Format::Error)] {
            assert_eq!(times(events(format), &messages), told);
        }
    }

    #[test]
    fn an_audit_log_s_stamp_is_the_event_s_time() {
        let local = "20210723 05:45:52,vm,a,h,1,2,CONNECT,d,,0\n";
        let aurora = "1627019152976229,vm,a,h,1,2,CONNECT,d,,0\n";
        for format in [None, Some(Format::Audit)] {
            assert_eq!(times(events(format), &[local, aurora]), [1_627_019_152_000, 1_627_019_152_976]);
        }
    }

    /// Expected values by Python: `str((ms << 144) + (generation << 120) + (offset << 64) + hash).zfill(56)`.
    #[test]
    fn ids_are_these_for_ever() {
        for (ms, generation, offset, hash, id) in [
            (1_627_019_152_976, 0, 0, 0, "36283739563646893423538908507814102965754500198764118016"),
            (
                1_627_019_152_976,
                3,
                1_234_567,
                0xDEAD_BEEF_0BAD_F00D,
                "36283739563646893427526592495191624342002459740908417037",
            ),
            (0, 0, 0, 1, "00000000000000000000000000000000000000000000000000000001"),
            (
                TIMESTAMP_MS_MAX,
                0xFF_FFFF,
                (1 << 56) - 1,
                u64::MAX,
                "99999999999990753509903258617172034294712315620332929023",
            ),
        ] {
            assert_eq!(event_id(ms, generation, offset, hash), id);
        }
        assert_eq!(event_id(-5, 0, 0, 1), event_id(0, 0, 0, 1));
        assert_eq!(event_id(i64::MAX, 7, 7, 7), event_id(TIMESTAMP_MS_MAX, 7, 7, 7));
    }

    #[test]
    fn hosts_and_paths_are_told_apart() {
        let hashes = [("h", "/a"), ("h", "/b"), ("h/", "a"), ("i", "/a")];
        let hashes: std::collections::BTreeSet<u64> =
            hashes.iter().map(|(host, path)| path_hash(host, Path::new(path))).collect();
        assert_eq!(hashes.len(), 4);
    }

    #[test]
    fn the_time_is_the_entrys_own_else_the_last_one_else_that_of_reading() {
        let messages = [
            "\t\t   20 Query\tFLUSH LOGS",
            "261123  3:06:08\t    13 Query\tSELECT 1",
            "\t\t   13 Quit\t",
            "2026-11-23T08:41:28.188252+05:30\t   14 Quit\t",
            "no header",
        ];
        let expected = [99, 1_795_403_168_000, 1_795_403_168_000, 1_795_403_488_188, 1_795_403_488_188];
        assert_eq!(times(events(None), &messages), expected);
    }

    #[test]
    fn a_stamp_of_the_host_is_in_the_zone_that_is_configured() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let events = Events { time_zone: berlin, ..events(None) };
        assert_eq!(times(events, &["261123  3:06:08\t    13 Quit\t"]), [1_795_403_168_000 - 3_600_000]);
    }

    #[test]
    fn the_hour_that_autumn_repeats_goes_on_where_time_would_go_back() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let events = Events { time_zone: berlin, ..events(None) };
        // 2026-10-25 02:59:59 CEST is 00:59:59 UTC (1792889999); a second later it is 02:00:00 CET.
        let messages =
            ["261025  2:59:59\t    13 Quit\t", "261025  2:00:00\t    13 Quit\t", "261025  2:30:00\t    13 Quit\t"];
        assert_eq!(times(events, &messages), [1_792_889_999_000, 1_792_890_000_000, 1_792_891_800_000]);
    }

    #[test]
    fn a_stamp_of_the_day_after_tomorrow_is_suspect() {
        let at =
            |now_ms| events(None).event(taken(b"2021-07-23T05:45:52.976229Z\t    5 Quit\t"), 0, now_ms).flags.suspect;
        assert!(!at(1_627_019_152_976 - AHEAD_MS_MAX));
        assert!(at(1_627_019_152_976 - AHEAD_MS_MAX - 1));
    }

    #[test]
    fn no_stamp_is_looked_for_where_entries_have_none() {
        let stamped = "2026-11-23T08:41:28.188252Z\t   14 Quit\t";
        assert_eq!(times(events(Some(Format::Text)), &[stamped]), [99]);
        let rest = Taken { rest: true, ..taken(stamped.as_bytes()) };
        let event = events(None).event(rest, 0, 99);
        assert_eq!((event.timestamp_ms, event.flags.partial), (99, true));
    }

    #[test]
    fn flags_say_what_is_not_whole() {
        let flags = |taken: Taken| events(None).event(taken, 0, 0).flags;
        assert_eq!(flags(taken(b"x")), EventFlags::default());
        assert!(flags(Taken { unfinished: true, ..taken(b"x") }).partial);
        assert!(flags(Taken { suspect: true, ..taken(b"x") }).suspect);
    }

    #[test]
    fn a_long_entry_is_cut_between_characters_and_tells_its_length() {
        for (text, kept) in [("世界", ENTRY_BYTES_MAX - 1), ("aé", ENTRY_BYTES_MAX), ("\u{1f600}", ENTRY_BYTES_MAX - 1)]
        {
            let mut message = vec![b'x'; ENTRY_BYTES_MAX - 1];
            message.extend_from_slice(text.as_bytes());
            let event = events(None).event(taken(&message), 0, 0);
            assert_eq!((event.message.len(), event.flags.truncated), (kept, true), "{text}");
            assert_eq!(event.flags.bytes, Some(message.len() as u64));
        }
        let event = events(None).event(taken(&vec![0x80; ENTRY_BYTES_MAX + 9]), 0, 0);
        assert_eq!(event.message.len(), ENTRY_BYTES_MAX);
        let event = events(None).event(taken(&vec![b'x'; ENTRY_BYTES_MAX]), 0, 0);
        assert_eq!((event.message.len(), event.flags), (ENTRY_BYTES_MAX, EventFlags::default()));
    }

    #[test]
    fn an_event_id_says_the_place_that_it_was_made_of() {
        for (timestamp_ms, generation, offset, path_hash) in [
            (0, 0, 0, 0),
            (1_642_236_285_164, 3, 1_234_567, 0x0123_4567_89ab_cdef),
            (TIMESTAMP_MS_MAX, 0xFF_FFFF, 0xFF_FFFF_FFFF_FFFF, u64::MAX),
            (1, 0, 1, u64::MAX),
        ] {
            let id = event_id(timestamp_ms, generation, offset, path_hash);
            assert_eq!(event_place(&id), Some(EventPlace { timestamp_ms, generation, offset, path_hash }), "{id}");
        }
        for other in ["", "0", "x", &"9".repeat(55), &format!("{}x", "1".repeat(55))] {
            assert_eq!(event_place(other), None, "{other}");
        }
    }
}
