//! Hiding every literal: what a statement says, without what it says it of.
//!
//! Strings, numbers and bits become `?`; comments and hints, which may hold any of them, go. Nothing tells in which of
//! the two ways a session reads backslashes, so what is a literal in either of them is hidden; what is not closed is
//! hidden to its end. Names stay, quoted by backticks or not at all, but for one whose backtick is not closed. Where a
//! string and a name touch (`'O'Brien'`) the quotes do not fit, and nobody can tell what is a string: all is hidden,
//! unless they fit in the other way to read backslashes.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use super::touch;
use crate::sql::token::{Dialect, Kind, Token, Tokens};

/// What stands for a literal, as in digests.
pub const LITERAL: &[u8] = b"?";

/// A statement with its literals hidden; borrowed where there are none.
pub fn literals(statement: &[u8]) -> Cow<'_, [u8]> {
    let mut hidden = Vec::new();
    let mut odd = collect(statement, Dialect::DEFAULT, &mut hidden);
    if memchr::memchr(b'\\', statement).is_some() {
        odd &= collect(statement, Dialect::NO_BACKSLASH_ESCAPES, &mut hidden);
    }
    if odd {
        return Cow::Borrowed(LITERAL);
    }
    if hidden.is_empty() {
        return Cow::Borrowed(statement);
    }
    hidden.sort_unstable_by_key(|hidden| hidden.range.start);
    let mut out = Vec::with_capacity(statement.len());
    let mut at = 0;
    let mut hidden = hidden.into_iter().peekable();
    while let Some(Hidden { mut range, mut is_literal }) = hidden.next() {
        // Two readings may overlap; they are hidden together.
        while let Some(next) = hidden.next_if(|next| next.range.start < range.end) {
            range.end = range.end.max(next.range.end);
            is_literal |= next.is_literal;
        }
        out.extend_from_slice(statement.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(if is_literal { LITERAL } else { b" " });
        at = range.end;
    }
    out.extend_from_slice(statement.get(at..).unwrap_or_default());
    Cow::Owned(out)
}

/// Whether a string, a name or a comment has no end, read in either way: what follows may belong to it.
pub(crate) fn is_open(statement: &[u8]) -> bool {
    [Dialect::DEFAULT, Dialect::NO_BACKSLASH_ESCAPES]
        .into_iter()
        .any(|dialect| Tokens::new(statement, dialect).any(|token| !token.closed))
}

/// Whether nothing but strings, numbers, bits and comments would be hidden of a statement, alike in both ways to read
/// backslashes, and its digest holds no number either: then no literal is in its digest.
pub(crate) fn digest_hides_literals(statement: &[u8]) -> bool {
    let reads_alike = || {
        memchr::memchr(b'\\', statement).is_none()
            || Tokens::new(statement, Dialect::DEFAULT).eq(Tokens::new(statement, Dialect::NO_BACKSLASH_ESCAPES))
    };
    let is_plain = |token: &Token| {
        let word = statement.get(token.range.clone()).unwrap_or_default();
        let is_odd = token.kind == Kind::Word && (word.starts_with(b"$") || is_cut_number(word));
        token.closed && !is_odd && token.kind != Kind::Hint
    };
    // `?` where the quotes do not fit.
    let fits = || *literals(statement) != *LITERAL || statement == LITERAL;
    let digest = || crate::sql::digest::digest(statement).text;
    Tokens::new(statement, Dialect::DEFAULT).all(|token| is_plain(&token))
        && reads_alike()
        && fits()
        && matches!(literals(digest().as_bytes()), Cow::Borrowed(_))
}

struct Hidden {
    range: Range<usize>,
    /// Else a comment.
    is_literal: bool,
}

