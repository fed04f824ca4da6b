//! The subscription filter: log events of a log stream packed into the envelopes that CloudWatch Logs sends.
//!
//! An envelope is full at [`JSON_BYTES_FULL`] of JSON; the event that fills it still goes in. Age is the caller's to
//! bound: it seals what there is. What is over a stream's bound for one record is split ([`fit`]). A log group's storage
//! and filter patterns are not here: everything passes.

use hydrant_transform::entry::split::boundary;
use hydrant_transform::envelope::{Decoded, Encoder, Envelope, EventFlags, Header, LogEvent, decode};
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

/// An envelope as several of at most `bytes_max`, in order. An event that is over it alone keeps as much of its beginning
/// as fits, is `truncated` and tells its whole length. What is no envelope stays as it is.
pub fn fit(data: &[u8], bytes_max: usize) -> Vec<Vec<u8>> {
    let Ok(Decoded::Envelopes(envelopes)) = decode(data) else { return vec![data.to_vec()] };
    let mut fitting = Vec::new();
    for envelope in envelopes {
        let Envelope { owner, log_group, log_stream, subscription_filters, log_events, extra, control: _ } = envelope;
        let header = Header { owner, log_group, log_stream, subscription_filters };
        split(&mut Encoder::with_extra(&header, &extra), &log_events, bytes_max, &mut fitting);
    }
    fitting
}

/// Halves of halves, until each fits.
fn split(encoder: &mut Encoder, events: &[LogEvent], bytes_max: usize, fitting: &mut Vec<Vec<u8>>) {
    events.iter().for_each(|event| encoder.push(event));
    let sealed = encoder.seal();
    match events {
        [event] if sealed.len() > bytes_max => fitting.push(cut(encoder, event, sealed, bytes_max)),
        [_, _, ..] if sealed.len() > bytes_max => {
            let (first, second) = events.split_at(events.len() / 2);
            split(encoder, first, bytes_max, fitting);
            split(encoder, second, bytes_max, fitting);
        }
        _ => fitting.push(sealed),
    }
}

/// `sealed`: the envelope of the whole event.
fn cut(encoder: &mut Encoder, event: &LogEvent, mut sealed: Vec<u8>, bytes_max: usize) -> Vec<u8> {
    let length = event.flags.bytes.unwrap_or(event.message.len() as u64);
    let flags = EventFlags { truncated: true, bytes: Some(length), ..event.flags };
    let mut event = LogEvent { flags, ..event.clone() };
    while sealed.len() > bytes_max && !event.message.is_empty() {
        // A little less than what would fit if all of it packed alike.
        let kept = event.message.len().saturating_mul(bytes_max) / sealed.len() / 16 * 15;
        event.message.truncate(boundary(&event.message, kept));
        encoder.push(&event);
        sealed = encoder.seal();
    }
    tracing::warn!(length, kept = event.message.len(), "an entry is cut: the stream takes no larger record");
    sealed
}

#[cfg(test)]
mod tests {
    use hydrant_transform::envelope::gzip::gunzip;
    use hydrant_transform::envelope::{Decoded, EventFlags, LogEvent, decode};

    use super::{JSON_BYTES_FULL, LogStream, Packer, fit};

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

    /// Text that gzip cannot make much smaller.
    fn noise(mut random: u64, bytes: usize) -> Vec<u8> {
        let mut letter = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b' ' + u8::try_from((random >> 33) % 95).unwrap()
        };
        (0..bytes).map(|_| letter()).collect()
    }

    fn events_of(envelopes: &[Vec<u8>]) -> Vec<LogEvent> {
        let decoded = envelopes.iter().flat_map(|data| match decode(data) {
            Ok(Decoded::Envelopes(envelopes)) => envelopes,
            other => panic!("{other:?}"),
        });
        let events = decoded.inspect(|envelope| {
            let names = [&envelope.owner, &envelope.log_group, &envelope.log_stream];
            assert_eq!(names, ["123456789012", "/g", "s"]);
        });
        events.flat_map(|envelope| envelope.log_events).collect()
    }

    #[test]
    fn what_is_over_a_bound_is_split_and_only_an_event_that_is_over_it_alone_is_cut() {
        let sent =
            [100_000, 10, 120_000, 600_000, 90_000].map(|bytes| event(bytes, noise(7, bytes.try_into().unwrap())));
        let mut packer = Packer::new(&log_stream("s"));
        sent.iter().for_each(|event| packer.push(event));
        let sealed = packer.seal().data;
        let bound = 200_000;
        assert!(sealed.len() > 2 * bound, "{}", sealed.len());
        let fitting = fit(&sealed, bound);
        assert!(fitting.iter().all(|data| data.len() <= bound));
        let events = events_of(&fitting);
        assert_eq!(events.len(), sent.len());
        for (event, sent) in events.iter().zip(&sent).filter(|(_, sent)| sent.timestamp_ms != 600_000) {
            assert_eq!(event, sent);
        }
        let long = &events[3];
        assert!(sent[3].message.starts_with(&long.message) && long.message.len() > 150_000, "{}", long.message.len());
        let flags = EventFlags { truncated: true, bytes: Some(600_000), ..EventFlags::default() };
        assert_eq!((long.flags, &long.id), (flags, &sent[3].id));
        // Once more, as where the stream's bound was lowered: the length is still that of the whole.
        let again = events_of(&fit(&fitting[fitting.len() - 2], 50_000));
        let cut = again.iter().find(|event| event.timestamp_ms == 600_000).unwrap();
        assert_eq!(cut.flags, flags);
        assert!(long.message.starts_with(&cut.message) && cut.message.len() < long.message.len());
    }

    #[test]
    fn a_cut_does_not_part_a_character_and_what_fits_or_is_no_envelope_stays() {
        let text: String =
            noise(9, 60_000).iter().map(|byte| char::from_u32(0x4e00 + u32::from(*byte)).unwrap()).collect();
        let mut packer = Packer::new(&log_stream("s"));
        packer.push(&event(1, text.clone().into_bytes()));
        let sealed = packer.seal().data;
        let cut = events_of(&fit(&sealed, 20_000)).remove(0).message;
        assert!(cut.len() < text.len() && text.starts_with(std::str::from_utf8(&cut).unwrap()));
        assert_eq!(events_of(&fit(&sealed, sealed.len()))[0].message, text.as_bytes());
        assert_eq!(fit(b"none", 1), [b"none"]);
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
