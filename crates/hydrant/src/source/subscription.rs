//! The subscription filter: log events of a log stream packed into the envelopes that CloudWatch Logs sends.
//!
//! An envelope is full at [`JSON_BYTES_FULL`] of JSON; the event that fills it still goes in. Age is the caller's to
//! bound: it seals what there is. A log group's storage and filter patterns are not here: everything passes.

use hydrant_transform::envelope::{Encoder, Header, LogEvent};
use sha2::{Digest, Sha256};

/// JSON of an envelope, before compression, at which it is sealed. What comes out is far below 1 MiB, except where a
/// single event is larger.
///
/// The largest event is 1 MiB. Escaped it has six times as many bytes at most, its base64 a third more than itself: so
/// the JSON stays below a record's 10 MiB even where gzip gains nothing.
pub const JSON_BYTES_FULL: usize = 512 * 1024;

/// The name that stands in `subscriptionFilters`.
pub const FILTER_NAME: &str = "hydrant";

/// Where events belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStream {
    /// Account id.
    pub owner: String,
    pub log_group: String,
    pub log_stream: String,
}

impl LogStream {
    /// 32 hexadecimal digits, the same for all envelopes of a log stream, so that they go to one shard and keep their
    /// order.
    pub fn partition_key(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.owner, &self.log_group, &self.log_stream] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Packs the events of one log stream.
#[derive(Debug)]
pub struct Packer {
    encoder: Encoder,
    gzip: bool,
    newest_ms: i64,
}

/// A full envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The JSON, gzipped unless the packer was told otherwise.
    pub data: Vec<u8>,
    pub entries: usize,
    /// Timestamp of the newest event, milliseconds since 1970 UTC.
    pub newest_ms: i64,
}

impl Packer {
    pub fn new(of: &LogStream) -> Packer {
        let header = Header {
            owner: of.owner.clone(),
            log_group: of.log_group.clone(),
            log_stream: of.log_stream.clone(),
            subscription_filters: vec![FILTER_NAME.to_owned()],
        };
        Packer { encoder: Encoder::new(&header), gzip: true, newest_ms: i64::MIN }
    }

    /// Whether envelopes are gzipped, as CloudWatch Logs sends them; a caller that opens them at once has no use for it.
    pub fn gzip(mut self, gzip: bool) -> Packer {
        self.gzip = gzip;
        self
    }

    pub fn push(&mut self, event: &LogEvent) {
        self.newest_ms = self.newest_ms.max(event.timestamp_ms);
        self.encoder.push(event);
    }

    /// Time to seal.
    pub fn is_full(&self) -> bool {
        self.encoder.json_bytes() >= JSON_BYTES_FULL
    }

    pub fn events(&self) -> usize {
        self.encoder.events()
    }

    /// The envelope of all events since the last call.
    pub fn seal(&mut self) -> Sealed {
        let entries = self.encoder.events();
        let newest_ms = std::mem::replace(&mut self.newest_ms, i64::MIN);
        let data = if self.gzip { self.encoder.seal() } else { self.encoder.seal_plain() };
        Sealed { data, entries, newest_ms }
    }
}

#[cfg(test)]
mod tests {
    use hydrant_transform::envelope::gzip::gunzip;
    use hydrant_transform::envelope::{Decoded, EventFlags, LogEvent, decode};

    use super::{JSON_BYTES_FULL, LogStream, Packer};

    fn log_stream(name: &str) -> LogStream {
        LogStream { owner: "123456789012".to_owned(), log_group: "/g".to_owned(), log_stream: name.to_owned() }
    }

    fn event(timestamp_ms: i64, message: Vec<u8>) -> LogEvent {
        LogEvent { id: "1".to_owned(), timestamp_ms, message, flags: EventFlags::default(), ..LogEvent::default() }
    }

    #[test]
    fn an_envelope_is_what_cloudwatch_sends() {
        let mut packer = Packer::new(&log_stream("s"));
        packer.push(&event(5, b"a\tb".to_vec()));
        packer.push(&event(3, b"c".to_vec()));
        assert_eq!(packer.events(), 2);
        let sealed = packer.seal();
        assert_eq!((sealed.entries, sealed.newest_ms, packer.events()), (2, 5, 0));
        let expected = r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/g","logStream":"s","subscriptionFilters":["hydrant"],"logEvents":[{"id":"1","timestamp":5,"message":"a\tb"},{"id":"1","timestamp":3,"message":"c"}]}"#;
        assert_eq!(std::str::from_utf8(&gunzip(&sealed.data, 1 << 20).unwrap()), Ok(expected));
    }

    #[test]
    fn an_envelope_may_stay_plain() {
        let mut packer = Packer::new(&log_stream("s")).gzip(false);
        for time in [5, 6] {
            packer.push(&event(time, b"a".to_vec()));
            let expected = format!(
                r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/g","logStream":"s","subscriptionFilters":["hydrant"],"logEvents":[{{"id":"1","timestamp":{time},"message":"a"}}]}}"#
            );
            assert_eq!(String::from_utf8(packer.seal().data), Ok(expected));
        }
    }

    #[test]
    fn an_envelope_is_full_at_half_a_mebibyte() {
        let mut packer = Packer::new(&log_stream("s"));
        packer.push(&event(5, vec![b'x'; JSON_BYTES_FULL - 1_000]));
        assert!(!packer.is_full());
        packer.push(&event(5, vec![b'x'; 1_000]));
        assert!(packer.is_full());
        packer.seal();
        assert!(!packer.is_full());
    }

    #[test]
    fn what_is_not_utf_8_and_flags_are_not_lost_on_the_way() {
        let flags = EventFlags { partial: true, truncated: true, suspect: true, bytes: Some(7) };
        let sent = LogEvent { flags, ..event(1, b"\xff\0\xfe".to_vec()) };
        let mut packer = Packer::new(&log_stream("s"));
        packer.push(&sent);
        let Ok(Decoded::Envelopes(envelopes)) = decode(&packer.seal().data) else { panic!("an envelope") };
        assert_eq!(envelopes[0].log_events, [sent]);
    }

    #[test]
    fn the_largest_event_behind_a_nearly_full_envelope_fits_a_record_even_unpacked() {
        let mut packer = Packer::new(&log_stream("s"));
        packer.push(&event(1, vec![b'x'; JSON_BYTES_FULL - 1_000]));
        assert!(!packer.is_full());
        // Control characters are the longest when escaped; one byte that is no UTF-8 adds the base64 of all.
        let mut message = vec![1; (1 << 20) - 1];
        message.push(0xff);
        packer.push(&event(1, message));
        assert!(packer.encoder.json_bytes() < 10 << 20);
        assert!(packer.encoder.json_bytes() > 7 << 20);
    }

    #[test]
    fn log_streams_have_partition_keys_of_their_own() {
        let key = log_stream("a").partition_key();
        assert_eq!((key.len(), &key), (32, &log_stream("a").partition_key()));
        assert_ne!(key, log_stream("b").partition_key());
        let moved = LogStream { log_group: "/ga".to_owned(), log_stream: String::new(), ..log_stream("") };
        assert_ne!(key, moved.partition_key());
    }
}
