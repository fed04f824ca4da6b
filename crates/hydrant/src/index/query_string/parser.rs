//! Combines lexemes into a [`Query`]. It knows no field and no type: words become `Match`, and the index decides.

use super::lexer::{Lexeme, Word};
use super::{CLAUSES_MAX, DEPTH_MAX, Operator, Options};
use crate::index::query::{Bound, Query, Value};

/// The error is a sentence for the user.
pub(super) fn parse(lexemes: &[Lexeme], options: &Options) -> Result<Query, String> {
    if lexemes.is_empty() {
        return Ok(Query::MatchNone);
    }
    let mut parser = Parser { rest: lexemes, options, clauses: 0 };
    let query = parser.clauses(None, 0)?;
    match parser.rest.first() {
        None => Ok(query),
        Some(lexeme) => Err(unexpected(lexeme)),
    }
}

struct Parser<'a> {
    rest: &'a [Lexeme],
    options: &'a Options,
    clauses: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Occur {
    Must,
    Should,
    MustNot,
}

impl<'a> Parser<'a> {
    fn take(&mut self) -> Option<&'a Lexeme> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn take_if(&mut self, wanted: &Lexeme) -> bool {
        let found = self.rest.first() == Some(wanted);
        if found {
            self.take();
        }
        found
    }

    /// Clauses up to a closing parenthesis or the end.
    fn clauses(&mut self, field: Option<&str>, depth: usize) -> Result<Query, String> {
        if depth > DEPTH_MAX {
            return Err(format!("parentheses are nested more than {DEPTH_MAX} deep"));
        }
        let mut clauses: Vec<(Occur, Query)> = Vec::new();
        loop {
            // Operators stand between clauses only.
            let joined_by = match self.rest.first() {
                Some(Lexeme::And) if !clauses.is_empty() => Some(Operator::And),
                Some(Lexeme::Or) if !clauses.is_empty() => Some(Operator::Or),
                None | Some(Lexeme::Close) if !clauses.is_empty() => return Ok(combine(clauses)),
                _ => None,
            };
            if joined_by.is_some() {
                self.take();
            }
            let sign = match self.rest.first() {
                Some(Lexeme::Plus) => Some(Occur::Must),
                Some(Lexeme::Minus | Lexeme::Not) => Some(Occur::MustNot),
                _ => None,
            };
            if sign.is_some() {
                self.take();
            }
            let query = self.clause(field, depth)?;
            // AND requires the clause before it too; under the operator AND, OR takes that requirement back.
            if let Some((occur, _)) = clauses.last_mut().filter(|(occur, _)| *occur != Occur::MustNot) {
                match (joined_by, self.options.operator) {
                    (Some(Operator::And), _) => *occur = Occur::Must,
                    (Some(Operator::Or), Operator::And) => *occur = Occur::Should,
                    (Some(Operator::Or), Operator::Or) | (None, _) => {}
                }
            }
            let occur = match (sign, joined_by, self.options.operator) {
                (Some(Occur::MustNot), ..) => Occur::MustNot,
                (_, Some(Operator::Or), Operator::And) => Occur::Should,
                (Some(Occur::Must), ..) | (_, Some(Operator::And), _) | (_, None, Operator::And) => Occur::Must,
                (Some(Occur::Should) | None, Some(Operator::Or) | None, Operator::Or) => Occur::Should,
            };
            clauses.push((occur, query));
        }
    }

    /// `[field:] word | phrase | range | (…)`, with a boost behind it.
    fn clause(&mut self, field: Option<&str>, depth: usize) -> Result<Query, String> {
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX {
            return Err(format!("maxClauseCount is set to {CLAUSES_MAX}"));
        }
        let own = match self.rest {
            [Lexeme::Word(word), Lexeme::Colon, rest @ ..] => {
                self.rest = rest;
                Some(word)
            }
            _ => None,
        };
        let every_field = own.is_some_and(|word| word.raw == "*");
        if own.is_some_and(|word| word.wildcard) && !every_field {
            return Err("a pattern in a field name is not supported".to_owned());
        }
        let field = if every_field { None } else { own.map_or(field, |word| Some(word.text.as_str())) };
        let lexeme = self.take().ok_or("the query ends where a term is expected")?;
        match lexeme {
            Lexeme::Open => {
                let query = self.clauses(field, depth + 1)?;
                if !self.take_if(&Lexeme::Close) {
                    return Err("a parenthesis is not closed".to_owned());
                }
                let boost = self.boost();
                Ok(if boost == 1.0 { query } else { boosted(query, boost) })
            }
            Lexeme::Word(word) => {
                let boost = self.boost();
                self.word(field, every_field, word, boost)
            }
            Lexeme::Phrase { text, slop } => {
                let (slop, boost) = (*slop, self.boost());
                if field == Some("_exists_") {
                    return Ok(Query::Exists { field: text.clone() });
                }
                let phrase = |field| Query::MatchPhrase { field, text: text.clone(), slop, boost };
                Ok(self.in_fields(field, every_field, phrase))
            }
            Lexeme::Range { lower, lower_included, upper, upper_included } => {
                let boost = self.boost();
                let lower = bound(lower.as_deref(), *lower_included);
                let upper = bound(upper.as_deref(), *upper_included);
                self.range(field, &lower, &upper, boost)
            }
            Lexeme::And
            | Lexeme::Or
            | Lexeme::Not
            | Lexeme::Plus
            | Lexeme::Minus
            | Lexeme::Close
            | Lexeme::Colon
            | Lexeme::Boost(_) => Err(unexpected(lexeme)),
        }
    }

    fn boost(&mut self) -> f32 {
        match self.rest.first() {
            Some(Lexeme::Boost(boost)) => {
                self.take();
                *boost
            }
            _ => 1.0,
        }
    }

    fn word(&self, field: Option<&str>, every_field: bool, word: &Word, boost: f32) -> Result<Query, String> {
        if field == Some("_exists_") {
            return Ok(Query::Exists { field: word.text.clone() });
        }
        if word.raw == "*" {
            return Ok(match field {
                Some(field) => Query::Exists { field: field.to_owned() },
                None => Query::MatchAll,
            });
        }
        for (sign, lower, included) in
            [(">=", true, true), ("<=", false, true), (">", true, false), ("<", false, false)]
        {
            if let Some(end) = word.raw.strip_prefix(sign).and(word.text.strip_prefix(sign)) {
                // `field:>= 10` is no range: the sign alone is a word without tokens.
                if end.is_empty() {
                    return Err(format!("a value must follow {sign} without a space"));
                }
                let end = bound(Some(end), included);
                let (lower, upper) = if lower { (end, Bound::Unbounded) } else { (Bound::Unbounded, end) };
                return self.range(field, &lower, &upper, boost);
            }
        }
        Ok(self.in_fields(field, every_field, |field| {
            if word.wildcard {
                Query::Wildcard { field, pattern: word.raw.clone(), case_insensitive: false, boost }
            } else {
                let all_terms = self.options.operator == Operator::And;
                Query::Match { field, text: word.text.clone(), all_terms, boost }
            }
        }))
    }

    fn range(&self, field: Option<&str>, lower: &Bound, upper: &Bound, boost: f32) -> Result<Query, String> {
        if field.is_none() && self.options.fields.is_empty() {
            return Err("a range needs a field".to_owned());
        }
        Ok(self.in_fields(field, false, |field| Query::Range {
            field: field.unwrap_or_default(),
            lower: lower.clone(),
            upper: upper.clone(),
            boost,
        }))
    }

    /// The query on its field, or on each of the default fields.
    fn in_fields(&self, field: Option<&str>, every_field: bool, query: impl Fn(Option<String>) -> Query) -> Query {
        match (field, self.options.fields.as_slice()) {
            (Some(field), _) => query(Some(field.to_owned())),
            (None, [field]) if !every_field => query(Some(field.clone())),
            (None, fields @ [_, _, ..]) if !every_field => {
                let should = fields.iter().map(|field| query(Some(field.clone()))).collect();
                Query::Bool {
                    must: Vec::new(),
                    filter: Vec::new(),
                    should,
                    must_not: Vec::new(),
                    minimum_should_match: None,
                    boost: 1.0,
                }
            }
            (None, _) => query(None),
        }
    }
}

