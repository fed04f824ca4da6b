//! Answers a search over the segments of several indices.
//!
//! [`query`] turns the question into a tantivy query of each index, [`sort`] keeps the hits, [`aggregate`] counts;
//! both read the same pass over the matching documents, and what indices found is merged here. [`field`] is where the
//! mapping is looked up, [`column`] reads values, [`value`] and [`date`] read what the user wrote as the type of a
//! field, [`scan`] and [`wildcard`] are queries that tantivy does not have.
//!
//! Bounds: `from + size` hits of each segment are in memory at a time, decoded only when they win; aggregations are
//! bounded in [`aggregate`]. It runs on the caller's thread and takes as long as the documents need: no timeout.

mod aggregate;
mod column;
mod date;
mod field;
mod query;
mod scan;
mod sort;
mod value;
mod wildcard;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tantivy::query::EnableScoring;
use tantivy::schema::Value as _;
use tantivy::{DocAddress, Searcher, TantivyDocument};

use super::mapping::Mapping;
use super::schema::schema;
use crate::index::Error;
use crate::index::query::{Hit, Query, Search, SearchResult, Total, TrackTotal};
use aggregate::Aggregations;
use field::Target;
use sort::{Candidate, Sort};

/// One index as a search sees it: a snapshot.
#[derive(Clone)]
pub(super) struct OpenIndex {
    pub(super) name: String,
    pub(super) searcher: Searcher,
    pub(super) mapping: Arc<Mapping>,
}

impl OpenIndex {
    fn target(&self, name: &str) -> Option<Arc<Target>> {
        field::target(&self.mapping, name)
    }

    fn targets(&self) -> Vec<Arc<Target>> {
        field::targets(&self.mapping)
    }

    pub(super) fn broken(&self, error: &tantivy::TantivyError) -> Error {
        Error::Fatal(format!("index [{}] cannot be searched: {error}", self.name))
    }
}

/// Sources of all hits together; answers hold them twice.
pub(super) const HITS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Answers `search` over `indices`, in their order. `search.indices` is not looked at: the
/// caller chose the indices and knows which could not be opened.
///
/// Errors: `BadRequest` for what the request got wrong, `Fatal` where an index cannot be read.
pub(super) fn search(indices: &[OpenIndex], search: &Search) -> Result<SearchResult, Error> {
    let (indices, failures) = admit(indices, search)?;
    let indices = indices.as_slice();
    let limit = search.from.saturating_add(search.size);
    // With no hits wanted no sort is needed.
    let limit = if search.size == 0 { 0 } else { limit };
    let mut aggregations = Aggregations::new(&search.aggregations);
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut count = 0;
    for (number, index) in indices.iter().enumerate() {
        count += collect(index, number, search, limit, &mut aggregations, &mut candidates)?;
    }
    sort::merge(&mut candidates, &search.sort, limit);
    let scored = sort::needs_score(&search.sort);
    let max_score = candidates.iter().map(|hit| hit.score).max_by(f32::total_cmp).filter(|_| scored);
    let (mut hits, mut bytes) = (Vec::new(), 0);
    for candidate in candidates.into_iter().skip(search.from) {
        let hit = hit(indices, candidate, scored)?;
        bytes += hit.source.len();
        if bytes > HITS_BYTES_MAX {
            let message =
                format!("[request] Data too large: the hits have more than [{HITS_BYTES_MAX}] bytes; ask for fewer");
            return Err(Error::BadRequest { code: "circuit_breaking_exception", message });
        }
        hits.push(hit);
    }
    Ok(SearchResult {
        indices_searched: indices.len(),
        failures,
        total: total(count, search.track_total),
        max_score,
        hits,
        aggregations: aggregations.finish()?,
    })
}

/// Indices that cannot answer, each with the reason.
type Failures = Vec<(String, String)>;

/// The indices that can answer, and why the others cannot: a field may be a number in one and a text in the next. As
/// OpenSearch does, it is an error only where no index can.
fn admit(indices: &[OpenIndex], search: &Search) -> Result<(Vec<OpenIndex>, Failures), Error> {
    let mut sort = search.sort.clone();
    // A field that only other indices have is missing here, which is no failure.
    sort.iter_mut().for_each(|key| key.unmapped_ok = true);
    let (mut able, mut failures, mut first) = (Vec::new(), Vec::new(), None);
    for index in indices {
        let planned = sort::check(std::slice::from_ref(index), &sort)
            .and_then(|()| query::build(index, &search.query).map(drop))
            .and_then(|()| Aggregations::new(&search.aggregations).plan(index).map(drop));
        match planned {
            Ok(()) => able.push(index.clone()),
            Err(Error::BadRequest { code, message }) => {
                failures.push((index.name.clone(), message.clone()));
                first.get_or_insert(Error::BadRequest { code, message });
            }
            Err(error @ (Error::Retry(_) | Error::IndexNotFound(_) | Error::Fatal(_))) => return Err(error),
        }
    }
    match (sort::check(&able, &search.sort), first) {
        (_, Some(error)) if able.is_empty() => Err(error),
        (Err(error), first) => Err(first.unwrap_or(error)),
        (Ok(()), _) => Ok((able, failures)),
    }
}

