//! Bodies of `_bulk` requests.
//!
//! One bad action refuses a whole body, so each is checked before it goes into one: the id's length, the index's name, a
//! source on one line. A body is full by its real bytes, or by count.

use bytes::{BufMut, BytesMut};
use hydrant_transform::document::Reason;

/// The server refuses a longer id, and with it the whole request.
pub const ID_BYTES_MAX: usize = 512;

/// The server refuses a longer name of an index.
pub const INDEX_BYTES_MAX: usize = 255;

/// Smaller bodies are not divided among connections: they would cost the server more than the second one gains.
const EVEN_BYTES_MIN: usize = 512 * 1024;

/// Bodies of a call for each connection, where they are not smaller than that: the last ones end apart by the time of one
/// body, in which nothing else is sent.
const BODIES_EACH: usize = 4;

/// Code of a document that cannot stand in a request.
pub const ACTION_INVALID: &str = "Hydrant.ActionInvalid";

/// What is done with a document whose id is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// Nothing: the server answers 409.
    #[default]
    Create,
    /// It is overwritten.
    Index,
}

impl Operation {
    /// As the action line names it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Create => "create",
            Operation::Index => "index",
        }
    }
}

/// What the names of indices are names of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Indices, which the server makes where they are not there.
    #[default]
    Index,
    /// Aliases, which are never made: what is no alias takes nothing.
    Alias,
    /// Data streams, which take only [`Operation::Create`].
    DataStream,
}

impl Target {
    pub const ALL: [Target; 3] = [Target::Index, Target::Alias, Target::DataStream];

    /// As it stands in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Target::Index => "index",
            Target::Alias => "alias",
            Target::DataStream => "data_stream",
        }
    }
}

/// One document of a request.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    pub index: &'a str,
    /// `None`: the server makes one, and a repeat is a second document.
    pub id: Option<&'a str>,
    /// A JSON object on one line.
    pub source: &'a [u8],
}

/// What a body may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    pub bytes: usize,
    pub documents: usize,
}

/// Some documents of a call, ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    pub bytes: BytesMut,
    /// Places of its documents in the call, in the order of the body.
    pub documents: Vec<usize>,
}

/// Why the server would refuse the request for this action.
pub fn check(action: &Action<'_>) -> Option<Reason> {
    let problem = |message: String| Some(Reason::new(ACTION_INVALID, message));
    let index = action.index.as_bytes();
    if index.is_empty() || index.len() > INDEX_BYTES_MAX {
        return problem(format!("the index's name has {} bytes, not 1 to {INDEX_BYTES_MAX}", index.len()));
    }
    match action.id {
        Some(id) if id.is_empty() || id.len() > ID_BYTES_MAX => {
            return problem(format!("the id has {} bytes, not 1 to {ID_BYTES_MAX}", id.len()));
        }
        Some(_) | None => {}
    }
    if !action.source.starts_with(b"{") || memchr::memchr(b'\n', action.source).is_some() {
        return problem("the document is no JSON object on one line".to_owned());
    }
    None
}

/// Bytes of an action in a body.
pub fn action_bytes(action: &Action<'_>, operation: Operation) -> usize {
    let id = action.id.map_or(0, |id| ",\"_id\":".len() + string_bytes(id));
    let line = "{\"\":{\"_index\":}}\n".len() + operation.name().len() + string_bytes(action.index) + id;
    line + action.source.len() + 1
}

/// A body that is not made yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) documents: Vec<usize>,
    bytes: usize,
}

