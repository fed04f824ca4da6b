//! An engine before which values of JSON lines give way: what a field's mapping refuses moves to `<field>_text`.
//!
//! The document is offered again under its own id, so a repeat meets it whatever was moved. Fields of the other formats
//! are ours, and fail.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hydrant_transform::document::{Document, Outcome, Reason, conflicting_field, with_field_as_text};
use hydrant_transform::entry::Format;

use super::{Addressed, Engine, Error, IndexStatus, Scan, Scanned, Search, SearchResult, Way};

/// A refusal names one field. What still does not fit after so many moves fails.
const MOVES_MAX: usize = 8;

pub struct Moving {
    engine: Arc<dyn Engine>,
}

impl Moving {
    pub fn new(engine: Arc<dyn Engine>) -> Moving {
        Moving { engine }
    }

    async fn offer_moving(&self, way: Way, documents: &[Addressed]) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = way.offer(self.engine.as_ref(), documents).await?;
        let (mut places, mut offered) = moved(outcomes.iter().zip(documents).enumerate());
        for _ in 0..MOVES_MAX {
            if offered.is_empty() {
                break;
            }
            let told = way.offer(self.engine.as_ref(), &offered).await?;
            assert!(told.len() == offered.len(), "one outcome per document");
            let answered = told.iter().zip(&offered);
            let (again, more) = moved(places.iter().copied().zip(answered));
            for (place, outcome) in places.into_iter().zip(told) {
                if let Some(slot) = outcomes.get_mut(place) {
                    *slot = outcome;
                }
            }
            (places, offered) = (again, more);
        }
        Ok(outcomes)
    }
}

/// The documents that were refused for a value, with this value moved, and their places in the call.
fn moved<'a>(told: impl Iterator<Item = (usize, (&'a Outcome, &'a Addressed))>) -> (Vec<usize>, Vec<Addressed>) {
    let again = told.filter_map(|(place, (outcome, addressed))| match outcome {
        Outcome::Rejected(reason) => Some((place, with_value_moved(addressed, reason)?)),
        Outcome::Indexed | Outcome::Duplicate | Outcome::Retry(_) | Outcome::Paused(_) => None,
    });
    again.unzip()
}

fn with_value_moved(Addressed { index_name, document }: &Addressed, reason: &Reason) -> Option<Addressed> {
    if document.format != Format::Json {
        return None;
    }
    let field = conflicting_field(reason)?;
    let source = with_field_as_text(&document.source, field, document.timestamp_ms)?;
    tracing::debug!(index_name, field, "a value that does not fit its field moves to one of text");
    Some(Addressed { index_name: index_name.clone(), document: Document { source, ..document.clone() } })
}

impl Engine for Moving {
    fn prepare(&self) -> BoxFuture<'_, Result<Option<Reason>, Error>> {
        self.engine.prepare()
    }

    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        Box::pin(self.offer_moving(Way::Write, documents))
    }

    fn overwrite<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        Box::pin(self.offer_moving(Way::Overwrite, documents))
    }

    fn scan(&self, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        self.engine.scan(scan)
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        self.engine.search(search)
    }

    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        self.engine.get(index_name, id)
    }

    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        self.engine.indices(patterns)
    }

    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        self.engine.refresh(patterns)
    }
}
