//! Query strings and the queries that they mean.

use proptest::prelude::{any, prop_assert, proptest};

use super::{CLAUSES_MAX, DEPTH_MAX, LENGTH_MAX, Operator, Options, parse};
use crate::index::Error;
use crate::index::query::{Bound, Query, Value};

fn read(text: &str) -> Query {
    parse(text, &Options::default()).unwrap()
}

fn problem(text: &str) -> String {
    let Error::BadRequest { code, message } = parse(text, &Options::default()).unwrap_err() else { panic!() };
    assert_eq!(code, "query_shard_exception");
    message
}

fn word(field: &str, text: &str) -> Query {
    let field = (!field.is_empty()).then(|| field.to_owned());
    Query::Match { field, text: text.to_owned(), all_terms: false, boost: 1.0 }
}

fn phrase(field: &str, text: &str, slop: u32) -> Query {
    let field = (!field.is_empty()).then(|| field.to_owned());
    Query::MatchPhrase { field, text: text.to_owned(), slop, boost: 1.0 }
}

fn wildcard(field: &str, pattern: &str) -> Query {
    let field = (!field.is_empty()).then(|| field.to_owned());
    Query::Wildcard { field, pattern: pattern.to_owned(), case_insensitive: false, boost: 1.0 }
}

fn range(field: &str, lower: Bound, upper: Bound) -> Query {
    Query::Range { field: field.to_owned(), lower, upper, boost: 1.0 }
}

fn exists(field: &str) -> Query {
    Query::Exists { field: field.to_owned() }
}

fn included(text: &str) -> Bound {
    Bound::Included(Value::String(text.to_owned()))
}

fn excluded(text: &str) -> Bound {
    Bound::Excluded(Value::String(text.to_owned()))
}

fn boolean<const M: usize, const S: usize, const N: usize>(
    must: [Query; M],
    should: [Query; S],
    must_not: [Query; N],
) -> Query {
    Query::Bool {
        must: must.into(),
        filter: Vec::new(),
        should: should.into(),
        must_not: must_not.into(),
        minimum_should_match: None,
        boost: 1.0,
    }
}

#[test]
fn words_and_phrases_are_looked_for_in_their_field_or_in_all() {
    let cases = [
        ("", Query::MatchNone),
        (" \t ", Query::MatchNone),
        ("select", word("", "select")),
        ("Perform:Query", word("Perform", "Query")),
        ("Perform : Query", word("Perform", "Query")),
        ("Perform:\"Init DB\"", phrase("Perform", "Init DB", 0)),
        ("\"a b\"~2", phrase("", "a b", 2)),
        ("\"a \\\" b\"", phrase("", "a \" b", 0)),
        ("\"\"", phrase("", "", 0)),
        ("user.name:x", word("user.name", "x")),
        ("a-b+c", word("", "a-b+c")),
        ("a/b", word("", "a/b")),
        ("log_group:\\/hydrant\\/tail", word("log_group", "/hydrant/tail")),
        ("a\\:b\\ c\\*", word("", "a:b c*")),
        ("*:*", Query::MatchAll),
        ("*", Query::MatchAll),
        ("*:x", word("", "x")),
        ("Statement:*", exists("Statement")),
        ("_exists_:Statement", exists("Statement")),
        ("_exists_:\"user name\"", exists("user name")),
        ("数据库", word("", "数据库")),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), expected, "{text:?}");
    }
}

#[test]
fn wildcards_keep_their_escapes() {
    assert_eq!(read("Statement:rds_*"), wildcard("Statement", "rds_*"));
    assert_eq!(read("te?t"), wildcard("", "te?t"));
    assert_eq!(read("a\\*b*"), wildcard("", "a\\*b*"));
    assert_eq!(read("?"), wildcard("", "?"));
}

