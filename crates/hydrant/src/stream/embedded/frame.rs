//! One record as bytes. Pure. `docs/stream-format.md` draws it.
//!
//! A frame is at most [`FRAME_BYTES_MAX`] long. Its first 64 bytes carry a checksum of their own, so a length is
//! never believed unchecked; that checksum also covers the salt of the segment and the frame's offset, so bytes that
//! merely look like a frame (a record that holds a copy of one) are not taken for one.

use bytes::Bytes;

use super::{fields, sequence};
use crate::stream::{Mark, NewRecord, RECORD_BYTES_MAX, Record};

pub(super) const MAGIC: [u8; 4] = *b"HYfr";
pub(super) const VERSION: u8 = 1;
const KIND_RECORD: u8 = 1;
const FLAG_EXPLICIT_HASH_KEY: u16 = 1;
const FLAG_MARK: u16 = 2;
/// The part of fixed length, with its own checksum in the last four bytes.
pub(super) const HEAD_BYTES: usize = 64;
pub(super) const PARTITION_KEY_CHARS_MAX: usize = 256;
/// Bound of a mark's producer, and of its state.
pub(super) const MARK_FIELD_BYTES_MAX: usize = 4096;
const FRAME_BYTES_MAX: usize = HEAD_BYTES + 16 + 2 * MARK_FIELD_BYTES_MAX + RECORD_BYTES_MAX;

/// What the stream adds to a record, and where the frame stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) salt: u32,
    pub(super) offset: u64,
    pub(super) counter: u64,
    pub(super) arrival_ms: i64,
    /// All bytes of the segment before this offset were durable when the frame was written.
    pub(super) durable: u64,
}

/// The fixed part of a frame that was found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) counter: u64,
    pub(super) arrival_ms: i64,
    pub(super) durable: u64,
    flags: u16,
    body_crc: u32,
    key_len: u16,
    producer_len: u16,
    state_len: u16,
    data_len: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Whole(Head),
    /// The frame is this long, more than was given.
    Needs(usize),
    Bad(&'static str),
}

pub(super) fn length(record: &NewRecord) -> usize {
    let mark = record.mark.as_ref().map_or(0, |mark| mark.producer.len() + mark.state.len());
    let hash_key = if record.explicit_hash_key.is_some() { 16 } else { 0 };
    HEAD_BYTES + hash_key + record.partition_key.len() + mark + record.data.len()
}

/// Appends the frame of a record that [`refuse`] has let pass.
pub(super) fn encode(into: &mut Vec<u8>, record: &NewRecord, stamp: Stamp) {
    let (producer, state) =
        record.mark.as_ref().map_or((&[][..], &[][..]), |mark| (mark.producer.as_bytes(), mark.state.as_ref()));
    let mut flags = if record.explicit_hash_key.is_some() { FLAG_EXPLICIT_HASH_KEY } else { 0 };
    flags |= if record.mark.is_some() { FLAG_MARK } else { 0 };
    let hash_key = record.explicit_hash_key.map(u128::to_le_bytes);
    let hash_key = hash_key.as_ref().map_or(&[][..], |bytes| &bytes[..]);
    let body = [hash_key, record.partition_key.as_bytes(), producer, state, &record.data];
    let mut crc = crc32fast::Hasher::new();
    body.iter().for_each(|part| crc.update(part));

    let start = into.len();
    into.extend_from_slice(&MAGIC);
    into.extend_from_slice(&[VERSION, KIND_RECORD]);
    into.extend_from_slice(&flags.to_le_bytes());
    into.extend_from_slice(&u32_of(length(record)).to_le_bytes());
    into.extend_from_slice(&crc.finalize().to_le_bytes());
    into.extend_from_slice(&stamp.counter.to_le_bytes());
    into.extend_from_slice(&0_u64.to_le_bytes());
    into.extend_from_slice(&stamp.arrival_ms.to_le_bytes());
    into.extend_from_slice(&stamp.durable.to_le_bytes());
    into.extend_from_slice(&u16_of(record.partition_key.len()).to_le_bytes());
    into.extend_from_slice(&u16_of(producer.len()).to_le_bytes());
    into.extend_from_slice(&u16_of(state.len()).to_le_bytes());
    into.extend_from_slice(&0_u16.to_le_bytes());
    into.extend_from_slice(&u32_of(record.data.len()).to_le_bytes());
    let head_crc = head_crc(into.get(start..).unwrap_or_default(), stamp.salt, stamp.offset);
    into.extend_from_slice(&head_crc.to_le_bytes());
    body.iter().for_each(|part| into.extend_from_slice(part));
}

/// Looks at the bytes of a segment from `offset` on.
pub(super) fn check(bytes: &[u8], salt: u32, offset: u64) -> Checked {
    let Some((head_bytes, _)) = bytes.split_at_checked(HEAD_BYTES) else {
        return Checked::Needs(HEAD_BYTES);
    };
    let head = match check_head(head_bytes, salt, offset) {
        Ok(head) => head,
        Err(why) => return Checked::Bad(why),
    };
    let Some(body) = bytes.get(HEAD_BYTES..head.length) else {
        return Checked::Needs(head.length);
    };
    if crc32fast::hash(body) != head.body_crc {
        return Checked::Bad("its checksum does not match");
    }
    Checked::Whole(head)
}

