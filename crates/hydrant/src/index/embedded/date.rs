//! Dates in documents, as OpenSearch's default formats read them.
//!
//! `strict_date_optional_time`: `2022-01`, `2022-01-15`, `2022-01-15T08`, `…T08:44`, `…T08:44:45`,
//! `…T08:44:45.164986` with `.` or `,` and one to nine digits, then `Z`, `+09`, `+0900`, `+09:00` or nothing for UTC;
//! and `yyyy/MM/dd HH:mm:ss||yyyy/MM/dd`. It knows no zone names and no years beyond 9999.
//!
//! Instants are nanoseconds since 1970 in 64 bits; earlier and later ones stand at the ends, 1677 and 2262.

use jiff::civil::DateTime;

use super::mapping::DateFormat;

/// Reads a string of a date field.
pub(super) fn parse(text: &str, format: DateFormat) -> Option<i64> {
    match format {
        DateFormat::Iso => parse_iso(text),
        DateFormat::Slashes => parse_slashes(text),
    }
    .or_else(|| epoch_ms(text))
}

/// What OpenSearch's date detection makes of the first string of a field. A number is no date.
pub(super) fn detect(text: &str) -> Option<DateFormat> {
    if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) || text.parse::<f64>().is_ok() {
        return None;
    }
    if parse_iso(text).is_some() {
        return Some(DateFormat::Iso);
    }
    parse_slashes(text).map(|_| DateFormat::Slashes)
}

/// Epoch milliseconds in digits.
fn epoch_ms(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(from_ms)
}

pub(super) fn from_ms(ms: i64) -> i64 {
    ms.saturating_mul(1_000_000)
}

fn parse_iso(text: &str) -> Option<i64> {
    let mut scan = Scan(text.as_bytes());
    let year = scan.digits(4)?;
    let mut month = 1;
    let mut day = 1;
    let mut offset = 0;
    let mut time = (0, 0, 0, 0);
    if scan.take(b'-') {
        month = scan.digits(2)?;
        if scan.take(b'-') {
            day = scan.digits(2)?;
        }
    }
    if scan.take(b'T') && !scan.0.is_empty() {
        time = scan.time()?;
        offset = scan.offset()?;
    }
    if !scan.0.is_empty() {
        return None;
    }
    instant(year, month, day, time, offset)
}

fn parse_slashes(text: &str) -> Option<i64> {
    let mut scan = Scan(text.as_bytes());
    let year = scan.digits(4)?;
    let month = scan.expect(b'/')?.digits(2)?;
    let day = scan.expect(b'/')?.digits(2)?;
    let mut time = (0, 0, 0, 0);
    if scan.take(b' ') {
        let hour = scan.digits(2)?;
        let minute = scan.expect(b':')?.digits(2)?;
        let second = scan.expect(b':')?.digits(2)?;
        time = (hour, minute, second, 0);
    }
    if !scan.0.is_empty() {
        return None;
    }
    instant(year, month, day, time, 0)
}

fn instant(year: i32, month: i32, day: i32, time: (i32, i32, i32, i32), offset_seconds: i32) -> Option<i64> {
    let small = |number: i32| i8::try_from(number).ok();
    let (hour, minute, second, nanos) = time;
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        nanos,
    )
    .ok()?;
    // By the civil calendar: jiff's timestamps end before the year 9999 does.
    let seconds = civil.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_secs();
    // Whole seconds round towards zero, so a fraction before 1970 has rounded up.
    let seconds = if nanos > 0 && civil.year() < 1970 { seconds - 1 } else { seconds };
    let seconds = seconds - i64::from(offset_seconds);
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanos)))
}

