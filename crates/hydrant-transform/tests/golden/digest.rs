//! Digests of a real MySQL 9.7.4: `STATEMENT_DIGEST_TEXT` of statements that were written for it.

use hydrant_transform::sql::digest::digest;

use crate::captures::golden;

#[test]
fn statements_have_the_digest_that_the_server_gives() {
    let vectors: Vec<(String, String, Option<String>)> =
        serde_json::from_slice(&golden("mysql-9.7.4-digests.json")).unwrap();
    let known: Vec<_> = vectors.iter().filter(|(.., hash)| hash.is_some()).collect();
    assert_eq!((vectors.len(), known.len()), (117, 107));
    let wrong: Vec<_> = known
        .into_iter()
        .map(|(statement, text, _)| (statement, text, digest(statement.as_bytes())))
        .filter(|(_, text, digest)| digest.text != **text || !digest.closed)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Statements that the server refuses: what lexes has its digest.
#[test]
fn what_the_server_refuses_has_a_digest_too() {
    let vectors: Vec<(String, String, Option<String>)> =
        serde_json::from_slice(&golden("mysql-9.7.4-digests.json")).unwrap();
    let told: Vec<_> = vectors
        .iter()
        .filter(|(.., hash)| hash.is_none())
        .map(|(statement, ..)| digest(statement.as_bytes()))
        .collect();
    let told: Vec<_> = told.iter().map(|digest| (digest.text.as_str(), digest.closed)).collect();
    let expected = [
        ("SELECT @? , @@GLOBAL . `x` , @@`x` , @`q b`", true),
        ("SET GLOBAL `x` = ON", true),
        ("SELECT `a` := ?", true),
        ("SELECT ?", true),
        ("SELECT * FROM `t` WHERE `a` = ? AND `b` IN (...)", true),
        ("SELECT ? ; SELECT ?", true),
        ("SELECT", true),
        ("", true),
        ("", true),
        ("SELECT ?", false),
    ];
    assert_eq!(told, expected);
}

fn check(name: &str, least: usize) {
    let vectors = golden(name);
    let vectors: Vec<(String, String)> =
        vectors.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert!(vectors.len() >= least, "{}", vectors.len());
    let wrong: Vec<_> = vectors
        .iter()
        .map(|(statement, text)| (statement, text, digest(statement.as_bytes()).text))
        .filter(|(_, text, digest)| digest != *text)
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), vectors.len());
}

/// As `ask_digests.py` asked it.
#[test]
fn generated_statements_have_the_digest_that_the_server_gives() {
    check("mysql-digests.ndjson", 1_100);
}

/// Asked of a server with its default `max_digest_length`.
#[test]
fn long_statements_are_cut_where_the_server_cuts_them() {
    check("mysql-digests-long.ndjson", 5);
}
