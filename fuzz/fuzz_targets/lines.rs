//! The quick way against the plain way: the same documents, ids and all, or the quick way declines.
#![no_main]

use hydrant_fuzz::SOURCE;
use hydrant_transform::document::{DocumentId, Profile};
use hydrant_transform::record::{LineTransformer, Options, transform};
use hydrant_transform::sql::redact::Redact;
use libfuzzer_sys::fuzz_target;

fn compare(record: &[u8], options: &Options) {
    let mut transformer = LineTransformer::new(options);
    // Twice, since it remembers log streams.
    for _ in 0..2 {
        let Some(lines) = transformer.transform(record, SOURCE) else { return };
        let plain = transform(record, SOURCE, options);
        let documents =
            plain.documents.iter().flat_map(|document| [&document.source[..], b"\n"]).collect::<Vec<_>>().concat();
        assert_eq!(String::from_utf8_lossy(&lines.data), String::from_utf8_lossy(&documents));
        let quick = lines.documents.iter().map(|line| (DocumentId::from(line.hash), line.format, line.timestamp_ms));
        let expected =
            plain.documents.iter().map(|document| (document.id.clone(), document.format, document.timestamp_ms));
        assert!(quick.eq(expected));
        assert_eq!((&lines.dropped, plain.failed.len()), (&plain.dropped, 0));
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (ways, bytes) = input;
    let pick = usize::from(ways);
    let options = Options {
        profile: Profile::ALL[pick % 3],
        redact: Redact::ALL[pick / 3 % 3],
        digest: pick & 64 != 0,
        pid_as_string: pick & 128 != 0,
        ..Options::default()
    };
    compare(bytes, &options);
    // The same bytes as messages, so that the fuzzer need not find out JSON first.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let events: Vec<serde_json::Value> = text
        .split('\u{1}')
        .map(|message| serde_json::json!({"id": "3628373956364689342550585397333538993176581064496906240", "timestamp": 1_627_019_152_976_i64, "message": message}))
        .collect();
    let envelope = serde_json::json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
        "subscriptionFilters": ["f"], "logEvents": events});
    compare(envelope.to_string().as_bytes(), &options);
});
