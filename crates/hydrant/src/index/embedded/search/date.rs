//! Dates as they stand in a query: OpenSearch's `strict_date_optional_time||epoch_millis`.
//!
//! `2022`, `2022-01`, `2022-01-15`, `…T08`, `…T08:44`, `…T08:44:45`, `…T08:44:45.164986` with `.` or `,` and one to
//! nine digits, then `Z`, `+09`, `+0900`, `+09:00` or nothing for UTC; or epoch milliseconds. A field whose first value
//! was `2022/01/15 08:44:45` or `2022/01/15` takes these two forms and epoch milliseconds instead. A date that leaves parts
//! out is the whole span that it names: `2022-01-15` is the day to its last nanosecond.
//!
//! It knows no date maths (`now-1h`): the reader of the request resolves it.

use super::super::mapping::DateFormat;
use jiff::Span;
use jiff::civil::{Date, DateTime, Time};

/// The first and the last nanosecond since 1970 that a date names. What lies beyond the years 1678 to 2261 that
/// nanoseconds in 64 bits reach is the nearest that they do. `None`: it is no date.
pub(super) fn parse(text: &str, format: DateFormat) -> Option<(i64, i64)> {
    let civil = match format {
        DateFormat::Iso => parse_iso(text),
        DateFormat::Slashes => parse_slashes(text),
    };
    civil.or_else(|| parse_epoch_ms(text))
}

fn parse_slashes(text: &str) -> Option<(i64, i64)> {
    let mut rest = text;
    let year = i16::try_from(digits(&mut rest, 4)?).ok()?;
    let day = Date::new(year, part(&mut rest, '/')?, part(&mut rest, '/')?).ok()?;
    if rest.is_empty() {
        return span(day.to_datetime(Time::midnight()), Span::new().days(1), 0);
    }
    let time = Time::new(part(&mut rest, ' ')?, part(&mut rest, ':')?, part(&mut rest, ':')?, 0).ok()?;
    if rest.is_empty() { span(day.to_datetime(time), Span::new().seconds(1), 0) } else { None }
}

/// Epoch milliseconds, with nanoseconds behind them for a date of that resolution: one point in time.
pub(super) fn from_ms(ms: i64) -> (i64, i64) {
    let nanos = i128::from(ms) * 1_000_000;
    (saturate(nanos), saturate(nanos + 999_999))
}

fn parse_epoch_ms(text: &str) -> Option<(i64, i64)> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(from_ms)
}

fn parse_iso(text: &str) -> Option<(i64, i64)> {
    let mut rest = text;
    let year = i16::try_from(digits(&mut rest, 4)?).ok()?;
    let start_of = |month, day| Date::new(year, month, day).ok().map(|date| date.to_datetime(Time::midnight()));
    if rest.is_empty() {
        return span(start_of(1, 1)?, Span::new().years(1), 0);
    }
    let month = part(&mut rest, '-')?;
    if rest.is_empty() {
        return span(start_of(month, 1)?, Span::new().months(1), 0);
    }
    let day = start_of(month, part(&mut rest, '-')?)?;
    if rest.is_empty() {
        return span(day, Span::new().days(1), 0);
    }
    let time = |hour, minute, second, nanos| {
        Time::new(hour, minute, second, nanos).ok().map(|time| day.date().to_datetime(time))
    };
    let hour = part(&mut rest, 'T')?;
    let (start, length) = if !rest.starts_with(':') {
        (time(hour, 0, 0, 0)?, Span::new().hours(1))
    } else {
        let minute = part(&mut rest, ':')?;
        if !rest.starts_with(':') {
            (time(hour, minute, 0, 0)?, Span::new().minutes(1))
        } else {
            let second = part(&mut rest, ':')?;
            match fraction(&mut rest)? {
                None => (time(hour, minute, second, 0)?, Span::new().seconds(1)),
                Some(nanos) => (time(hour, minute, second, nanos)?, Span::new().nanoseconds(1)),
            }
        }
    };
    span(start, length, offset_seconds(rest)?)
}

fn span(start: DateTime, length: Span, offset_seconds: i64) -> Option<(i64, i64)> {
    let epoch = Date::constant(1970, 1, 1).to_datetime(Time::midnight());
    let offset = i128::from(offset_seconds) * 1_000_000_000;
    let nanos = |civil: DateTime| civil.duration_since(epoch).as_nanos() - offset;
    // The last year that a civil date can name has no next one.
    let last = start.checked_add(length).map_or(i128::MAX, |next| nanos(next) - 1);
    Some((saturate(nanos(start)), saturate(last)))
}