/// What is left of the text.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn take(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<&mut Self> {
        self.take(byte).then_some(self)
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut number = 0;
        for byte in digits {
            number = number * 10 + i32::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        }
        self.0 = rest;
        Some(number)
    }

    /// Hour, minute, second, nanosecond; what is left out is 0.
    fn time(&mut self) -> Option<(i32, i32, i32, i32)> {
        let hour = self.digits(2)?;
        if !self.take(b':') {
            return Some((hour, 0, 0, 0));
        }
        let minute = self.digits(2)?;
        if !self.take(b':') {
            return Some((hour, minute, 0, 0));
        }
        let second = self.digits(2)?;
        let nanos = if self.take(b'.') || self.take(b',') { self.fraction()? } else { 0 };
        Some((hour, minute, second, nanos))
    }

    /// One to nine digits.
    fn fraction(&mut self) -> Option<i32> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&length) {
            return None;
        }
        let mut number = self.digits(length)?;
        for _ in length..9 {
            number *= 10;
        }
        Some(number)
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i32> {
        if self.0.is_empty() || self.take(b'Z') {
            return Some(0);
        }
        let sign = if self.take(b'+') {
            1
        } else if self.take(b'-') {
            -1
        } else {
            return None;
        };
        let hours = self.digits(2)?;
        let minutes = if self.0.is_empty() {
            0
        } else {
            self.take(b':');
            self.digits(2)?
        };
        (hours <= 18 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds by `date -u -d … +%s`.
    const MORNING: i64 = 1_642_236_285_000_000_000;

    #[test]
    fn iso_dates_of_every_length_are_read() {
        for (text, nanos) in [
            ("2022-01-15T08:44:45Z", MORNING),
            ("2022-01-15T08:44:45", MORNING),
            ("2022-01-15T08:44:45.164986Z", MORNING + 164_986_000),
            ("2022-01-15T08:44:45,1Z", MORNING + 100_000_000),
            ("2022-01-15T08:44:45.123456789Z", MORNING + 123_456_789),
            ("2022-01-15T17:44:45+09:00", MORNING),
            ("2022-01-15T17:44:45+0900", MORNING),
            ("2022-01-15T17:44:45+09", MORNING),
            ("2022-01-15T03:14:45-05:30", MORNING),
            ("2022-01-15T08:44", MORNING - 45_000_000_000),
            ("2022-01-15T08", MORNING - (44 * 60 + 45) * 1_000_000_000),
            ("2022-01-15", 1_642_204_800_000_000_000),
            ("2022-01", 1_640_995_200_000_000_000),
            ("1969-12-31T23:59:59.5Z", -500_000_000),
            ("1642236285164", MORNING + 164_000_000),
            ("9999-12-31", i64::MAX),
            ("0001-01-01", i64::MIN),
        ] {
            assert_eq!(parse(text, DateFormat::Iso), Some(nanos), "{text}");
        }
    }

    #[test]
    fn what_opensearch_refuses_is_no_date() {
        for text in [
            "2022-13-45",
            "2022-02-30",
            "2022-01-01 00:00:00",
            "2022-1-1",
            "2022-01-01T25:00",
            "2022-01-01T08:44:45.",
            "2022-01-01T08:44:45.1234567890Z",
            "2022-01-01T08:44:45ZZ",
            "now",
            "",
        ] {
            assert_eq!(parse(text, DateFormat::Iso), None, "{text}");
        }
    }

    #[test]
    fn detection_takes_dates_and_leaves_numbers() {
        assert_eq!(detect("2022-01-15"), Some(DateFormat::Iso));
        assert_eq!(detect("2022/01/15"), Some(DateFormat::Slashes));
        assert_eq!(detect("2022/01/15 08:44:45"), Some(DateFormat::Slashes));
        for text in ["2022", "12", "1.5", "1642236285164", "2022-01-15 08:44:45", "12:00", "10.0.0.1", "x", ""] {
            assert_eq!(detect(text), None, "{text}");
        }
        assert_eq!(parse("2022/01/15 08:44:45", DateFormat::Slashes), Some(MORNING));
        assert_eq!(parse("2022-01-15", DateFormat::Slashes), None);
    }
}
