//! When the time that a rotated index is of is over, by its name alone.

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

/// The first instant behind the hour, day, week or month that ends the name, in milliseconds since 1970 UTC. `None` where
/// the name ends with none.
pub fn period_end_ms(index_name: &str) -> Option<i64> {
    let parts: Vec<&str> = index_name.rsplitn(5, '-').collect();
    let (begin, hour, length) = match parts[..] {
        [hour, day, month, year, _] if is_number(hour) && is_number(day) && is_number(month) && is_year(year) => {
            (date(year, month, day)?, number(hour)?, 1.hour())
        }
        [day, month, year, ..] if is_number(day) && is_number(month) && is_year(year) && parts.len() > 3 => {
            (date(year, month, day)?, 0, 1.day())
        }
        [week, year, ..] if is_year(year) && parts.len() > 2 => match week.strip_prefix('w') {
            Some(week) if is_number(week) => {
                (ISOWeekDate::new(number(year)?, number(week)?, Weekday::Monday).ok()?.date(), 0, 1.week())
            }
            None if is_number(week) => (date(year, week, "01")?, 0, 1.month()),
            Some(_) | None => return None,
        },
        _ => return None,
    };
    end_ms(begin, hour, length)
}

fn end_ms(begin: Date, hour: i8, length: Span) -> Option<i64> {
    let begin = begin.to_datetime(jiff::civil::Time::new(hour, 0, 0, 0).ok()?).to_zoned(TimeZone::UTC).ok()?;
    Some(begin.checked_add(length).ok()?.timestamp().as_millisecond())
}

fn date(year: &str, month: &str, day: &str) -> Option<Date> {
    Date::new(number(year)?, number(month)?, number(day)?).ok()
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
