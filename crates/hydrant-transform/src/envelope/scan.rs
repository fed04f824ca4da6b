//! Reading an ordinary envelope where it stands: names and messages are parts of its text, messages with their escapes.
//!
//! Ordinary is what CloudWatch Logs sends: a data message, the keys that it documents, each once and with `logEvents` last,
//! of each log event `id`, `timestamp`, `message`, and the flags of our own sources. For any other [`super::decode`] says what it is; of an ordinary one it
//! says the same as this.

use super::{EVENTS_MAX, EventFlags, NAME_BYTES_MAX};
use crate::json::scan::{Raw, Scan};

/// An envelope up to its log events.
#[derive(Clone, Debug)]
pub(crate) struct Scanned<'a> {
    pub(crate) owner: &'a str,
    pub(crate) log_group: &'a str,
    pub(crate) log_stream: &'a str,
    pub(crate) events: Events<'a>,
}

/// The log events that are still to be read.
#[derive(Clone, Debug)]
pub(crate) struct Events<'a> {
    scan: Scan<'a>,
    read: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    pub(crate) id: &'a str,
    pub(crate) timestamp_ms: i64,
    pub(crate) message: Raw<'a>,
    pub(crate) flags: EventFlags,
}

/// What an envelope has at a place of its log events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Event(Event<'a>),
    /// The envelope has ended, and the text with it.
    End,
}

const KEYS: [&str; 5] = ["messageType", "owner", "logGroup", "logStream", "subscriptionFilters"];

/// Reads up to the log events. `None`: not an ordinary envelope.
pub(crate) fn scan(text: &str) -> Option<Scanned<'_>> {
    let mut scan = Scan::new(text);
    scan.take(b'{')?;
    let mut values: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
    loop {
        let key = scan.key()?;
        if key == "logEvents" {
            break;
        }
        let place = KEYS.iter().position(|known| *known == key)?;
        let value = if key == "subscriptionFilters" { filters(&mut scan)? } else { name(&mut scan)? };
        if values.get_mut(place)?.replace(value).is_some() || !scan.more(b'}')? {
            return None;
        }
    }
    scan.take(b'[')?;
    let [kind, owner, log_group, log_stream, filters] = values;
    let (owner, log_group, log_stream) = (owner?, log_group?, log_stream?);
    let events = Events { scan, read: 0 };
    (kind? == "DATA_MESSAGE" && filters.is_some()).then_some(Scanned { owner, log_group, log_stream, events })
}

fn name<'a>(scan: &mut Scan<'a>) -> Option<&'a str> {
    scan.string()?.plain().filter(|name| name.len() <= NAME_BYTES_MAX)
}

/// An array of one name or two, which is all that CloudWatch allows.
fn filters<'a>(scan: &mut Scan<'a>) -> Option<&'a str> {
    scan.take(b'[')?;
    let first = name(scan)?;
    if scan.more(b']')? {
        name(scan)?;
        scan.take(b']')?;
    }
    Some(first)
}

impl<'a> Events<'a> {
    /// Reads on. `None`: not an ordinary envelope.
    pub(crate) fn next(&mut self) -> Option<Step<'a>> {
        let scan = &mut self.scan;
        let goes_on = match self.read {
            0 => scan.take(b']').is_none(),
            EVENTS_MAX => return None,
            _ => scan.more(b']')?,
        };
        if !goes_on {
            scan.take(b'}')?;
            return scan.is_at_end().then_some(Step::End);
        }
        self.read += 1;
        self.event().map(Step::Event)
    }

    fn event(&mut self) -> Option<Event<'a>> {
        let scan = &mut self.scan;
        scan.take(b'{')?;
        let (mut id, mut timestamp_ms, mut message) = (None, None, None);
        let mut flags = EventFlags::default();
        loop {
            let is_new = match scan.key()? {
                "id" => id.replace(name(scan)?).is_none(),
                "timestamp" => timestamp_ms.replace(scan.integer()?).is_none(),
                "message" => message.replace(scan.string()?).is_none(),
                "partial" => flag(scan, &mut flags.partial)?,
                "truncated" => flag(scan, &mut flags.truncated)?,
                "suspect" => flag(scan, &mut flags.suspect)?,
                "bytes" => flags.bytes.replace(u64::try_from(scan.integer()?).ok()?).is_none(),
                _ => false,
            };
            if !is_new {
                return None;
            }
            if !scan.more(b'}')? {
                return Some(Event { id: id?, timestamp_ms: timestamp_ms?, message: message?, flags });
            }
        }
    }
}

/// Takes a flag that is set; answers whether it is so for the first time.
fn flag(scan: &mut Scan<'_>, flag: &mut bool) -> Option<bool> {
    scan.exactly("true")?;
    Some(!std::mem::replace(flag, true))
}

