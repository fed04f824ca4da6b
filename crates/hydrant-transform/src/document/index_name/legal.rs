//! What makes a value fit to stand in a name that OpenSearch takes, always in the same way.

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

/// Bytes of the hash that ends a name that was cut: 64 bits keep apart what the names of an account may be.
const HASH_BYTES: usize = 8;

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

/// Cuts a name that leaves no room for its suffix, and ends it with a hash of the whole, so that two that were different
/// stay so.
pub(super) fn cut(name: &mut String, suffix_bytes: usize) {
    let bytes_max = NAME_BYTES_MAX.saturating_sub(suffix_bytes);
    if name.len() <= bytes_max {
        return;
    }
    let digest = Sha256::digest(name.as_bytes());
    let hash = hex(digest.first_chunk::<HASH_BYTES>().unwrap_or(&[0; HASH_BYTES]));
    let kept = name.floor_char_boundary(bytes_max.saturating_sub(1 + hash.len()));
    name.truncate(kept);
    name.push('-');
    name.push_str(&hash);
}
