//! Documents of the slow, error and audit logs, and what is hidden or no UTF-8 in all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::document::Profile;
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Encoder, EventFlags, Header, LogEvent};
use hydrant_transform::record::{LineTransformer, Options, transform, transform_events};
use hydrant_transform::sql::redact::Redact;
use proptest::prelude::*;
use serde_json::Value;

use super::{EVENT_ID, SOURCE, TAIL, event, gzip, one, source};

#[test]
fn passwords_are_hidden_in_statements_and_text_unless_told_otherwise() {
    let one = |message: &[u8], redact| {
        let (_, document) = one(event(message), &Options { redact, ..Options::default() });
        serde_json::from_str::<Value>(&document).unwrap()
    };
    let statement = b"2021-07-23T05:45:52.976229Z\t    5 Query\tSET PASSWORD = 'x1y2' -- \xe9";
    let text = b"\xff SET PASSWORD = 'x1y2'";
    for message in [&statement[..], text] {
        let shown = one(message, Redact::Off);
        assert!(shown.to_string().contains("x1y2"), "{shown}");
        let hidden = one(message, Options::default().redact);
        assert!(!hidden.to_string().contains("x1y2"), "{hidden}");
        let exact = STANDARD.decode(hidden["message_base64"].as_str().unwrap()).unwrap();
        let expected = String::from_utf8_lossy(message).replace("'x1y2'", "<secret>");
        assert_eq!(String::from_utf8_lossy(&exact), expected);
    }
    assert_eq!(one(statement, Redact::Secrets)["Statement"], "SET PASSWORD = <secret> -- \u{fffd}");
    let json = br#"{"statement":"SET PASSWORD = 'x1y2'"}"#;
    assert_eq!(one(json, Redact::Secrets)["statement"], "SET PASSWORD = 'x1y2'");
}

#[test]
fn statements_have_their_digest_type_and_tables_on_request() {
    let options = Options { digest: true, ..Options::default() };
    let fields = |message: &[u8]| {
        let (_, document) = one(event(message), &options);
        let document: Value = serde_json::from_str(&document).unwrap();
        ["digest", "digest_hash", "statement_type", "tables"].map(|name| document.get(name).cloned())
    };
    let general = b"2021-07-23T05:45:52.976229Z\t    5 Execute\tSELECT a FROM t JOIN u WHERE b IN (1, 2)";
    let [text, hash, kind, tables] = fields(general);
    assert_eq!(text, Some("SELECT `a` FROM `t` JOIN `u` WHERE `b` IN (...)".into()));
    assert_eq!((kind, tables), (Some("SELECT".into()), Some(serde_json::json!(["t", "u"]))));
    let slow = b"# Query_time: 1\nSELECT a FROM t JOIN u WHERE b IN (3);\n";
    let audit = b"20210723 05:45:52,vm,a,h,1,0,QUERY,,'SELECT a FROM t JOIN u WHERE b IN (\\'x\\')',0";
    for message in [&slow[..], audit] {
        assert_eq!(fields(message)[..2], [text.clone(), hash.clone()]);
    }
    // A secret does not come back as a name, and one that the server has hidden is a value too.
    let secret = b"2021-07-23T05:45:52.976229Z\t    5 Query\tSET PASSWORD = 'x\\'y1z2'";
    assert!(!one(event(secret), &options).1.contains("y1z2"));
    let hidden = b"2021-07-23T05:45:52.976229Z\t    5 Query\tCREATE USER 'u'@'h' IDENTIFIED BY <secret>";
    assert_eq!(fields(hidden)[0], Some("CREATE SYSTEM_USER ? @? IDENTIFIED BY ?".into()));
    for other in [
        &b"2021-07-23T05:45:52.976229Z\t    5 Quit\t"[..],
        b"# Query_time: 1\n# administrator command: Ping;\n",
        b"text",
    ] {
        assert_eq!(fields(other), [None, None, None, None]);
    }
    assert!(!one(event(general), &Options::default()).1.contains("digest"));
}

