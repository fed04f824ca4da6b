//! Values into fields: coercions, refusals and their words.

use hydrant_transform::document::{Document, DocumentId, Reason};
use hydrant_transform::entry::Format;
use tantivy::schema::document::{Document as _, OwnedValue, Value as _};

use super::super::mapping::Mapping;
use super::super::schema::{Fixed, Slot, schema};
use super::prepare;
use crate::index::FieldType;

fn document(format: Format, json: &str) -> Document {
    Document {
        id: DocumentId::from("3".to_owned()),
        format,
        timestamp_ms: 0,
        ordinal: 0,
        source: json.into(),
        event_idx: 0,
    }
}

/// Offers documents of a format one after the other; what the last one came to.
fn offer(format: Format, documents: &[&str]) -> (Mapping, Result<Vec<String>, Reason>) {
    let mut mapping = Mapping::default();
    let mut last = Ok(Vec::new());
    for json in documents {
        last = prepare(&document(format, json), &mapping).map(|prepared| {
            if let Some(additions) = prepared.additions {
                additions.apply(&mut mapping);
            }
            let out = prepared.document;
            out.iter_fields_and_values()
                .filter(|(field, _)| ![schema().1.id, schema().1.key, schema().1.source].contains(field))
                .map(|(field, value)| {
                    format!("{} {}", schema().0.get_field_name(field), shown(&OwnedValue::from(value.as_value())))
                })
                .collect()
        });
    }
    (mapping, last)
}

fn shown(value: &OwnedValue) -> String {
    match value {
        OwnedValue::Str(text) => text.clone(),
        OwnedValue::Date(date) => date.into_timestamp_nanos().to_string(),
        OwnedValue::I64(number) => number.to_string(),
        OwnedValue::F64(number) => format!("{number}f"),
        OwnedValue::Bool(value) => value.to_string(),
        OwnedValue::Object(members) => {
            members.iter().map(|(key, value)| format!("{key}:{}", shown(value))).collect::<Vec<_>>().join(" ")
        }
        OwnedValue::Null
        | OwnedValue::PreTokStr(_)
        | OwnedValue::U64(_)
        | OwnedValue::Facet(_)
        | OwnedValue::Bytes(_)
        | OwnedValue::Array(_)
        | OwnedValue::IpAddr(_)
        | OwnedValue::Custom(_) => panic!("{value:?}"),
    }
}

fn types(mapping: &Mapping) -> Vec<(&str, FieldType)> {
    mapping.iter().map(|(name, mapped)| (name, mapped.field_type)).collect()
}

/// The reason why the last of some JSON documents is refused.
fn refused(documents: &[&str]) -> String {
    let reason = offer(Format::Json, documents).1.unwrap_err();
    format!("{}: {}", reason.code, reason.message)
}

fn taken(documents: &[&str]) -> Vec<String> {
    offer(Format::Json, documents).1.unwrap()
}

#[test]
fn a_general_document_lives_in_our_own_fields() {
    let (mapping, values) = offer(
        Format::General,
        &[r#"{"@timestamp":"2022-01-15T08:44:45.161343Z","Time":"2022-01-15T17:44:45.161343+09:00","PID":9566,
            "Perform":"Execute","Statement":"select 1","owner":"000000000000","log_group":"/g","log_stream":"s",
            "event_id":"1","ordinal":2,"partial":true}"#],
    );
    assert_eq!(
        values.unwrap(),
        [
            "@timestamp 1642236285161343000",
            "Time 1642236285161343000",
            "PID 9566",
            "Perform Execute",
            "Statement select 1",
            "owner 000000000000",
            "log_group /g",
            "log_stream s",
            "event_id 1",
            "_value 0:2 1:true",
            "_fields Statement",
        ]
    );
    assert_eq!(
        types(&mapping),
        [
            ("@timestamp", FieldType::DateNanos),
            ("PID", FieldType::Long),
            ("Perform", FieldType::Keyword),
            ("Statement", FieldType::Text),
            ("Time", FieldType::DateNanos),
            ("event_id", FieldType::Keyword),
            ("log_group", FieldType::Keyword),
            ("log_stream", FieldType::Keyword),
            ("ordinal", FieldType::Long),
            ("owner", FieldType::Keyword),
            ("partial", FieldType::Boolean),
        ]
    );
    assert!(mapping.is_sound());
}

