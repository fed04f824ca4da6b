//! What is hidden, written by hand for each kind of statement, and that no password survives.

use super::*;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

fn hidden(statement: &str) -> String {
    String::from_utf8_lossy(&secrets(statement.as_bytes())).into_owned()
}

fn check(cases: &[(&str, &str)]) {
    for (statement, expected) in cases {
        assert_eq!(hidden(statement), *expected, "{statement}");
    }
}

#[test]
fn account_statements() {
    check(&[
        ("CREATE USER 'u'@'%' IDENTIFIED BY 'pw'", "CREATE USER 'u'@'%' IDENTIFIED BY <secret>"),
        ("create user u identified by\n \"p w\" require ssl", "create user u identified by\n <secret> require ssl"),
        (
            "CREATE USER 'a' IDENTIFIED BY 'x', 'b'@'h' IDENTIFIED BY 'y' ATTRIBUTE '{\"k\": 1}'",
            "CREATE USER 'a' IDENTIFIED BY <secret>, 'b'@'h' IDENTIFIED BY <secret> ATTRIBUTE '{\"k\": 1}'",
        ),
        (
            "ALTER USER u IDENTIFIED WITH 'caching_sha2_password' BY 'x' REPLACE 'y' RETAIN CURRENT PASSWORD",
            "ALTER USER u IDENTIFIED WITH 'caching_sha2_password' BY <secret> REPLACE <secret> RETAIN CURRENT PASSWORD",
        ),
        (
            "CREATE USER u IDENTIFIED WITH mysql_native_password AS '*ABC', v IDENTIFIED WITH p AS 0x2A41",
            "CREATE USER u IDENTIFIED WITH mysql_native_password AS <secret>, v IDENTIFIED WITH p AS <secret>",
        ),
        (
            "GRANT ALL ON d.* TO u IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION",
            "GRANT ALL ON d.* TO u IDENTIFIED BY PASSWORD <secret> WITH GRANT OPTION",
        ),
        (
            "CREATE USER u IDENTIFIED VIA ed25519 USING PASSWORD('x') OR mysql_native_password USING '*AB'",
            "CREATE USER u IDENTIFIED VIA ed25519 USING PASSWORD(<secret>) OR mysql_native_password USING <secret>",
        ),
        ("ALTER USER u IDENTIFIED BY RANDOM PASSWORD", "ALTER USER u IDENTIFIED BY RANDOM PASSWORD"),
        (
            "ALTER USER u PASSWORD HISTORY 5 PASSWORD EXPIRE INTERVAL 9 DAY",
            "ALTER USER u PASSWORD HISTORY 5 PASSWORD EXPIRE INTERVAL 9 DAY",
        ),
        ("CREATE USER u IDENTIFIED BY _utf8mb4'p' 'q'", "CREATE USER u IDENTIFIED BY _utf8mb4<secret> <secret>"),
    ]);
}

#[test]
fn set_password_replication_and_servers() {
    check(&[
        ("SET PASSWORD = 'x'", "SET PASSWORD = <secret>"),
        ("set password='x' replace 'y'", "set password=<secret> replace <secret>"),
        ("SET PASSWORD FOR 'u'@'h' = PASSWORD('x')", "SET PASSWORD FOR 'u'@'h' = PASSWORD(<secret>)"),
        ("SET PASSWORD FOR u@localhost = OLD_PASSWORD(\"x\")", "SET PASSWORD FOR u@localhost = OLD_PASSWORD(<secret>)"),
        ("SET PASSWORD FOR `u`@`h`='x'", "SET PASSWORD FOR `u`@`h`=<secret>"),
        ("SET PASSWORD FOR current_user() TO 'x'", "SET PASSWORD FOR current_user() TO <secret>"),
        ("SET PASSWORD FOR 'u'@'h' TO RANDOM", "SET PASSWORD FOR 'u'@'h' TO RANDOM"),
        (
            "CHANGE MASTER TO MASTER_HOST='h', MASTER_USER='r', MASTER_PASSWORD='x', MASTER_PORT=3306",
            "CHANGE MASTER TO MASTER_HOST='h', MASTER_USER='r', MASTER_PASSWORD=<secret>, MASTER_PORT=3306",
        ),
        (
            "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = 'x'",
            "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = <secret>",
        ),
        (
            "START REPLICA USER='a' PASSWORD='x' DEFAULT_AUTH='p'",
            "START REPLICA USER='a' PASSWORD=<secret> DEFAULT_AUTH='p'",
        ),
        (
            "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'r', PASSWORD 'x', HOST 'h')",
            "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'r', PASSWORD <secret>, HOST 'h')",
        ),
    ]);
}