/// The record and the mark in a whole frame; the record's data shares the frame's memory. `None` when the text in it
/// is not UTF-8, which no writer of this version makes.
pub(super) fn decode(frame: &Bytes, head: &Head, shard_idx: u32) -> Option<(Record, Option<Mark>)> {
    let mut rest = frame.get(HEAD_BYTES..head.length)?;
    let explicit_hash_key = if head.flags & FLAG_EXPLICIT_HASH_KEY == 0 {
        None
    } else {
        Some(u128::from_le_bytes(fields::take(&mut rest, 16)?.try_into().ok()?))
    };
    let partition_key = fields::text(&mut rest, head.key_len.into())?;
    let producer = fields::text(&mut rest, head.producer_len.into())?;
    let state = Bytes::copy_from_slice(fields::take(&mut rest, head.state_len.into())?);
    let record = Record {
        position: sequence::position(shard_idx, head.counter),
        sequence_number: sequence::write(shard_idx, head.counter),
        arrival_ms: head.arrival_ms,
        partition_key,
        explicit_hash_key,
        data: frame.slice_ref(rest),
    };
    Some((record, (head.flags & FLAG_MARK != 0).then_some(Mark { producer, state })))
}

/// Why a record can't be stored, `None` if it can.
pub(super) fn refuse(record: &NewRecord) -> Option<String> {
    let key_chars = record.partition_key.chars().count();
    if key_chars == 0 || key_chars > PARTITION_KEY_CHARS_MAX {
        return Some(format!("a partition key of {key_chars} characters, not 1 to {PARTITION_KEY_CHARS_MAX}"));
    }
    let bytes = record.data.len() + record.partition_key.len();
    if bytes > RECORD_BYTES_MAX {
        return Some(format!("{bytes} bytes of data and partition key, more than {RECORD_BYTES_MAX}"));
    }
    let mark = record.mark.as_ref()?;
    let longest = mark.producer.len().max(mark.state.len());
    (longest > MARK_FIELD_BYTES_MAX)
        .then(|| format!("a mark with a field of {longest} bytes, more than {MARK_FIELD_BYTES_MAX}"))
}

fn check_head(bytes: &[u8], salt: u32, offset: u64) -> Result<Head, &'static str> {
    let (covered, stored_crc) = bytes.split_at_checked(HEAD_BYTES - 4).ok_or("it is cut short")?;
    if !covered.starts_with(&MAGIC) {
        return Err("no frame begins there");
    }
    if stored_crc != head_crc(covered, salt, offset).to_le_bytes() {
        return Err("the checksum of its head does not match");
    }
    let (version, kind, head) = parse_head(covered).ok_or("it is cut short")?;
    if version != VERSION || kind != KIND_RECORD || head.flags & !(FLAG_EXPLICIT_HASH_KEY | FLAG_MARK) != 0 {
        return Err("it is of a kind that this version does not know");
    }
    let hash_key = if head.flags & FLAG_EXPLICIT_HASH_KEY == 0 { 0 } else { 16 };
    let parts = usize::from(head.key_len) + usize::from(head.producer_len) + usize::from(head.state_len);
    let expected = usize::try_from(head.data_len).ok().map(|data| HEAD_BYTES + hash_key + parts + data);
    if expected != Some(head.length) || head.length > FRAME_BYTES_MAX {
        return Err("its lengths do not add up");
    }
    Ok(head)
}

fn parse_head(covered: &[u8]) -> Option<(u8, u8, Head)> {
    let mut rest = covered.get(MAGIC.len()..)?;
    let rest = &mut rest;
    let version = fields::u8(rest)?;
    let kind = fields::u8(rest)?;
    let flags = fields::u16(rest)?;
    let length = usize::try_from(fields::u32(rest)?).ok()?;
    let body_crc = fields::u32(rest)?;
    let counter = fields::u64(rest)?;
    fields::u64(rest)?; // sub-sequence
    let arrival_ms = fields::i64(rest)?;
    let durable = fields::u64(rest)?;
    let key_len = fields::u16(rest)?;
    let producer_len = fields::u16(rest)?;
    let state_len = fields::u16(rest)?;
    fields::u16(rest)?; // reserved
    let data_len = fields::u32(rest)?;
    let head =
        Head { length, counter, arrival_ms, durable, flags, body_crc, key_len, producer_len, state_len, data_len };
    Some((version, kind, head))
}

fn head_crc(covered: &[u8], salt: u32, offset: u64) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&salt.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(covered);
    crc.finalize()
}

/// Lengths are bounded by [`refuse`], far below these types.
pub(super) fn u32_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

pub(super) fn u16_of(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}