#[test]
fn an_entry_of_the_slow_log_has_the_names_of_the_log() {
    let message = b"# Time: 2021-07-23T05:45:52.976229Z\n# User@Host: app[app] @  [10.0.0.1]  Id:    12\n\
        # Query_time: 2  Lock_time: 0.000001 Rows_sent: 1  Full_scan: Yes  InnoDB_trx_id: 1500  owner: x  Rows_sent: 2\n\
        use d;\nSET timestamp=1627019150;\nSET PASSWORD = 'x1y2';\n";
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.976229Z","Time":"2021-07-23T05:45:52.976229Z","PID":12,"User":"app","Account":"app","Ip":"10.0.0.1","Database":"d","Query_time":2.0,"Lock_time":0.000001,"Rows_sent":1,"Full_scan":true,"InnoDB_trx_id":"1500","Header":"owner: x\nRows_sent: 2","Set_timestamp":1627019150,"Statement":"SET PASSWORD = <secret>",{TAIL}}}"#
    );
    assert_eq!(one(event(message), &Options::default()), (Format::Slow, expected));
    // A legacy stamp is in a zone that only the source knew.
    let legacy = b"# Time: 210723  5:45:52\n# Query_time: 1\n# administrator command: Quit;\n";
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.976000Z","Time":"2021-07-23T05:45:52.976000Z","Query_time":1.0,"Perform":"Quit","Statement":"",{TAIL}}}"#
    );
    assert_eq!(one(event(legacy), &Options::default()), (Format::Slow, expected));
}

#[test]
fn an_entry_of_the_error_log_has_its_parts_and_its_message() {
    let line = b"2021-07-23T05:45:52.976229Z 74 [Note] [MY-010926] [Server] Access denied";
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.976229Z","Time":"2021-07-23T05:45:52.976229Z","PID":74,"Label":"Note","Error_code":"MY-010926","Subsystem":"Server","message":"Access denied",{TAIL}}}"#
    );
    assert_eq!(one(event(line), &Options::default()), (Format::Error, expected));
    let glued = b"2021-07-23  5:45:52 0x2b76b6e68700InnoDB: x \xe9";
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.976000Z","Time":"2021-07-23T05:45:52.976000Z","Thread":"0x2b76b6e68700","message":"InnoDB: x �",{TAIL},"message_base64":"{}"}}"#,
        STANDARD.encode(glued)
    );
    assert_eq!(one(event(glued), &Options::default()), (Format::Error, expected));
}

#[test]
fn a_crash_and_a_deadlock_tell_what_ran_without_its_passwords() {
    let crash = b"2021-07-23T05:45:52Z UTC - mysqld got signal 11 ;\nQuery (7f): SET PASSWORD = 'x1y2'\nConnection ID (thread ID): 12\n";
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.000000Z","Time":"2021-07-23T05:45:52Z","PID":12,"Signal":11,"Statement":"SET PASSWORD = <secret>","message":"mysqld got signal 11 ;\nQuery (7f): SET PASSWORD = <secret>\nConnection ID (thread ID): 12",{TAIL}}}"#
    );
    assert_eq!(one(event(crash), &Options::default()), (Format::Error, expected));
    let deadlock = b"2021-07-23  5:45:52 7 [Note] InnoDB: Transactions deadlock detected\n\
        *** (1) TRANSACTION:\nTRANSACTION 33, ACTIVE 4 sec\nMySQL thread id 5, query id 40 localhost root updating\n\
        SET PASSWORD = 'x1y2'\n*** (1) WAITING FOR THIS LOCK TO BE GRANTED:\n\
        RECORD LOCKS space id 6 index PRIMARY of table `d`.`t` trx id 33 lock_mode X waiting\n\
        *** WE ROLL BACK TRANSACTION (1)\n";
    let (_, document) = one(event(deadlock), &Options::default());
    let expected = r#""PID":7,"Label":"Note","Deadlock":{"transactions":[{"number":1,"id":33,"active_seconds":4,"thread_id":5,"query_id":40,"host":"localhost","user":"root","state":"updating","statement":"SET PASSWORD = <secret>","waits_for":[{"table":"`d`.`t`","index":"PRIMARY","mode":"X"}]}],"rolled_back":1},"message":"InnoDB: Transactions deadlock detected\n"#;
    assert!(document.contains(expected), "{document}");
    assert!(!document.contains("x1y2"), "{document}");
}

