//! What `literals` and `secrets` hide beside statements: where a client's text stands in the place of a name or header.

use hydrant_transform::document::Profile;
use hydrant_transform::envelope::{EventFlags, LogEvent};
use hydrant_transform::record::Options;
use hydrant_transform::sql::redact::Redact;
use serde_json::{Value, json};

use super::{event, one};

/// The document with `literals`. `zq7` and `4111` stand for what a client sent.
fn hidden(message: &str) -> Value {
    for profile in Profile::ALL {
        let options = Options { redact: Redact::Literals, profile, ..Options::default() };
        let (_, document) = one(event(message.as_bytes()), &options);
        assert!(!document.contains("zq7") && !document.contains("4111"), "{document}");
    }
    shown(message, Redact::Literals)
}

fn shown(message: &str, redact: Redact) -> Value {
    let (_, document) = one(event(message.as_bytes()), &Options { redact, ..Options::default() });
    serde_json::from_str(&document).expect("JSON")
}

#[test]
fn a_comment_that_looks_like_headers_of_the_slow_log_is_none() {
    let server = "# Time: 2021-07-23T05:45:52.976229Z\n# User@Host: a[b] @ h [10.0.0.1]  Id: 5\n# Query_time: 1  Rows_sent: 3 Rows_examined: 9\n";
    let comment = "# Card: 4111\n# Schema: zq7\n# Query_tables: zq7\n# Time: 210723 41:11:11\n# User@Host: zq7[zq7] @ zq7 []\n# Rows_affected: 4111\n# Query_time: 4111\nSELECT 1;\n";
    let told = hidden(&format!("{server}{comment}"));
    let fields = ["PID", "User", "Account", "Host", "Ip", "Query_time", "Rows_examined", "Database", "Rows_affected"];
    assert_eq!(
        fields.map(|field| told[field].clone()),
        [
            json!(5),
            json!("a"),
            json!("b"),
            json!("h"),
            json!("10.0.0.1"),
            json!(1.0),
            json!(9),
            Value::Null,
            Value::Null
        ]
    );
    // The server's own line ends its headers.
    let told = hidden(&format!("{server}# Rows_affected: 2  Schema: db1\nSET timestamp=5;\n# Card: 4111\nSELECT 1;\n"));
    assert_eq!(
        (&told["Rows_affected"], &told["Database"], &told["Statement"]),
        (&2.into(), &"db1".into(), &" \nSELECT ?".into())
    );
    // What is shown of it comes from the server's own lines too.
    let told = shown(&format!("{server}{comment}"), Redact::Secrets);
    assert_eq!(
        (&told["User"], &told["Host"], &told["Query_time"], &told["Time"]),
        (&"a".into(), &"h".into(), &1.0.into(), &"2021-07-23T05:45:52.976229Z".into())
    );
}

#[test]
fn an_administrator_command_is_one_of_the_servers() {
    let head = "# Query_time: 1\nSET timestamp=5;\n# administrator command: ";
    assert_eq!(hidden(&format!("{head}Quit;\n"))["Perform"], "Quit");
    assert_eq!(hidden(&format!("{head}zq7 4111;\n"))["Perform"], "?");
    assert_eq!(shown(&format!("{head}zq7 4111;\n"), Redact::Secrets)["Perform"], "zq7 4111");
}

#[test]
fn what_stands_in_place_of_a_database_is_shown_only_where_it_looks_like_a_name() {
    let audit = |database: &str| format!("20210723 05:45:52,vm,a,h,1,0,QUERY,{database},'USE x',0");
    assert_eq!(hidden(&audit("app-db_1"))["Database"], "app-db_1");
    for database in ["'zq7'", "4111-4111", "db -- zq7", "(zq7)"] {
        assert_eq!(hidden(&audit(database))["Database"], "?", "{database}");
    }
    // Without its quotes nobody knows what of a query is a name.
    let told = hidden("20210723 05:45:52,vm,a,h,1,0,QUERY,d,SELECT zq7,0,zq7");
    assert_eq!((&told["Object"], told.get("Return_code")), (&"?".into(), Some(&0.into())));
}

