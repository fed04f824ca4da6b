//! Cuts a query string into lexemes. It decides what is a word, a phrase, an operator; not how they combine.

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lexeme {
    And,
    Or,
    Not,
    Plus,
    Minus,
    Open,
    Close,
    Colon,
    /// `^2`
    Boost(f32),
    Word(Word),
    Phrase {
        text: String,
        slop: u32,
    },
    Range {
        lower: Option<String>,
        lower_included: bool,
        upper: Option<String>,
        upper_included: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    /// As written, escapes in place: what a wildcard pattern needs.
    pub(super) raw: String,
    /// With escapes resolved.
    pub(super) text: String,
    /// Holds a `*` or `?` that is not escaped.
    pub(super) wildcard: bool,
}

/// The error is a sentence for the user.
pub(super) fn lex(text: &str) -> Result<Vec<Lexeme>, String> {
    let mut lexer = Lexer { rest: text };
    let mut lexemes = Vec::new();
    while let Some(lexeme) = lexer.next()? {
        lexemes.push(lexeme);
    }
    Ok(lexemes)
}

struct Lexer<'a> {
    rest: &'a str,
}

const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{3000}')
}

/// Ends a word wherever it stands; everything else continues one.
const fn ends_word(character: char) -> bool {
    is_space(character) || matches!(character, '!' | '(' | ')' | ':' | '^' | '[' | ']' | '"' | '{' | '}' | '~')
}

impl Lexer<'_> {
    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    fn next(&mut self) -> Result<Option<Lexeme>, String> {
        const SIGNS: [(&str, Lexeme); 8] = [
            ("&&", Lexeme::And),
            ("||", Lexeme::Or),
            ("!", Lexeme::Not),
            ("+", Lexeme::Plus),
            ("-", Lexeme::Minus),
            ("(", Lexeme::Open),
            (")", Lexeme::Close),
            (":", Lexeme::Colon),
        ];
        self.skip_spaces();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        if let Some((_, lexeme)) = SIGNS.into_iter().find(|(sign, _)| self.take(sign)) {
            return Ok(Some(lexeme));
        }
        match first {
            '"' => self.phrase().map(Some),
            '[' | '{' => self.range().map(Some),
            '^' => self.boost().map(Some),
            ']' | '}' => Err(format!("unexpected '{first}'")),
            '~' => Err(FUZZY.to_owned()),
            '/' => Err("regular expressions (/…/) are not supported; write \\/ or quotes for a slash".to_owned()),
            _ => self.word().map(Some),
        }
    }

    /// At the opening quote.
    fn phrase(&mut self) -> Result<Lexeme, String> {
        let text = self.quoted()?;
        if !self.take("~") {
            return Ok(Lexeme::Phrase { text, slop: 0 });
        }
        let number = self.number();
        let whole = number.split('.').next().unwrap_or_default();
        // Without a number Lucene takes its default, 0.
        let slop = if whole.is_empty() { Ok(0) } else { whole.parse() };
        match slop {
            Ok(slop) => Ok(Lexeme::Phrase { text, slop }),
            Err(_) => Err(format!("the slop of a phrase is not a number: ~{number}")),
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => text.push(characters.next().ok_or("a backslash ends the query")?.1),
                _ => text.push(character),
            }
        }
        Err("a quote is not closed".to_owned())
    }

    fn number(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        number.to_owned()
    }

    fn boost(&mut self) -> Result<Lexeme, String> {
        self.take("^");
        self.skip_spaces();
        let number = self.number();
        match number.parse::<f32>() {
            Ok(boost) if boost.is_finite() => Ok(Lexeme::Boost(boost)),
            Ok(_) | Err(_) => Err(format!("a boost is not a number: ^{number}")),
        }
    }

    /// At `[` or `{`.
    fn range(&mut self) -> Result<Lexeme, String> {
        let lower_included = self.rest.starts_with('[');
        self.rest = self.rest.get(1..).unwrap_or_default();
        let lower = self.range_end()?;
        self.skip_spaces();
        if !self.take("TO") || !self.rest.starts_with(|c| is_space(c) || c == '"') {
            return Err("a range needs TO between its ends".to_owned());
        }
        let upper = self.range_end()?;
        self.skip_spaces();
        let upper_included = self.take("]");
        if !upper_included && !self.take("}") {
            return Err("a range is not closed".to_owned());
        }
        Ok(Lexeme::Range { lower, lower_included, upper, upper_included })
    }

    /// One end of a range, `None` for `*`. Ends hold any character but a space and the closing brackets.
    fn range_end(&mut self) -> Result<Option<String>, String> {
        self.skip_spaces();
        if self.rest.starts_with('"') {
            return self.quoted().map(Some);
        }
        let end = self.rest.find(|c| is_space(c) || c == ']' || c == '}').unwrap_or(self.rest.len());
        let (raw, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        match raw {
            "" | "TO" => Err("a range needs two ends".to_owned()),
            "*" => Ok(None),
            _ => unescape(raw).map(Some),
        }
    }

    fn word(&mut self) -> Result<Lexeme, String> {
        let mut wildcard = false;
        let mut escaped = false;
        let mut end = self.rest.len();
        for (at, character) in self.rest.char_indices() {
            if escaped {
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if ends_word(character) {
                end = at;
                break;
            } else {
                wildcard |= matches!(character, '*' | '?');
            }
        }
        let (raw, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        if rest.starts_with('~') {
            return Err(FUZZY.to_owned());
        }
        Ok(match raw {
            "AND" => Lexeme::And,
            "OR" => Lexeme::Or,
            "NOT" => Lexeme::Not,
            _ => Lexeme::Word(Word { raw: raw.to_owned(), text: unescape(raw)?, wildcard }),
        })
    }
}

const FUZZY: &str = "fuzzy search (~) is not supported";

fn unescape(raw: &str) -> Result<String, String> {
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            text.push(characters.next().ok_or("a backslash ends the query")?);
        } else {
            text.push(character);
        }
    }
    Ok(text)
}
