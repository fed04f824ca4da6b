//! What makes a value fit to stand in a name that OpenSearch takes, always in the same way.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// OpenSearch takes no longer name.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// OpenSearch refuses them anywhere in a name.
const FORBIDDEN: &str = "\\/*?\"<>| ,#:";

/// OpenSearch refuses the first three at the beginning of a name, and hides an index whose name begins with the last.
const NOT_FIRST: [char; 4] = ['-', '_', '+', '.'];

/// Stands for a value that is empty, or has nothing legal.
const NOTHING: &str = "none";

/// Bytes of the hash that ends a value that was cut: 64 bits keep apart what the names of an account may be.
const HASH_BYTES: usize = 8;

/// A value is cut no further than to its hash, in hexadecimal.
pub(super) const CUT_BYTES_MIN: usize = 2 * HASH_BYTES;

pub(super) fn is_forbidden(character: char) -> bool {
    FORBIDDEN.contains(character)
}

/// Appends a value: in lower case, `-` for each character that is forbidden, without what no name may begin with.
pub(super) fn push_legal(value: &str, out: &mut String) {
    let from = out.len();
    for character in value.to_lowercase().chars() {
        let legal = if is_forbidden(character) || character.is_control() { '-' } else { character };
        if out.len() > from || !NOT_FIRST.contains(&legal) {
            out.push(legal);
        }
    }
    if out.len() == from {
        out.push_str(NOTHING);
    }
}

/// Cuts the values that make a name too long, the longest first, and ends each with a hash of it, so that two that were
/// different stay so. What the pattern says stays whole: templates, policies and roles go by it.
/// `values`: where they stand, in their order.
pub(super) fn cut(name: &mut String, values: &[Range<usize>], bytes_max: usize) {
    let room = bytes_max.saturating_sub(name.len().saturating_sub(values.iter().map(Range::len).sum()));
    let Some(share) = share(values, room) else { return };
    for value in values.iter().rev().filter(|value| value.len() > share) {
        let whole = name.get(value.clone()).unwrap_or_default();
        let digest = Sha256::digest(whole.as_bytes());
        let hash = hex(digest.first_chunk::<HASH_BYTES>().unwrap_or(&[0; HASH_BYTES]));
        let kept = whole.get(..whole.floor_char_boundary(share.saturating_sub(1 + hash.len()))).unwrap_or_default();
        let separator = if kept.is_empty() { "" } else { "-" };
        let shorter = format!("{kept}{separator}{hash}");
        name.replace_range(value.clone(), &shorter);
    }
}

/// The bytes that each value may have, so that all together have no more than `room`; `None` where they have not.
fn share(values: &[Range<usize>], mut room: usize) -> Option<usize> {
    let mut lengths: Vec<usize> = values.iter().map(Range::len).collect();
    lengths.sort_unstable();
    for (place, length) in lengths.iter().enumerate() {
        let share = room / (lengths.len() - place);
        if *length > share {
            return Some(share);
        }
        room -= length;
    }
    None
}
