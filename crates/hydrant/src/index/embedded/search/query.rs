//! Turns a [`Query`] into a tantivy query over one index.
//!
//! Text is scored with BM25; what has no degree of matching (ranges, `exists`, `terms`, patterns, ids) scores its
//! boost, 1.0 by default, and filters score nothing, as in OpenSearch. A term of a number, date or boolean is a span of
//! its column.

use std::cell::Cell;
use std::sync::Arc;
use std::{ops, slice};

use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery,
    Query as TantivyQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::IndexRecordOption;

use super::super::schema::id_term;
use super::OpenIndex;
use super::field::Target;
use super::scan::Scan;
use super::value;
use super::wildcard::Pattern;
use crate::index::analyzer;
use crate::index::query::{Bound, Query, Value};
use crate::index::{Error, FieldType};

type Boxed = Box<dyn TantivyQuery>;

/// Queries within each other. More than a query string can nest, and little enough for any stack.
pub(super) const DEPTH_MAX: usize = 64;

pub(super) fn build(index: &OpenIndex, query: &Query) -> Result<Boxed, Error> {
    Builder { index, scans: Cell::new(0) }.build(query, 0)
}

struct Builder<'a> {
    index: &'a OpenIndex,
    /// So far.
    scans: Cell<usize>,
}

/// Every scan of a query has a bit for each document of a segment, all of them at once.
const SCAN_BYTES_MAX: usize = 128 * 1024 * 1024;