/// As seen in a public capture of Aurora: the thread is glued to what follows it, be it the stamp once more.
#[test]
fn a_deadlock_of_aurora_is_read_behind_its_doubled_stamp() {
    let stamp = "2022-02-18 06:12:07 0x2b76b6e68700";
    let dump = format!(
        "{stamp}InnoDB: transactions deadlock detected, dumping detailed information.\n{stamp}{stamp}\n\
        *** (1) TRANSACTION:\nTRANSACTION 33, ACTIVE 4 sec starting index read\n\
        MySQL thread id 5, OS thread handle 47, query id 40 10.0.0.1 app updating\nUPDATE t SET a = 1\n\
        *** (1) WAITING FOR THIS LOCK TO BE GRANTED:\n\
        RECORD LOCKS space id 6 page no 3 n bits 72 index PRIMARY of table `d`.`t` trx id 33 lock_mode X waiting\n\
        *** (2) TRANSACTION:\nTRANSACTION 34, ACTIVE 5 sec\nMySQL thread id 6, OS thread handle 48, query id 41 10.0.0.2 app updating\n\
        UPDATE t SET a = 2\n*** WE ROLL BACK TRANSACTION (1)\n"
    );
    let (format, document) = one(event(dump.as_bytes()), &Options::default());
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((format, &document["Thread"]), (Format::Error, &"0x2b76b6e68700".into()));
    let expected = serde_json::json!({"transactions": [
        {"number": 1, "id": 33, "active_seconds": 4, "thread_id": 5, "query_id": 40, "host": "10.0.0.1", "user": "app",
         "state": "updating", "statement": "UPDATE t SET a = 1",
         "waits_for": [{"table": "`d`.`t`", "index": "PRIMARY", "mode": "X"}]},
        {"number": 2, "id": 34, "active_seconds": 5, "thread_id": 6, "query_id": 41, "host": "10.0.0.2", "user": "app",
         "state": "updating", "statement": "UPDATE t SET a = 2"},
    ], "rolled_back": 1});
    assert_eq!(document["Deadlock"], expected);
    let message = dump.strip_prefix(stamp).unwrap().trim_end();
    assert_eq!(document["message"], message);
    // As lines of a log it is one entry too, up to the next one.
    let log = format!("{dump}2022-02-18 06:12:08 0x2b76b6e68700InnoDB: next\n");
    let transformed = transform(log.as_bytes(), SOURCE, &Options::default());
    let messages: Vec<Value> = transformed
        .documents
        .iter()
        .map(|document| serde_json::from_slice::<Value>(&document.source).unwrap()["message"].clone())
        .collect();
    assert_eq!(messages, [message, "InnoDB: next"]);
}

#[test]
fn the_json_sink_has_the_names_of_the_traditional_log() {
    let sink = br#"{ "prio" : 3, "err_code" : 10926, "owner" : "me", "msg" : "SET PASSWORD = 'x1y2'", "time" : "2021-07-23T05:45:52.976229Z", "thread" : 74, "label" : "Note", "thread" : 75 }"#;
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.976229Z","Time":"2021-07-23T05:45:52.976229Z","PID":74,"Label":"Note","Error_code":"MY-010926","prio":3,"thread":75,"Sink":"\"owner\":\"me\"","message":"SET PASSWORD = <secret>",{TAIL}}}"#
    );
    assert_eq!(one(event(sink), &Options::default()), (Format::Error, expected));
    let without_sink = Options { format: Some(Format::Json), ..Options::default() };
    assert_eq!(one(event(sink), &without_sink).0, Format::Json);
}

