//! Dates as a range query writes them: `strict_date_optional_time`, `epoch_millis`, `epoch_second`, and date maths
//! (`now-1h/d`, `2022-01-01||/M`), resolved to an instant.
//!
//! A date may be incomplete. Where a bound includes the end of what it names (`lte`) or begins after it (`gt`), the
//! missing parts are the latest ones (`2022-01-15` is then its last nanosecond), except month and day, which are 1 as
//! in OpenSearch. A rounding upwards ends one nanosecond before the next unit; OpenSearch's ends a millisecond before.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// Why a text is no date. The sentence is OpenSearch's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoDate(pub(super) String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    OptionalTime,
    EpochMillis,
    EpochSecond,
}

/// How the dates of one range are written.
#[derive(Clone, Debug)]
pub(super) struct Dates {
    pub(super) now_ms: i64,
    zone: TimeZone,
    formats: Vec<Format>,
    /// As the request named them.
    format_names: String,
}

const DEFAULT_FORMAT: &str = "strict_date_optional_time||epoch_millis";

impl Dates {
    pub(super) fn new(now_ms: i64) -> Dates {
        Dates {
            now_ms,
            zone: TimeZone::UTC,
            formats: vec![Format::OptionalTime, Format::EpochMillis],
            format_names: DEFAULT_FORMAT.to_string(),
        }
    }

    /// `Err` names the format that is not supported.
    pub(super) fn with_formats(mut self, names: &str) -> Result<Dates, String> {
        let formats = names.split("||").map(|name| match name {
            "strict_date_optional_time" | "strict_date_optional_time_nanos" | "date_optional_time" => {
                Ok(Format::OptionalTime)
            }
            "epoch_millis" => Ok(Format::EpochMillis),
            "epoch_second" => Ok(Format::EpochSecond),
            other => Err(other.to_string()),
        });
        self.formats = formats.collect::<Result<_, String>>()?;
        self.format_names = names.to_string();
        Ok(self)
    }

    /// Of dates without an offset, and of roundings: `+09:00`, `UTC`, `Asia/Tokyo`. `None` if there is no such zone.
    pub(super) fn with_zone(mut self, name: &str) -> Option<Dates> {
        self.zone = zone(name)?;
        Some(self)
    }

    /// `up`: take the latest instant that the text can mean.
    pub(super) fn resolve(&self, text: &str, up: bool) -> Result<Timestamp, NoDate> {
        if let Some(maths) = text.strip_prefix("now") {
            let now = Timestamp::from_millisecond(self.now_ms).map_err(|_| self.no_date(text))?;
            return self.calculate(now, maths, up);
        }
        match text.split_once("||") {
            Some((date, maths)) => self.calculate(self.parse(date, false)?, maths, up),
            None => self.parse(text, up),
        }
    }

    fn parse(&self, text: &str, up: bool) -> Result<Timestamp, NoDate> {
        let read = self.formats.iter().find_map(|format| match format {
            Format::OptionalTime => self.optional_time(text, up),
            Format::EpochMillis => epoch(text, 1_000_000, up),
            Format::EpochSecond => epoch(text, 1_000_000_000, up),
        });
        read.ok_or_else(|| self.no_date(text))
    }

    fn no_date(&self, text: &str) -> NoDate {
        let reason = format!("failed to parse date field [{text}] with format [{}]", self.format_names);
        NoDate(format!("{reason}: [{reason}]"))
    }

    /// `yyyy[-MM[-dd]][T[HH[:mm[:ss[.fraction]]]][offset]]`
    fn optional_time(&self, text: &str, up: bool) -> Option<Timestamp> {
        let (date, time) = text.split_once('T').unwrap_or((text, ""));
        let (time, offset) = match time.find(['Z', '+', '-']) {
            Some(at) => time.split_at_checked(at)?,
            None => (time, ""),
        };
        let mut parts = date.split('-');
        let year = i16::try_from(number(parts.next()?, 4)?).ok()?;
        let month = part(parts.next(), 1)?;
        let day = part(parts.next(), 1)?;
        if parts.next().is_some() {
            return None;
        }
        let (clock, fraction) = match time.split_once(['.', ',']) {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (time, None),
        };
        let latest = |value: i8| if up { value } else { 0 };
        let mut parts = clock.split(':').map(Some).filter(|part| *part != Some(""));
        let hour = part(parts.next().flatten(), latest(23))?;
        let minute = part(parts.next().flatten(), latest(59))?;
        let second_text = parts.next().flatten();
        let second = part(second_text, latest(59))?;
        if parts.next().is_some() || (fraction.is_some() && second_text.is_none()) {
            return None;
        }
        let nanosecond = match fraction {
            Some(fraction) => nanoseconds(fraction)?,
            None if up => 999_999_999,
            None => 0,
        };
        let moment =
            DateTime::from_parts(Date::new(year, month, day).ok()?, Time::new(hour, minute, second, nanosecond).ok()?);
        let zone = if offset.is_empty() { self.zone.clone() } else { zone(offset)? };
        Some(moment.to_zoned(zone).ok()?.timestamp())
    }