#[test]
fn what_the_server_hid_and_what_is_no_secret_stays() {
    for statement in [
        "CREATE USER 'u2'@'%' IDENTIFIED BY <secret>",
        "ALTER USER `u`@`%` IDENTIFIED WITH 'caching_sha2_password' BY <secret> REPLACE <secret>",
        "SET PASSWORD FOR `root`@`localhost`=<secret>",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS ( PASSWORD <secret>, USER 'r')",
        "GRANT SELECT ON d.* TO u IDENTIFIED BY *****",
        "SHOW VARIABLES LIKE 'validate_password%'",
        "SET GLOBAL validate_password.policy = 'LOW', default_password_lifetime = 5",
        "Access denied for user 'app'@'localhost' (using password: YES)",
        "SELECT 'forgot your password?', identified FROM t WHERE a = 'b'",
        "SELECT 1",
        "",
    ] {
        assert_eq!(hidden(statement), statement);
    }
}

#[test]
fn statements_that_are_cut_or_do_not_parse() {
    check(&[
        ("CREATE USER u IDENTIFIED BY 'sec", "CREATE USER u IDENTIFIED BY <secret>"),
        ("CREATE USER u IDENTIFIED BY 'visible' IDENTIFID", "CREATE USER u IDENTIFIED BY <secret> IDENTIFID"),
        ("FOO BAR PASSWORD ('x", "FOO BAR PASSWORD (<secret>"),
        ("SET PASSWORD FOR 'u'@'h' 'x'", "SET PASSWORD FOR 'u'@'h' <secret>"),
        ("CREATE USER 'u' IDENTIFID BY 'x'", "CREATE USER 'u' IDENTIFID BY <secret>"),
        ("CREATE USER u IDENTIFIED BY x REQUIRE SSL", "CREATE USER u IDENTIFIED BY <secret> REQUIRE SSL"),
        ("CREATE USER u IDENTIFIED WITH p BY `x`", "CREATE USER u IDENTIFIED WITH p BY <secret>"),
        ("CREATE USER u IDENTIFIED BY \u{2018}x\u{2019}", "CREATE USER u IDENTIFIED BY <secret>"),
        ("SELECT identified FROM t GROUP BY name", "SELECT identified FROM t GROUP BY name"),
        (r"SET PASSWORD = 'a\' b", "SET PASSWORD = <secret>"),
        // Where backslashes do not escape the password ends at the first quote; where they do it goes on.
        (r"SET PASSWORD = 'a\', x = 'c'", "SET PASSWORD = <secret>"),
        (r"SELECT 'C:\'; SET PASSWORD = 'x'", r"SELECT 'C:\'; SET PASSWORD = <secret>"),
        (
            "UPDATE users SET name = 'n', password = 'x', `passwd` = 12 WHERE id = 3",
            "UPDATE users SET name = 'n', password = <secret>, `passwd` = <secret> WHERE id = 3",
        ),
    ]);
}