impl Builder<'_> {
    fn build(&self, query: &Query, depth: usize) -> Result<Boxed, Error> {
        if depth > DEPTH_MAX {
            let message = format!("the query is nested more than {DEPTH_MAX} deep");
            return Err(Error::BadRequest { code: "illegal_argument_exception", message });
        }
        match query {
            Query::MatchAll => Ok(constant(Box::new(AllQuery), 1.0)),
            Query::MatchNone => Ok(Box::new(EmptyQuery)),
            Query::Term { field, value, boost } => match self.metadata(field, slice::from_ref(value)) {
                Some(query) => Ok(constant(query, *boost)),
                None => self.on_fields(Some(field), *boost, |target| self.exactly(target, value)),
            },
            Query::Terms { field, values, boost } => self.terms(field, values, *boost),
            Query::Match { field: Some(field), text, boost, .. }
            | Query::MatchPhrase { field: Some(field), text, boost, .. }
                if is_metadata(field) =>
            {
                self.terms(field, &[Value::String(text.clone())], *boost)
            }
            Query::Match { field, text, all_terms, boost } => {
                self.on_fields(field.as_deref(), *boost, |target| self.match_text(target, text, *all_terms))
            }
            Query::MatchPhrase { field, text, slop, boost } => {
                self.on_fields(field.as_deref(), *boost, |target| self.phrase(target, text, *slop))
            }
            Query::Range { field, lower, upper, boost } => self.range(field, lower, upper, *boost),
            Query::Exists { field } => Ok(self.exists(field)),
            Query::Prefix { field, prefix, case_insensitive, boost } => {
                let pattern = Pattern::starts_with(prefix, *case_insensitive);
                Ok(match self.index.target(field) {
                    Some(target) => constant(by_pattern(&target, pattern), *boost),
                    None => Box::new(EmptyQuery),
                })
            }
            Query::Wildcard { field, pattern, case_insensitive, boost } => {
                self.wildcard(field.as_deref(), pattern, *case_insensitive, *boost)
            }
            Query::Ids(ids) => {
                let values: Vec<Value> = ids.iter().cloned().map(Value::String).collect();
                self.terms("_id", &values, 1.0)
            }
            Query::Bool { must, filter, should, must_not, minimum_should_match, boost } => {
                let boolean = self.boolean([must, filter, should, must_not], *minimum_should_match, depth)?;
                Ok(boosted(boolean, *boost))
            }
        }
    }

    /// A scan, if there is room for it.
    fn scan(&self, scan: Scan) -> Result<Boxed, Error> {
        let segments = self.index.searcher.segment_readers().iter();
        let documents = segments.map(|reader| reader.max_doc()).max().unwrap_or(0);
        let bytes = usize::try_from(documents / 8).unwrap_or(usize::MAX).saturating_add(1);
        let scans = self.scans.replace(self.scans.get() + 1) + 1;
        if scans.saturating_mul(bytes) > SCAN_BYTES_MAX {
            let most = SCAN_BYTES_MAX / bytes;
            let message = format!(
                "maxClauseCount is set to {most} for numbers, dates and patterns in an index of this size: ask for fewer"
            );
            return Err(Error::BadRequest { code: "too_many_nested_clauses", message });
        }
        Ok(Box::new(scan))
    }

    fn boolean(
        &self,
        [must, filter, should, must_not]: [&Vec<Query>; 4],
        minimum: Option<usize>,
        depth: usize,
    ) -> Result<Boxed, Error> {
        if must.is_empty() && filter.is_empty() && should.is_empty() && must_not.is_empty() {
            return Ok(constant(Box::new(AllQuery), 1.0));
        }
        // One has to match where nothing else is asked for, whatever a percentage comes to.
        let least = usize::from(must.is_empty() && filter.is_empty() && !should.is_empty());
        let minimum = minimum.unwrap_or(0).max(least);
        if minimum > should.len() {
            return Ok(Box::new(EmptyQuery));
        }
        let mut clauses: Vec<(Occur, Boxed)> = Vec::new();
        for query in must {
            clauses.push((Occur::Must, self.build(query, depth + 1)?));
        }
        for query in filter {
            clauses.push((Occur::Must, constant(self.build(query, depth + 1)?, 0.0)));
        }
        if clauses.is_empty() && minimum == 0 {
            // What only excludes, or only prefers, starts from everything.
            clauses.push((Occur::Must, constant(Box::new(AllQuery), 0.0)));
        }
        for query in should {
            clauses.push((Occur::Should, self.build(query, depth + 1)?));
        }
        for query in must_not {
            clauses.push((Occur::MustNot, self.build(query, depth + 1)?));
        }
        Ok(Box::new(BooleanQuery::with_minimum_required_clauses(clauses, minimum)))
    }

    /// The query on its field, strictly; or on every field, where those that cannot take the text match nothing.
    fn on_fields(
        &self,
        field: Option<&str>,
        boost: f32,
        query: impl Fn(&Arc<Target>) -> Result<Option<Boxed>, Error>,
    ) -> Result<Boxed, Error> {
        let Some(field) = field else {
            let each: Vec<Boxed> =
                self.index.targets().iter().filter_map(|target| query(target).ok().flatten()).collect();
            return Ok(if each.is_empty() {
                Box::new(EmptyQuery)
            } else {
                boosted(Box::new(DisjunctionMaxQuery::new(each)), boost)
            });
        };
        let found = match self.index.target(field) {
            Some(target) => query(&target)?,
            None => None,
        };
        Ok(found.map_or_else(|| -> Boxed { Box::new(EmptyQuery) }, |query| boosted(query, boost)))
    }

    fn match_text(&self, target: &Arc<Target>, text: &str, all_terms: bool) -> Result<Option<Boxed>, Error> {
        if !target.is_text() {
            return self.exactly(target, &Value::String(text.to_owned()));
        }
        let mut terms: Vec<Boxed> =
            analyzer::tokens(text).into_iter().map(|token| term_query(target, &token.text)).collect();
        if terms.len() <= 1 {
            return Ok(terms.pop());
        }
        let occur = if all_terms { Occur::Must } else { Occur::Should };
        let clauses: Vec<(Occur, Boxed)> = terms.into_iter().map(|term| (occur, term)).collect();
        Ok(Some(Box::new(BooleanQuery::new(clauses))))
    }

    fn phrase(&self, target: &Arc<Target>, text: &str, slop: u32) -> Result<Option<Boxed>, Error> {
        if !target.is_text() {
            return self.exactly(target, &Value::String(text.to_owned()));
        }
        let tokens = analyzer::tokens(text);
        Ok(match tokens.as_slice() {
            [] => None,
            [token] => Some(term_query(target, &token.text)),
            tokens => {
                let terms = tokens.iter().map(|token| (token.position, target.term(&token.text))).collect();
                Some(Box::new(PhraseQuery::new_with_offset_and_slop(terms, slop)))
            }
        })
    }

    /// One value, not analysed.
    fn exactly(&self, target: &Arc<Target>, value: &Value) -> Result<Option<Boxed>, Error> {
        if target.has_terms() {
            return Ok(Some(term_query(target, &plain(value))));
        }
        if target.kind == FieldType::Unindexed {
            return Ok(None);
        }
        let span = value::term(target, value)?;
        Ok(Some(constant(self.scan(Scan::Column { target: Arc::clone(target), spans: vec![span] })?, 1.0)))
    }

    /// `_id` and `_index`, which no mapping names.
    fn metadata(&self, field: &str, values: &[Value]) -> Option<Boxed> {
        match field {
            "_id" => Some(Box::new(TermSetQuery::new(values.iter().map(|value| id_term(&plain(value)))))),
            "_index" if values.iter().any(|value| plain(value) == self.index.name) => Some(Box::new(AllQuery)),
            "_index" => Some(Box::new(EmptyQuery)),
            _ => None,
        }
    }

    fn terms(&self, field: &str, values: &[Value], boost: f32) -> Result<Boxed, Error> {
        if let Some(query) = self.metadata(field, values) {
            return Ok(constant(query, boost));
        }
        let Some(target) = self.index.target(field) else { return Ok(Box::new(EmptyQuery)) };
        if target.has_terms() {
            let terms = values.iter().map(|value| target.term(&plain(value)));
            return Ok(constant(Box::new(TermSetQuery::new(terms)), boost));
        }
        if target.kind != FieldType::Unindexed {
            let spans = values.iter().map(|value| value::term(&target, value)).collect::<Result<Vec<_>, _>>()?;
            return Ok(constant(self.scan(Scan::Column { target, spans })?, boost));
        }
        let mut each = Vec::new();
        for value in values {
            each.extend(self.exactly(&target, value)?);
        }
        Ok(constant(Box::new(BooleanQuery::union(each)), boost))
    }

    fn range(&self, field: &str, lower: &Bound, upper: &Bound, boost: f32) -> Result<Boxed, Error> {
        let Some(target) = self.index.target(field) else { return Ok(Box::new(EmptyQuery)) };
        if matches!((lower, upper), (Bound::Unbounded, Bound::Unbounded)) {
            return Ok(constant(exists(&target), boost));
        }
        let scan = if target.has_terms() {
            let end = |bound: &Bound| match bound {
                Bound::Unbounded => ops::Bound::Unbounded,
                Bound::Included(value) => ops::Bound::Included(plain(value)),
                Bound::Excluded(value) => ops::Bound::Excluded(plain(value)),
            };
            Scan::Terms { target, lower: end(lower), upper: end(upper), pattern: None }
        } else {
            let span = value::range(&target, lower, upper)?;
            Scan::Column { target, spans: vec![span] }
        };
        Ok(constant(Box::new(scan), boost))
    }

    fn exists(&self, field: &str) -> Boxed {
        if is_metadata(field) {
            return constant(Box::new(AllQuery), 1.0);
        }
        let mut each: Vec<Boxed> = self.index.target(field).iter().map(exists).collect();
        if each.is_empty() {
            // An object exists where one of its fields does.
            let below = format!("{field}.");
            each = self.index.targets().iter().filter(|target| target.name.starts_with(&below)).map(exists).collect();
        }
        if each.is_empty() { Box::new(EmptyQuery) } else { constant(Box::new(BooleanQuery::union(each)), 1.0) }
    }

    fn wildcard(&self, field: Option<&str>, pattern: &str, case_insensitive: bool, boost: f32) -> Result<Boxed, Error> {
        let query = self.on_fields(field, 1.0, |target| {
            // Terms of a text are lower case, so the pattern must be; backslashes do not change by that.
            let pattern = if target.is_text() { analyzer::lower_case(pattern) } else { pattern.to_owned() };
            Ok(target.has_terms().then(|| by_pattern(target, Pattern::wildcard(&pattern, case_insensitive))))
        })?;
        Ok(constant(query, boost))
    }
}