#[test]
fn a_record_of_the_audit_log_has_the_four_names_and_its_own() {
    let aurora = br"1627019152976229,vm,app,10.0.0.1,39,187,QUERY,d,'SELECT \'a,b\'',1064";
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.976229Z","Time":"2021-07-23T05:45:52.976229Z","PID":39,"Query_id":187,"Perform":"QUERY","User":"app","Host":"10.0.0.1","Server_host":"vm","Database":"d","Return_code":1064,"Statement":"SELECT 'a,b'",{TAIL}}}"#
    );
    assert_eq!(one(event(aurora), &Options::default()), (Format::Audit, expected));
    let mariadb = br"20210723 05:45:52,vm,a,h:5,1,0,QUERY,,'SET PASSWORD = \'x1y2";
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.976000Z","Time":"2021-07-23T05:45:52.976000Z","PID":1,"Query_id":0,"Perform":"QUERY","User":"a","Host":"h","Port":"5","Server_host":"vm","Statement":"SET PASSWORD = <secret>",{TAIL},"truncated":true}}"#
    );
    assert_eq!(one(event(mariadb), &Options::default()), (Format::Audit, expected));
    // A newline in a user's name, and bytes that are not UTF-8.
    let latin = b"20210723 05:45:52,vm,o\n\xe9,h,1,0,DISCONNECT,,,0";
    let (_, document) = one(event(latin), &Options::default());
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["User"], &document["Return_code"]), (&"o\n\u{fffd}".into(), &0.into()));
    assert_eq!(STANDARD.decode(document["message_base64"].as_str().unwrap()).unwrap(), latin);
}

#[test]
fn a_record_of_a_json_audit_log_has_the_same_names() {
    let percona = br#"{"audit_record":{"name":"Query","record":"4_2","timestamp":"2021-07-23T05:45:52 UTC","command_class":"set_option","connection_id":"37","status":0,"sqltext":"SET PASSWORD = 'x1y2'","user":"app[app] @ web []","host":"web","os_user":"","ip":"","db":"d"}}"#;
    let expected = format!(
        r#"{{"@timestamp":"2021-07-23T05:45:52.000000Z","Time":"2021-07-23T05:45:52.000000Z","PID":37,"Perform":"Query","User":"app","Account":"app","Host":"web","Database":"d","Command_class":"set_option","Return_code":0,"Statement":"SET PASSWORD = <secret>","Record":"{{\"record\":\"4_2\"}}",{TAIL}}}"#
    );
    assert_eq!(one(event(percona), &Options::default()), (Format::Audit, expected));
    let as_json = Options { format: Some(Format::Json), ..Options::default() };
    assert_eq!(one(event(percona), &as_json).0, Format::Json);
}

#[test]
fn the_name_of_an_rds_log_group_says_the_format() {
    let general = b"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT 1";
    let slow = b"# Query_time: 1\nSELECT 1;\n";
    let formats = |log_group: &str, options: &Options| -> Vec<Format> {
        let events = vec![event(general), event(slow), event(b"{\"a\":1}")];
        let transformed = transform_events("1", log_group, "db", events, SOURCE, options);
        transformed.documents.iter().map(|document| document.format).collect()
    };
    let auto = Options::default();
    assert_eq!(formats("/mine", &auto), [Format::General, Format::Slow, Format::Json]);
    assert_eq!(formats("/aws/rds/instance/db/general", &auto), [Format::General, Format::Text, Format::Text]);
    assert_eq!(formats("/aws/rds/cluster/db/slowquery", &auto), [Format::Text, Format::Slow, Format::Text]);
    let configured = Options { format: Some(Format::Json), ..Options::default() };
    assert_eq!(formats("/aws/rds/instance/db/general", &configured), [Format::Text, Format::Text, Format::Json]);
}

#[test]
fn with_literals_hidden_what_is_no_statement_is_not_shown() {
    let options = Options { redact: Redact::Literals, digest: true, ..Options::default() };
    let one = |event| serde_json::from_str::<Value>(&one(event, &options).1).unwrap();
    let general = one(event(b"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT a FROM t WHERE b = 'zq7' -- zq7 \xe9"));
    assert_eq!((&general["Statement"], &general["tables"][0]), (&"SELECT a FROM t WHERE b = ?  ".into(), &"t".into()));
    assert_eq!(general.get("message_base64"), None);
    let connect = one(event(b"2021-07-23T05:45:52.976229Z\t    5 Connect\tapp@localhost on db1 using Socket"));
    assert_eq!(connect["Statement"], "app@localhost on db1 using Socket");
    for flags in
        [EventFlags { suspect: true, ..EventFlags::default() }, EventFlags { partial: true, ..EventFlags::default() }]
    {
        let message = b"2021-07-23T05:45:52.976229Z\t    5 Query\tzq7' FROM t".to_vec();
        assert_eq!(one(LogEvent { flags, message, ..event(b"") })["Statement"], "?");
    }
    let error = one(event(b"2021-07-23T05:45:52.976229Z 74 [Note] [MY-010926] [Server] Duplicate entry 'zq7'"));
    assert_eq!((error.get("message"), &error["Error_code"]), (None, &"MY-010926".into()));
    let slow = one(event(b"# Query_time: 2\n# Warning 1292 'zq7'\n# odd zq7\nINSERT INTO t VALUES (7770777);\n"));
    assert_eq!((&slow["Statement"], &slow["Query_time"]), (&"INSERT INTO t VALUES (?)".into(), &2.0.into()));
    assert!(!slow.to_string().contains("zq7"), "{slow}");
}

