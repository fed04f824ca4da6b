//! The words that mean something to a digest or a summary, found in one look, whatever the case of their letters.

use std::collections::BTreeMap;
use std::sync::LazyLock;

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

const LETTERS: usize = 26;

/// Finds a word. Few have the same first letter and the same length, and most names have those of none.
pub(super) fn word(bytes: &[u8]) -> Option<&'static Word> {
    let place = place(bytes)?;
    let begin = *WORDS.begins.get(place)?;
    let end = *WORDS.begins.get(place + 1)?;
    WORDS.sorted.get(begin..end)?.iter().find(|word| word.upper.as_bytes().eq_ignore_ascii_case(bytes))
}

fn place(bytes: &[u8]) -> Option<usize> {
    let first = bytes.first()?.to_ascii_uppercase().checked_sub(b'A').map(usize::from)?;
    (first < LETTERS && bytes.len() <= WORD_BYTES_MAX).then(|| first * WORD_BYTES_MAX + bytes.len() - 1)
}

struct Words {
    /// By their places.
    sorted: Vec<Word>,
    /// Where the words of a place begin; one more for the end.
    begins: Vec<usize>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut all: BTreeMap<&'static str, Word> = BTreeMap::new();
    for (upper, spelling) in words::all() {
        all.insert(upper, Word { upper, spelling: Some(spelling), ..Word::default() });
    }
    for (upper, roles) in roles::all() {
        let word = all.entry(upper).or_default();
        (word.upper, word.roles) = (upper, word.roles.and(roles));
    }
    let mut sorted: Vec<Word> = all.into_values().collect();
    sorted.sort_by_key(|word| place(word.upper.as_bytes()));
    let begins = (0..=LETTERS * WORD_BYTES_MAX)
        .map(|at| sorted.partition_point(|word| place(word.upper.as_bytes()).is_none_or(|place| place < at)))
        .collect();
    Words { sorted, begins }
});

#[cfg(test)]
mod tests {
    use super::{WORDS, word};

    #[test]
    fn words_are_found_in_any_case() {
        let select = word(b"sELECT").unwrap();
        assert_eq!((select.upper, select.spelling.unwrap().spelled), ("SELECT", "SELECT"));
        assert_eq!(word(b"distinct").unwrap().spelling.unwrap().spelled, "DISTINCTROW");
        assert!(word(b"selects").is_none() && word(b"").is_none() && word(&[b'a'; 100]).is_none());
        assert!(WORDS.sorted.len() > 700);
        assert!(WORDS.sorted.iter().all(|known| word(known.upper.to_ascii_lowercase().as_bytes()) == Some(known)));
    }
}