#[test]
fn passwords_that_functions_make_and_comparisons() {
    check(&[
        ("SET PASSWORD = CONCAT('a', 'x')", "SET PASSWORD = CONCAT(<secret>, <secret>)"),
        (
            "SET PASSWORD = PASSWORD(CONCAT('a', 'x')), @b = 'c'",
            "SET PASSWORD = PASSWORD(CONCAT(<secret>, <secret>)), @b = 'c'",
        ),
        (
            "SELECT 1 FROM u WHERE password IN ('x', 'y') AND a = 'b'",
            "SELECT 1 FROM u WHERE password IN (<secret>, <secret>) AND a = 'b'",
        ),
        (
            "SELECT 1 FROM u WHERE u.password <=> 'x' OR password LIKE 'y%'",
            "SELECT 1 FROM u WHERE u.password <=> <secret> OR password LIKE <secret>",
        ),
        ("UPDATE u SET password = n, a = 'b'", "UPDATE u SET password = n, a = 'b'"),
        (
            "SET @s = CONCAT('CREATE USER a IDENTIFIED BY \'\'', 'x', '\'\'\'\''); SELECT 'b'",
            "SET @s = CONCAT(<secret>, <secret>, <secret>); SELECT 'b'",
        ),
        ("SELECT CONCAT('SET PASSWORD = ', QUOTE('x'))", "SELECT CONCAT('SET PASSWORD = ', QUOTE(<secret>))"),
    ]);
}

#[test]
fn passwords_without_quotes_and_arguments_of_procedures() {
    check(&[
        ("SET PASSWORD FOR u@h=x", "SET PASSWORD FOR u@h=<secret>"),
        ("SET PASSWORD FOR u = x; SELECT y", "SET PASSWORD FOR u = <secret>; SELECT y"),
        ("set password = x", "set password = <secret>"),
        ("SET PASSWORD FOR u = CONCAT('a', 'x')", "SET PASSWORD FOR u = CONCAT(<secret>, <secret>)"),
        (
            "CALL mysql.rds_set_external_master ('h.example', 3306, 'repl', 'x', 'bin.000001', 5, 0)",
            "CALL mysql.rds_set_external_master ('h.example', 3306, 'repl', <secret>, <secret>, <secret>, <secret>)",
        ),
        (
            "call `mysql`.`rds_set_external_source_with_auto_position`('h', 3306, 'repl', 'x'); SELECT 'y'",
            "call `mysql`.`rds_set_external_source_with_auto_position`('h', 3306, 'repl', <secret>); SELECT 'y'",
        ),
        (
            "CALL mysql.rds_import_binlog_ssl_material('{\"k\": 1}')",
            "CALL mysql.rds_import_binlog_ssl_material(<secret>)",
        ),
        ("CALL mysql.rds_kill(7, 'x')", "CALL mysql.rds_kill(7, 'x')"),
        ("CALL p('rds_set_external_master', 1, 2, 'y')", "CALL p('rds_set_external_master', 1, 2, 'y')"),
    ]);
}

/// Blanks and quotes of other alphabets, which a session's character set or an editor made.
#[test]
fn passwords_behind_other_blanks_and_in_other_quotes() {
    let hidden = |text: &[u8]| String::from_utf8_lossy(&secrets(text)).into_owned();
    for blank in [&b"\xa0"[..], "\u{a0}".as_bytes(), "\u{3000}".as_bytes(), "\u{200b}".as_bytes(), b"\xff "] {
        for (before, after) in [
            (&b"CREATE USER u IDENTIFIED BY"[..], &b"'zq pw'"[..]),
            (b"SET PASSWORD", b"= 'zq'"),
            (b"SET PASSWORD =", b"'zq'"),
        ] {
            let text = [before, blank, after].concat();
            assert!(!hidden(&text).contains("zq"), "{}", hidden(&text));
        }
        let text = [b"CREATE USER u IDENTIFIED", blank, b"BY", blank, b"'zq'"].concat();
        assert!(!hidden(&text).contains("zq"), "{}", hidden(&text));
    }
    check(&[
        ("CREATE USER u IDENTIFIED BY \u{2018}my pass\u{2019} x", "CREATE USER u IDENTIFIED BY <secret> x"),
        ("SET PASSWORD = PASSWORD(\u{201c}my pass\u{201d})", "SET PASSWORD = PASSWORD(<secret>)"),
        ("SELECT 'caf\u{e9}', password FROM t", "SELECT 'caf\u{e9}', password FROM t"),
    ]);
}