#[test]
fn a_json_line_keeps_its_own_meaning_of_our_names() {
    let (mapping, values) = offer(
        Format::Json,
        &[r#"{"@timestamp":"2022-01-15T08:44:45Z","Time":"12:00","PID":"seven","message":"hello","owner":"me"}"#],
    );
    assert_eq!(
        values.unwrap(),
        [
            "@timestamp 1642236285000000000",
            "owner me",
            "_keyword 0:12:00 1:seven 2:hello",
            "_text 0:12:00 1:seven 2:hello",
        ]
    );
    assert_eq!(mapping.get("Time").unwrap().field_type, FieldType::TextWithKeyword);
    assert_eq!(mapping.get("owner").unwrap().slot, Slot::Fixed(Fixed::Owner));
}

#[test]
fn dynamic_types_are_opensearchs() {
    let (mapping, _) = offer(
        Format::Json,
        &[r#"{"s":"x","n":"12","b":true,"tf":"true","l":1,"f":1.5,"e":1e3,"d":"2022-01-15","sl":"2022/01/15",
            "nd":"2022-01-15 08:44:45","z":null,"a":[],"an":[null,7],"o":{"k":"v","e":{}},"x.y":2}"#],
    );
    assert_eq!(
        types(&mapping),
        [
            ("an", FieldType::Long),
            ("b", FieldType::Boolean),
            ("d", FieldType::Date),
            ("e", FieldType::Float),
            ("f", FieldType::Float),
            ("l", FieldType::Long),
            ("n", FieldType::TextWithKeyword),
            ("nd", FieldType::TextWithKeyword),
            ("o.k", FieldType::TextWithKeyword),
            ("s", FieldType::TextWithKeyword),
            ("sl", FieldType::Date),
            ("tf", FieldType::TextWithKeyword),
            ("x.y", FieldType::Long),
        ]
    );
    // 13 fields, 5 with `.keyword`, objects o, o.e, x.
    assert_eq!(mapping.total_fields(), 21);
}

#[test]
fn values_are_coerced_as_opensearch_coerces_them() {
    let long = r#"{"a":1}"#;
    for (value, kept) in [("\"17\"", "17"), ("1.9", "1"), ("-1.9", "-1"), ("\"2.5\"", "2"), ("1e3", "1000")] {
        assert_eq!(taken(&[long, &format!("{{\"a\":{value}}}")]), [format!("_value 0:{kept}")], "{value}");
    }
    assert_eq!(taken(&[long, r#"{"a":[1,2]}"#]), ["_value 0:1 0:2"]);
    assert_eq!(taken(&[long, r#"{"a":null}"#]), [""; 0]);
    assert_eq!(taken(&[long, r#"{"a":""}"#]), [""; 0]);
    assert_eq!(taken(&[r#"{"a":1.5}"#, r#"{"a":"2"}"#]), ["_value 0:2f"]);
    assert_eq!(taken(&[r#"{"a":true}"#, r#"{"a":["false",""]}"#]), ["_value 0:false 0:false"]);
    assert_eq!(taken(&[r#"{"a":"x"}"#, r#"{"a":[7,true]}"#]), ["_keyword 0:7 0:true", "_text 0:7 0:true"]);
    assert_eq!(
        taken(&[r#"{"a":"2022-01-15"}"#, r#"{"a":[1642236285164,"2022-01-15T08:44:45.164986Z"]}"#]),
        ["_value 0:1642236285164000000 0:1642236285164000000"]
    );
}

#[test]
fn values_that_do_not_fit_are_refused_with_opensearchs_reason() {
    let unparsable = |kind: &str, value: &str| {
        format!(
            "mapper_parsing_exception: failed to parse field [a] of type [{kind}] in document with id '3'. Preview of \
             field's value: '{value}'"
        )
    };
    for (first, second, kind, preview) in [
        ("1", "\"notnum\"", "long", "notnum"),
        ("1", "true", "long", "true"),
        ("1", "{\"k\":1}", "long", "{\"k\":1}"),
        ("1", "9223372036854775808", "long", "9223372036854775808"),
        ("1", "\"inf\"", "long", "inf"),
        ("1", "1e30", "long", "1e30"),
        ("1.5", "\"x\"", "float", "x"),
        ("1.5", "1e39", "float", "1e39"),
        ("true", "\"yes\"", "boolean", "yes"),
        ("true", "1", "boolean", "1"),
        ("\"2022-01-15\"", "\"2022-13-45\"", "date", "2022-13-45"),
        ("\"2022-01-15\"", "\"\"", "date", ""),
        ("\"2022/01/15\"", "\"2022-01-15\"", "date", "2022-01-15"),
        ("\"x\"", "{\"k\":1}", "text", "{\"k\":1}"),
    ] {
        let documents = [format!("{{\"a\":{first}}}"), format!("{{\"a\":{second}}}")];
        assert_eq!(refused(&[&documents[0], &documents[1]]), unparsable(kind, preview));
    }
    assert_eq!(refused(&[r#"{"a":99999999999999999999}"#]), unparsable("long", "99999999999999999999"));
}

#[test]
fn objects_and_values_do_not_mix() {
    assert_eq!(
        refused(&[r#"{"o":{"k":1}}"#, r#"{"o":5}"#]),
        "mapper_parsing_exception: object mapping for [o] tried to parse field [o] as object, but found a concrete value"
    );
    assert_eq!(
        refused(&[r#"{"a":1}"#, r#"{"a.b":1}"#]),
        "mapper_parsing_exception: Could not dynamically add mapping for field [a.b]. Existing mapping for [a] must be \
         of type object but found [long]."
    );
    assert_eq!(
        refused(&[r#"{"a":[1,{"k":1}]}"#]),
        "illegal_argument_exception: can't merge a non object mapping [a] with an object mapping"
    );
}

#[test]
fn one_document_gives_a_field_one_type() {
    for (value, from, to) in [
        (r#"["x",1]"#, "text", "long"),
        ("[1,2.5]", "long", "float"),
        (r#"[1,"17"]"#, "long", "text"),
        (r#"["2022-01-15","x"]"#, "date", "text"),
        (r#"[true,"x"]"#, "boolean", "text"),
    ] {
        assert_eq!(
            refused(&[&format!("{{\"a\":{value}}}")]),
            format!("illegal_argument_exception: mapper [a] cannot be changed from type [{from}] to [{to}]")
        );
    }
}

#[test]
fn a_refused_document_adds_no_field() {
    let (mapping, result) = offer(Format::Json, &[r#"{"a":1}"#, r#"{"b":1,"a":"x"}"#]);
    assert!(result.is_err());
    assert_eq!(types(&mapping), [("a", FieldType::Long)]);
}

#[test]
fn an_index_has_at_most_a_thousand_fields() {
    let json = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!("\"f{number}\":{number}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let limit = "illegal_argument_exception: Limit of total fields [1000] has been exceeded";
    assert_eq!(refused(&[&json(1001)]), limit);
    assert_eq!(offer(Format::Json, &[&json(1000)]).0.total_fields(), 1000);
    assert_eq!(refused(&[&json(999), r#"{"text":"counts twice"}"#]), limit);
    assert_eq!(taken(&[&json(1000), r#"{"f7":7}"#]), ["_value 7:7"]);
}

#[test]
fn long_strings_are_kept_out_of_terms_and_columns_only() {
    let wide = "é".repeat(256);
    assert_eq!(taken(&[&format!("{{\"a\":\"{wide}\"}}")]).len(), 2);
    let long = "é".repeat(257);
    assert_eq!(taken(&[&format!("{{\"a\":\"{long}\"}}")]), [format!("_text 0:{long}"), "_fields 0".to_owned()]);
    let (_, values) = offer(Format::General, &[&format!("{{\"Perform\":\"{}\"}}", "x".repeat(32_767))]);
    assert_eq!(values.unwrap(), ["_fields Perform"]);
    let (_, values) = offer(Format::General, &[&format!("{{\"Perform\":\"{}\"}}", "x".repeat(32_766))]);
    assert_eq!(values.unwrap().len(), 1);
}

#[test]
fn ids_are_checked() {
    let with_id = |id: String| {
        let document = Document { id: DocumentId::from(id), ..document(Format::Json, "{}") };
        prepare(&document, &Mapping::default())
    };
    assert_eq!(with_id(String::new()).unwrap_err().message, "if _id is specified it must not be empty");
    assert!(with_id("x".repeat(513)).unwrap_err().message.contains("must be no longer than 512 bytes but was: 513;"));
    assert!(with_id("x".repeat(512)).is_ok());
}

#[test]
fn keywords_are_resolved() {
    let (mapping, _) = offer(Format::General, &[r#"{"Perform":"Query","u":{"name":"x"},"n":1}"#]);
    let resolved = |name| mapping.resolve(name).map(|resolved| resolved.field_type);
    assert_eq!(resolved("u.name"), Some(FieldType::TextWithKeyword));
    assert_eq!(resolved("u.name.keyword"), Some(FieldType::Keyword));
    assert_eq!(resolved("Perform"), Some(FieldType::Keyword));
    assert_eq!(resolved("Perform.keyword"), Some(FieldType::Keyword));
    assert_eq!(resolved("n.keyword"), None);
    assert_eq!(resolved("u"), None);
}

#[test]
fn a_name_in_a_slow_log_that_looks_like_a_date_is_text() {
    let documents = [
        r#"{"Database":"2022-01-15","Start":"2026-11-23T08:41:28.188775+05:30"}"#,
        r#"{"Database":"app_db","Start":"2026-11-23T08:41:29.188775+05:30"}"#,
    ];
    let (mapping, last) = offer(Format::Slow, &documents);
    assert!(last.is_ok(), "{last:?}");
    let types: Vec<(&str, FieldType)> = mapping.iter().map(|(name, mapped)| (name, mapped.field_type)).collect();
    assert_eq!(types, [("Database", FieldType::TextWithKeyword), ("Start", FieldType::Date)]);
    // A JSON line's first value decides, as OpenSearch's dynamic mapping has it.
    let (_, last) = offer(Format::Json, &documents);
    assert_eq!(last.unwrap_err().code, "mapper_parsing_exception");
}
