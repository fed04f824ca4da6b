//! Records that a producer packed into one, as the Kinesis Producer Library does: four magic bytes, a message of
//! Protocol Buffers, and the MD5 of the message.
//!
//! The shape is that of the library's `messages.proto`. Bytes that begin so and are nothing of the kind are an ordinary
//! record. What was packed shares the memory of its record.

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

const MD5_BYTES: usize = 16;

/// Kinesis takes no longer partition key. Each record has its own copy of one.
const KEY_CHARS_MAX: usize = 256;

/// One record of those that were packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub partition_key: String,
    pub explicit_hash_key: Option<u128>,
    pub data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Aggregated {
    #[prost(string, repeated, tag = "1")]
    partition_keys: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_keys: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<Part>,
}

#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(uint64, required, tag = "1")]
    partition_key_idx: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_idx: Option<u64>,
    #[prost(bytes = "bytes", required, tag = "3")]
    data: Bytes,
}

/// What a packed record is known by in its shard. The first one has the number of its record, as others call it.
pub fn part_number(sequence_number: &str, place: u64) -> String {
    if place == 0 { sequence_number.to_owned() } else { format!("{sequence_number}/{place}") }
}

/// The records that were packed into `data`, `None` where it is an ordinary one.
pub fn unpack(data: &Bytes) -> Option<Vec<Packed>> {
    let message_end = data.len().checked_sub(MD5_BYTES)?;
    if !data.starts_with(&MAGIC) || message_end < MAGIC.len() {
        return None;
    }
    let (message, digest) = (data.slice(MAGIC.len()..message_end), data.slice(message_end..));
    if Md5::digest(&message)[..] != digest[..] {
        return None;
    }
    let Aggregated { partition_keys, explicit_hash_keys, records } = Aggregated::decode(message).ok()?;
    if partition_keys.iter().any(|key| key.chars().nth(KEY_CHARS_MAX).is_some()) {
        return None;
    }
    let hash_keys: Vec<Option<u128>> = explicit_hash_keys.iter().map(|key| key.parse().ok()).collect();
    let packed = records.into_iter().map(|part| {
        let explicit_hash_key = match part.explicit_hash_key_idx {
            None => None,
            Some(idx) => Some((*hash_keys.get(usize::try_from(idx).ok()?)?)?),
        };
        let partition_key = partition_keys.get(usize::try_from(part.partition_key_idx).ok()?)?.clone();
        Some(Packed { partition_key, explicit_hash_key, data: part.data })
    });
    packed.collect::<Option<Vec<_>>>().filter(|packed| !packed.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by hand after messages.proto: two keys, one hash key, two records.
    fn aggregated() -> Vec<u8> {
        let mut message = Vec::new();
        message.extend_from_slice(b"\x0a\x01a\x0a\x02bb"); // 1: "a", "bb"
        message.extend_from_slice(b"\x12\x0212"); // 2: "12"
        message.extend_from_slice(b"\x1a\x07\x08\x00\x1a\x03one"); // 3: { 1: 0, 3: "one" }
        message.extend_from_slice(b"\x1a\x0d\x08\x01\x10\x00\x1a\x03two\x22\x02\x0a\x00"); // 3: { 1: 1, 2: 0, 3: "two", 4: tag }
        pack(&message)
    }

    fn pack(message: &[u8]) -> Vec<u8> {
        [&MAGIC[..], message, &Md5::digest(message)[..]].concat()
    }

    #[test]
    fn packed_records_come_out_in_order_with_their_keys() {
        let packed = |key: &str, explicit_hash_key, data: &'static [u8]| Packed {
            partition_key: key.into(),
            explicit_hash_key,
            data: Bytes::from_static(data),
        };
        let unpacked = unpack(&aggregated().into()).unwrap();
        assert_eq!(unpacked, [packed("a", None, b"one"), packed("bb", Some(12), b"two")]);
    }

    #[test]
    fn what_only_begins_so_is_an_ordinary_record() {
        let whole = aggregated();
        for cut in 0..whole.len() {
            assert_eq!(unpack(&Bytes::copy_from_slice(&whole[..cut])), None, "cut at {cut}");
        }
        for idx in 0..whole.len() {
            let mut changed = whole.clone();
            changed[idx] ^= 1;
            assert_eq!(unpack(&changed.into()), None, "byte {idx}");
        }
        // A key that is not in the table, no record at all.
        assert_eq!(unpack(&pack(b"\x0a\x01a\x1a\x07\x08\x05\x1a\x03one").into()), None);
        assert_eq!(unpack(&pack(b"\x0a\x01a").into()), None);
        // A key of 256 characters, and one of 257.
        for (chars, is_taken) in [(256, true), (257, false)] {
            let length = [0x80 | u8::try_from(chars & 0x7f).unwrap(), u8::try_from(chars >> 7).unwrap()];
            let key = "k".repeat(chars);
            let message = [&b"\x0a"[..], &length, key.as_bytes(), b"\x1a\x05\x08\x00\x1a\x01x"];
            assert_eq!(unpack(&pack(&message.concat()).into()).is_some(), is_taken, "{chars}");
        }
    }
}