#[cfg(test)]
mod tests {
    use super::{Step, scan};
    use crate::envelope::{Decoded, EventFlags, decode};

    const WHOLE: &str = r#" {"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"],
        "logEvents":[{"id":"3","timestamp":1627019152976,"message":"a\tb"}, {"timestamp":-5,"message":"","id":""}]} "#;

    /// Ids, times and messages with their escapes; `None` where the envelope is not ordinary.
    fn events(text: &str) -> Option<Vec<(String, i64, String)>> {
        let mut events = scan(text)?.events;
        let mut read = Vec::new();
        while let Step::Event(event) = events.next()? {
            read.push((event.id.to_owned(), event.timestamp_ms, event.message.text.to_owned()));
        }
        Some(read)
    }

    #[test]
    fn an_ordinary_envelope_is_read_where_it_stands() {
        let scanned = scan(WHOLE).unwrap();
        assert_eq!((scanned.owner, scanned.log_group, scanned.log_stream), ("1", "g", "s"));
        let expected = [("3", 1_627_019_152_976, r"a\tb"), ("", -5, "")];
        let expected = expected.map(|(id, timestamp_ms, message)| (id.to_owned(), timestamp_ms, message.to_owned()));
        assert_eq!(events(WHOLE), Some(expected.to_vec()));
        let Ok(Decoded::Envelopes(envelopes)) = decode(WHOLE.as_bytes()) else { panic!("an envelope") };
        let messages: Vec<&[u8]> = envelopes[0].log_events.iter().map(|event| &event.message[..]).collect();
        assert_eq!(messages, [&b"a\tb"[..], b""]);
        assert_eq!(events(&WHOLE.replace("[\"f\"]", "[\"f\", \"g\"]")).map(|events| events.len()), Some(2));
    }

    #[test]
    fn the_flags_of_our_own_sources_are_read() {
        let flagged = "\"id\":\"3\",\"partial\":true,\"truncated\":true,\"suspect\":true,\"bytes\":1048577";
        let text = WHOLE.replacen("\"id\":\"3\"", flagged, 1);
        let mut events = scan(&text).unwrap().events;
        let Some(Step::Event(event)) = events.next() else { panic!("an event") };
        let flags = EventFlags { partial: true, truncated: true, suspect: true, bytes: Some(1_048_577) };
        assert_eq!(event.flags, flags);
        let Ok(Decoded::Envelopes(envelopes)) = decode(text.as_bytes()) else { panic!("an envelope") };
        assert_eq!(envelopes[0].log_events[0].flags, flags);
    }

    #[test]
    fn whatever_is_not_ordinary_is_left_to_the_decoder() {
        for (part, other) in [
            ("DATA_MESSAGE", "CONTROL_MESSAGE"),
            ("DATA_MESSAGE", "DATA\\u005fMESSAGE"),
            ("\"owner\":\"1\",", ""),
            ("\"owner\":\"1\"", "\"owner\":1"),
            ("\"owner\":\"1\"", "\"owner\":\"1\",\"owner\":\"1\""),
            ("\"owner\":\"1\"", "\"policyLevel\":\"x\",\"owner\":\"1\""),
            ("\"subscriptionFilters\":[\"f\"],", ""),
            ("[\"f\"]", "null"),
            ("\"id\":\"3\"", "\"id\":3"),
            ("\"id\":\"3\"", "\"id\":\"3\",\"id\":\"3\""),
            ("\"id\":\"3\"", "\"id\":\"3\",\"extractedFields\":{}"),
            ("\"id\":\"3\"", "\"partial\":true,\"id\":\"3\",\"partial\":true"),
            ("\"id\":\"3\"", "\"partial\":false,\"id\":\"3\""),
            ("\"id\":\"3\"", "\"messageBase64\":\"\",\"id\":\"3\""),
            ("\"id\":\"3\",", ""),
            ("1627019152976", "1627019152976.0"),
            ("1627019152976", "\"1627019152976\""),
            (",\"message\":\"a\\tb\"", ""),
            ("a\\tb", "a\tb"),
            ("]} ", "],\"x\":1}"),
            ("]} ", "]} {}"),
            ("]} ", "]}x"),
            ("]} ", "]"),
            ("]} ", ",]}"),
        ] {
            let text = WHOLE.replacen(part, other, 1);
            assert_ne!(text, WHOLE, "{part}");
            assert_eq!(events(&text), None, "{other}");
        }
    }

    #[test]
    fn an_envelope_cut_anywhere_is_not_ordinary() {
        let end = WHOLE.trim_end().len();
        assert!((0..end).all(|length| events(&WHOLE[..length]).is_none()));
    }
}