    /// `+1d`, `-2h`, `/M`, any number of them from left to right.
    fn calculate(&self, from: Timestamp, maths: &str, up: bool) -> Result<Timestamp, NoDate> {
        let mut moment = from.to_zoned(self.zone.clone());
        let mut rest = maths;
        while let Some(operator) = rest.chars().next() {
            let after = rest.get(operator.len_utf8()..).unwrap_or_default();
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (count, after) = after.split_at_checked(digits).unwrap_or(("", after));
            let Some(unit) = after.chars().next() else { return Err(NoDate(format!("truncated date math [{rest}]"))) };
            rest = after.get(unit.len_utf8()..).unwrap_or_default();
            let written = format!("{operator}{count}{unit}");
            let count: i64 = if count.is_empty() { 1 } else { count.parse().unwrap_or(i64::MAX) };
            let unsupported = || NoDate(format!("unit [{unit}] not supported for date math [{written}]"));
            let moved = match operator {
                '+' => add(&moment, unit, count).ok_or_else(unsupported)?,
                '-' => add(&moment, unit, -count).ok_or_else(unsupported)?,
                '/' if count == 1 => round(&moment, unit, up).ok_or_else(unsupported)?,
                '/' => return Err(NoDate("rounding `/` can only be used on single unit types [/]".to_string())),
                other => return Err(NoDate(format!("operator not supported for date math [{other}]"))),
            };
            moment = moved;
        }
        Ok(moment.timestamp())
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("z") || name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    let Some(offset) = name.strip_prefix(['+', '-']) else { return TimeZone::get(name).ok() };
    let (hours, minutes) = match offset.len() {
        2 => (offset, "00"),
        4 => offset.split_at_checked(2)?,
        5 => offset.split_once(':')?,
        _ => return None,
    };
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    let seconds = (hours * 60 + minutes) * 60;
    let seconds = if name.starts_with('-') { -seconds } else { seconds };
    (hours <= 18 && minutes < 60).then_some(())?;
    Some(TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?))
}

/// Exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<i32> {
    let only_digits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| i32::from_str(text).ok()).flatten()
}

/// Two digits, or what stands for them where they are missing.
fn part(text: Option<&str>, missing: i8) -> Option<i8> {
    match text {
        Some(text) => i8::try_from(number(text, 2)?).ok(),
        None => Some(missing),
    }
}

fn nanoseconds(fraction: &str) -> Option<i32> {
    let valid = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| format!("{fraction:0<9}").parse().ok()).flatten()
}

fn epoch(text: &str, unit_nanoseconds: i128, up: bool) -> Option<Timestamp> {
    let units: i64 = text.parse().ok()?;
    let start = i128::from(units) * unit_nanoseconds;
    Timestamp::from_nanosecond(if up { start + unit_nanoseconds - 1 } else { start }).ok()
}

fn span(unit: char, count: i64) -> Option<Span> {
    let span = Span::new();
    match unit {
        'y' => span.try_years(count).ok(),
        'M' => span.try_months(count).ok(),
        'w' => span.try_weeks(count).ok(),
        'd' => span.try_days(count).ok(),
        'h' | 'H' => span.try_hours(count).ok(),
        'm' => span.try_minutes(count).ok(),
        's' => span.try_seconds(count).ok(),
        _ => None,
    }
}

fn add(moment: &Zoned, unit: char, count: i64) -> Option<Zoned> {
    moment.checked_add(span(unit, count)?).ok()
}

fn round(moment: &Zoned, unit: char, up: bool) -> Option<Zoned> {
    let date = moment.date();
    let midnight = |date: Date| date.to_datetime(Time::midnight());
    let clock =
        |minute: i8, second: i8| Some(DateTime::from_parts(date, Time::new(moment.hour(), minute, second, 0).ok()?));
    let floor = match unit {
        'y' => midnight(date.first_of_year()),
        'M' => midnight(date.first_of_month()),
        'w' => midnight(date.checked_sub(date.weekday().since(Weekday::Monday).days()).ok()?),
        'd' => midnight(date),
        'h' | 'H' => clock(0, 0)?,
        'm' => clock(moment.minute(), 0)?,
        's' => clock(moment.minute(), moment.second())?,
        _ => return None,
    };
    let floor = floor.to_zoned(moment.time_zone().clone()).ok()?;
    if up { add(&floor, unit, 1)?.checked_sub(1.nanosecond()).ok() } else { Some(floor) }
}
