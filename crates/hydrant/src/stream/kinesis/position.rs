//! A place in a shard as text: the record's sequence number, and behind a colon the place within an aggregated one.
//!
//! `49543463076548007577105092703039560359975228518395019266` is the record, `…019266:7` the eighth that was packed into it.

use std::cmp::Ordering;

use crate::stream::{Error, Position};

/// Kinesis writes up to 56 digits; a counter of a foreign server may have fewer, none has so many.
const DIGITS_MAX: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Digits without leading zeros.
    pub(super) sequence_number: String,
    /// `None`: the whole record.
    pub(super) sub: Option<u64>,
}

impl Place {
    pub(super) fn parse(position: &Position) -> Result<Place, Error> {
        let (number, sub) = match position.0.split_once(':') {
            None => (position.0.as_str(), Some(None)),
            Some((number, sub)) => (number, sub.parse().ok().map(Some)),
        };
        let digits = !number.is_empty() && number.len() <= DIGITS_MAX && number.bytes().all(|b| b.is_ascii_digit());
        match sub {
            Some(sub) if digits => Ok(Place { sequence_number: trim(number), sub }),
            Some(_) | None => Err(Error::Fatal(format!("`{position}` is no position of a Kinesis stream"))),
        }
    }

    /// As Kinesis writes the number.
    pub(super) fn position(sequence_number: &str, sub: Option<u64>) -> Position {
        Position(sub.map_or_else(|| sequence_number.to_owned(), |sub| format!("{sequence_number}:{sub}")))
    }
}

fn trim(digits: &str) -> String {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() }
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        let number = |place: &Place| (place.sequence_number.len(), place.sequence_number.clone());
        // The whole record lies before what follows its first part: nothing is skipped by taking it for less.
        number(self).cmp(&number(other)).then(self.sub.cmp(&other.sub))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place::parse(&Position(text.into())).unwrap()
    }

    #[test]
    fn places_are_ordered_by_number_then_by_part() {
        let order =
            ["0", "9", "10", "10:0", "10:2", "10:10", "11", "49543463076548007577105092703039560359975228518395019266"];
        for pair in order.windows(2) {
            assert!(place(pair[0]) < place(pair[1]), "{pair:?}");
        }
        assert_eq!(place("007"), place("7"));
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in ["", ":", ":1", "1:", "1:x", "-1", "1:-1", "latest", &"1".repeat(129)] {
            let error = Place::parse(&Position((*text).into())).unwrap_err();
            assert_eq!(error.to_string(), format!("`{text}` is no position of a Kinesis stream"));
        }
    }
}
