//! What a splitter knows of its log stream from the entries it has cut: a few bytes, to be kept over a restart.

use crate::entry::mysql::general::{Header, StampForm};

/// An RFC 3339 stamp may lie so much before that of the entry before it: entries are written in order, but stamped a
/// moment earlier, and clocks are adjusted.
pub const BACKWARDS_MICROS_MAX: i64 = 5_000_000;

/// What must survive a restart, together with the position behind the last complete entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    pub mode: Mode,
    /// The last RFC 3339 stamp, in microseconds since 1970 UTC.
    pub last_stamp_micros: Option<i64>,
    /// The last entry ended in the middle of a line, so what follows is the rest of that line.
    pub mid_line: bool,
    /// The header at this position was found in an open quote.
    pub suspect_next: bool,
}

/// What a line without a header is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Mode {
    /// An entry: no header of a general log was seen yet.
    #[default]
    Lines,
    /// A part of an entry. The form is that of the stream's headers; none is known after a banner, since the server
    /// may have been replaced.
    General(Option<StampForm>),
    /// A part of an entry of the slow log.
    Slow,
}

impl Mode {
    pub(super) fn form(self) -> Option<StampForm> {
        match self {
            Mode::Lines | Mode::Slow => None,
            Mode::General(form) => form,
        }
    }

    /// A server has started here.
    pub(super) fn restart(&mut self) {
        if let Mode::General(form) = self {
            *form = None;
        }
    }
}

impl State {
    /// Notes a header that begins an entry, and answers whether it is suspect. `line` is what `header` was read from.
    pub(super) fn enter(&mut self, header: &Header, line: &[u8]) -> bool {
        let is_foreign = self.mode.form().is_some_and(|form| form != header.form);
        self.mode = Mode::General(Some(header.form));
        let micros = line.get(header.stamp.clone()).and_then(rfc3339_micros);
        let goes_back = match (micros, self.last_stamp_micros) {
            (Some(micros), Some(last)) => last - micros > BACKWARDS_MICROS_MAX,
            _ => false,
        };
        self.last_stamp_micros = micros.or(self.last_stamp_micros);
        let was_open = std::mem::take(&mut self.suspect_next);
        was_open || is_foreign || goes_back
    }
}

impl State {
    /// Notes that an entry of the slow log begins, and answers whether it is suspect.
    pub(super) fn enter_slow(&mut self) -> bool {
        self.mode = Mode::Slow;
        std::mem::take(&mut self.suspect_next)
    }
}

/// Microseconds since 1970 UTC of a stamp that has the shape of a general log's; `None` for a legacy stamp or none. A
/// day that is not in the calendar counts on from the first of its month: enough to compare neighbours.
fn rfc3339_micros(stamp: &[u8]) -> Option<i64> {
    let number = |from: usize, digits: usize| {
        let digits = stamp.get(from..from + digits)?;
        Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit.wrapping_sub(b'0'))))
    };
    let fraction = number(20, 6)?;
    let days = days_since_1970(number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let minutes = days * 24 * 60 + number(11, 2)? * 60 + number(14, 2)?;
    let offset = match stamp.get(26)? {
        b'+' => number(27, 2)? * 60 + number(30, 2)?,
        b'-' => -(number(27, 2)? * 60 + number(30, 2)?),
        _ => 0,
    };
    Some(((minutes - offset) * 60 + number(17, 2)?) * 1_000_000 + fraction)
}

/// Gregorian, for years 0 to 9999. Years are counted from March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::rfc3339_micros;

    #[test]
    fn stamps_become_instants() {
        for (stamp, micros) in [
            ("1970-01-01T00:00:00.000000Z", 0),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("2000-02-29T12:00:00.000001Z", 951_825_600_000_001),
            ("2026-11-23T03:07:00.062044Z", 1_795_403_220_062_044),
            ("2026-11-23T08:37:00.062044+05:30", 1_795_403_220_062_044),
            ("2026-11-23T03:07:00.062044-00:00", 1_795_403_220_062_044),
            ("2026-11-22T22:07:00.062044-05:00", 1_795_403_220_062_044),
            ("2024-12-31T23:59:59.000000Z", 1_735_689_599_000_000),
        ] {
            assert_eq!(rfc3339_micros(stamp.as_bytes()), Some(micros), "{stamp}");
        }
        assert_eq!(rfc3339_micros(b"261123  3:06:08"), None);
        assert_eq!(rfc3339_micros(b""), None);
    }
}
