//! From log events to the bytes of a record, as CloudWatch Logs writes them.
//!
//! Keys stand in CloudWatch's order, ours behind `message`, and only where they say something. Does not decide when
//! an envelope is full: the caller watches [`Encoder::json_bytes`].

use base64_simd::STANDARD;

use super::gzip::Compressor;
use super::{Extra, LogEvent};
use crate::json;

const CLOSING: &[u8] = b"]}";

/// Collects log events of one log stream and seals them into envelopes.
#[derive(Debug)]
pub struct Encoder {
    /// The envelope so far. Its first `header_bytes` are the same for every envelope.
    json: Vec<u8>,
    header_bytes: usize,
    events: usize,
    compressor: Compressor,
}

/// Who the events belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub owner: String,
    pub log_group: String,
    pub log_stream: String,
    pub subscription_filters: Vec<String>,
}

impl Encoder {
    pub fn new(header: &Header) -> Encoder {
        let mut json = Vec::with_capacity(512);
        json.extend_from_slice(br#"{"messageType":"DATA_MESSAGE""#);
        json::write_key(&mut json, "owner");
        json::write_str(&mut json, &header.owner);
        json::write_key(&mut json, "logGroup");
        json::write_str(&mut json, &header.log_group);
        json::write_key(&mut json, "logStream");
        json::write_str(&mut json, &header.log_stream);
        json::write_key(&mut json, "subscriptionFilters");
        json.push(b'[');
        for (idx, filter) in header.subscription_filters.iter().enumerate() {
            if idx > 0 {
                json.push(b',');
            }
            json::write_str(&mut json, filter);
        }
        json.push(b']');
        json::write_key(&mut json, "logEvents");
        json.push(b'[');
        Encoder { header_bytes: json.len(), json, events: 0, compressor: Compressor::new() }
    }

    /// As [`Encoder::new`], with members of the envelope that are none of the known.
    pub fn with_extra(header: &Header, extra: &Extra) -> Encoder {
        let mut encoder = Encoder::new(header);
        if !extra.is_empty() {
            let members = format!("{{{},", extra.members());
            encoder.json.splice(..1, members.into_bytes());
            encoder.header_bytes = encoder.json.len();
        }
        encoder
    }

    /// Adds one event.
    pub fn push(&mut self, event: &LogEvent) {
        if self.events > 0 {
            self.json.push(b',');
        }
        write_event(&mut self.json, event);
        self.events += 1;
    }

    pub fn events(&self) -> usize {
        self.events
    }

    /// Bytes of the JSON so far, before compression.
    pub fn json_bytes(&self) -> usize {
        self.json.len() + CLOSING.len()
    }

    /// The gzipped envelope of all events pushed since the last call. The encoder is then empty and may go on.
    pub fn seal(&mut self) -> Vec<u8> {
        self.json.extend_from_slice(CLOSING);
        let sealed = self.compressor.gzip(&self.json);
        self.clear();
        sealed
    }

    /// As [`Encoder::seal`], without gzip: for a caller that opens the envelope at once.
    pub fn seal_plain(&mut self) -> Vec<u8> {
        self.json.extend_from_slice(CLOSING);
        let sealed = self.json.clone();
        self.clear();
        sealed
    }

    fn clear(&mut self) {
        self.json.truncate(self.header_bytes);
        self.events = 0;
    }
}

fn write_event(out: &mut Vec<u8>, event: &LogEvent) {
    out.push(b'{');
    json::write_key(out, "id");
    json::write_str(out, &event.id);
    json::write_key(out, "timestamp");
    if event.timestamp_ms < 0 {
        out.push(b'-');
    }
    json::write_u64(out, event.timestamp_ms.unsigned_abs());
    json::write_key(out, "message");
    if !json::write_lossy(out, &event.message) {
        json::write_key(out, "messageBase64");
        json::write_str(out, &STANDARD.encode_to_string(&event.message));
    }
    let flags = event.flags;
    let set = [("partial", flags.partial), ("truncated", flags.truncated), ("suspect", flags.suspect)];
    for (key, _) in set.into_iter().filter(|(_, set)| *set) {
        json::write_key(out, key);
        out.extend_from_slice(b"true");
    }
    if let Some(bytes) = flags.bytes {
        json::write_key(out, "bytes");
        json::write_u64(out, bytes);
    }
    if !event.extra.is_empty() {
        json::write_separator(out);
        out.extend_from_slice(event.extra.members().as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::envelope::gzip::gunzip;
    use crate::envelope::{Decoded, Envelope, EventFlags, decode};

    fn header() -> Header {
        Header {
            owner: "000000000000".into(),
            log_group: "/hydrant/tail".into(),
            log_stream: "a \"b\".log".into(),
            subscription_filters: vec!["all".into(), "f2".into()],
        }
    }

    fn event(id: &str, timestamp_ms: i64, message: &[u8]) -> LogEvent {
        LogEvent {
            id: id.into(),
            timestamp_ms,
            message: message.into(),
            flags: EventFlags::default(),
            ..LogEvent::default()
        }
    }

    fn unpacked(sealed: &[u8]) -> String {
        String::from_utf8(gunzip(sealed, 1 << 20).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn keys_stand_in_cloudwatch_s_order_and_ours_behind_the_message() {
        let mut encoder = Encoder::new(&header());
        encoder.push(&event("1", 1_627_019_152_976, b"a\tb"));
        let flags = EventFlags { partial: true, truncated: true, suspect: true, bytes: Some(9_000_000) };
        encoder.push(&LogEvent { flags, ..event("2", -5, b"\xff") });
        let start = r#"{"messageType":"DATA_MESSAGE","owner":"000000000000","logGroup":"/hydrant/tail","logStream":"a \"b\".log","subscriptionFilters":["all","f2"],"logEvents":["#;
        let first = r#"{"id":"1","timestamp":1627019152976,"message":"a\tb"}"#;
        let second = r#"{"id":"2","timestamp":-5,"message":"�","messageBase64":"/w==","partial":true,"truncated":true,"suspect":true,"bytes":9000000}"#;
        let expected = format!("{start}{first},{second}]}}");
        assert_eq!((encoder.events(), encoder.json_bytes()), (2, expected.len()));
        assert_eq!(unpacked(&encoder.seal()), expected);
    }

    #[test]
    fn a_sealed_encoder_is_empty_and_goes_on() {
        let mut encoder = Encoder::new(&header());
        let empty_bytes = encoder.json_bytes();
        encoder.push(&event("1", 1, b"first"));
        let first = encoder.seal();
        assert_eq!((encoder.events(), encoder.json_bytes()), (0, empty_bytes));
        encoder.push(&event("2", 2, b"second"));
        let second = unpacked(&encoder.seal());
        assert!(unpacked(&first).contains("first"));
        assert!(second.contains("second") && !second.contains("first"));
        assert!(unpacked(&encoder.seal()).ends_with(r#""logEvents":[]}"#));
    }

    fn any_event() -> impl Strategy<Value = LogEvent> {
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<Option<u64>>())
            .prop_map(|(partial, truncated, suspect, bytes)| EventFlags { partial, truncated, suspect, bytes });
        let message = prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)];
        (any::<String>(), any::<i64>(), message, flags).prop_map(|(id, timestamp_ms, message, flags)| LogEvent {
            extra: Extra::default(),
            id,
            timestamp_ms,
            message,
            flags,
        })
    }

    proptest! {
        #[test]
        fn any_events_come_back(events in prop::collection::vec(any_event(), 0..5), owner in any::<String>()) {
            let header = Header { owner, ..header() };
            let mut encoder = Encoder::new(&header);
            events.iter().for_each(|event| encoder.push(event));
            let expected = Envelope {
                extra: Extra::default(),
                control: false,
                owner: header.owner.clone(),
                log_group: header.log_group.clone(),
                log_stream: header.log_stream.clone(),
                subscription_filters: header.subscription_filters.clone(),
                log_events: events,
            };
            prop_assert_eq!(decode(&encoder.seal()), Ok(Decoded::Envelopes(vec![expected])));
        }
    }
}