#[test]
fn a_summary_of_throttled_entries_is_no_statement_and_a_bare_header_line_is_one() {
    let of = |message: &str| {
        let options = Options { digest: true, ..Options::default() };
        serde_json::from_str::<Value>(&one(event(message.as_bytes()), &options).1).unwrap()
    };
    let head = "# User@Host: [] @  []  Id: 5\n# Query_time: 1  Rows_sent: 0\n";
    let summary =
        of(&format!("{head}SET timestamp=5;\nthrottle:          3 'index not used' warning(s) suppressed.;\n"));
    assert_eq!(summary["Statement"], "throttle:          3 'index not used' warning(s) suppressed.");
    assert_eq!((summary.get("digest"), summary.get("statement_type")), (None, None));
    // As a version of Percona Server writes it: PS-7492.
    let bare = of(&format!(
        "{head}Tmp_tables: 1  Tmp_disk_tables: 0  Tmp_table_sizes: 9\n# InnoDB_trx_id: 2552F3B37\nSET timestamp=5;\nSELECT 1;\n"
    ));
    assert_eq!(
        (&bare["Tmp_tables"], &bare["Tmp_table_sizes"], &bare["Statement"]),
        (&1.into(), &9.into(), &"SELECT 1".into())
    );
}

/// Also where the digest of a statement of the same shape is remembered.
#[test]
fn the_digest_of_a_statement_without_an_end_is_marked() {
    let options = Options { digest: true, ..Options::default() };
    let statements = ["SELECT 'x'", "SELECT 'x", "SELECT 5 /* x", "SELECT 'y", "SELECT 'y'", "SELECT `x", "SELECT `x`"];
    let events = || {
        statements.iter().zip(0..).map(|(statement, number)| LogEvent {
            id: format!("{number:056}"),
            ..event(format!("2021-07-23T05:45:52.976229Z\t    5 Query\t{statement}").as_bytes())
        })
    };
    let plain = transform_events("1", "g", "s", events().collect(), SOURCE, &options).documents;
    let plain: Vec<Vec<u8>> = plain.into_iter().map(|document| document.source).collect();
    let mut encoder = Encoder::new(&Header {
        owner: "1".into(),
        log_group: "g".into(),
        log_stream: "s".into(),
        subscription_filters: vec!["f".into()],
    });
    events().for_each(|event| encoder.push(&event));
    let mut lines = LineTransformer::new(&options);
    let quick = lines.transform(&encoder.seal(), SOURCE).expect("an ordinary envelope").data.clone();
    let quick: Vec<Vec<u8>> =
        quick.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    assert_eq!(quick, plain);
    let open: Vec<bool> = plain
        .iter()
        .map(|document| serde_json::from_slice::<Value>(document).unwrap()["digest_open"] == true)
        .collect();
    assert_eq!(open, [false, true, true, true, false, true, false]);
}

/// Nothing of a message goes without a word.
#[test]
fn what_stands_behind_an_audit_record_is_kept() {
    let of =
        |message: &str| serde_json::from_str::<Value>(&one(event(message.as_bytes()), &Options::default()).1).unwrap();
    let record = "1645164733006686,inst-1,app,10.0.0.1,39,5,QUERY,app_db,'SELECT 1',0";
    let two = of(&format!("{record}\n{record}"));
    assert_eq!(
        (&two["Statement"], &two["Return_code"], &two["Record"]),
        (&"SELECT 1".into(), &0.into(), &format!("\n{record}").into())
    );
    assert_eq!(of(&format!("{record},x,y"))["Record"], "x,y");
    assert_eq!(of(&format!("{record}\n")).get("Record"), None);
    let connect = "1645164733006686,inst-1,app,10.0.0.1,39,5,CONNECT,app_db,,0";
    let told = of(&format!("{connect},SSL\n{record}"));
    assert_eq!(
        (&told["Database"], &told["Connection_type"], &told["Record"]),
        (&"app_db".into(), &"SSL".into(), &record.into())
    );
    let port = of("20210723 05:45:52,vm,a,[::1]:51234,1,0,CONNECT,d,,0");
    assert_eq!((&port["Host"], &port["Port"]), (&"::1".into(), &"51234".into()));
}

