//! What the hops of source and stream have in common: records become documents.

use hydrant_transform::record::Transformed;

use super::entry::State;
use super::key::EventName;
use super::ledger::At;
use super::{Counts, Error, Ledger, fields};

pub(super) fn entries(transformed: &Transformed) -> u64 {
    transformed.entries() as u64
}

/// Notes documents and failures, and counts all. `at`: the place of what came of a log event; of what came of none,
/// that of the first.
pub(super) fn note(
    ledger: &mut Ledger,
    counts: &mut Counts,
    transformed: &Transformed,
    arrival_ms: i64,
    at: impl Fn(usize) -> At,
) -> Result<(), Error> {
    for reason in &transformed.dropped {
        *counts.dropped.entry(reason.name().to_owned()).or_default() += 1;
    }
    for document in &transformed.documents {
        let time_ms = if ledger.has_range() { fields::read(&document.source).time_ms } else { None };
        let event = usize::try_from(document.event_idx).unwrap_or(usize::MAX);
        let time_ms = time_ms.filter(|_| time_of(transformed, event) != Some(0));
        let at = at(event);
        if let Some(state) = ledger.state(at.state, time_ms) {
            counts.documents += u64::from(state != State::Unplaced);
            let name = name(transformed, document.event_idx, document.ordinal);
            ledger.note(At { state, ..at }, document.id.as_str(), name.as_ref())?;
        }
    }
    for failure in &transformed.failed {
        let event = failure.event_idx.map(|event| usize::try_from(event).unwrap_or(usize::MAX));
        let time_ms = event.map_or(Some(arrival_ms), |event| time_of(transformed, event));
        let at = at(event.unwrap_or(0));
        if let Some(state) = ledger.state(at.state, time_ms.filter(|ms| *ms != 0)) {
            counts.failed += u64::from(state != State::Unplaced);
            let name = failure.event_idx.and_then(|event| name(transformed, event, failure.ordinal));
            ledger.note(At { state, ..at }, failure.id.as_str(), name.as_ref())?;
        }
    }
    Ok(())
}

fn time_of(transformed: &Transformed, event: usize) -> Option<i64> {
    transformed.events.get(event).map(|event| event.timestamp_ms)
}

fn name(transformed: &Transformed, event_idx: u32, ordinal: u32) -> Option<EventName> {
    let event = transformed.events.get(usize::try_from(event_idx).ok()?)?;
    let origin = transformed.origin(event_idx)?;
    Some(EventName {
        owner: origin.owner.clone(),
        log_group: origin.log_group.clone(),
        log_stream: origin.log_stream.clone(),
        event_id: event.id.clone(),
        ordinal,
    })
}
