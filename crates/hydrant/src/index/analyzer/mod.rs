//! How statements and messages become search terms: one analyzer for every text field, the same rule here and in an
//! OpenSearch index template.
//!
//! # The rule
//! 1. *Joined names.* A dot with backticks or double quotes around it is a plain dot: `` `app_db`.`t` `` reads as
//!    `app_db.t`. These sequences become `.`: `` `.` ``, `` `. ``, `` .` ``, `"."`.
//! 2. *Tokens.* From left to right the longest of:
//!    - a dotted name, `NAME(.NAME)*`, where a name is a run of letters, digits, combining marks and `_` that holds at
//!      least one letter or digit (Hangul counts as letters);
//!    - one Han ideograph or one Hiragana letter;
//!    - a run of Katakana;
//!    - one emoji or pictograph.
//!
//!    Everything else separates.
//! 3. *Case.* Tokens are lower-cased, one character for one character.
//! 4. *Length.* Only the first [`TOKEN_CHARS_MAX`] characters of a token count (OpenSearch counts units of UTF-16).
//! 5. *Parts*, when documents are written only: beside the whole, at its position, stand each name between dots, the
//!    name without its first and without its last dotted part, and each piece between underscores; each once.
//!
//! A search is analysed by steps 1 to 4 only, so `app_db` asks for that name and not for any `db`; and since all parts
//! share the position of their whole, `"select * from app_db.t"` and `"from app_db"` are both phrases of
//! `SELECT * FROM app_db.t`.
//!
//! In an OpenSearch template:
//!
//! ```json
//! {"analysis":{
//!   "char_filter":{"hydrant_names":{"type":"mapping","mappings":["`.` => .","`. => .",".` => .","\".\" => ."]}},
//!   "tokenizer":{"hydrant":{"type":"pattern","group":0,"pattern":"TOKEN"}},
//!   "filter":{
//!     "hydrant_length":{"type":"truncate","length":255},
//!     "hydrant_parts":{"type":"pattern_capture","preserve_original":true,
//!       "patterns":["([^.]+)","([^._]+)","^[^.]+\\.(.+)$","^(.+)\\.[^.]+$"]}},
//!   "analyzer":{
//!     "hydrant":{"type":"custom","char_filter":["hydrant_names"],"tokenizer":"hydrant",
//!       "filter":["lowercase","hydrant_length","hydrant_parts","remove_duplicates"]},
//!     "hydrant_search":{"type":"custom","char_filter":["hydrant_names"],"tokenizer":"hydrant",
//!       "filter":["lowercase","hydrant_length"]}}}}
//! ```
//!
//! with `"analyzer":"hydrant","search_analyzer":"hydrant_search"` on the field. `TOKEN` is
//! `H|K+|E|N(?:\.N)*` with `H` the ranges of [`is_ideograph`], `K` of [`is_katakana`], `E` of [`is_pictograph`], and
//! `N` = `_*L[L_]*`, all of it possessive (in a loop, not on the stack), where `L` is `[\p{IsAlphabetic}\p{N}]` or a mark of [`is_mark`], less the first three classes.
//!
//! It does not stem, drop stop words, or fold accents.

mod classes;

use tantivy::tokenizer::{Token as IndexToken, TokenStream, Tokenizer};

pub use classes::token_pattern;
use classes::{Class, class};

/// The name under which the analyzer is registered in a tantivy index.
pub const NAME: &str = "hydrant";

/// Characters of a token that count. OpenSearch's standard analyzer has the same limit.
pub const TOKEN_CHARS_MAX: usize = 255;

/// One token of a search text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    /// The first is 0.
    pub position: usize,
}

/// The tokens of a search text, without parts (steps 1 to 4 of the rule).
pub fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner::new(text);
    let mut tokens = Vec::new();
    while scanner.advance() {
        tokens.push(Token { text: scanner.token.clone(), position: tokens.len() });
    }
    tokens
}

/// One character for one, as OpenSearch's `lowercase` filter; also the normaliser of wildcard patterns.
pub fn lower_case(text: &str) -> String {
    text.chars().map(lower).collect()
}

fn lower(character: char) -> char {
    if character.is_ascii() {
        character.to_ascii_lowercase()
    } else {
        character.to_lowercase().next().unwrap_or(character)
    }
}

/// The analyzer for writing: all five steps.
#[derive(Clone, Debug, Default)]
pub struct StatementTokenizer {
    token: IndexToken,
    /// Ranges of the parts of the current whole that are still to come, the next one last.
    parts: Vec<(usize, usize)>,
}

impl Tokenizer for StatementTokenizer {
    type TokenStream<'a> = StatementTokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> StatementTokens<'a> {
        self.token.reset();
        self.parts.clear();
        StatementTokens { scanner: Scanner::new(text), next_position: 0, state: self }
    }
}

/// Yields each whole token, then its parts.
#[derive(Debug)]
pub struct StatementTokens<'a> {
    scanner: Scanner<'a>,
    next_position: usize,
    state: &'a mut StatementTokenizer,
}

