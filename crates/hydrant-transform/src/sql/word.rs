//! The words that mean something to a digest or a summary, found in one look, whatever the case of their letters.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::digest::words::{self, Spelling};
use super::summary::roles;

/// A word without quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// In upper case.
    pub(super) upper: &'static str,
    /// `None`: a name to a digest.
    pub(super) spelling: Option<Spelling>,
    /// What it is to a summary.
    pub(super) roles: roles::Roles,
}

/// No word is longer.
const WORD_BYTES_MAX: usize = 48;

pub(super) fn word(bytes: &[u8]) -> Option<&'static Word> {
    let mut upper = [0; WORD_BYTES_MAX];
    let upper = upper.get_mut(..bytes.len())?;
    upper.copy_from_slice(bytes);
    upper.make_ascii_uppercase();
    WORDS.get(&*upper)
}

static WORDS: LazyLock<FxHashMap<&'static [u8], Word>> = LazyLock::new(|| {
    let mut all: FxHashMap<&'static [u8], Word> = FxHashMap::default();
    for (upper, spelling) in words::all() {
        all.insert(upper.as_bytes(), Word { upper, spelling: Some(spelling), ..Word::default() });
    }
    for (upper, roles) in roles::all() {
        let word = all.entry(upper.as_bytes()).or_default();
        (word.upper, word.roles) = (upper, word.roles.and(roles));
    }
    all
});

#[cfg(test)]
mod tests {
    use super::{WORD_BYTES_MAX, WORDS, word};

    #[test]
    fn words_are_found_in_any_case() {
        let select = word(b"sELECT").unwrap();
        assert_eq!((select.upper, select.spelling.unwrap().spelled), ("SELECT", "SELECT"));
        assert_eq!(word(b"distinct").unwrap().spelling.unwrap().spelled, "DISTINCTROW");
        assert!(word(b"selects").is_none() && word(b"").is_none() && word(&[b'a'; 100]).is_none());
        assert!(WORDS.keys().all(|word| word.len() <= WORD_BYTES_MAX));
        assert!(WORDS.iter().all(|(key, word)| *key == word.upper.as_bytes()));
    }
}
