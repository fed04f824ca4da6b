//! Which shard takes a record: 128-bit hash keys, divided evenly as Kinesis does for a new stream.

use md5::{Digest, Md5};

/// The hash key of a record: its explicit one, else the MD5 of its partition key as a big-endian number.
pub(super) fn hash_key(partition_key: &str, explicit: Option<u128>) -> u128 {
    explicit.unwrap_or_else(|| u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
}

/// The inclusive ranges of `n_shards` shards. The last one takes what the division leaves over.
pub(super) fn even_ranges(n_shards: u32) -> Vec<(u128, u128)> {
    let n = u128::from(n_shards.max(1));
    if n == 1 {
        return vec![(0, u128::MAX)];
    }
    // 2^128 / n without 2^128: only where n divides it does the remainder of 2^128 - 1 reach n - 1.
    let width = u128::MAX / n + u128::from(u128::MAX % n == n - 1);
    (0..n).map(|i| (i * width, if i == n - 1 { u128::MAX } else { (i + 1) * width - 1 })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_key_is_the_md5_of_the_partition_key() {
        assert_eq!(hash_key("", None), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
        assert_eq!(hash_key("abc", None), 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72);
    }

    #[test]
    fn an_explicit_hash_key_wins() {
        assert_eq!(hash_key("abc", Some(7)), 7);
    }

    #[test]
    fn the_ranges_of_kinesis_for_one_two_and_three_shards() {
        assert_eq!(even_ranges(1), [(0, u128::MAX)]);
        assert_eq!(
            even_ranges(2),
            [
                (0, 170_141_183_460_469_231_731_687_303_715_884_105_727),
                (
                    170_141_183_460_469_231_731_687_303_715_884_105_728,
                    340_282_366_920_938_463_463_374_607_431_768_211_455
                )
            ]
        );
        assert_eq!(
            even_ranges(3),
            [
                (0, 113_427_455_640_312_821_154_458_202_477_256_070_484),
                (
                    113_427_455_640_312_821_154_458_202_477_256_070_485,
                    226_854_911_280_625_642_308_916_404_954_512_140_969
                ),
                (
                    226_854_911_280_625_642_308_916_404_954_512_140_970,
                    340_282_366_920_938_463_463_374_607_431_768_211_455
                )
            ]
        );
    }

    #[test]
    fn ranges_leave_no_gap() {
        for n in 1..=64 {
            let ranges = even_ranges(n);
            assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, u128::MAX));
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].1 + 1, pair[1].0);
            }
        }
    }
}
