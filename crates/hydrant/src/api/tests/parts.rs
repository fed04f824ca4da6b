//! The smaller parts by themselves: JSON, numbers, patterns.

use crate::api::json::{self, Value};
use crate::api::prune::glob;
use crate::api::write::{Writer, java_double, java_float};

#[test]
fn doubles_are_printed_as_java_does() {
    for (number, expected) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (1_750.0, "1750.0"),
        (55_308.042_5, "55308.0425"),
        (9_999_999.0, "9999999.0"),
        (10_000_000.0, "1.0E7"),
        (110_616_085.0, "1.10616085E8"),
        (1_642_322_686_264.0, "1.642322686264E12"),
        (-123.456, "-123.456"),
        (0.001, "0.001"),
        (0.012_5, "0.0125"),
        (0.000_1, "1.0E-4"),
        (0.000_123_4, "1.234E-4"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::NAN, "\"NaN\""),
        (f64::INFINITY, "\"Infinity\""),
    ] {
        assert_eq!(java_double(number), expected);
    }
    assert_eq!(java_float(0.980_829_1), "0.9808291");
    assert_eq!(java_float(1.0), "1.0");
    assert_eq!(java_float(12_345_678.0), "1.2345678E7");
}

#[test]
fn strings_are_escaped() {
    let mut writer = Writer::default();
    writer.array(|writer| {
        writer.string("a\"b\\c\nd\te\r\u{8}\u{c}\u{1}é😀/<");
        writer.string("");
    });
    assert_eq!(String::from_utf8(writer.finish()).unwrap(), "[\"a\\\"b\\\\c\\nd\\te\\r\\b\\f\\u0001é😀/<\",\"\"]");
}

#[test]
fn json_keeps_its_places_and_its_text() {
    let text = "{\n \"a\" : [1.50, \"x\\u00e9\\ud83d\\ude00\\n\", null, true],\n \"b\":{}}";
    let node = json::parse_request(text).unwrap();
    let members = node.as_object().unwrap();
    assert_eq!(members[0].key, "a");
    let elements = members[0].node.as_array().unwrap();
    assert_eq!(elements[0].value, Value::Number("1.50"));
    assert_eq!(elements[1].as_string().unwrap(), "xé😀\n");
    assert_eq!(elements[2].value, Value::Null);
    assert_eq!(elements[3].value, Value::Boolean(true));
    assert_eq!(json::place(text, members[1].at), (3, 2));
    assert_eq!(json::place(text, members[1].node.at), (3, 6));
    assert_eq!(json::place(text, members[1].node.end), (3, 7));
    assert_eq!(json::unescape("\\ud83dx"), "\u{fffd}x");
}

#[test]
fn no_text_makes_the_reader_fail_otherwise_than_by_an_error() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "\"",
        "\"\\",
        "\"\\u12",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "[1",
        "[1,",
        "[1,]",
        "{,}",
        "tru",
        "nul",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "é",
        "{\"a\":1}}",
        "[]]",
        "1 2",
        "\u{feff}{}",
    ] {
        assert!(json::parse_request(text).is_err(), "{text}");
    }
}

#[test]
fn a_star_matches_any_characters() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("a*", "abc", true),
        ("*c", "abc", true),
        ("a*c", "abc", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*bc*c", "abc", false),
        ("o.*", "o.k", true),
        ("o.*", "o", false),
        ("", "", true),
        ("", "a", false),
    ] {
        assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
    }
}
