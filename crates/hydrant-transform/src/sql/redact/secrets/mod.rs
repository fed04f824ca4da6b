//! Hiding passwords in statements, also where they do not parse or are cut.
//!
//! [`secrets`] replaces by [`HIDDEN`], the server's own word, what follows `IDENTIFIED … BY | AS | USING`,
//! `PASSWORD`, `OLD_PASSWORD`, `MASTER_PASSWORD`, `SOURCE_PASSWORD` and any other name that ends so, and a second
//! password after `REPLACE`: in account statements, `SET PASSWORD`, replication, servers, function calls, and in
//! `password = '…'` of any statement; and the password among the arguments of the procedures of Amazon RDS that take
//! one. A string or a comment that holds such a statement is searched too.
//!
//! No log says whether backslashes escape in a session, and a statement need not be whole. So both readings are taken
//! and what either of them calls a secret is hidden; what is not closed is hidden to the end.
//!
//! What it does not know: secrets that are named otherwise or not at all (an argument of another procedure, a key for
//! encryption, a URL with an account), and values of an `INSERT` (their column stands elsewhere).

mod search;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use memchr::memmem;

use crate::sql::token::Dialect;
use search::{Next, Search};

/// What stands for a secret: what MySQL writes itself where it hides one.
pub const HIDDEN: &[u8] = b"<secret>";

/// A comment, or a text whose quotes do not fit, is read from so many words that may bring a secret.
const TRACES_MAX: usize = 16;

/// A statement with its passwords hidden; borrowed where there are none, which costs one fast search.
pub fn secrets(statement: &[u8]) -> Cow<'_, [u8]> {
    if !may_hold(statement) {
        return Cow::Borrowed(statement);
    }
    hide(statement, read(statement, 0, Next::Plain).ranges)
}

/// As [`secrets`], of a text that may be the rest of a statement: its first word may lack its front.
pub fn secrets_of_piece(text: &[u8]) -> Cow<'_, [u8]> {
    let first = cut_word(text).or_else(|| holds_rds_call(text).then_some(Next::Plain));
    match first {
        Some(first) => hide(text, read(text, 0, first).ranges),
        None => secrets(text),
    }
}

/// What follows the first word, if that is the rest of one that brings a secret and what stands behind it fits.
fn cut_word(text: &[u8]) -> Option<Next> {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, rest) = text.split_at_checked(length).filter(|(word, _)| !word.is_empty())?;
    let rest = rest.trim_ascii_start();
    let is_rest_of = |whole: &str| {
        whole
            .len()
            .checked_sub(word.len())
            .and_then(|from| whole.get(from..))
            .is_some_and(|end| end.as_bytes().eq_ignore_ascii_case(word))
    };
    let goes_on = |with: &str| rest.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    if is_rest_of("IDENTIFIED") && ["BY", "WITH", "AS", "VIA"].into_iter().any(goes_on) {
        return Some(Next::Identified);
    }
    let is_password = is_rest_of("PASSWORD") && ["=", ":=", "(", "'", "\""].into_iter().any(goes_on);
    let is_before_string = ["BY", "USING"].into_iter().any(is_rest_of) && ["'", "\""].into_iter().any(goes_on);
    (is_password || is_before_string).then_some(Next::Secret)
}

/// Every statement that holds a secret holds one of these, in any case of letters: parts of `password`, `passwd` and
/// `identified`. So short because a vector search for each way to write them is much faster than one that folds case.
/// `None` on a processor without such a search.
static TRACES: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    let each_case = |word: &str| {
        let letters: Vec<char> = word.chars().collect();
        let cases = 0..1_u32 << letters.len();
        cases.map(move |upper| {
            let case = |(idx, letter): (usize, &char)| {
                if upper >> idx & 1 == 1 { letter.to_ascii_uppercase() } else { *letter }
            };
            letters.iter().enumerate().map(case).collect::<String>()
        })
    };
    Searcher::new(["ssw", "tif"].into_iter().flat_map(each_case))
});

/// Where the words stand that may bring a secret, or names that hold them.
fn traces(text: &[u8]) -> impl Iterator<Item = usize> {
    let found = TRACES.as_ref().map(|traces| traces.find_iter(text).map(|found| found.start()));
    let anywhere = TRACES.is_none().then_some(0..text.len());
    found.into_iter().flatten().chain(anywhere.into_iter().flatten()).filter_map(|middle| {
        [(&b"passw"[..], 2), (b"identif", 4)].into_iter().find_map(|(word, before)| {
            let start = middle.checked_sub(before)?;
            text.get(start..start + word.len())?.eq_ignore_ascii_case(word).then_some(start)
        })
    })
}

/// Whether a text holds a word that may bring a secret; only then [`secrets`] can hide something.
pub(crate) fn may_hold(text: &[u8]) -> bool {
    traces(text).next().is_some() || is_rds_call(text)
}

/// What the names of the procedures begin with that Amazon RDS has.
const RDS: &[u8] = b"rds_";