fn is_metadata(field: &str) -> bool {
    field == "_id" || field == "_index"
}

fn term_query(target: &Target, text: &str) -> Boxed {
    Box::new(TermQuery::new(target.term(text), IndexRecordOption::WithFreqs))
}

fn by_pattern(target: &Arc<Target>, pattern: Pattern) -> Boxed {
    if !target.has_terms() {
        return Box::new(EmptyQuery);
    }
    let pattern = Some(Arc::new(pattern));
    let target = Arc::clone(target);
    Box::new(Scan::Terms { target, lower: ops::Bound::Unbounded, upper: ops::Bound::Unbounded, pattern })
}

fn exists(target: &Arc<Target>) -> Boxed {
    let mut each: Vec<Boxed> = Vec::new();
    if let Some(keyword) = target.keyword() {
        each.push(Box::new(Scan::HasColumn { target: Arc::new(keyword) }));
    }
    match target.without_column() {
        Some(query) => each.push(query),
        None => each.push(Box::new(Scan::HasColumn { target: Arc::clone(target) })),
    }
    Box::new(BooleanQuery::union(each))
}

fn constant(query: Boxed, score: f32) -> Boxed {
    Box::new(ConstScoreQuery::new(query, score))
}

fn boosted(query: Boxed, boost: f32) -> Boxed {
    if boost == 1.0 { query } else { Box::new(BoostQuery::new(query, boost)) }
}

/// A value as the text that a keyword holds for it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
    }
}
