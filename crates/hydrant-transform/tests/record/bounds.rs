//! Records within bounds of the caller's.

use hydrant_transform::envelope::Limits;
use hydrant_transform::record::{Bounds, LineTransformer, MESSAGE_BYTES_MAX, Options, Transformed, transform};

use super::{SOURCE, gzip};

/// Of a caller with little memory.
#[test]
fn a_record_within_tighter_bounds_fails_alone_or_in_part() {
    let bounds = |bytes_max, events_max, documents_bytes_max| Options {
        bounds: Bounds { record: Limits { bytes_max, events_max }, documents_bytes_max },
        ..Options::default()
    };
    let event = |id: u8| format!("{{\"id\":\"{id}\",\"timestamp\":1,\"message\":\"a message\"}}");
    let text = format!(
        "{{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"1\",\"logGroup\":\"g\",\"logStream\":\"s\",\"subscriptionFilters\":[\"f\"],\
         \"logEvents\":[{},{},{}]}}",
        event(1),
        event(2),
        event(3)
    );
    let record = gzip(&text);
    let failures = |options: &Options| -> Vec<String> {
        let by_record = transform(&record, SOURCE, options);
        let by_lines = LineTransformer::new(options).documents(&record, SOURCE);
        let told =
            |all: &Transformed| all.failed.iter().map(|failure| failure.reason.message.clone()).collect::<Vec<_>>();
        assert_eq!((by_record.entries(), told(&by_record)), (by_lines.entries(), told(&by_lines)));
        told(&by_record)
    };
    assert!(failures(&bounds(text.len(), 3, 10_000)).is_empty());
    let too_large = format!("gzip data inflates to more than {} bytes", text.len() - 1);
    assert_eq!(failures(&bounds(text.len() - 1, 3, 10_000)), [too_large]);
    assert_eq!(failures(&bounds(text.len(), 2, 10_000)), ["envelope is invalid: more than 2 log events"]);
    let documents = "the documents of the record before this one have 1 bytes";
    assert_eq!(failures(&bounds(text.len(), 3, 1)), [documents; 2]);
}

/// What would hold it as an entry would be six times as long: each NUL is six characters of JSON.
#[test]
fn a_record_with_a_line_that_no_document_can_hold_fails_as_it_came() {
    let told = |text: Vec<u8>| {
        let transformed = transform(&gzip(text), SOURCE, &Options::default());
        let all = transformed.failed.iter();
        let failed: Vec<_> = all.map(|failure| (failure.event_idx, failure.reason.message.clone())).collect();
        (transformed.entries(), transformed.events.len(), failed)
    };
    let line = |bytes: usize| vec![0; bytes];
    let reason = "a line of 16777217 bytes is longer than 16777216".to_owned();
    assert_eq!(told(line(MESSAGE_BYTES_MAX + 1)), (1, 0, vec![(None, reason.clone())]));
    assert_eq!(told([b"a\n", &line(MESSAGE_BYTES_MAX + 1)[..], b"\nb"].concat()), (1, 0, vec![(None, reason)]));
    let halves = [&line(MESSAGE_BYTES_MAX / 2 + 1)[..], b"\n", &line(MESSAGE_BYTES_MAX / 2)].concat();
    let (entries, events, failed) = told(halves);
    assert_eq!((entries, events, failed), (2, 1, Vec::new()));
    let options = Options { bounds: Bounds::of(4_000), ..Options::default() };
    let failed = |text: &[u8]| {
        let transformed = transform(text, SOURCE, &options);
        transformed.failed.first().map(|failure| failure.reason.message.clone())
    };
    assert_eq!(failed(&b"a line\n".repeat(100)), None);
    let reason = "a record that is no envelope has 1050 bytes, and may have 1000";
    assert_eq!(failed(&b"a line\n".repeat(150)), Some(reason.to_owned()));
}