/// Procedures of Amazon RDS that take a secret, by the beginnings of their names, and from which argument on.
const RDS_PROCEDURES: [(&[u8], u32); 2] = [(b"rds_set_external_", 4), (b"rds_import_binlog_ssl_material", 1)];

/// Whether a text holds a call of a procedure of Amazon RDS that takes a secret.
fn holds_rds_call(text: &[u8]) -> bool {
    RDS_PROCEDURES.into_iter().any(|(name, _)| memmem::find(text, name).is_some())
}

/// Whether a statement calls a procedure of Amazon RDS.
fn is_rds_call(text: &[u8]) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"CALL")) && memmem::find(text, RDS).is_some()
}

/// From which argument of this procedure on there are secrets.
fn secret_arguments(procedure: &[u8]) -> Option<u32> {
    RDS_PROCEDURES.into_iter().find(|(name, _)| procedure.starts_with(name)).map(|(_, first)| first)
}

/// Replaces ranges of a text, which are sorted and apart.
fn hide(text: &[u8], ranges: Vec<Range<usize>>) -> Cow<'_, [u8]> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        // A quote of another alphabet is hidden whole.
        let within = |place: usize| text.get(place).is_some_and(|byte| byte & 0xc0 == 0x80);
        let start = (at..=range.start).rev().find(|place| !within(*place)).unwrap_or(range.start);
        let end = (range.end..text.len()).find(|place| !within(*place)).unwrap_or(text.len()).max(range.end);
        if start < at {
            continue;
        }
        let range = start..end;
        out.extend_from_slice(text.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(HIDDEN);
        at = range.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Cow::Owned(out)
}

/// What a text gives when it is read.
#[derive(Default)]
struct Reading {
    /// What is secret, sorted, and joined where it overlaps.
    ranges: Vec<Range<usize>>,
    /// It ends where a password belongs: the next string of the statement around it is one.
    wants: bool,
}

/// Reads a text in both ways to take backslashes. `first` is what follows its first word. Where its quotes do not fit (an apostrophe in a name, a piece of a
/// statement) nobody can tell what is a string, so it is read once more from each word that may bring a secret.
fn read(text: &[u8], depth: u32, first: Next) -> Reading {
    let mut reading = Reading::default();
    if depth == 0
        && let Some(plain) = with_plain_blanks(text)
    {
        read_both(&plain, depth, first, &mut reading);
    }
    read_both(text, depth, first, &mut reading);
    reading.ranges.sort_unstable_by_key(|range| range.start);
    reading.ranges.dedup_by(|next, range| {
        let meets = next.start <= range.end;
        if meets {
            range.end = range.end.max(next.end);
        }
        meets
    });
    reading
}

/// The text with blanks and quotes of other alphabets, and bytes that are no UTF-8, as ASCII has them, each as long as it
/// was: a session's character set may have read them so. `None` where there are none.
fn with_plain_blanks(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return None;
    }
    let mut plain = text.to_vec();
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            let length = character.len_utf8();
            let stands_for = match character {
                '\u{2018}' | '\u{2019}' | '\u{201B}' => Some(b'\''),
                '\u{201C}' | '\u{201D}' => Some(b'"'),
                '\u{200B}'..='\u{200D}' | '\u{FEFF}' => Some(b' '),
                _ if character.is_whitespace() => Some(b' '),
                _ => None,
            };
            if let (Some(byte), false, Some([first, rest @ ..])) =
                (stands_for, character.is_ascii(), plain.get_mut(at..at + length))
            {
                *first = byte;
                rest.fill(b' ');
            }
            at += length;
        }
        let invalid = chunk.invalid().len();
        if let Some(bytes) = plain.get_mut(at..at + invalid) {
            bytes.fill(b' ');
        }
        at += invalid;
    }
    (plain != text).then_some(plain)
}

fn read_both(text: &[u8], depth: u32, first: Next, reading: &mut Reading) {
    let mut odd = Search::new(text, Dialect::DEFAULT, depth, first).run(reading);
    if memchr::memchr(b'\\', text).is_some() {
        odd |= Search::new(text, Dialect::NO_BACKSLASH_ESCAPES, depth, first).run(reading);
    }
    if odd && depth == 0 {
        read_from_traces(text, 0, depth, &mut reading.ranges);
    }
}

/// Reads a text from each word on that may bring a secret; its ranges are counted from `shift`. From the last word on
/// that is looked at, all is hidden.
fn read_from_traces(text: &[u8], shift: usize, depth: u32, ranges: &mut Vec<Range<usize>>) {
    for (nth, start) in traces(text).take(TRACES_MAX).enumerate() {
        if nth + 1 == TRACES_MAX {
            ranges.push(shift + start..shift + text.len());
            return;
        }
        let inner = read(text.get(start..).unwrap_or_default(), depth + 1, Next::Plain);
        ranges.extend(inner.ranges.into_iter().map(|range| range.start + start + shift..range.end + start + shift));
    }
}