fn saturate(nanos: i128) -> i64 {
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// Exactly `count` digits.
fn digits(rest: &mut &str, count: usize) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A separator and two digits.
fn part(rest: &mut &str, separator: char) -> Option<i8> {
    *rest = rest.strip_prefix(separator)?;
    i8::try_from(digits(rest, 2)?).ok()
}

/// `.123` in nanoseconds; `Some(None)` where there is none.
fn fraction(rest: &mut &str) -> Option<Option<i32>> {
    let Some(after) = rest.strip_prefix(['.', ',']) else { return Some(None) };
    let length = after.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let (digits, after) = after.split_at_checked(length)?;
    *rest = after;
    format!("{digits:0<9}").parse().ok().map(Some)
}

fn offset_seconds(rest: &str) -> Option<i64> {
    if rest.is_empty() || rest == "Z" {
        return Some(0);
    }
    let sign = if rest.starts_with('+') { 1 } else { -1 };
    let mut rest = rest.strip_prefix(['+', '-'])?;
    let hours = digits(&mut rest, 2)?;
    rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = if rest.is_empty() { 0 } else { digits(&mut rest, 2)? };
    let valid = rest.is_empty() && hours <= 18 && minutes < 60;
    valid.then(|| sign * i64::from(hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2022-01-15T00:00:00Z.
    const DAY: i64 = 1_642_204_800_000_000_000;
    const HOUR: i64 = 3_600_000_000_000;
    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_date_names_the_whole_span_of_what_it_leaves_out() {
        let time = DAY + 8 * HOUR + 44 * 60 * SECOND;
        let cases = [
            // 2022-01-01 is 14 days before, 2023-01-01 351 days after.
            ("2022", (DAY - 14 * 24 * HOUR, DAY + 351 * 24 * HOUR - 1)),
            ("2022-01", (DAY - 14 * 24 * HOUR, DAY + 17 * 24 * HOUR - 1)),
            ("2022-01-15", (DAY, DAY + 24 * HOUR - 1)),
            ("2022-01-15T08", (DAY + 8 * HOUR, DAY + 9 * HOUR - 1)),
            ("2022-01-15T08:44", (time, time + 60 * SECOND - 1)),
            ("2022-01-15T08:44:45Z", (time + 45 * SECOND, time + 46 * SECOND - 1)),
            ("2022-01-15T08:44:45.164986Z", (time + 45_164_986_000, time + 45_164_986_000)),
            ("2022-01-15T08:44:45,5", (time + 45_500_000_000, time + 45_500_000_000)),
            ("2022-01-15T17:44+09:00", (time, time + 60 * SECOND - 1)),
            ("2022-01-15T17:44+0900", (time, time + 60 * SECOND - 1)),
            ("2022-01-15T00-08", (DAY + 8 * HOUR, DAY + 9 * HOUR - 1)),
            ("1642204800000", (DAY, DAY + 999_999)),
            ("-1", (-1_000_000, -1)),
            ("0", (0, 999_999)),
            ("9999-12-31", (i64::MAX, i64::MAX)),
            ("9999", (i64::MAX, i64::MAX)),
            ("0001", (i64::MIN, i64::MIN)),
            ("9223372036854775807", (i64::MAX, i64::MAX)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, DateFormat::Iso), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_field_with_slashes_takes_its_own_forms() {
        let parse = |text| parse(text, DateFormat::Slashes);
        assert_eq!(parse("2022/01/15"), Some((DAY, DAY + 24 * HOUR - 1)));
        assert_eq!(parse("2022/01/15 08:00:00"), Some((DAY + 8 * HOUR, DAY + 8 * HOUR + SECOND - 1)));
        assert_eq!(parse("1642204800000"), Some((DAY, DAY + 999_999)));
        assert_eq!(parse("2022-01-15"), None);
        assert_eq!(parse("2022/01/15 08:00:00Z"), None);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "foo",
            "2022-13-01",
            "2022-02-30",
            "2022-1-1",
            "2022-01-15 08:44:45",
            "2022-01-15T",
            "2022-01-15T25",
            "2022-01-15T08:44:45.",
            "2022-01-15T08:44:45.1234567890Z",
            "2022-01-15T08:44:45Zx",
            "2022-01-15T08+",
            "2022-01-15T08+9",
            "12é4",
            "99999999999999999999",
            "now-1h",
            "-",
            "1.5",
        ] {
            assert_eq!(parse(text, DateFormat::Iso), None, "{text}");
        }
    }
}