fn total(count: u64, track: TrackTotal) -> Option<Total> {
    match track {
        TrackTotal::All => Some(Total { value: count, exact: true }),
        TrackTotal::UpTo(limit) => Some(Total { value: count.min(limit), exact: count <= limit }),
        TrackTotal::No => None,
    }
}

/// One pass over the matching documents of one index; how many there are.
fn collect(
    index: &OpenIndex,
    number: usize,
    search: &Search,
    limit: usize,
    aggregations: &mut Aggregations<'_>,
    candidates: &mut Vec<Candidate>,
) -> Result<u64, Error> {
    let broken = |error: tantivy::TantivyError| index.broken(&error);
    let query = query::build(index, &search.query)?;
    let plans = aggregations.plan(index)?;
    let sort = Sort::new(index, &search.sort);
    let scored = limit > 0 && sort::needs_score(&search.sort);
    let scoring = if scored {
        EnableScoring::enabled_from_searcher(&index.searcher)
    } else {
        EnableScoring::disabled_from_searcher(&index.searcher)
    };
    let weight = query.weight(scoring).map_err(broken)?;
    let mut count: u64 = 0;
    let mut base: u64 = 0;
    for (segment, reader) in (0..).zip(index.searcher.segment_readers()) {
        let mut top = sort.segment(reader, base, limit).map_err(broken)?;
        let mut counted = plans.segment(reader).map_err(broken)?;
        base += u64::from(reader.max_doc());
        let alive = reader.alive_bitset();
        let mut each = |document: u32, score: f32| {
            if alive.is_none_or(|alive| alive.is_alive(document)) {
                count += 1;
                top.collect(document, score);
                counted.collect(document);
            }
        };
        if scored {
            weight.for_each(reader, &mut each).map_err(broken)?;
        } else {
            weight
                .for_each_no_score(reader, &mut |documents| documents.iter().for_each(|&document| each(document, 0.0)))
                .map_err(broken)?;
        }
        candidates.extend(top.finish(number, segment).map_err(broken)?);
        sort::merge(candidates, &search.sort, limit);
        aggregations.merge(counted.finish().map_err(broken)?)?;
    }
    Ok(count)
}

/// The documents of one segment that match, in its order.
pub(super) fn matches(index: &OpenIndex, query: &Query, segment: u32) -> Result<Vec<u32>, Error> {
    let broken = |error: tantivy::TantivyError| index.broken(&error);
    let weight =
        query::build(index, query)?.weight(EnableScoring::disabled_from_searcher(&index.searcher)).map_err(broken)?;
    let reader = index.searcher.segment_reader(segment);
    let alive = reader.alive_bitset();
    let mut found = Vec::new();
    let mut take = |documents: &[u32]| {
        found.extend(documents.iter().filter(|document| alive.is_none_or(|alive| alive.is_alive(**document))));
    };
    weight.for_each_no_score(reader, &mut take).map_err(broken)?;
    Ok(found)
}

fn hit(indices: &[OpenIndex], candidate: Candidate, scored: bool) -> Result<Hit, Error> {
    let (number, segment, document) = candidate.place;
    let index = indices.get(number).ok_or_else(|| Error::Fatal("a hit of no index".to_owned()))?;
    let stored: TantivyDocument =
        index.searcher.doc(DocAddress::new(segment, document)).map_err(|error| index.broken(&error))?;
    let fields = &schema().1;
    let id = stored.get_first(fields.id).and_then(|id| id.as_str()).unwrap_or_default();
    let source = stored.get_first(fields.source).and_then(|source| source.as_bytes()).unwrap_or_default();
    Ok(Hit {
        index_name: index.name.clone(),
        id: id.to_owned(),
        score: scored.then_some(candidate.score),
        source: source.to_vec(),
        sort: candidate.values,
    })
}

/// What OpenSearch answers to a sort or an aggregation on a text.
fn text_field_error(field: &str) -> Error {
    Error::BadRequest {
        code: "illegal_argument_exception",
        message: format!(
            "Text fields are not optimised for operations that require per-document field data like aggregations and \
             sorting, so these operations are disabled by default. Please use a keyword field instead. Alternatively, \
             set fielddata=true on [{field}] in order to load field data by uninverting the inverted index. Note that \
             this can use significant memory."
        ),
    }
}
