//! Three tantivy queries of our own, each with a constant score: documents by a span of a column, documents that have
//! a column, and documents by a scan over the terms of a field (prefix, wildcard, range, existence of a text).
//!
//! Each builds the bit set of a segment at once. A scan reads the dictionary from the pattern's fixed beginning to its
//! end, so a pattern that begins with `*` reads all terms of the field.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::query::{BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{BitSet, DocSet, SegmentReader, TantivyError};

use super::column::Column;
use super::field::Target;
use super::value::{self, Span};
use super::wildcard::Pattern;

/// Documents looked at together: bounds the list of matches that a column hands out at once.
const DOCUMENTS_AT_ONCE: u32 = 65_536;

/// Which documents of a segment match.
#[derive(Clone, Debug)]
pub(super) enum Scan {
    Column { target: Arc<Target>, spans: Vec<Span> },
    HasColumn { target: Arc<Target> },
    Terms { target: Arc<Target>, lower: Bound<String>, upper: Bound<String>, pattern: Option<Arc<Pattern>> },
}

impl Query for Scan {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Scan {
    fn scorer(&self, reader: &SegmentReader, boost: f32) -> tantivy::Result<Box<dyn Scorer>> {
        let mut matches = BitSet::with_max_value(reader.max_doc());
        match self {
            Scan::Column { target, spans } => {
                for span in spans {
                    by_span(target, *span, reader, &mut matches)?;
                }
            }
            Scan::HasColumn { target } => {
                let column = Column::open(target, reader)?;
                for document in 0..reader.max_doc() {
                    if column.values(document).next().is_some() {
                        matches.insert(document);
                    }
                }
            }
            Scan::Terms { target, lower, upper, pattern } => {
                by_terms(target, (lower, upper), pattern.as_deref(), reader, &mut matches)?;
            }
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(matches), boost)))
    }

    fn explain(&self, reader: &SegmentReader, document: u32) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() > document || scorer.seek(document) != document {
            return Err(TantivyError::InvalidArgument(format!("document {document} does not match")));
        }
        Ok(Explanation::new("constant", 1.0))
    }
}

fn by_span(target: &Target, span: Span, reader: &SegmentReader, matches: &mut BitSet) -> tantivy::Result<()> {
    let column = Column::open(target, reader)?;
    let Some((raw, kind)) = column.raw() else { return Ok(()) };
    let Some(wanted) = value::raw_range(span, kind) else { return Ok(()) };
    // A column answers only for ranges between its smallest and its largest value.
    let wanted = *wanted.start().max(&raw.min_value())..=*wanted.end().min(&raw.max_value());
    if wanted.is_empty() {
        return Ok(());
    }
    let mut found = Vec::new();
    let mut start = 0;
    while start < reader.max_doc() {
        let end = start.saturating_add(DOCUMENTS_AT_ONCE).min(reader.max_doc());
        found.clear();
        raw.get_docids_for_value_range(wanted.clone(), start..end, &mut found);
        for &document in &found {
            matches.insert(document);
        }
        start = end;
    }
    Ok(())
}

fn by_terms(
    target: &Target,
    (lower, upper): (&Bound<String>, &Bound<String>),
    pattern: Option<&Pattern>,
    reader: &SegmentReader,
    matches: &mut BitSet,
) -> tantivy::Result<()> {
    let inverted = reader.inverted_index(target.field())?;
    // All terms of the field begin with these bytes: nothing for a field of its own, the path for one of an object.
    let base = target.term("").serialized_value_bytes().to_vec();
    let key = |text: &str| [base.as_slice(), text.as_bytes()].concat();
    let prefix = pattern.map(|pattern| key(pattern.prefix())).unwrap_or_else(|| base.clone());
    let mut stream = inverted.terms().range();
    stream = match lower {
        Bound::Unbounded => stream.ge(&prefix),
        Bound::Included(text) => stream.ge(key(text)),
        Bound::Excluded(text) => stream.gt(key(text)),
    };
    stream = match upper {
        Bound::Unbounded => stream,
        Bound::Included(text) => stream.le(key(text)),
        Bound::Excluded(text) => stream.lt(key(text)),
    };
    let mut stream = stream.into_stream()?;
    while stream.advance() {
        // Terms come in order: behind the last one with the prefix there is none.
        if !stream.key().starts_with(&prefix) {
            break;
        }
        let text = stream.key().strip_prefix(base.as_slice()).unwrap_or_default();
        if pattern.is_some_and(|pattern| !pattern.matches(text)) {
            continue;
        }
        let mut postings = inverted.read_postings_from_terminfo(stream.value(), IndexRecordOption::Basic)?;
        while postings.doc() != tantivy::TERMINATED {
            matches.insert(postings.doc());
            postings.advance();
        }
    }
    Ok(())
}
