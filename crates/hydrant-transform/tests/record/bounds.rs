//! Records within bounds of the caller's.

use hydrant_transform::envelope::Limits;
use hydrant_transform::record::{Bounds, LineTransformer, Options, Transformed, transform};

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