fn combine(mut clauses: Vec<(Occur, Query)>) -> Query {
    if let [(Occur::Must | Occur::Should, _)] = clauses.as_slice()
        && let Some((_, query)) = clauses.pop()
    {
        return query;
    }
    let (mut must, mut should, mut must_not) = (Vec::new(), Vec::new(), Vec::new());
    for (occur, query) in clauses {
        match occur {
            Occur::Must => must.push(query),
            Occur::Should => should.push(query),
            Occur::MustNot => must_not.push(query),
        }
    }
    Query::Bool { must, filter: Vec::new(), should, must_not, minimum_should_match: None, boost: 1.0 }
}

fn boosted(query: Query, boost: f32) -> Query {
    Query::Bool {
        must: vec![query],
        filter: Vec::new(),
        should: Vec::new(),
        must_not: Vec::new(),
        minimum_should_match: None,
        boost,
    }
}

fn bound(end: Option<&str>, included: bool) -> Bound {
    match end {
        None => Bound::Unbounded,
        Some(end) if included => Bound::Included(Value::String(end.to_owned())),
        Some(end) => Bound::Excluded(Value::String(end.to_owned())),
    }
}

fn unexpected(lexeme: &Lexeme) -> String {
    let sign = match lexeme {
        Lexeme::And => "AND",
        Lexeme::Or => "OR",
        Lexeme::Not => "NOT",
        Lexeme::Plus => "+",
        Lexeme::Minus => "-",
        Lexeme::Open => "(",
        Lexeme::Close => ")",
        Lexeme::Colon => ":",
        Lexeme::Boost(_) => "^",
        Lexeme::Word(_) => "a word",
        Lexeme::Phrase { .. } => "a phrase",
        Lexeme::Range { .. } => "a range",
    };
    format!("unexpected {sign}")
}
