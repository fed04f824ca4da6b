//! What a real server does not show, because it refuses what does not parse; and properties.

use proptest::prelude::*;

use super::*;

fn text(statement: &str) -> String {
    digest(statement.as_bytes()).text
}

#[test]
fn statements_that_a_server_refuses_have_a_digest_too() {
    for (statement, expected) in [
        ("", ""),
        (" ;; ", ""),
        ("SELECT", "SELECT"),
        ("SELECT ? FROM t WHERE a IN (?, ?)", "SELECT ? FROM `t` WHERE `a` IN (...)"),
        ("SELECT 1; SELECT 2;", "SELECT ? ; SELECT ?"),
        ("SELEC 'unterminated", "`SELEC` ?"),
        ("SELECT a /* open", "SELECT `a`"),
        ("SELECT /*!80000 a", "SELECT `a`"),
        ("SELECT `open", "SELECT `open`"),
        ("SELECT @@x.y, @, @@", "SELECT @@`x` . `y` , @, @@"),
        ("CREATE USER 'u'@'%' IDENTIFIED BY <secret>", "CREATE SYSTEM_USER ? @? IDENTIFIED BY ?"),
        ("f(<secret>, 1, <secret>)", "`f` (...)"),
        ("INSERT INTO t VALUES (1,2),(3", "INSERT INTO `t` VALUES (...) , ( ?"),
    ] {
        assert_eq!(text(statement), expected, "{statement}");
    }
}

#[test]
fn what_is_not_closed_is_marked() {
    for (statement, closed) in [
        ("SELECT 'a'", true),
        ("SELECT 'a", false),
        ("SELECT \"a", false),
        ("SELECT `a", false),
        ("SELECT /* a", false),
        ("SELECT /*+ a", false),
        ("SELECT a -- b", true),
    ] {
        assert_eq!(digest(statement.as_bytes()).closed, closed, "{statement}");
    }
}

#[test]
fn a_condition_of_a_comment_is_met_up_to_the_version_that_is_known() {
    for (comment, expected) in [
        ("/*!1 a */", "SELECT `a` ?"),
        ("/*! a */", "SELECT `a` ?"),
        ("/*!90704 a */", "SELECT `a` ?"),
        ("/*!90705 a */", "SELECT ?"),
        ("/*!080000 a */", "SELECT `a` ?"),
        ("/*!100000 a */", "SELECT ?"),
        ("/*M!100000 a */", "SELECT ?"),
    ] {
        assert_eq!(text(&format!("SELECT {comment} 1")), expected, "{comment}");
    }
}

/// By Python: `sha256(b"hydrant digest 1\nSELECT ?").hexdigest()[:32]`.
#[test]
fn hashes_are_these_for_ever() {
    assert_eq!(digest(b"SELECT 1").hash(), "c092aff65884dce1af98c6aecbd706d5");
    assert_eq!(digest(b"select  'x' -- c").hash(), digest(b"SELECT 1").hash());
    assert_ne!(digest(b"SELECT 1, 2").hash(), digest(b"SELECT 1").hash());
}

#[test]
fn a_long_list_takes_no_memory() {
    let statement = format!("SELECT a FROM t WHERE a IN ({}0)", "1,".repeat(100_000));
    let digest = digest(statement.as_bytes());
    assert_eq!((digest.text.as_str(), digest.truncated), ("SELECT `a` FROM `t` WHERE `a` IN (...)", false));
    let long = super::digest("a ".repeat(1000).as_bytes());
    assert_eq!((long.text.len(), long.truncated), (204 * 4 - 1, true));
}

proptest! {
    #[test]
    fn any_bytes_have_a_digest(statement in prop::collection::vec(any::<u8>(), 0..200)) {
        digest(&statement);
    }

    #[test]
    fn any_tokens_have_a_digest_within_its_bound(
        words in prop::collection::vec(prop::sample::select(vec![
            "SELECT", "NULL", "IN", "(", ")", ",", "1", "'x'", "-", "+", "ORDER BY", "name", "`q", "@", "/*+", "*/", "/*!", ".", ";",
            "0x1", "NOT", "IS", "\"", "é", "--", "\n", "VALUES",
        ]), 0..600),
    ) {
        let digest = digest(words.join(" ").as_bytes());
        prop_assert!(digest.text.len() <= 20 * TOKEN_BYTES_MAX);
    }
}
