//! Searches over three small indices, whose answers were worked out by hand.

mod aggregations;
mod documents;
mod queries;
mod sorting;

use super::search;
use crate::index::Error;
use crate::index::query::{Query, Search, SearchResult, TrackTotal};
use crate::index::query_string::{Options, parse};
use documents::indices;

/// Every document, up to 100 hits, in the order of score.
fn everything() -> Search {
    Search {
        indices: Vec::new(),
        ignore_unavailable: false,
        query: Query::MatchAll,
        sort: Vec::new(),
        from: 0,
        size: 100,
        track_total: TrackTotal::All,
        aggregations: Vec::new(),
    }
}

fn run(asked: &Search) -> SearchResult {
    search(indices(), asked).unwrap()
}

fn ids_in_order(asked: &Search) -> Vec<String> {
    run(asked).hits.into_iter().map(|hit| hit.id).collect()
}

/// The ids that a query finds, sorted and with blanks between.
fn find(query: Query) -> String {
    let mut ids = ids_in_order(&Search { query, ..everything() });
    ids.sort();
    ids.join(" ")
}

/// The same for a query string.
fn find_text(text: &str) -> String {
    find(parse(text, &Options::default()).unwrap())
}

fn refusal(asked: &Search) -> (&'static str, String) {
    // What only some indices cannot do is in `failures`, so one is asked alone as well.
    let error = search(indices(), asked).err().or_else(|| search(&indices()[..1], asked).err());
    let Some(Error::BadRequest { code, message }) = error else { panic!("{error:?}") };
    (code, message)
}