/// MariaDB logs what does not parse too.
#[test]
fn passwords_of_statements_that_do_not_parse() {
    for statement in [
        "CREATE USER u IDENTIFIED BY = 'zq'",
        "CREATE USER u IDENTIFIED BY ('zq')",
        "CREATE USER u IDENTIFIED BY (('zq'))",
        "CREATE USER u IDENTIFIED BY +'zq'",
        "CREATE USER u IDENTIFIED BY @p:='zq'",
        "CREATE USER u IDENTIFIED 'zq'",
        "CREATE USER u IDENTIFIED WITH 'p' 'zq'",
        "CREATE USER u IDENTIFIED BY N\"zq\"",
        "Query: 'PREPARE s FROM 'CREATE USER a IDENTIFIED BY ''zq''''",
        "EXECUTE IMMEDIATE 'SET PASSWORD = ''zq'''",
        "SET \"password\" = 'zq'",
    ] {
        assert!(!hidden(statement).contains("zq"), "{}", hidden(statement));
    }
    let message = b"Query (7f): CALL mysql.rds_set_external_master('h', 3306, 'repl', 'zq', 'bin.1', 4, 0)";
    assert!(!String::from_utf8_lossy(&secrets_of_piece(message)).contains("zq"));
    check(&[
        ("SELECT identified, 'a' FROM t", "SELECT identified, 'a' FROM t"),
        ("CREATE USER 'u'@'h' IDENTIFIED WITH 'p'", "CREATE USER 'u'@'h' IDENTIFIED WITH 'p'"),
        ("SELECT \"password\", 'a'", "SELECT \"password\", 'a'"),
    ]);
}

/// The rest of a statement whose beginning came in another event.
#[test]
fn words_without_their_front() {
    for (text, expected) in [
        ("ENTIFIED BY 'x' REQUIRE SSL", "ENTIFIED BY <secret> REQUIRE SSL"),
        ("d with 'p' by 'x'", "d with 'p' by <secret>"),
        ("WORD = 'x', a = 'b'", "WORD = <secret>, a = 'b'"),
        ("rd('x')", "rd(<secret>)"),
        ("BY 'x'", "BY <secret>"),
        ("y \"x\" REPLACE", "y <secret> REPLACE"),
        ("by the way: 'x'", "by the way: 'x'"),
        ("d = x", "d = x"),
        ("Word 'x' is not known", "Word <secret> is not known"),
        ("SET a = 'x'", "SET a = 'x'"),
        ("", ""),
    ] {
        assert_eq!(String::from_utf8_lossy(&secrets_of_piece(text.as_bytes())), expected, "{text}");
    }
}

/// An apostrophe where none belongs turns strings into text and text into strings.
#[test]
fn quotes_that_do_not_fit() {
    check(&[
        ("CREATE USER 'o'brien' IDENTIFIED BY 'x'", "CREATE USER 'o'brien' IDENTIFIED BY <secret>"),
        ("CREATE USER `a IDENTIFIED BY 'x'", "CREATE USER `a IDENTIFIED BY <secret>"),
        ("CREATE USER 'a IDENTIFIED BY 'x'", "CREATE USER 'a IDENTIFIED BY <secret>"),
        (r"CREATE USER \'a\' IDENTIFIED BY \'x\'", r"CREATE USER \'a\' IDENTIFIED BY \<secret>"),
    ]);
    for statement in [
        "CREATE USER 'o'brien'@'%' IDENTIFIED WITH p AS 'Zq7' REQUIRE NONE",
        "INSERT INTO log VALUES ('O'Brien'); SET PASSWORD = 'Zq7'",
        "INSERT INTO log VALUES ('O'Brien', 'O'Neil'); SET PASSWORD = 'Zq7', a = 'b'",
        "CREATE USER \"a' IDENTIFIED BY 'Zq7'",
        "/* it's */ CREATE USER 'a' IDENTIFIED BY 'Zq7' /* not closed",
    ] {
        let shown = hidden(statement);
        assert!(!shown.contains("Zq7"), "{shown}");
    }
}

