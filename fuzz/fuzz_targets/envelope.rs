//! Records: gzip, base64, envelopes, JSON, lines. What is decoded comes back through the encoder, and what is packed says
//! the same as what is not.
#![no_main]

use hydrant_fuzz::{SOURCE, check};
use hydrant_transform::envelope::gzip::Compressor;
use hydrant_transform::envelope::{Decoded, Encoder, Header, decode};
use hydrant_transform::record::{Options, raw_envelope, transform};
use hydrant_transform::sql::redact::Redact;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| {
    let decoded = decode(record);
    if !record.starts_with(b"\x1f\x8b\x08") && !record.starts_with(b"H4sI") {
        assert_eq!(decode(&Compressor::new().gzip(record)), decoded, "gzip changes nothing");
    }
    if let Ok(Decoded::Envelopes(envelopes)) = &decoded {
        for envelope in envelopes.iter().filter(|envelope| !envelope.control) {
            let header = Header {
                owner: envelope.owner.clone(),
                log_group: envelope.log_group.clone(),
                log_stream: envelope.log_stream.clone(),
                subscription_filters: envelope.subscription_filters.clone(),
            };
            let mut encoder = Encoder::with_extra(&header, &envelope.extra);
            envelope.log_events.iter().for_each(|event| encoder.push(event));
            let again = decode(&encoder.seal()).expect("what the encoder writes is an envelope");
            assert_eq!(again, Decoded::Envelopes(vec![envelope.clone()]), "an envelope comes back");
        }
    }
    let transformed = transform(record, SOURCE, &Options::default());
    check(&transformed, record, Redact::Secrets);
    if let Ok(Decoded::Envelopes(envelopes)) = &decoded {
        let events: usize = envelopes.iter().map(|envelope| envelope.log_events.len()).sum();
        assert_eq!(transformed.entries(), events, "each log event is one entry");
    }
    for failure in &transformed.failed {
        if let Some(event_idx) = failure.event_idx {
            let raw = raw_envelope(&transformed, event_idx, failure.ordinal);
            assert!(matches!(decode(&raw), Ok(Decoded::Envelopes(_))), "what failed can be read again");
        }
    }
});
