//! Instants from the stamps of log entries, and RFC 3339 in UTC with microseconds from instants.
//!
//! Instants are microseconds since 1970 UTC, of the years 1970 to 2100 only: outside of them a stamp is taken for
//! damage, and is answered with `None`. Neither the system's clock nor its time zone is looked at; callers pass both.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::entry::mysql::general::Stamp;
use crate::entry::split::BACKWARDS_MICROS_MAX;

/// 2101-01-01T00:00:00Z, the first instant that is not taken.
pub(crate) const MICROS_END: i64 = 4_133_980_800_000_000;

/// `2026-11-23T08:41:28.188252Z` has this many bytes.
pub const RFC3339_BYTES: usize = 27;

/// Java, and so OpenSearch, knows no offset beyond 18 hours.
const OFFSET_HOURS_MAX: i32 = 18;

/// The instant of a stamp.
///
/// An RFC 3339 stamp carries its offset (`-00:00`, which MySQL prints on a host in UTC, is UTC); `zone` and
/// `not_before` do not matter. It has upper-case `T` and `Z`, real dates only, at most nine fraction digits, of which
/// six count. Second 60 is refused: MySQL never prints it and OpenSearch does not read it.
///
/// A legacy stamp `261123  3:06:08`, or `2026-11-23  3:06:08`, is local time in `zone`. Years 70 to 99 are 1970 to 1999, 00 to 69 are 2000 to
/// 2069, as MySQL reads two digits. An hour that the clocks repeat (autumn) is its first occurrence, unless that lies
/// more than [`BACKWARDS_MICROS_MAX`] before `not_before`, the last instant of the same log stream: then it is the second. An hour that the clocks skip
/// (spring) is moved forward by the length of the gap.
pub fn instant_micros(stamp: &Stamp<'_>, zone: &TimeZone, not_before: Option<i64>) -> Option<i64> {
    let timestamp = match *stamp {
        Stamp::Rfc3339(text) => rfc3339(text)?,
        Stamp::Legacy(text) => local(legacy(text)?, zone, not_before)?,
    };
    let micros = timestamp.as_microsecond();
    (0..MICROS_END).contains(&micros).then_some(micros)
}

/// Writes an instant as RFC 3339 in UTC, always with six fraction digits and `Z`. Answers `false`, and writes nothing,
/// for an instant that [`instant_micros`] would not give.
pub fn write_rfc3339(out: &mut Vec<u8>, micros: i64) -> bool {
    if !(0..MICROS_END).contains(&micros) {
        return false;
    }
    let Ok(timestamp) = Timestamp::from_microsecond(micros) else { return false };
    let utc = Offset::UTC.to_datetime(timestamp);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    put_digits(&mut text, 0..4, i32::from(utc.year()));
    put_digits(&mut text, 5..7, i32::from(utc.month()));
    put_digits(&mut text, 8..10, i32::from(utc.day()));
    put_digits(&mut text, 11..13, i32::from(utc.hour()));
    put_digits(&mut text, 14..16, i32::from(utc.minute()));
    put_digits(&mut text, 17..19, i32::from(utc.second()));
    put_digits(&mut text, 20..26, utc.subsec_nanosecond() / 1000);
    out.extend_from_slice(&text);
    true
}

/// Tells stamps that are what [`write_rfc3339`] writes, so that they can be copied. A log has many of one day, so a date is
/// read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct UtcStamps {
    /// The last date that was a real one.
    date: [u8; 10],
}

impl UtcStamps {
    /// Whether [`instant_micros`] and [`write_rfc3339`] would give the stamp itself.
    pub(crate) fn is_written_so(&mut self, stamp: &str) -> bool {
        let Ok(stamp) = <&[u8; RFC3339_BYTES]>::try_from(stamp.as_bytes()) else { return false };
        let Some((date, time)) = stamp.split_first_chunk::<10>() else { return false };
        is_time_of_day(time) && self.is_date(date)
    }

    fn is_date(&mut self, date: &[u8; 10]) -> bool {
        if *date == self.date {
            return true;
        }
        let is_date =
            std::str::from_utf8(date).is_ok_and(|text| rfc3339_micros(&format!("{text}T00:00:00Z")).is_some());
        if is_date {
            self.date = *date;
        }
        is_date
    }
}

