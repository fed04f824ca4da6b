//! Bodies of `_bulk` requests.
//!
//! One bad action refuses a whole body, so each is checked before it goes into one: the id's length, the index's name, a
//! source on one line. A body is full by its real bytes, or by count.

use hydrant_transform::document::Reason;

/// The server refuses a longer id, and with it the whole request.
pub const ID_BYTES_MAX: usize = 512;

/// The server refuses a longer name of an index.
pub const INDEX_BYTES_MAX: usize = 255;

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
    pub bytes: Vec<u8>,
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
    if !action.source.starts_with(b"{") || action.source.contains(&b'\n') {
        return problem("the document is no JSON object on one line".to_owned());
    }
    None
}

/// Bytes of an action in a body.
pub fn action_bytes(action: &Action<'_>, operation: Operation) -> usize {
    let mut line = Vec::new();
    write_action_line(&mut line, action, operation);
    line.len() + action.source.len() + 1
}

/// Packs the documents at these places into bodies, in order. A document that is larger than a body is one by itself.
pub fn bodies(
    actions: &[Action<'_>],
    places: impl IntoIterator<Item = usize>,
    operation: Operation,
    limits: BodyLimits,
) -> Vec<Body> {
    let mut bodies: Vec<Body> = Vec::new();
    let mut line = Vec::new();
    for place in places {
        let Some(action) = actions.get(place) else { continue };
        line.clear();
        write_action_line(&mut line, action, operation);
        let bytes = line.len() + action.source.len() + 1;
        let fits = |body: &Body| {
            body.documents.len() < limits.documents && body.bytes.len().saturating_add(bytes) <= limits.bytes
        };
        if !bodies.last().is_some_and(fits) {
            bodies.push(Body::default());
        }
        if let Some(body) = bodies.last_mut() {
            body.bytes.extend_from_slice(&line);
            body.bytes.extend_from_slice(action.source);
            body.bytes.push(b'\n');
            body.documents.push(place);
        }
    }
    bodies
}

/// `{"create":{"_index":"…","_id":"…"}}` and its newline.
fn write_action_line(out: &mut Vec<u8>, action: &Action<'_>, operation: Operation) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(operation.name().as_bytes());
    out.extend_from_slice(b"\":{\"_index\":");
    write_string(out, action.index);
    if let Some(id) = action.id {
        out.extend_from_slice(b",\"_id\":");
        write_string(out, id);
    }
    out.extend_from_slice(b"}}\n");
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
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
        assert_eq!(again[0].bytes, b"{\"index\":{\"_index\":\"a\",\"_id\":\"5\"}}\n{}\n");
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
