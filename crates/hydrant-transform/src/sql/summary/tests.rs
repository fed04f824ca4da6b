//! Operations and tables of statements, each told by hand.

use proptest::prelude::*;

use super::*;

fn check(statement: &str, operation: &str, tables: &[&str], text: &str) {
    let found = summary(statement.as_bytes());
    let tables: Vec<String> = tables.iter().map(|&table| table.to_owned()).collect();
    assert_eq!(
        (found.operation.as_str(), &found.tables, found.text.as_str()),
        (operation, &tables, text),
        "{statement}"
    );
}

#[test]
fn queries_tell_their_tables() {
    check("SELECT 1", "SELECT", &[], "SELECT");
    check("select a from t where b = 'FROM x'", "SELECT", &["t"], "SELECT t");
    check("SELECT * FROM songs, artists", "SELECT", &["songs", "artists"], "SELECT songs artists");
    check(
        "SELECT * FROM `a``b` AS x, d.`t u` y, d2 . t3 z WHERE 1",
        "SELECT",
        &["a`b", "d.t u", "d2.t3"],
        "SELECT a`b d.t u d2.t3",
    );
    check(
        "SELECT * FROM a x LEFT JOIN b ON x.id = b.id CROSS JOIN c USING (id), e STRAIGHT_JOIN f",
        "SELECT",
        &["a", "b", "c", "f"],
        "SELECT a b c f",
    );
    check(
        "SELECT * FROM (SELECT * FROM orders) o JOIN customers",
        "SELECT",
        &["orders", "customers"],
        "SELECT SELECT orders customers",
    );
    check("SELECT * FROM (a, b) JOIN c", "SELECT", &["a", "b", "c"], "SELECT a b c");
    check(
        "SELECT EXTRACT(DAY FROM d), TRIM(BOTH 'x' FROM y), SUBSTRING(a FROM 2) FROM t",
        "SELECT",
        &["t"],
        "SELECT t",
    );
    check(
        "SELECT a FROM t UNION ALL SELECT b FROM u WHERE c IN (SELECT d FROM v)",
        "SELECT",
        &["t", "u", "v"],
        "SELECT t SELECT u SELECT v",
    );
    check("SELECT 1 FROM dual", "SELECT", &[], "SELECT");
    check("(SELECT a FROM t) UNION (SELECT b FROM t)", "SELECT", &["t"], "SELECT t SELECT t");
    check("SELECT a INTO @x FROM t FOR UPDATE", "SELECT", &["t"], "SELECT t");
    check("/* from x */ SELECT a -- from y\n FROM t # from z", "SELECT", &["t"], "SELECT t");
}

#[test]
fn common_table_expressions_are_no_tables() {
    check("WITH c AS (SELECT * FROM t) SELECT * FROM c JOIN u", "SELECT", &["t", "u"], "SELECT t SELECT u");
    check(
        "WITH RECURSIVE c(n) AS (SELECT 1) DELETE FROM t WHERE a IN (SELECT n FROM c)",
        "DELETE",
        &["t"],
        "SELECT DELETE t SELECT",
    );
}

#[test]
fn changes_tell_what_they_change() {
    check(
        "INSERT INTO shipping_details SELECT * FROM orders",
        "INSERT",
        &["shipping_details", "orders"],
        "INSERT shipping_details SELECT orders",
    );
    check("insert ignore t (a) values (1) on duplicate key update a = 2", "INSERT", &["t"], "INSERT t");
    check("REPLACE INTO d.t SET a = 1", "REPLACE", &["d.t"], "REPLACE d.t");
    check(
        "UPDATE LOW_PRIORITY t, u SET t.a = u.a WHERE t.id IN (SELECT id FROM v)",
        "UPDATE",
        &["t", "u", "v"],
        "UPDATE t u SELECT v",
    );
    check("DELETE FROM t WHERE id = 5", "DELETE", &["t"], "DELETE t");
    check("DELETE a FROM t a JOIN u USING (id)", "DELETE", &["t", "u"], "DELETE t u");
    check("LOAD DATA LOCAL INFILE '/x' INTO TABLE t", "LOAD", &["t"], "LOAD t");
    check("CALL d.p(1, 'from x')", "CALL", &["d.p"], "CALL d.p");
    check("TRUNCATE t", "TRUNCATE", &["t"], "TRUNCATE t");
    check("EXPLAIN SELECT a FROM t", "EXPLAIN", &["t"], "EXPLAIN SELECT t");
}

#[test]
fn definitions_tell_their_object() {
    check(
        "CREATE TABLE IF NOT EXISTS d.t (a INT, FOREIGN KEY (a) REFERENCES u (id))",
        "CREATE TABLE",
        &["d.t", "u"],
        "CREATE TABLE d.t u",
    );
    check("CREATE TEMPORARY TABLE t AS SELECT a FROM u", "CREATE TABLE", &["t", "u"], "CREATE TABLE t SELECT u");
    check("DROP TABLE IF EXISTS a, b", "DROP TABLE", &["a", "b"], "DROP TABLE a b");
    check("ALTER TABLE t ADD COLUMN c INT", "ALTER TABLE", &["t"], "ALTER TABLE t");
    check("CREATE OR REPLACE VIEW v AS SELECT a FROM t", "CREATE VIEW", &["v", "t"], "CREATE VIEW v SELECT t");
    check("CREATE USER 'u'@'h' IDENTIFIED BY 'x'", "CREATE USER", &[], "CREATE USER");
    check("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX", &[], "CREATE INDEX");
}

#[test]
fn other_statements_tell_their_first_word() {
    for word in ["SHOW", "SET", "USE", "BEGIN", "COMMIT", "GRANT", "FLUSH", "KILL", "DO"] {
        check(&format!("{} x", word.to_lowercase()), word, &[], word);
    }
    check("", "", &[], "");
    check("'x'", "", &[], "");
}

#[test]
fn a_summary_is_cut_between_two_words() {
    let tables: Vec<String> = (0..100).map(|number| format!("table_{number:03}")).collect();
    let found = summary(format!("SELECT * FROM {}", tables.join(", ")).as_bytes());
    assert_eq!(found.tables, tables[..TABLES_MAX]);
    assert_eq!(found.text, format!("SELECT {}", tables[..24].join(" ")));
}

proptest! {
    #[test]
    fn any_tokens_have_a_summary_within_its_bounds(
        words in prop::collection::vec(prop::sample::select(vec![
            "SELECT", "FROM", "JOIN", "(", ")", ",", ".", "`q", "`t`", "name", "INTO", "UPDATE", "WITH", "AS", "CREATE", "TABLE", "'x'",
            "/*!", "*/", "é", "\u{0}", "EXPLAIN", "INSERT",
        ]), 0..300),
    ) {
        let found = summary(words.join(" ").as_bytes());
        prop_assert!(found.text.len() <= TEXT_BYTES_MAX && found.tables.len() <= TABLES_MAX);
    }
}