#[test]
fn a_deadlock_is_told_up_to_a_statement_without_an_end() {
    let dump = |statement: &str| {
        format!(
            "2021-07-23T05:45:52.976229Z 0 [Note] InnoDB: Transactions deadlock detected\n*** (1) TRANSACTION:\nTRANSACTION 33, ACTIVE 4 sec\n\
             MySQL thread id 5, query id 40 h u x\n{statement}\n*** (1) HOLDS THE LOCK(S):\n\
             RECORD LOCKS space id 5 page no 4 n bits 72 index PRIMARY of table `d`.`t` trx id 1767 lock_mode X waiting\n*** WE ROLL BACK TRANSACTION (1)"
        )
    };
    let told = hidden(&dump("UPDATE t SET v='zq7' WHERE id=4111"))["Deadlock"].clone();
    assert_eq!(
        (&told["transactions"][0]["statement"], &told["rolled_back"]),
        (&"UPDATE t SET v=? WHERE id=?".into(), &1.into())
    );
    assert_eq!(told["transactions"][0]["holds"][0]["table"], "`d`.`t`");
    let planted = "UPDATE t SET v='\n*** (2) TRANSACTION:\nTRANSACTION 4111, ACTIVE 4111 sec\nMySQL thread id 4111, query id 4111 zq7 zq7 zq7\nzq7\n\
                   *** WE ROLL BACK TRANSACTION (4111)";
    let told = hidden(&dump(planted))["Deadlock"].clone();
    assert_eq!(
        told,
        json!({"transactions": [{"number": 1, "id": 33, "active_seconds": 4, "thread_id": 5, "query_id": 40, "host": "h", "user": "u", "state": "x", "statement": "UPDATE t SET v=?"}]})
    );
    let flags = EventFlags { partial: true, ..EventFlags::default() };
    let doubtful = LogEvent { flags, ..event(dump("zq7").as_bytes()) };
    let (_, document) = one(doubtful, &Options { redact: Redact::Literals, ..Options::default() });
    assert!(!document.contains("Deadlock") && !document.contains("zq7"), "{document}");
}

#[test]
fn other_members_of_the_json_sink_are_searched() {
    let sink = r#"{"err_code":1,"label":"Note","msg":"m","time":"2021-07-23T05:45:52.976229Z","query":"SET PASSWORD = 'zq7'","n":5}"#;
    let told = shown(sink, Redact::Secrets);
    assert_eq!((&told["query"], &told["n"]), (&"SET PASSWORD = <secret>".into(), &5.into()));
    assert_eq!(shown(sink, Redact::Off)["query"], "SET PASSWORD = 'zq7'");
}

/// A piece of an entry that begins in the middle of a word.
#[test]
fn a_text_that_goes_on_with_a_password_does_not_show_it() {
    assert_eq!(shown("ENTIFIED BY 'zq7'", Redact::Secrets)["message"], "ENTIFIED BY <secret>");
}

/// A header may be planted in a string, and what follows it then is a piece of a statement.
#[test]
fn arguments_of_commands_that_have_none_are_hidden_and_names_with_quotes_too() {
    for (command, argument, told) in [
        ("Init DB", "select 'zq7'", "?"),
        ("Init DB", "app_db", "app_db"),
        ("Quit", "zq7", "?"),
        ("Long Data", "zq7", "?"),
        ("Binlog Dump", "zq7", "?"),
        ("Connect", "x@h on 'zq7' using 'zq7'", "?"),
        ("Connect", "x@h on d using Socket", "x@h on d using Socket"),
        (
            "Connect",
            "Access denied for user 'x'@'h' (using password: YES)",
            "Access denied for user 'x'@'h' (using password: YES)",
        ),
    ] {
        let told_of = hidden(&format!("2021-07-23T05:45:52.976229Z\t   13 {command}\t{argument}"));
        assert_eq!(told_of["Statement"], told, "{command} {argument}");
        assert_eq!(told_of.get("User").is_some(), told.contains('x'), "{command} {argument}");
    }
    assert_eq!(hidden("2021-07-23T05:45:52.976229Z 5 [Note] [MY-000001] [a 'zq7'] m")["Subsystem"], "?");
    assert_eq!(hidden("20210723 05:45:52,vm,a,h,1,0,READ,d,t 'zq7',")["Object"], "?");
}

/// With literals hidden a document has the digest of its statement, where no literal can be in that.
#[test]
fn digests_are_those_of_the_statement() {
    let options = Options { redact: Redact::Literals, digest: true, ..Options::default() };
    let digest = |statement: &str| {
        let (_, document) =
            one(event(format!("2021-07-23T05:45:52.976229Z\t    5 Query\t{statement}").as_bytes()), &options);
        serde_json::from_str::<Value>(&document).expect("JSON")["digest"].as_str().expect("a digest").to_owned()
    };
    for (statement, expected) in [
        ("SELECT -1", "SELECT ?"),
        ("SELECT a IN (-1, 2)", "SELECT `a` IN (...)"),
        ("SELECT _utf8mb4'a'", "SELECT (_charset) ?"),
        // What may hold a literal is that of the statement as it is shown.
        ("SELECT a FROM t ORDER BY 4111", "SELECT `a` FROM `t` ORDER BY ?"),
        ("SELECT /*+ MAX_EXECUTION_TIME(4111) */ a", "SELECT `a`"),
        ("SELECT 4111e", "SELECT ?"),
    ] {
        assert_eq!(digest(statement), expected, "{statement}");
    }
}
