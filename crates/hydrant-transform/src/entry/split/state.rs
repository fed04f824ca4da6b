//! What a splitter knows of its log stream from the entries it has cut: a few bytes, to be kept over a restart.

use crate::entry::mysql::general::{Header, Layout};

/// An RFC 3339 stamp may lie so much before that of the entry before it: entries are written in order, but stamped a
/// moment earlier, and clocks are adjusted.
pub const BACKWARDS_MICROS_MAX: i64 = 5_000_000;

/// A legacy stamp is local time, which repeats an hour in autumn.
pub const BACKWARDS_LOCAL_MICROS_MAX: i64 = 3_600_000_000 + BACKWARDS_MICROS_MAX;

/// What must survive a restart, together with the position behind the last complete entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    pub mode: Mode,
    /// The last stamp, in microseconds since 1970, UTC or local as it stands.
    pub last_stamp_micros: Option<i64>,
    /// The stamp before it.
    #[serde(default)]
    pub earlier_stamp_micros: Option<i64>,
    /// The last entry ended in the middle of a line, so what follows is the rest of that line.
    pub mid_line: bool,
    /// The header at this position was found in an open quote.
    pub suspect_next: bool,
    /// Bytes that were read ahead and are not yet worked off.
    #[serde(default)]
    pub ahead_debt_bytes: u64,
}

/// What a line without a header is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Mode {
    /// An entry: no header of a general log was seen yet.
    #[default]
    Lines,
    /// A part of an entry. The layout is that of the stream's headers; none is known after a banner, since the server
    /// may have been replaced.
    General(Option<Layout>),
    /// A part of an entry of the slow log.
    Slow,
    /// A part of an entry of the error log.
    Error,
}

impl Mode {
    pub(super) fn layout(self) -> Option<Layout> {
        match self {
            Mode::Lines | Mode::Slow | Mode::Error => None,
            Mode::General(layout) => layout,
        }
    }

    /// A server has started here.
    pub(super) fn restart(&mut self) {
        if let Mode::General(layout) = self {
            *layout = None;
        }
    }
}

impl State {
    /// Notes a header that begins an entry, and answers whether it is suspect. `line` is what `header` was read from.
    pub(super) fn enter(&mut self, header: &Header, line: &[u8]) -> bool {
        let known = self.mode.layout();
        let is_foreign = known.is_some_and(|layout| !header.fits(layout));
        let continues = known.filter(|_| !is_foreign);
        self.mode = Mode::General(header.certain_layout().or(continues));
        let micros = stamp_micros(header, line);
        let goes_back = match (micros, self.last_stamp_micros) {
            (Some(micros), Some(last)) => continues.is_some() && self.is_before(micros, last),
            _ => false,
        };
        if micros.is_some() {
            self.earlier_stamp_micros = self.last_stamp_micros;
            self.last_stamp_micros = micros;
        }
        let was_open = std::mem::take(&mut self.suspect_next);
        was_open || is_foreign || goes_back
    }

    /// Whether an instant lies before another by more than the order of a log allows.
    pub(super) fn is_before(&self, micros: i64, other: i64) -> bool {
        let allowed = match self.mode.layout() {
            Some(Layout::Tabbed | Layout::Padded) => BACKWARDS_LOCAL_MICROS_MAX,
            Some(Layout::Rfc3339) | None => BACKWARDS_MICROS_MAX,
        };
        other.saturating_sub(micros) > allowed
    }

    /// The header behind an entry has this stamp. If the log is in order without that entry, its own stamp is wrong, so
    /// it may be a planted one: it is suspect, and its stamp forgotten.
    pub(super) fn leave(&mut self, next: Option<i64>) -> bool {
        let (Some(next), Some(own), Some(earlier)) = (next, self.last_stamp_micros, self.earlier_stamp_micros) else {
            return false;
        };
        let stands_out = self.is_before(next, own) && !self.is_before(next, earlier);
        if stands_out {
            self.last_stamp_micros = self.earlier_stamp_micros;
        }
        stands_out
    }
}

impl State {
    /// Notes that an entry of the slow log begins, and answers whether it is suspect.
    pub(super) fn enter_slow(&mut self) -> bool {
        self.mode = Mode::Slow;
        std::mem::take(&mut self.suspect_next)
    }
}

/// Microseconds since 1970 of a header's stamp, if it has one: UTC where it is RFC 3339, local time otherwise. A day that
/// is not in the calendar counts on from the first of its month: enough to compare neighbours.
pub(super) fn stamp_micros(header: &Header, line: &[u8]) -> Option<i64> {
    let stamp = line.get(header.stamp.clone())?;
    match header.layout {
        Layout::Rfc3339 => rfc3339_micros(stamp),
        Layout::Tabbed | Layout::Padded => legacy_micros(stamp),
    }
}

fn rfc3339_micros(stamp: &[u8]) -> Option<i64> {
    let fraction = number(stamp, 20, 6)?;
    let days = days_since_1970(number(stamp, 0, 4)?, number(stamp, 5, 2)?, number(stamp, 8, 2)?);
    let minutes = days * 24 * 60 + number(stamp, 11, 2)? * 60 + number(stamp, 14, 2)?;
    let offset = match stamp.get(26)? {
        b'+' => number(stamp, 27, 2)? * 60 + number(stamp, 30, 2)?,
        b'-' => -(number(stamp, 27, 2)? * 60 + number(stamp, 30, 2)?),
        _ => 0,
    };
    Some(((minutes - offset) * 60 + number(stamp, 17, 2)?) * 1_000_000 + fraction)
}

fn legacy_micros(stamp: &[u8]) -> Option<i64> {
    let year = match number(stamp, 0, 2)? {
        year @ 70.. => 1900 + year,
        year => 2000 + year,
    };
    let days = days_since_1970(year, number(stamp, 2, 2)?, number(stamp, 4, 2)?);
    let minutes = (days * 24 + number(stamp, 7, 2)?) * 60 + number(stamp, 10, 2)?;
    Some((minutes * 60 + number(stamp, 13, 2)?) * 1_000_000)
}

/// Digits that are known to be some, with blanks before them.
fn number(stamp: &[u8], from: usize, digits: usize) -> Option<i64> {
    let digits = stamp.get(from..from + digits)?;
    Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit & 0x0f)))
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
    use super::{legacy_micros, rfc3339_micros};

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
        for (stamp, micros) in [
            ("700101  0:00:00", 0),
            ("691231 23:59:59", 3_155_759_999_000_000),
            ("261123  3:07:00", 1_795_403_220_000_000),
            ("261123 13:07:08", 1_795_439_228_000_000),
        ] {
            assert_eq!(legacy_micros(stamp.as_bytes()), Some(micros), "{stamp}");
        }
        assert_eq!((rfc3339_micros(b""), legacy_micros(b"")), (None, None));
    }
}