/// Adds what is to be hidden. True where the quotes do not fit.
fn collect(statement: &[u8], dialect: Dialect, hidden: &mut Vec<Hidden>) -> bool {
    let mut odd = false;
    let mut at = 0;
    while let Some(rest) = statement.get(at..).filter(|rest| !rest.is_empty()) {
        let known = hidden.len();
        let behind = collect_up_to_dollars(rest, dialect, hidden, &mut odd);
        for Hidden { range, .. } in hidden.iter_mut().skip(known) {
            *range = range.start + at..range.end + at;
        }
        at += behind;
    }
    odd
}

/// As [`collect`], up to the end of the first string between dollars; tells where that is.
fn collect_up_to_dollars(statement: &[u8], dialect: Dialect, hidden: &mut Vec<Hidden>, odd: &mut bool) -> usize {
    let (mut before, mut earlier): (Option<Token>, Option<Token>) = (None, None);
    for token in Tokens::new(statement, dialect) {
        if let Some(range) = between_dollars(statement, &token) {
            let behind = range.end;
            hidden.push(Hidden { range, is_literal: true });
            return behind;
        }
        *odd |= before.as_ref().is_some_and(|before| touch(before, &token) && is_odd(statement, before, &token));
        *odd |= token.kind == Kind::String && is_between_strings(statement, earlier.as_ref(), before.as_ref());
        let is_literal = match token.kind {
            Kind::String | Kind::Number | Kind::Bits => Some(true),
            Kind::Comment | Kind::Hint => Some(false),
            Kind::Backticked if !token.closed => Some(true),
            Kind::Word if is_cut_number(statement.get(token.range.clone()).unwrap_or_default()) => Some(true),
            Kind::Word
            | Kind::Backticked
            | Kind::AfterAt
            | Kind::Placeholder
            | Kind::ExecutableBegin
            | Kind::ExecutableEnd
            | Kind::Symbol => None,
        };
        if let Some(is_literal) = is_literal {
            hidden.push(Hidden { range: token.range.clone(), is_literal });
        }
        earlier = before.replace(token);
    }
    statement.len()
}

/// `$$ … $$`, `$tag$ … $tag$`: a string of MySQL 9, as it holds the body of a routine in another language. What has no
/// end goes to the end of the statement.
fn between_dollars(statement: &[u8], token: &Token) -> Option<Range<usize>> {
    let text = statement.get(token.range.start..).filter(|text| token.kind == Kind::Word && text.starts_with(b"$"))?;
    let tag_bytes = 2 + text.iter().skip(1).position(|byte| *byte == b'$').filter(|tag| 1 + tag < token.range.len())?;
    let (tag, body) = text.split_at_checked(tag_bytes)?;
    let length = memmem::find(body, tag).map_or(text.len(), |at| at + 2 * tag_bytes);
    Some(token.range.start..token.range.start + length)
}

