//! Whether documents are in an index that Firehose wrote, which chose their ids: by `event_id` and `ordinal`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use hydrant_transform::document::Field;
use serde_json::{Map, Value as Json};

use super::entries::Lookup;
use crate::index::query::Value;
use crate::index::{Engine, Error, Query, Search, TrackTotal};

/// Ids of log events that are asked for at a time.
const EVENTS_MAX: usize = 100;

/// Hits of one question; one that gets as many is asked in halves.
const HITS_MAX: usize = 1000;

/// What is there of what was looked for: pattern, event id, ordinal.
pub(super) type Present = HashSet<(String, String, u32)>;

/// Asks for all of them. What was written a moment ago may not be found.
pub(super) async fn present(engine: &dyn Engine, lookups: &[&Lookup]) -> Result<Present, Error> {
    let mut asked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for lookup in lookups {
        asked.entry(&lookup.pattern).or_default().insert(&lookup.event_id);
    }
    let mut present = Present::new();
    for (pattern, event_ids) in asked {
        let event_ids: Vec<&str> = event_ids.into_iter().collect();
        let mut waiting: Vec<&[&str]> = event_ids.chunks(EVENTS_MAX).collect();
        while let Some(event_ids) = waiting.pop() {
            let found = match engine.search(question(pattern, event_ids)).await {
                Ok(found) => found,
                Err(Error::IndexNotFound(_)) => continue,
                // Too much for one answer.
                Err(Error::BadRequest { .. }) if event_ids.len() > 1 => {
                    waiting.extend(halves(event_ids));
                    continue;
                }
                Err(error) => return Err(error),
            };
            // What is not found there may be there all the same: better to wait than to have it twice.
            if let Some((index_name, reason)) = found.failures.first() {
                return Err(Error::Retry(format!("the index {index_name} does not answer: {reason}")));
            }
            if found.hits.len() >= HITS_MAX && event_ids.len() > 1 {
                waiting.extend(halves(event_ids));
                continue;
            }
            let told = found.hits.iter().filter_map(|hit| told(&hit.source));
            present.extend(told.map(|(event_id, ordinal)| (pattern.to_owned(), event_id, ordinal)));
        }
    }
    Ok(present)
}

fn halves<'a, 'b>(event_ids: &'a [&'b str]) -> [&'a [&'b str]; 2] {
    event_ids.split_at(event_ids.len() / 2).into()
}

fn question(pattern: &str, event_ids: &[&str]) -> Search {
    let [name, ..] = Field::EventId.names();
    // Without our template the field is a text with a keyword below it.
    let of = |field: String| Query::Terms {
        field,
        values: event_ids.iter().map(|id| Value::String((*id).to_owned())).collect(),
        boost: 1.0,
    };
    Search {
        indices: vec![pattern.to_owned()],
        ignore_unavailable: true,
        query: Query::Bool {
            must: Vec::new(),
            filter: Vec::new(),
            should: vec![of(name.to_owned()), of(format!("{name}.keyword"))],
            must_not: Vec::new(),
            minimum_should_match: Some(1),
            boost: 1.0,
        },
        sort: Vec::new(),
        from: 0,
        size: HITS_MAX,
        track_total: TrackTotal::No,
        aggregations: Vec::new(),
    }
}

fn told(source: &[u8]) -> Option<(String, u32)> {
    let object: Map<String, Json> = serde_json::from_slice(source).ok()?;
    let event_id = Field::EventId.find(|name| object.get(name))?.as_str()?.to_owned();
    let ordinal = Field::Ordinal.find(|name| object.get(name)).and_then(Json::as_u64).unwrap_or(0);
    Some((event_id, u32::try_from(ordinal).ok()?))
}