/// As the fuzzer found it: words that may bring a secret by the hundred, in quotes that do not fit.
#[test]
fn many_traces_are_hidden_from_a_bound_on() {
    let statement = format!("SELECT '{}' x' {} identified by 'Zq7'", "a", "passwd ".repeat(400));
    let shown = hidden(&statement);
    assert!(!shown.contains("Zq7") && shown.ends_with("passwd <secret>"), "{shown}");
}

#[test]
fn statements_in_strings_and_comments() {
    check(&[
        ("PREPARE s FROM 'SET PASSWORD = ''x'''", "PREPARE s FROM <secret>"),
        (r#"EXECUTE IMMEDIATE "CREATE USER u IDENTIFIED BY \"x\"""#, "EXECUTE IMMEDIATE <secret>"),
        ("SET @s = 'ALTER USER u IDENTIFIED BY \"x\"'", "SET @s = <secret>"),
        ("SELECT 1 /* was: identified by 'x' */", "SELECT 1 /* was: identified by <secret> */"),
        ("SELECT 1 -- password='x'\n, 2", "SELECT 1 -- password=<secret>\n, 2"),
        ("/*!50000 SET PASSWORD = */ 'x'", "/*!50000 SET PASSWORD = */ <secret>"),
        ("SELECT 1 /* it's cut, password = 'x", "SELECT 1 /* it's cut, password = <secret>"),
    ]);
}

#[test]
fn bytes_that_are_not_utf8_stay() {
    assert_eq!(&*secrets(b"SET PASSWORD = 'x' -- \xff\0"), b"SET PASSWORD = <secret> -- \xff\0");
}

/// Ways to give a password, with `%` in its place.
fn carrier() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("CREATE USER 'u'@'%%' IDENTIFIED BY %"),
        Just("ALTER USER u IDENTIFIED WITH p BY % REPLACE 'o'"),
        Just("GRANT ALL ON *.* TO u IDENTIFIED BY PASSWORD %"),
        Just("SET PASSWORD FOR 'u'@'h' = PASSWORD(%)"),
        Just("SET PASSWORD = %"),
        Just("CHANGE MASTER TO MASTER_PASSWORD = %, MASTER_USER = 'u'"),
        Just("CREATE SERVER s OPTIONS (HOST 'h', PASSWORD %, PORT 1)"),
        Just("update t set password=% where a='b'"),
        Just("CREATE USER 'o'brien' IDENTIFIED BY %"),
        Just("SET PASSWORD = PASSWORD(CONCAT('a', %))"),
    ]
}

proptest! {
    #[test]
    fn no_password_survives(
        carrier in carrier(),
        inner in "[a-z ;,()=*/#-]{0,12}",
        before in "[ a-z0-9,.()=]{0,20}",
        double in any::<bool>(),
        cut in any::<bool>(),
    ) {
        let password = format!("Zq7{inner}Zq8");
        let quote = if double { '"' } else { '\'' };
        let place = carrier.rfind('%').unwrap();
        let (head, tail) = (&carrier[..place], &carrier[place + 1..]);
        let statement = if cut {
            format!("{before};{head}{quote}{password}")
        } else {
            format!("{before};{head}{quote}{password}{quote}{tail}")
        };
        let out = hidden(&statement);
        prop_assert!(!out.contains("Zq7") && !out.contains("Zq8"), "{statement} -> {out}");
        prop_assert!(out.contains("<secret>"));
        prop_assert_eq!(hidden(&out), out);
    }

    #[test]
    fn any_bytes_are_read_and_without_a_trace_stay(text in any::<Vec<u8>>(), glue in "[-'\"`\\\\/*!#@.0xb \n]{0,30}") {
        let text = [text, glue.into_bytes()].concat();
        prop_assert_eq!(&*secrets(&text), &text[..]);
        let named = [&b"identified by password "[..], &text].concat();
        secrets(&named);
    }
}