/// `5e` of `5e10`: the rest of a number that was cut.
fn is_cut_number(word: &[u8]) -> bool {
    matches!(word, [digits @ .., b'e' | b'E'] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// Whether what stands before a string is a name, and before that another string: `'O' Brien ', 5)`. No statement has
/// the three so, and the name is what should be a string.
fn is_between_strings(statement: &[u8], earlier: Option<&Token>, before: Option<&Token>) -> bool {
    let is_name = |word: &Token| word.kind == Kind::Word && word.word(statement).is_none();
    earlier.is_some_and(|earlier| earlier.kind == Kind::String)
        && before.is_some_and(|word| {
            is_name(word) && !statement.get(word.range.clone()).is_some_and(|word| word.starts_with(b"_"))
        })
}

/// Of a string and a word that touch: keywords may (`'x'AND`), and a string's character set does.
fn is_odd(statement: &[u8], before: &Token, token: &Token) -> bool {
    let word = if token.kind == Kind::Word { token } else { before };
    let is_charset = statement.get(word.range.clone()).is_some_and(|word| word.starts_with(b"_"));
    !is_charset && word.word(statement).is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::literals;

    #[test]
    fn literals_are_hidden_and_names_stay() {
        for (statement, expected) in [
            (
                "SELECT a, `b 1`, t2 FROM t WHERE c = 'x' AND d IN (1, -2.5, 0xAB, x'0a')",
                "SELECT a, `b 1`, t2 FROM t WHERE c = ? AND d IN (?, -?, ?, ?)",
            ),
            ("SELECT \"it's\", 'it''s', N'é', _utf8mb4'y' -- 5 and 'z'\nFROM t", "SELECT ?, ?, ?, _utf8mb4?  \nFROM t"),
            ("/* trace 42 */ SELECT /*+ MAX_EXECUTION_TIME(7) */ 1 # 8", "  SELECT   ?  "),
            ("SELECT /*!80000 5, */ a", "SELECT /*!80000 ?, */ a"),
            ("SELECT 'open", "SELECT ?"),
            ("SELECT /* open 'x'", "SELECT  "),
            ("SELECT a, @v FROM t", "SELECT a, @v FROM t"),
            ("INSERT INTO t VALUES ('O'Brien', 'x y', 'z')", "?"),
            ("SELECT a = \"it\"s x\" AND b = 1", "?"),
            ("SELECT * FROM `t WHERE card = 'x'", "SELECT * FROM ?"),
            ("SELECT 1 WHERE a='x'AND b=_latin1'y'OR c=N'z'", "SELECT ? WHERE a=?AND b=_latin1?OR c=?"),
            ("CALL p(?, NULL, TRUE)", "CALL p(?, NULL, TRUE)"),
            ("CREATE FUNCTION f AS $$ it's zq 'x $$, 'y', a", "CREATE FUNCTION f AS ?, ?, a"),
            ("CREATE FUNCTION f AS $js$zq$$7$js$ -- 'x'\n", "CREATE FUNCTION f AS ?  \n"),
            ("DO $$ zq $", "DO ?"),
            ("SELECT 1000000e", "SELECT ?"),
            ("INSERT INTO t VALUES ('O' zq ', 5)", "?"),
            ("SELECT 'a' b, 'c' AND 'd' _utf8mb4 'e'", "SELECT ? b, ? AND ? _utf8mb4 ?"),
            ("SELECT a$$b, $c, 'x'", "SELECT a$$b, $c, ?"),
            // One reading: a string with an escaped quote, and another one; the other: 'a\', b, then an open string.
            (r"SELECT 'a\', b, 'c'", "SELECT ?"),
            ("", ""),
        ] {
            let hidden = literals(statement.as_bytes());
            assert_eq!(String::from_utf8_lossy(&hidden), expected, "{statement}");
        }
    }

    proptest! {
        /// However it is cut and whatever stands around: a literal that was planted never survives.
        #[test]
        fn no_planted_literal_survives(
            parts in prop::collection::vec((prop::sample::select(vec![
                "'zq7'", "\"zq7\"", "'it''s zq7'", r"'it\'s zq7'", "7770777", "0x7770777", "x'7770777a'", "7.770777e3", "'zq7\nzq7'", "N'zq7'",
                "_latin1'zq7'", "/* zq7 */", "-- zq7\n", "# zq7\n", "/*+ zq7(7770777) */",
            ]), prop::sample::select(vec![" ", ",", " = ", " AND a IN (", ") ", "/*!80000 ", " */", "\n", " `b` ", "- ", "+"])), 1..12),
            cut in 0_usize..30,
        ) {
            let statement = parts.iter().fold(String::from("SELECT "), |text, (literal, rest)| text + rest + literal);
            let end = (0..=statement.len() - cut.min(statement.len())).rev().find(|end| statement.is_char_boundary(*end));
            let hidden = literals(&statement.as_bytes()[..end.unwrap()]);
            let hidden = String::from_utf8_lossy(&hidden);
            prop_assert!(!hidden.contains("zq") && !hidden.contains("77"), "{} of {}", hidden, statement);
        }

        #[test]
        fn any_bytes_are_read(statement in prop::collection::vec(any::<u8>(), 0..200)) {
            literals(&statement);
        }
    }
}
