//! What the fuzz targets have in common: one log event through the transformation in every way that users may choose,
//! with the promises checked that hold for any bytes.

use std::sync::Arc;

use hydrant_transform::document::Profile;
use hydrant_transform::entry::Format;
use hydrant_transform::entry::pattern::Pattern;
use hydrant_transform::envelope::LogEvent;
use hydrant_transform::record::{Options, RecordSource, Transformed, transform_events};
use hydrant_transform::sql::redact::Redact;

pub const SOURCE: RecordSource<'static> = RecordSource {
    shard: "shardId-000000000000",
    sequence_number: "49546986683135544286507457936321",
    arrival_ms: 1_795_403_488_188,
};

/// A log event with an id as CloudWatch gives them.
pub fn log_event(message: &[u8]) -> LogEvent {
    LogEvent {
        id: "36283739563646893425505853973335389931765810644969062400".to_owned(),
        timestamp_ms: 1_795_403_488_188,
        message: message.to_vec(),
        ..LogEvent::default()
    }
}

/// The message as an event of a log of this format, under every profile and every way to hide.
pub fn of_format(format: Option<Format>, patterns: &Arc<[Pattern]>, message: &[u8]) {
    for profile in Profile::ALL {
        for redact in Redact::ALL {
            let options =
                Options { format, profile, redact, digest: true, patterns: Arc::clone(patterns), ..Options::default() };
            let events = vec![log_event(message)];
            let transformed = transform_events("123456789012", "group", "stream", events, SOURCE, &options);
            assert_eq!(transformed.entries(), 1, "one log event is one entry");
            check(&transformed, message, redact);
        }
    }
}

/// What holds for every document.
pub fn check(transformed: &Transformed, message: &[u8], redact: Redact) {
    for document in &transformed.documents {
        assert!(!document.source.contains(&b'\n'), "one line");
        let source: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&document.source).expect("a document is a JSON object in UTF-8");
        assert!(source.contains_key("@timestamp"), "every document has its instant");
        // Nothing of the message is lost where nothing is hidden: a text is there whole.
        if document.format == Format::Text && redact == Redact::Off && std::str::from_utf8(message).is_ok() {
            let text = source.get("message").or_else(|| source.get("body")).and_then(serde_json::Value::as_str);
            assert_eq!(text.map(str::as_bytes), Some(message), "a text is kept as it is");
        }
    }
}
