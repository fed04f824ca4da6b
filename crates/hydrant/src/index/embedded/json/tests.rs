//! Reading a document's JSON: what is taken, what is refused and why.

use std::borrow::Cow;

use hydrant_transform::document::Reason;

use super::{Leaf, Sink, VALUES_MAX, walk};

/// Writes down what a walk finds.
#[derive(Default)]
struct Log(Vec<String>);

impl<'a> Sink<'a> for Log {
    fn leaf(&mut self, name: &str, leaf: Leaf<'a>) -> Result<(), Reason> {
        self.0.push(match leaf {
            Leaf::Boolean(value) => format!("{name}={value}"),
            Leaf::Number(text) => format!("{name}=#{text}"),
            Leaf::String(Cow::Borrowed(text)) => format!("{name}='{text}'"),
            Leaf::String(Cow::Owned(text)) => format!("{name}=owned '{text}'"),
        });
        Ok(())
    }

    fn object(&mut self, name: &str, text: &str) -> Result<(), Reason> {
        self.0.push(format!("{name}:{text}"));
        Ok(())
    }

    fn parent(&mut self, name: &str, whole: &str) -> Result<(), Reason> {
        self.0.push(format!("{name} of {whole}"));
        Ok(())
    }
}

fn found(json: &str) -> Vec<String> {
    let mut log = Log::default();
    walk(json.as_bytes(), &mut log).unwrap();
    log.0
}

fn refused(json: &[u8]) -> (String, String) {
    let problem = walk(json, &mut Log::default()).unwrap_err();
    (problem.code.into_owned(), problem.message)
}

#[test]
fn every_value_is_found_under_its_full_name() {
    assert_eq!(
        found(r#" {"s":"x","n":-1.5e3,"b":true,"z":null,"e":[],"a":[1,[2,null]],"o":{"k":"v"},"l":[{"k":1}]} "#),
        ["s='x'", "n=#-1.5e3", "b=true", "a=#1", "a=#2", r#"o:{"k":"v"}"#, "o.k='v'", r#"l:{"k":1}"#, "l.k=#1"]
    );
}

#[test]
fn dots_in_names_are_objects() {
    assert_eq!(found(r#"{"a.b.c":1}"#), ["a of a.b.c", "a.b of a.b.c", "a.b.c=#1"]);
    assert_eq!(found(r#"{"o":{"a.b":1}}"#), [r#"o:{"a.b":1}"#, "o.a of o.a.b", "o.a.b=#1"]);
    assert_eq!(found(r#"{"x.":1,"  ":2,"_foo":3}"#), ["x=#1", "  =#2", "_foo=#3"]);
}

#[test]
fn escapes_are_read_and_lone_surrogates_replaced() {
    assert_eq!(found(r#"{"a":"x\ny"}"#), ["a=owned 'x\ny'"]);
    assert_eq!(found(r#"{"a\u0062":"\u0000"}"#), ["ab=owned '\u{0}'"]);
    assert_eq!(found(r#"{"a":"\ud83d\ude00\ud800\"é"}"#), ["a=owned '😀\u{fffd}\"é'"]);
}

#[test]
fn names_are_refused_as_opensearch_refuses_them() {
    for (json, message) in [
        (r#"{"":1}"#, "field name cannot be an empty string"),
        (r#"{".":1}"#, "field name cannot contain only the character [.]"),
        (r#"{".a":1}"#, "object field starting or ending with a [.] makes object resolution ambiguous: [.a]"),
        (r#"{"x..y":1}"#, "object field starting or ending with a [.] makes object resolution ambiguous: [x..y]"),
        (
            r#"{"_id":"7"}"#,
            "Field [_id] is a metadata field and cannot be added inside a document. Use the index API request parameters.",
        ),
        (r#"{"a":1,"a":2}"#, "Duplicate field 'a'"),
        (r#"{"o":{"k":1,"k":1}}"#, "Duplicate field 'k'"),
        ("", "failed to parse, document is empty"),
    ] {
        assert_eq!(refused(json.as_bytes()), ("mapper_parsing_exception".to_owned(), message.to_owned()), "{json}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for json in ["[1]", "5", "null", "\"x\""] {
        assert_eq!(refused(json.as_bytes()).0, "not_x_content_exception", "{json}");
    }
}

#[test]
fn broken_text_is_refused() {
    for json in [r#"{"a":1"#, r#"{"a":1} x"#, r#"{"a":01}"#, "{\"a\":\"\t\"}", r#"{"a":nul}"#, r#"{"a" 1}"#] {
        let (code, message) = refused(json.as_bytes());
        assert_eq!(code, "mapper_parsing_exception", "{json}");
        assert!(message.starts_with("failed to parse: "), "{message}");
    }
    assert_eq!(refused(b"{\"a\":\"\xff\"}").1, "Invalid UTF-8 start byte 0xff");
}

#[test]
fn nesting_stops_at_twenty() {
    let nested = |depth: usize| format!("{}{}", r#"{"a":"#.repeat(depth) + "1", "}".repeat(depth));
    assert_eq!(found(&nested(20)).len(), 20);
    let too_deep = "The depth of the field has exceeded the allowed limit of [20]. This limit can be set by changing \
                    the [index.mapping.depth.limit] index level setting.";
    assert_eq!(refused(nested(21).as_bytes()).1, too_deep);
    let arrays = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    // serde_json itself stops at 128 levels.
    assert_eq!(refused(arrays.as_bytes()).0, "mapper_parsing_exception");
    let arrays = format!("{{\"a\":{}{}}}", "[".repeat(20), "]".repeat(20));
    assert_eq!(refused(arrays.as_bytes()).1, too_deep);
}

#[test]
fn the_number_of_values_is_bounded() {
    let json = |count: usize| format!("{{\"a\":[{}1]}}", "1,".repeat(count - 1));
    assert_eq!(found(&json(VALUES_MAX - 1)).len(), VALUES_MAX - 1);
    assert_eq!(refused(json(VALUES_MAX + 1).as_bytes()).1, "the document has more than [100000] values");
}