#[test]
fn a_banner_before_an_entry_is_dropped() {
    let banner = "/usr/sbin/mysqld, Version: 8.0.32 (x). started with:\nTcp port: 3306  Unix socket: /tmp/m.sock\nTime                 Id Command    Argument\n";
    // CloudWatch Logs keeps a message without the line's end; a statement may be longer than any line of a banner.
    let long = format!("SELECT '{}'", "x".repeat(5000));
    for (statement, end) in [("SELECT 1", "\n"), ("SELECT 1", ""), (&long, "\n"), (&long, "")] {
        let message = format!("{banner}2021-07-23T05:45:52.976229Z\t    5 Query\t{statement}{end}");
        let transformed = transform_events("1", "g", "s", vec![event(message.as_bytes())], SOURCE, &Options::default());
        let document: Value = serde_json::from_slice(&transformed.documents[0].source).unwrap();
        assert_eq!((&document["Statement"], transformed.dropped.len()), (&statement.into(), 1), "{end:?}");
    }
}

/// MariaDB's `log_short_format` writes neither time nor user.
#[test]
fn entries_of_a_short_slow_log_begin_at_their_threads() {
    let log = "# Thread_id: 13  Schema: app_db  QC_hit: No\n# Query_time: 0.1  Lock_time: 0.0  Rows_sent: 1  Rows_examined: 0\nSET timestamp=5;\nselect 1;\n\
               # Thread_id: 14  Schema: app_db  QC_hit: No\n# Query_time: 0.2  Lock_time: 0.0  Rows_sent: 1  Rows_examined: 0\nSET timestamp=5;\nselect 2;\n";
    let transformed = transform(log.as_bytes(), SOURCE, &Options::default());
    let told: Vec<Value> =
        transformed.documents.iter().map(|document| serde_json::from_slice(&document.source).unwrap()).collect();
    let told: Vec<_> =
        told.iter().map(|document| (&document["PID"], &document["Statement"], &document["Database"])).collect();
    let (database, one, two) = ("app_db".into(), "select 1".into(), "select 2".into());
    assert_eq!(told, [(&13.into(), &one, &database), (&14.into(), &two, &database)]);
}

const PLANTED: [&str; 12] = [
    "2021-07-23T05:45:52.976229Z\t    5 Query\t{}",
    "\t\t    5 Prepare\t{}",
    "# Time: 2021-07-23T05:45:52.976229Z\n# User@Host: a[a] @ h []  Id: 5\n# Query_time: 1\n{};\n",
    "# Query_time: 1\n# Extra: zq7\n# some zq7 text\n{}",
    "20210723 05:45:52,vm,a,h,1,0,QUERY,d,'{}',0",
    "2021-07-23T05:45:52.976229Z 74 [Note] [MY-010926] [Server] zq7 {}",
    "2021-07-23T05:45:52Z UTC - mysqld got signal 11 ;\nQuery (7f): {}\nConnection ID (thread ID): 12",
    "2021-07-23  5:45:52 7 [Note] InnoDB: Transactions deadlock detected\n*** (1) TRANSACTION:\nTRANSACTION 33, ACTIVE 4 sec\nMySQL thread id 5, query id 40 h u x\n{}\n*** WE ROLL BACK TRANSACTION (1)",
    "{\"err_code\":1,\"label\":\"Note\",\"msg\":\"zq7\",\"time\":\"2021-07-23T05:45:52.976229Z\",\"x\":\"zq7\"}",
    "{\"statement\":\"zq7\",\"n\":7770777}",
    "zq7 {}",
    "{}",
];