/// Which documents of these places stand together in a body, in order. A document that is larger than a body is one by
/// itself. Where there is more than one connection, there are as many bodies for each, of about one size, so that none
/// waits for the others in the end.
pub(crate) fn plan(
    actions: &[Action<'_>],
    places: impl IntoIterator<Item = usize>,
    operation: Operation,
    limits: BodyLimits,
    connections: usize,
) -> Vec<Planned> {
    let sized = |place: usize| Some((place, action_bytes(actions.get(place)?, operation)));
    let sizes: Vec<(usize, usize)> = places.into_iter().filter_map(sized).collect();
    let bytes_max = even_bytes(&sizes, limits, connections);
    let mut planned: Vec<Planned> = Vec::new();
    for (place, bytes) in sizes {
        let fits =
            |body: &Planned| body.documents.len() < limits.documents && body.bytes.saturating_add(bytes) <= bytes_max;
        if !planned.last().is_some_and(fits) {
            planned.push(Planned::default());
        }
        if let Some(body) = planned.last_mut() {
            body.documents.push(place);
            body.bytes += bytes;
        }
    }
    planned
}

/// The size of bodies with which every connection has as many.
fn even_bytes(sizes: &[(usize, usize)], limits: BodyLimits, connections: usize) -> usize {
    let bytes: usize = sizes.iter().map(|(_, bytes)| bytes).sum();
    let largest = sizes.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let least = bytes.div_ceil(limits.bytes.max(1)).max(sizes.len().div_ceil(limits.documents.max(1))).max(1);
    let connections = connections.max(1);
    let small = (bytes / EVEN_BYTES_MIN).min(BODIES_EACH * connections) / connections * connections;
    let each = bytes / least.max(small).next_multiple_of(connections);
    if connections < 2 || each < EVEN_BYTES_MIN { limits.bytes } else { limits.bytes.min(each + largest) }
}

impl Planned {
    /// In memory that is free again, whose pages are there already.
    pub(crate) fn body(self, actions: &[Action<'_>], operation: Operation, mut bytes: BytesMut) -> Body {
        bytes.clear();
        bytes.reserve(self.bytes);
        for action in self.documents.iter().filter_map(|place| actions.get(*place)) {
            write_action_line(&mut bytes, action, operation);
            bytes.put_slice(action.source);
            bytes.put_u8(b'\n');
        }
        Body { bytes, documents: self.documents }
    }
}

/// Packs the documents at these places into bodies, in order, each as full as it may be.
pub fn bodies(
    actions: &[Action<'_>],
    places: impl IntoIterator<Item = usize>,
    operation: Operation,
    limits: BodyLimits,
) -> Vec<Body> {
    let planned = plan(actions, places, operation, limits, 1).into_iter();
    planned.map(|planned| planned.body(actions, operation, BytesMut::new())).collect()
}

/// `{"create":{"_index":"…","_id":"…"}}` and its newline.
fn write_action_line(out: &mut BytesMut, action: &Action<'_>, operation: Operation) {
    out.put_slice(b"{\"");
    out.put_slice(operation.name().as_bytes());
    out.put_slice(b"\":{\"_index\":");
    write_string(out, action.index);
    if let Some(id) = action.id {
        out.put_slice(b",\"_id\":");
        write_string(out, id);
    }
    out.put_slice(b"}}\n");
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    // Without a way out in between, many bytes are looked at at once.
    text.bytes().fold(true, |all, byte| all & (byte >= b' ') & (byte != b'"') & (byte != b'\\'))
}

fn string_bytes(text: &str) -> usize {
    if is_plain(text) { text.len() + 2 } else { serde_json::Value::from(text).to_string().len() }
}

fn write_string(out: &mut BytesMut, text: &str) {
    if is_plain(text) {
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    } else {
        out.put_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action<'a>(index: &'a str, id: &'a str, source: &'a [u8]) -> Action<'a> {
        Action { index, id: Some(id), source }
    }

    #[test]
    fn bodies_hold_actions_and_sources_in_order_within_bytes_and_count() {
        let actions = [
            action("a", "1", b"{}"),
            action("a", "\"\n", b"{\"x\":1}"),
            Action { index: "b", id: None, source: b"{}" },
            action("a", "4", b"{\"long\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}"),
            action("a", "5", b"{}"),
        ];
        let all = |bytes, documents| bodies(&actions, 0..5, Operation::Create, BodyLimits { bytes, documents });
        let whole = all(10_000, 100);
        assert_eq!(whole.len(), 1);
        let expected = "{\"create\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{}\n{\"create\":{\"_index\":\"a\",\"_id\":\"\\\"\\n\"}}\n{\"x\":1}\n{\"create\":{\"_index\":\"b\"}}\n{}\n";
        assert!(String::from_utf8_lossy(&whole[0].bytes).starts_with(expected));
        let places = |bodies: &[Body]| bodies.iter().map(|body| body.documents.clone()).collect::<Vec<_>>();
        assert_eq!(places(&all(10_000, 2)), [vec![0, 1], vec![2, 3], vec![4]]);
        // The fourth is larger than a body.
        let small = all(80, 100);
        assert_eq!(places(&small), [vec![0], vec![1, 2], vec![3], vec![4]]);
        assert!(small.iter().all(|body| body.bytes.len() <= 80 || body.documents.len() == 1));
        let bytes: usize = actions.iter().map(|action| action_bytes(action, Operation::Create)).sum();
        assert_eq!(whole[0].bytes.len(), bytes);
        let again = bodies(&actions, [4], Operation::Index, BodyLimits { bytes: 9, documents: 1 });
        assert_eq!(&again[0].bytes[..], b"{\"index\":{\"_index\":\"a\",\"_id\":\"5\"}}\n{}\n");
    }

    #[test]
    fn every_connection_has_as_many_bodies_of_about_one_size() {
        let source = format!("{{\"a\":\"{}\"}}", "x".repeat(960));
        let actions: Vec<Action<'_>> = (0..16_000).map(|_| action("a", "1", source.as_bytes())).collect();
        let planned = |count: usize, bytes: usize, documents: usize, connections: usize| {
            let limits = BodyLimits { bytes, documents };
            let planned = plan(&actions, 0..count, Operation::Create, limits, connections);
            let places: Vec<usize> = planned.iter().flat_map(|body| body.documents.clone()).collect();
            assert_eq!(places, (0..count).collect::<Vec<_>>());
            planned.into_iter().map(|body| body.documents.len()).collect::<Vec<_>>()
        };
        // An action has 1,005 bytes.
        assert_eq!(planned(16_000, 5_000_000, 5_000, 1), [4975, 4975, 4975, 1075]);
        assert_eq!(planned(16_000, 5_000_000, 5_000, 2), [2001, 2001, 2001, 2001, 2001, 2001, 2001, 1993]);
        assert_eq!(planned(12_000, 5_000_000, 5_000, 2), [1501, 1501, 1501, 1501, 1501, 1501, 1501, 1493]);
        assert_eq!(planned(12_000, 5_000_000, 1_000, 2).len(), 12);
        assert_eq!(planned(2_000, 5_000_000, 5_000, 2), [1001, 999]);
        assert_eq!(planned(1_000, 5_000_000, 5_000, 2), [1_000]);
        assert_eq!(planned(3_000, 5_000_000, 5_000, 2), [751, 751, 751, 747]);
        assert_eq!(planned(0, 5_000_000, 5_000, 2), [0_usize; 0]);
        let body = plan(&actions, 0..7, Operation::Create, BodyLimits { bytes: 9_999, documents: 9 }, 2).remove(0);
        let (bytes, body) = (body.bytes, body.body(&actions, Operation::Create, BytesMut::new()));
        assert_eq!((body.bytes.len(), body.bytes.capacity()), (bytes, bytes));
    }

    #[test]
    fn what_would_refuse_a_whole_body_is_named_before() {
        let long = "x".repeat(ID_BYTES_MAX + 1);
        for (action, problem) in [
            (action("", "1", b"{}"), "the index's name has 0 bytes"),
            (action(&long, "1", b"{}"), "the index's name has 513 bytes"),
            (action("a", "", b"{}"), "the id has 0 bytes"),
            (action("a", &long, b"{}"), "the id has 513 bytes, not 1 to 512"),
            (action("a", "1", b"[]"), "no JSON object on one line"),
            (action("a", "1", b"{\n}"), "no JSON object on one line"),
            (action("a", "1", b""), "no JSON object on one line"),
        ] {
            let reason = check(&action).expect(problem);
            assert_eq!(reason.code, ACTION_INVALID);
            assert!(reason.message.contains(problem), "{}", reason.message);
        }
        assert_eq!(check(&action("a", &long[..512], b"{}")), None);
        assert_eq!(check(&Action { index: "a", id: None, source: b"{}" }), None);
    }
}