#[test]
fn ranges_take_open_and_closed_ends() {
    let cases = [
        ("PID:[1 TO 5]", range("PID", included("1"), included("5"))),
        ("PID:{1 TO 5]", range("PID", excluded("1"), included("5"))),
        ("PID:[1 TO 5}", range("PID", included("1"), excluded("5"))),
        ("PID:{* TO *}", range("PID", Bound::Unbounded, Bound::Unbounded)),
        ("Time:[2022-01-15T08:44:45Z TO *]", range("Time", included("2022-01-15T08:44:45Z"), Bound::Unbounded)),
        ("a:[\"x y\" TO \"z\"]", range("a", included("x y"), included("z"))),
        ("PID:>=10", range("PID", included("10"), Bound::Unbounded)),
        ("PID:>10", range("PID", excluded("10"), Bound::Unbounded)),
        ("PID:<=10", range("PID", Bound::Unbounded, included("10"))),
        ("PID:<10", range("PID", Bound::Unbounded, excluded("10"))),
        ("PID:[-5 TO -1]", range("PID", included("-5"), included("-1"))),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), expected, "{text:?}");
    }
    assert_eq!(
        read("PID:(>=10 AND <20)"),
        boolean(
            [range("PID", included("10"), Bound::Unbounded), range("PID", Bound::Unbounded, excluded("20"))],
            [],
            []
        )
    );
}

#[test]
fn operators_combine_as_lucene_combines_them() {
    let [a, b, c] = ["a", "b", "c"].map(|text| word("", text));
    let cases = [
        ("a b", boolean([], [a.clone(), b.clone()], [])),
        ("a OR b", boolean([], [a.clone(), b.clone()], [])),
        ("a || b", boolean([], [a.clone(), b.clone()], [])),
        ("a AND b", boolean([a.clone(), b.clone()], [], [])),
        ("a && b", boolean([a.clone(), b.clone()], [], [])),
        ("a OR b AND c", boolean([b.clone(), c.clone()], [a.clone()], [])),
        ("a AND b OR c", boolean([a.clone(), b.clone()], [c.clone()], [])),
        ("a NOT b", boolean([], [a.clone()], [b.clone()])),
        ("a !b", boolean([], [a.clone()], [b.clone()])),
        ("a AND NOT b", boolean([a.clone()], [], [b.clone()])),
        ("NOT a AND b", boolean([b.clone()], [], [a.clone()])),
        ("NOT a", boolean([], [], [a.clone()])),
        ("+a -b c", boolean([a.clone()], [c.clone()], [b.clone()])),
        ("+a", a.clone()),
        ("(a)", a.clone()),
        ("((a OR b)) AND c", boolean([boolean([], [a.clone(), b.clone()], []), c.clone()], [], [])),
        ("a AND (NOT b)", boolean([a.clone(), boolean([], [], [b.clone()])], [], [])),
        ("a&&b", word("", "a&&b")),
        ("and or not", boolean([], ["and", "or", "not"].map(|text| word("", text)), [])),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), expected, "{text:?}");
    }
    assert_eq!(
        read("Perform:Query AND Statement:app_db"),
        boolean([word("Perform", "Query"), word("Statement", "app_db")], [], [])
    );
}

#[test]
fn a_field_before_a_parenthesis_holds_for_all_inside() {
    assert_eq!(
        read("Perform:(Query OR \"Init DB\" OR PID:5) x"),
        boolean(
            [],
            [
                boolean([], [word("Perform", "Query"), phrase("Perform", "Init DB", 0), word("PID", "5")], []),
                word("", "x")
            ],
            []
        )
    );
}

#[test]
fn boosts_stand_behind_words_phrases_and_parentheses() {
    assert_eq!(read("a^2"), Query::Match { field: None, text: "a".to_owned(), all_terms: false, boost: 2.0 });
    assert_eq!(
        read("f:\"a b\"~1^0.5"),
        Query::MatchPhrase { field: Some("f".to_owned()), text: "a b".to_owned(), slop: 1, boost: 0.5 }
    );
    assert_eq!(
        read("(a b)^3"),
        Query::Bool {
            must: vec![boolean([], [word("", "a"), word("", "b")], [])],
            filter: Vec::new(),
            should: Vec::new(),
            must_not: Vec::new(),
            minimum_should_match: None,
            boost: 3.0,
        }
    );
}

