//! Sequence numbers in Kinesis's form: 56 decimal digits, so that they sort as text and as numbers alike.
//!
//! ```text
//! 49  0000000000  00000000000000000001  000000000000  000000000000
//! │   │           │                     │             └ 12: sub-sequence, 0 for a record as it was put
//! │   │           │                     └ 12: index of the shard
//! │   │           └ 20: counter of the record in its shard, from 1
//! │   └ 10: generation of the shard, 0 until shards split and merge
//! └ 2: the form
//! ```

use crate::stream::{Error, Position};

const DIGITS: usize = 56;
const FORM: &str = "49";

/// Writes the sequence number of a record.
pub(super) fn write(shard_idx: u32, counter: u64) -> String {
    format!("{FORM}{:010}{counter:020}{shard_idx:012}{:012}", 0, 0)
}

/// The position of a record is its sequence number.
pub(super) fn position(shard_idx: u32, counter: u64) -> Position {
    Position(write(shard_idx, counter))
}

/// The counter in a position of this shard. Anything else is refused: it comes from another stream or shard.
pub(super) fn counter(shard_idx: u32, position: &Position) -> Result<u64, Error> {
    parse(&position.0)
        .filter(|(_, shard)| *shard == u64::from(shard_idx))
        .map(|(counter, _)| counter)
        .ok_or_else(|| Error::Fatal(format!("`{:.80}` is no position of shard {shard_idx}", position.0)))
}

fn parse(text: &str) -> Option<(u64, u64)> {
    if text.len() != DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let rest = text.strip_prefix(FORM)?;
    let (generation, rest) = rest.split_at_checked(10)?;
    let (counter, rest) = rest.split_at_checked(20)?;
    let (shard, sub_sequence) = rest.split_at_checked(12)?;
    let known = generation.parse() == Ok(0_u64) && sub_sequence.parse() == Ok(0_u64);
    let counter = counter.parse().ok().filter(|counter| known && *counter > 0)?;
    Some((counter, shard.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_number_has_56_digits_and_reads_back() {
        let text = write(3, 42);
        assert_eq!(text, "49000000000000000000000000000042000000000003000000000000");
        assert_eq!(text.len(), 56);
        assert_eq!(counter(3, &Position(text)).unwrap(), 42);
        assert_eq!(counter(0, &position(0, u64::MAX)).unwrap(), u64::MAX);
    }

    #[test]
    fn sequence_numbers_sort_as_text() {
        assert!(write(5, 9) < write(0, 10));
        assert!(write(0, 99) < write(0, u64::MAX));
    }

    #[test]
    fn what_is_no_position_of_the_shard_is_refused() {
        let other = position(1, 7).0;
        let long = format!("{}0", position(0, 7).0);
        let zero = "49".to_owned() + &"0".repeat(54);
        let huge = "49".to_owned() + &"0".repeat(10) + &"9".repeat(20) + &"0".repeat(24);
        for text in [other, long, zero, huge, String::new(), "é".repeat(28), "x".repeat(56)] {
            let error = counter(0, &Position(text.clone())).unwrap_err();
            assert!(matches!(error, Error::Fatal(_)), "{text}");
        }
    }
}