/// The argument of an entry that is in doubt may be the rest of a statement, whatever command it seems to have.
#[test]
fn no_literal_is_in_an_entry_in_doubt() {
    for message in [
        "\t\t    5 Init DB\tzq7'",
        "\t\t    5 Connect\tzq7@zq7 on zq7 using zq7",
        "\t\t    5 Quit\tzq7",
        "\t\t    5 Change user\tzq7@h on d",
    ] {
        for profile in Profile::ALL {
            for flags in [
                EventFlags { suspect: true, ..EventFlags::default() },
                EventFlags { partial: true, ..EventFlags::default() },
            ] {
                let options = Options { redact: Redact::Literals, profile, ..Options::default() };
                let events = vec![LogEvent { message: message.as_bytes().to_vec(), flags, ..event(b"") }];
                let documents = transform_events("1", "g", "s", events, SOURCE, &options).documents;
                let document = String::from_utf8(documents[0].source.clone()).unwrap();
                assert!(!document.contains("zq7"), "{document}");
            }
        }
    }
}

/// What the server writes beside a statement may quote it.
#[test]
fn passwords_are_hidden_beside_the_statement() {
    let slow = "# Query_time: 1\n# Foo: IDENTIFIED BY 'zq7'\n# explain: a\n# explain: SET PASSWORD = 'zq7'\n# some text IDENTIFIED BY 'zq7'\nSELECT 1;\n";
    let documents =
        transform_events("1", "g", "s", vec![event(slow.as_bytes())], SOURCE, &Options::default()).documents;
    let document = String::from_utf8(documents[0].source.clone()).unwrap();
    assert!(!document.contains("zq7") && document.contains(r#""Foo":"IDENTIFIED BY <secret>""#), "{document}");
}

proptest! {
    /// A literal that was planted is nowhere in the document, whatever the format and the flags.
    #[test]
    fn no_planted_literal_is_in_any_document(
        shape in prop::sample::select(PLANTED.to_vec()),
        literals in prop::collection::vec(prop::sample::select(vec![
            "'zq7'", "\"zq7\"", "7770777", "0x7770777", "x'7770777a'", "'it''s zq7'", "/* zq7 */", "-- zq7\n", "'zq7\n5'",
        ]), 1..5),
        digest in any::<bool>(),
        suspect in any::<bool>(),
        cut in 0_usize..20,
    ) {
        let statement = format!("SELECT a, {} FROM t", literals.join(" , "));
        let statement = if shape.contains("QUERY") { statement.replace('\'', "\\'") } else { statement };
        let message = shape.replace("{}", &statement);
        let message = message.as_bytes()[..message.len() - cut.min(message.len() - 1)].to_vec();
        let flags = EventFlags { suspect, partial: cut > 0, ..EventFlags::default() };
        let options = Options { redact: Redact::Literals, digest, ..Options::default() };
        let events = vec![LogEvent { message, flags, ..event(b"") }];
        for document in transform_events("1", "g", "s", events, SOURCE, &options).documents {
            let mut document: serde_json::Map<String, Value> = serde_json::from_slice(&document.source).unwrap();
            // A hash may hold any digits.
            document.remove("digest_hash");
            let document = Value::Object(document).to_string();
            prop_assert!(!document.contains("zq7") && !document.contains("777"), "{}", document);
        }
    }
}

#[test]
fn half_a_surrogate_pair_is_kept_and_harms_no_neighbour() {
    let events = [r"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT '\ud83d", "still here"];
    let events =
        events.map(|message| format!(r#"{{"id":"{EVENT_ID}","timestamp":1627019152976,"message":"{message}"}}"#));
    let head = r#""messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"]"#;
    let envelope = format!(r#"{{{head},"logEvents":[{}]}}"#, events.join(","));
    let transformed = transform(&gzip(envelope), SOURCE, &Options::default());
    let [cut, other] = &transformed.documents[..] else { panic!("{transformed:?}") };
    // The three bytes are none of UTF-8, as WHATWG's decoder reads them.
    let text = source(cut);
    assert!(text.contains("\"Statement\":\"SELECT '\u{fffd}\u{fffd}\u{fffd}\""), "{text}");
    let message = b"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT '\xed\xa0\xbd";
    assert!(text.ends_with(&format!(r#","message_base64":"{}"}}"#, STANDARD.encode(message))), "{text}");
    assert!(source(other).contains(r#""message":"still here""#), "{}", source(other));
}