#[test]
fn the_default_operator_and_the_default_fields_can_be_set() {
    let and = Options { operator: Operator::And, ..Options::default() };
    let word_and = |text: &str| Query::Match { field: None, text: text.to_owned(), all_terms: true, boost: 1.0 };
    let [a, b, c] = ["a", "b", "c"].map(word_and);
    assert_eq!(parse("a b", &and).unwrap(), boolean([a.clone(), b.clone()], [], []));
    assert_eq!(parse("a OR b", &and).unwrap(), boolean([], [a.clone(), b.clone()], []));
    assert_eq!(parse("a OR b c", &and).unwrap(), boolean([c], [a.clone(), b.clone()], []));
    assert_eq!(parse("a -b", &and).unwrap(), boolean([a], [], [b]));

    let one = Options { fields: vec!["Statement".to_owned()], ..Options::default() };
    assert_eq!(parse("x", &one).unwrap(), word("Statement", "x"));
    assert_eq!(parse("y:x", &one).unwrap(), word("y", "x"));
    assert_eq!(parse("*:x", &one).unwrap(), word("", "x"));
    assert_eq!(parse(">5", &one).unwrap(), range("Statement", excluded("5"), Bound::Unbounded));
    let two = Options { fields: vec!["f".to_owned(), "g".to_owned()], ..Options::default() };
    assert_eq!(parse("x", &two).unwrap(), boolean([], [word("f", "x"), word("g", "x")], []));
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let cases = [
        ("a~", "fuzzy search (~) is not supported"),
        ("a~2", "fuzzy search (~) is not supported"),
        ("/ab+/", "regular expressions (/…/) are not supported; write \\/ or quotes for a slash"),
        ("f:/ab/", "regular expressions (/…/) are not supported; write \\/ or quotes for a slash"),
        ("user.*:x", "a pattern in a field name is not supported"),
        ("[a TO b]", "a range needs a field"),
        ("f:[a b]", "a range needs TO between its ends"),
        ("f:[a TO b", "a range is not closed"),
        ("f:[TO b]", "a range needs two ends"),
        ("\"abc", "a quote is not closed"),
        ("abc\\", "a backslash ends the query"),
        ("(a", "a parenthesis is not closed"),
        ("a)", "unexpected )"),
        ("()", "unexpected )"),
        ("a AND", "the query ends where a term is expected"),
        ("AND a", "unexpected AND"),
        ("a AND OR b", "unexpected OR"),
        ("f:", "the query ends where a term is expected"),
        (":a", "unexpected :"),
        ("a:b:c", "unexpected :"),
        ("a^x", "a boost is not a number: ^"),
        ("^2", "unexpected ^"),
        ("a]", "unexpected ']'"),
        ("f:>= 5", "a value must follow >= without a space"),
    ];
    for (text, expected) in cases {
        assert_eq!(problem(text), format!("Failed to parse query [{text}]: {expected}"));
    }
}

#[test]
fn depth_clauses_and_length_are_bounded() {
    let nested = |depth: usize| "(".repeat(depth) + "a" + &")".repeat(depth);
    assert_eq!(read(&nested(DEPTH_MAX)), word("", "a"));
    assert!(problem(&nested(DEPTH_MAX + 1)).ends_with("parentheses are nested more than 32 deep"));
    assert!(problem(&nested(15_000)).ends_with("parentheses are nested more than 32 deep"));
    assert!(parse(&"a ".repeat(CLAUSES_MAX), &Options::default()).is_ok());
    assert!(problem(&"a ".repeat(CLAUSES_MAX + 1)).ends_with("maxClauseCount is set to 1024"));
    assert_eq!(
        problem(&"x".repeat(LENGTH_MAX + 1)),
        "query string length 32001 exceeds the maximum allowed length 32000"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in any::<String>(),
        syntax in r#"[ab ():"\[\]{}*?~^\\+!&|<>=/0-9-]{0,40}(AND|OR|NOT|TO)?.{0,10}"#,
    ) {
        for text in [text, syntax] {
            if let Err(error) = parse(&text, &Options::default()) {
                prop_assert!(error.to_string().starts_with("Failed to parse query ["));
            }
        }
    }
}