fn rfc3339_micros(text: &str) -> Option<i64> {
    instant_micros(&Stamp::Rfc3339(text), &TimeZone::UTC, None)
}

/// `T08:41:28.188252Z`
fn is_time_of_day(text: &[u8]) -> bool {
    let &[b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'.', ref fraction @ .., b'Z'] = text else { return false };
    let is_sixty = |tens: u8, ones: u8| matches!(tens, b'0'..=b'5') && ones.is_ascii_digit();
    matches!((h1, h2), (b'0'..=b'1', b'0'..=b'9') | (b'2', b'0'..=b'3'))
        && is_sixty(m1, m2)
        && is_sixty(s1, s2)
        && fraction.iter().all(u8::is_ascii_digit)
}

/// [`write_rfc3339`] into a string.
pub fn format_rfc3339(micros: i64) -> Option<String> {
    let mut out = Vec::with_capacity(RFC3339_BYTES);
    let written = write_rfc3339(&mut out, micros);
    String::from_utf8(out).ok().filter(|_| written)
}

fn put_digits(text: &mut [u8; RFC3339_BYTES], place: std::ops::Range<usize>, mut number: i32) {
    for slot in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)`.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let mut scan = Scan(text.as_bytes());
    let year = scan.digits(4)?;
    scan.byte(b'-')?;
    let month = scan.digits(2)?;
    scan.byte(b'-')?;
    let day = scan.digits(2)?;
    scan.byte(b'T')?;
    let (hour, minute, second) = scan.time_of_day(2)?;
    let nanos = if scan.byte(b'.').is_some() { scan.fraction_nanos()? } else { 0 };
    let offset_seconds = scan.offset_seconds()?;
    if !scan.0.is_empty() {
        return None;
    }
    let civil = civil(year, month, day, hour, minute, second, nanos)?;
    Offset::UTC.to_timestamp(civil).ok()?.checked_sub(SignedDuration::from_secs(i64::from(offset_seconds))).ok()
}

/// `YYMMDD  H:MM:SS` or `YYYY-MM-DD  H:MM:SS`, the hour padded with a blank.
fn legacy(text: &str) -> Option<DateTime> {
    let mut scan = Scan(text.as_bytes());
    let is_long = text.as_bytes().get(4) == Some(&b'-');
    let year = match scan.digits(if is_long { 4 } else { 2 })? {
        year if is_long => year,
        year @ 0..70 => 2000 + year,
        year => 1900 + year,
    };
    let part = |scan: &mut Scan<'_>| {
        if is_long {
            scan.byte(b'-')?;
        }
        scan.digits(2)
    };
    let (month, day) = (part(&mut scan)?, part(&mut scan)?);
    scan.byte(b' ')?;
    let hour_digits = if scan.byte(b' ').is_some() { 1 } else { 2 };
    let (hour, minute, second) = scan.time_of_day(hour_digits)?;
    if !scan.0.is_empty() {
        return None;
    }
    civil(year, month, day, hour, minute, second, 0)
}

fn local(civil: DateTime, zone: &TimeZone, not_before: Option<i64>) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let AmbiguousOffset::Fold { before, after } = ambiguous.offset() else {
        return ambiguous.compatible().ok();
    };
    let first = before.to_timestamp(civil).ok()?;
    if not_before.is_some_and(|last| first.as_microsecond() < last - BACKWARDS_MICROS_MAX) {
        return after.to_timestamp(civil).ok();
    }
    Some(first)
}

/// Checks that the date exists and the time of day too (jiff refuses second 60).
fn civil(year: i32, month: i32, day: i32, hour: i32, minute: i32, second: i32, nanos: i32) -> Option<DateTime> {
    let small = |number| i8::try_from(number).ok();
    let (month, day) = (small(month)?, small(day)?);
    let (hour, minute, second) = (small(hour)?, small(minute)?, small(second)?);
    DateTime::new(i16::try_from(year).ok()?, month, day, hour, minute, second, nanos).ok()
}

/// What is left of a stamp.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[wanted])?;
        Some(())
    }

    /// Exactly `count` digits, at most nine.
    fn digits(&mut self, count: usize) -> Option<i32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits
            .iter()
            .try_fold(0_i32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i32::from(byte - b'0')))
    }

    fn time_of_day(&mut self, hour_digits: usize) -> Option<(i32, i32, i32)> {
        let hour = self.digits(hour_digits)?;
        self.byte(b':')?;
        let minute = self.digits(2)?;
        self.byte(b':')?;
        Some((hour, minute, self.digits(2)?))
    }

    /// One to nine digits behind the point.
    fn fraction_nanos(&mut self) -> Option<i32> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&count) {
            return None;
        }
        let digits = self.digits(count)?;
        Some((count..9).fold(digits, |nanos, _| nanos * 10))
    }

    fn offset_seconds(&mut self) -> Option<i32> {
        if self.byte(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.byte(b'-').is_some() {
            -1
        } else {
            self.byte(b'+')?;
            1
        };
        let hours = self.digits(2)?;
        self.byte(b':')?;
        let minutes = self.digits(2)?;
        let seconds = hours * 3600 + minutes * 60;
        (minutes < 60 && seconds <= OFFSET_HOURS_MAX * 3600).then_some(sign * seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rfc(text: &str) -> Option<i64> {
        instant_micros(&Stamp::Rfc3339(text), &TimeZone::UTC, None)
    }

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn in_berlin(text: &str, not_before: Option<i64>) -> Option<String> {
        format_rfc3339(instant_micros(&Stamp::Legacy(text), &berlin(), not_before)?)
    }

    /// Expected values by Python's datetime.
    #[test]
    fn rfc3339_stamps_give_microseconds() {
        assert_eq!(rfc("2021-07-23T05:45:52.976229Z"), Some(1_627_019_152_976_229));
        assert_eq!(rfc("2026-11-23T08:41:28.188252+05:30"), Some(1_795_403_488_188_252));
        assert_eq!(rfc("2026-11-23T08:41:28.188252-00:00"), rfc("2026-11-23T08:41:28.188252Z"));
        assert_eq!(rfc("2024-02-29T23:59:59.999999-08:00"), Some(1_709_279_999_999_999));
        assert_eq!(rfc("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(rfc("1970-01-01T00:00:00.5Z"), Some(500_000));
        assert_eq!(rfc("1970-01-01T00:00:00.123456789Z"), Some(123_456));
        assert_eq!(rfc("2100-12-31T23:59:59.999999Z"), Some(4_133_980_799_999_999));
    }

    #[test]
    fn what_is_no_real_instant_is_refused() {
        for text in [
            "",
            "2026-02-29T00:00:00.000000Z",
            "2026-13-01T00:00:00.000000Z",
            "2026-00-01T00:00:00.000000Z",
            "2026-01-01T24:00:00.000000Z",
            "2026-01-01T00:60:00.000000Z",
            "2016-12-31T23:59:60.000000Z",
            "2026-01-01T00:00:00.000000",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01T00:00:00.000000+18:01",
            "2026-01-01T00:00:00.000000+02:60",
            "2026-01-01T00:00:00.000000+0200",
            "2026-01-01T00:00:00.000000Zx",
            "2026-01-01 00:00:00.000000Z",
            "2026-01-01t00:00:00.000000z",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00.000000+00:01",
            "2101-01-01T00:00:00.000000Z",
            "2026-01-0１T00:00:00Z",
        ] {
            assert_eq!(rfc(text), None, "{text}");
        }
    }

    #[test]
    fn legacy_stamps_are_local_time_of_the_given_zone() {
        assert_eq!(in_berlin("261123  3:06:08", None).unwrap(), "2026-11-23T02:06:08.000000Z");
        assert_eq!(in_berlin("2026-11-23  3:06:08", None).unwrap(), "2026-11-23T02:06:08.000000Z");
        assert_eq!(in_berlin("2026-11-23 13:06:08", None).unwrap(), "2026-11-23T12:06:08.000000Z");
        assert_eq!(in_berlin("260723 13:06:08", None).unwrap(), "2026-07-23T11:06:08.000000Z");
        assert_eq!(in_berlin("990101 00:00:00", None).unwrap(), "1998-12-31T23:00:00.000000Z");
        assert_eq!(in_berlin("691231 23:59:59", None).unwrap(), "2069-12-31T22:59:59.000000Z");
        assert_eq!(in_berlin("700102 00:00:00", None).unwrap(), "1970-01-01T23:00:00.000000Z");
        for text in [
            "",
            "261123",
            "2026-1123 13:06:08",
            "2026-11-23T13:06:08",
            "261123 3:06:08",
            "261123   3:06:08",
            "261323  3:06:08",
            "260229  3:06:08",
            "261123  3:06:08 ",
        ] {
            assert_eq!(in_berlin(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_second_back_within_the_repeated_hour_is_no_second_occurrence() {
        let last = instant_micros(&Stamp::Legacy("261025  2:30:05"), &berlin(), None);
        assert_eq!(in_berlin("261025  2:30:04", last).as_deref(), Some("2026-10-25T00:30:04.000000Z"));
        assert_eq!(in_berlin("261025  2:30:00", last).as_deref(), Some("2026-10-25T00:30:00.000000Z"));
        assert_eq!(in_berlin("261025  2:29:59", last).as_deref(), Some("2026-10-25T01:29:59.000000Z"));
    }

    #[test]
    fn a_repeated_hour_is_its_first_occurrence_unless_that_goes_back() {
        let first = "2026-10-25T00:30:00.000000Z";
        let second = "2026-10-25T01:30:00.000000Z";
        let micros = |text| rfc(text).unwrap();
        assert_eq!(in_berlin("261025  2:30:00", None).unwrap(), first);
        assert_eq!(in_berlin("261025  2:30:00", Some(micros(first))).unwrap(), first);
        assert_eq!(in_berlin("261025  2:30:00", Some(micros(first) + BACKWARDS_MICROS_MAX + 1)).unwrap(), second);
        assert_eq!(in_berlin("261025  2:30:00", Some(micros(second))).unwrap(), second);
        assert_eq!(in_berlin("261025  3:00:00", Some(i64::MAX)).unwrap(), "2026-10-25T02:00:00.000000Z");
    }

    #[test]
    fn a_skipped_hour_is_moved_forward() {
        assert_eq!(in_berlin("260329  2:30:00", None).unwrap(), "2026-03-29T01:30:00.000000Z");
    }

    #[test]
    fn instants_outside_the_years_are_not_formatted() {
        let mut out = b"kept".to_vec();
        for micros in [-1, MICROS_END, i64::MIN, i64::MAX] {
            assert!(!write_rfc3339(&mut out, micros));
            assert_eq!(format_rfc3339(micros), None);
        }
        assert_eq!(out, b"kept");
    }

    #[test]
    fn a_stamp_that_would_be_written_so_is_known() {
        let mut stamps = UtcStamps::default();
        for (stamp, expected) in [
            ("2026-11-23T08:41:28.188252Z", true),
            ("2026-11-23T23:59:59.999999Z", true),
            ("2024-02-29T00:00:00.000000Z", true),
            ("2026-02-29T00:00:00.000000Z", false),
            ("1969-12-31T23:59:59.999999Z", false),
            ("2101-01-01T00:00:00.000000Z", false),
            ("2026-11-23T24:00:00.000000Z", false),
            ("2026-11-23T00:60:00.000000Z", false),
            ("2026-11-23T00:00:60.000000Z", false),
            ("2026-11-23T08:41:28.18825xZ", false),
            ("2026-11-23T08:41:28.1882520", false),
            ("2026-11-23T08:41:28.18825Z", false),
            ("2026-11-23T08:41:28.188252+00:00", false),
            ("2026/11/23T08:41:28.188252Z", false),
        ] {
            assert_eq!(stamps.is_written_so(stamp), expected, "{stamp}");
            let written = rfc(stamp).and_then(format_rfc3339);
            assert_eq!(written.as_deref() == Some(stamp), expected, "{stamp}");
        }
    }

    proptest! {
        #[test]
        fn formatting_and_reading_are_inverse(micros in 0..MICROS_END) {
            let text = format_rfc3339(micros).unwrap();
            prop_assert_eq!(text.len(), RFC3339_BYTES);
            prop_assert_eq!(rfc(&text), Some(micros));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), numbers in "[0-9:TZ. +-]{0,35}") {
            for text in [&text, &numbers] {
                let _ = rfc(text);
                drop(in_berlin(text, None));
            }
        }
    }
}