impl TokenStream for StatementTokens<'_> {
    fn advance(&mut self) -> bool {
        let StatementTokenizer { token, parts } = &mut *self.state;
        if let Some((start, end)) = parts.pop() {
            token.text.clear();
            token.text.push_str(self.scanner.token.get(start..end).unwrap_or_default());
            return true;
        }
        if !self.scanner.advance() {
            return false;
        }
        token.text.clear();
        token.text.push_str(&self.scanner.token);
        token.offset_from = self.scanner.start;
        token.offset_to = self.scanner.at;
        token.position = self.next_position;
        token.position_length = 1;
        self.next_position = self.next_position.saturating_add(1);
        if self.scanner.has_parts {
            split_parts(&self.scanner.token, parts);
        }
        true
    }

    fn token(&self) -> &IndexToken {
        &self.state.token
    }

    fn token_mut(&mut self) -> &mut IndexToken {
        &mut self.state.token
    }
}

/// Step 5: the byte ranges of the parts of `whole`, none equal to it or to another.
fn split_parts(whole: &str, parts: &mut Vec<(usize, usize)>) {
    let mut add = |start: usize, end: usize| {
        let text = whole.get(start..end).unwrap_or_default();
        let known = |&(from, to): &(usize, usize)| to - from == end - start && whole.get(from..to) == Some(text);
        if !text.is_empty() && text.len() < whole.len() && !parts.iter().any(known) {
            parts.push((start, end));
        }
    };
    if let Some(first) = whole.find('.') {
        add(first + 1, whole.len());
    }
    if let Some(last) = whole.rfind('.') {
        add(0, last);
    }
    for separators in [&['.'][..], &['.', '_'][..]] {
        let mut start = 0;
        for piece in whole.split(separators) {
            add(start, start + piece.len());
            start += piece.len() + 1;
        }
    }
}

/// Finds the tokens of a text one after the other.
#[derive(Debug)]
struct Scanner<'a> {
    text: &'a str,
    /// Where the next token is looked for; after `advance`, the end of the current one.
    at: usize,
    start: usize,
    /// The current token, lower-cased and cut.
    token: String,
    token_chars: usize,
    /// Whether the token holds a dot or an underscore.
    has_parts: bool,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0, start: 0, token: String::new(), token_chars: 0, has_parts: false }
    }

    fn rest(&self, from: usize) -> &'a str {
        self.text.get(from..).unwrap_or_default()
    }

    /// Moves to the next token; false at the end.
    fn advance(&mut self) -> bool {
        self.token.clear();
        self.token_chars = 0;
        self.has_parts = false;
        while let Some(character) = self.rest(self.at).chars().next() {
            self.start = self.at;
            match class(character) {
                Class::Separator => self.at += character.len_utf8(),
                Class::Single => {
                    self.push(character);
                    self.at += character.len_utf8();
                    return true;
                }
                Class::Katakana => {
                    self.run(|class| class == Class::Katakana);
                    return true;
                }
                Class::Letter | Class::Underscore => {
                    if self.name() {
                        self.dotted_names();
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Takes the name at `at`. False, with nothing in the token, if it holds underscores only.
    fn name(&mut self) -> bool {
        let (length, chars) = (self.token.len(), self.token_chars);
        let had_parts = self.has_parts;
        let mut letters = self.ascii_name();
        if self.rest(self.at).as_bytes().first().is_some_and(|byte| !byte.is_ascii()) {
            letters |= self.run(|class| matches!(class, Class::Letter | Class::Underscore));
        }
        if !letters {
            self.token.truncate(length);
            self.token_chars = chars;
            self.has_parts = had_parts;
        }
        letters
    }

    /// Takes further names that a dot joins to the one just taken.
    fn dotted_names(&mut self) {
        const JOINERS: [&str; 5] = ["`.`", "\".\"", "`.", ".`", "."];
        loop {
            let rest = self.rest(self.at);
            let joiner = match rest.as_bytes().first() {
                Some(b'.' | b'`' | b'"') => JOINERS.iter().find(|joiner| rest.starts_with(**joiner)),
                _ => None,
            };
            let Some(joiner) = joiner else { return };
            let before = (self.at, self.token.len(), self.token_chars, self.has_parts);
            self.at += joiner.len();
            self.push('.');
            self.has_parts = true;
            if !self.name() {
                (self.at, self.token_chars, self.has_parts) = (before.0, before.2, before.3);
                self.token.truncate(before.1);
                return;
            }
        }
    }

    /// Takes what is ASCII at the beginning of a name, which mostly is all of it; whether any of it was not an underscore.
    fn ascii_name(&mut self) -> bool {
        let rest = self.rest(self.at);
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let name = rest.get(..length).unwrap_or_default();
        let counting = length.min(TOKEN_CHARS_MAX.saturating_sub(self.token_chars));
        let begin = self.token.len();
        self.token.push_str(name.get(..counting).unwrap_or_default());
        if let Some(added) = self.token.get_mut(begin..) {
            added.make_ascii_lowercase();
        }
        self.token_chars += counting;
        self.at += length;
        self.has_parts |= name.contains('_');
        name.bytes().any(|byte| byte != b'_')
    }

    /// Takes characters while their class is wanted; whether one of them was not an underscore.
    fn run(&mut self, wanted: impl Fn(Class) -> bool) -> bool {
        let mut letters = false;
        for character in self.rest(self.at).chars() {
            let class = class(character);
            if !wanted(class) {
                break;
            }
            if class == Class::Underscore {
                self.has_parts = true;
            } else {
                letters = true;
            }
            self.push(character);
            self.at += character.len_utf8();
        }
        letters
    }

    fn push(&mut self, character: char) {
        if self.token_chars < TOKEN_CHARS_MAX {
            self.token.push(lower(character));
            self.token_chars += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    fn searched(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    /// `position:term` of everything written, parts sorted behind their whole.
    fn written(text: &str) -> Vec<String> {
        let mut tokenizer = StatementTokenizer::default();
        let mut stream = tokenizer.token_stream(text);
        let mut wholes: Vec<Vec<String>> = Vec::new();
        while stream.advance() {
            let token = stream.token();
            if token.position == wholes.len() {
                wholes.push(Vec::new());
            }
            wholes[token.position].push(format!("{}:{}", token.position, token.text));
        }
        for whole in &mut wholes {
            whole[1..].sort();
        }
        wholes.concat()
    }

    #[test]
    fn a_search_text_gives_whole_names_only() {
        let cases: [(&str, &[&str]); 18] = [
            ("", &[]),
            ("   ;,()", &[]),
            ("SELECT * FROM information_schema.tables", &["select", "from", "information_schema.tables"]),
            ("`app_db`.`t`", &["app_db.t"]),
            ("\"app_db\".\"t\"", &["app_db.t"]),
            ("`app_db`.t app_db.`t`", &["app_db.t", "app_db.t"]),
            ("`app_db` . `t`", &["app_db", "t"]),
            ("'app_db','x'", &["app_db", "x"]),
            ("a=1,b='it''s'", &["a", "1", "b", "it", "s"]),
            ("3.14 45.1z db1.t2", &["3.14", "45.1z", "db1.t2"]),
            ("end. Begin ...x.", &["end", "begin", "x"]),
            ("____ _a a._ __b__", &["_a", "a", "__b__"]),
            ("数据库 select", &["数", "据", "库", "select"]),
            ("ひらカタカナー漢", &["ひ", "ら", "カタカナー", "漢"]),
            ("한국어 데이터abc", &["한국어", "데이터abc"]),
            ("STRASSE ÄÖÜ İ", &["strasse", "äöü", "i"]),
            ("ok👍👎", &["ok", "👍", "👎"]),
            ("e\u{301}te\0x", &["e\u{301}te", "x"]),
        ];
        for (text, expected) in cases {
            assert_eq!(searched(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_written_name_gives_its_parts_at_its_own_position() {
        assert_eq!(
            written("SELECT * FROM information_schema.rds_waits WHERE a.a=1"),
            [
                "0:select",
                "1:from",
                "2:information_schema.rds_waits",
                "2:information",
                "2:information_schema",
                "2:rds",
                "2:rds_waits",
                "2:schema",
                "2:waits",
                "3:where",
                "4:a.a",
                "4:a",
                "5:1",
            ]
        );
        assert_eq!(written("`s`.`t`.`c`"), ["0:s.t.c", "0:c", "0:s", "0:s.t", "0:t", "0:t.c"]);
        assert_eq!(written("_id __"), ["0:_id", "0:id"]);
        assert_eq!(written("数_x"), ["0:数", "1:_x", "1:x"]);
    }

    #[test]
    fn a_long_token_is_cut_and_what_follows_is_kept() {
        let long = "x".repeat(100_000);
        let cut = "x".repeat(255);
        assert_eq!(searched(&format!("a {long} b")), ["a", &cut, "b"]);
        assert_eq!(searched(&format!("{long}.tail b")), [cut.as_str(), "b"]);
        let dotted = "ab.".repeat(50_000);
        assert_eq!(searched(&format!("{dotted}; c")), ["ab.".repeat(85), "c".to_owned()]);
        assert_eq!(written(&format!("{dotted}; c")).last().map(String::as_str), Some("1:c"));
    }

    #[test]
    fn offsets_cover_the_token_in_the_text() {
        let mut tokenizer = StatementTokenizer::default();
        let text = "from `a`.`b` x";
        let mut stream = tokenizer.token_stream(text);
        let mut seen = Vec::new();
        while stream.advance() {
            seen.push((stream.token().text.clone(), &text[stream.token().offset_from..stream.token().offset_to]));
        }
        assert_eq!(seen[1], ("a.b".to_owned(), "a`.`b"));
        assert_eq!(seen.last().unwrap(), &("x".to_owned(), "x"));
    }

    proptest! {
        #[test]
        fn every_searched_token_is_written_too(text in any::<String>(), glue in "[ab_.`\" 漢カ]{0,40}") {
            let text = text + &glue;
            let written = written(&text);
            for token in tokens(&text) {
                let term = format!("{}:{}", token.position, token.text);
                prop_assert!(written.contains(&term));
                prop_assert!(token.text.chars().count() <= TOKEN_CHARS_MAX);
            }
        }
    }
}
