//! Documents in the field profiles `otel` and `ecs`, written by hand from OpenTelemetry's and ECS's pages, and the table
//! of docs/fields.md.

use std::sync::Arc;

use hydrant_transform::document::{Field, Profile};
use hydrant_transform::entry::Format;
use hydrant_transform::entry::pattern::{Pattern, Source};
use hydrant_transform::record::Options;
use hydrant_transform::sql::redact::Redact;
use serde_json::{Value, json};

use super::{EVENT_ID, event, one};

fn options(profile: Profile) -> Options {
    Options { profile, ..Options::default() }
}

fn check(message: &[u8], profile: Profile, expected: Value) {
    let (_, document) = one(event(message), &options(profile));
    let metadata = match profile {
        Profile::Otel => json!({
            "cloud.account.id": "908047316593", "aws.log.group.names": ["/aws/rds/general"],
            "aws.log.stream.names": ["db"], "event_id": EVENT_ID,
        }),
        Profile::Ecs => json!({
            "cloud.account.id": "908047316593", "aws.cloudwatch.log_group": "/aws/rds/general",
            "aws.cloudwatch.log_stream": "db", "event_id": EVENT_ID,
        }),
        Profile::Classic => json!({}),
    };
    let (Value::Object(mut expected), Value::Object(metadata)) = (expected, metadata) else { panic!("objects") };
    expected.extend(metadata);
    // Each name once: a repeated one would be lost in the comparison.
    for name in expected.keys() {
        assert_eq!(document.matches(&format!("\"{name}\":")).count(), 1, "{document}");
    }
    let found: Value = serde_json::from_str(&document).expect("a document is JSON");
    assert_eq!(found, Value::Object(expected));
}

#[test]
fn a_statement_of_the_general_log() {
    let message = b"2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb";
    let otel = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "db.system.name": "mysql", "thread.id": 199,
        "mysql.command": "Query", "db.query.text": "USE testdb",
    });
    check(message, Profile::Otel, otel);
    let ecs = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "mysql.thread_id": 199, "event.action": "Query",
        "db.query.text": "USE testdb", "ecs.version": "8.17.0", "event.kind": "event", "event.category": ["database"],
        "event.type": ["access"], "event.dataset": "mysql.general",
    });
    check(message, Profile::Ecs, ecs);
}

#[test]
fn a_connection_and_one_that_was_refused() {
    let message = b"2021-07-23T05:45:52.976229Z\t  199 Connect\tapp@10.0.0.1 on app_db using SSL/TLS";
    let otel = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "db.system.name": "mysql", "thread.id": 199,
        "mysql.command": "Connect", "mysql.argument": "app@10.0.0.1 on app_db using SSL/TLS", "user.name": "app",
        "client.address": "10.0.0.1", "db.namespace": "app_db", "mysql.transport": "SSL/TLS",
        "network.transport": "tcp", "tls.established": true,
    });
    check(message, Profile::Otel, otel);
    let ecs = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "mysql.thread_id": 199, "event.action": "Connect",
        "mysql.argument": "app@10.0.0.1 on app_db using SSL/TLS", "user.name": "app", "client.address": "10.0.0.1",
        "client.ip": "10.0.0.1", "db.namespace": "app_db", "mysql.transport": "SSL/TLS", "network.transport": "tcp",
        "tls.established": true, "related.user": ["app"], "related.ip": ["10.0.0.1"], "ecs.version": "8.17.0",
        "event.kind": "event", "event.category": ["database", "authentication", "session"], "event.type": ["start"],
        "event.dataset": "mysql.general",
    });
    check(message, Profile::Ecs, ecs);
    let refused =
        b"2021-07-23T05:45:52.976229Z\t  199 Connect\tAccess denied for user 'app'@'web' (using password: YES)";
    let otel = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "db.system.name": "mysql", "thread.id": 199,
        "mysql.command": "Connect", "mysql.argument": "Access denied for user 'app'@'web' (using password: YES)",
        "user.name": "app", "client.address": "web", "error.type": "access_denied",
    });
    check(refused, Profile::Otel, otel);
    let ecs = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "mysql.thread_id": 199, "event.action": "Connect",
        "mysql.argument": "Access denied for user 'app'@'web' (using password: YES)", "user.name": "app",
        "client.address": "web", "client.domain": "web", "related.user": ["app"], "ecs.version": "8.17.0",
        "event.kind": "event", "event.category": ["database", "authentication", "session"], "event.type": ["start"],
        "event.dataset": "mysql.general", "event.outcome": "failure",
    });
    check(refused, Profile::Ecs, ecs);
    let chosen = b"2021-07-23T05:45:52.976229Z\t  199 Init DB\tapp_db";
    let otel = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "db.system.name": "mysql", "thread.id": 199,
        "mysql.command": "Init DB", "mysql.argument": "app_db", "db.namespace": "app_db",
    });
    check(chosen, Profile::Otel, otel);
}

#[test]
fn a_slow_statement_has_its_duration_as_the_profile_counts_it() {
    let message = b"# Time: 2021-07-23T05:45:52.976229Z\n# User@Host: app[priv] @ web [10.0.0.1]  Id:    12\n\
        # Query_time: 2.000490  Lock_time: 0.000001 Rows_sent: 1  Full_scan: Yes  Weird_field: x\n\
        use d;\nSET timestamp=1627019150;\nSELECT 1;\n";
    let otel = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "db.system.name": "mysql", "thread.id": 12, "user.name": "app",
        "mysql.account": "priv", "client.address": "web", "network.peer.address": "10.0.0.1", "db.namespace": "d",
        "mysql.slowlog.query_time": 2.00049, "mysql.slowlog.lock_time": 0.000001, "mysql.slowlog.rows_sent": 1,
        "mysql.slowlog.full_scan": true, "mysql.slowlog.weird_field": "x", "mysql.slowlog.set_timestamp": 1627019150,
        "db.query.text": "SELECT 1",
    });
    check(message, Profile::Otel, otel);
    let ecs = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "mysql.thread_id": 12, "user.name": "app",
        "user.effective.name": "priv", "client.address": "web", "client.ip": "10.0.0.1", "client.domain": "web",
        "db.namespace": "d", "event.duration": 2000490000_u64, "mysql.slowlog.lock_time": 0.000001,
        "mysql.slowlog.rows_sent": 1, "mysql.slowlog.full_scan": true, "mysql.slowlog.weird_field": "x",
        "mysql.slowlog.set_timestamp": 1627019150, "db.query.text": "SELECT 1", "related.user": ["app"],
        "related.ip": ["10.0.0.1"], "ecs.version": "8.17.0", "event.kind": "event", "event.category": ["database"],
        "event.type": ["access"], "event.dataset": "mysql.slowlog",
    });
    check(message, Profile::Ecs, ecs);
}

#[test]
fn an_error_and_an_audit_record() {
    let message = b"2021-07-23T05:45:52.976229Z 74 [ERROR] [MY-010926] [Server] Access denied";
    let otel = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "db.system.name": "mysql", "thread.id": 74,
        "severity.text": "ERROR", "db.response.status_code": "MY-010926", "mysql.error.subsystem": "Server",
        "body": "Access denied",
    });
    check(message, Profile::Otel, otel);
    let ecs = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "mysql.thread_id": 74, "log.level": "ERROR",
        "event.code": "MY-010926", "event.provider": "Server", "message": "Access denied", "ecs.version": "8.17.0",
        "event.kind": "event", "event.category": ["database"], "event.type": ["error"], "event.dataset": "mysql.error",
    });
    check(message, Profile::Ecs, ecs);
    let audit = br"1627019152976229,vm,app,10.0.0.1:3306,39,187,QUERY,d,'SELECT \'a,b\'',1064";
    let otel = json!({
        "@timestamp": "2021-07-23T05:45:52.976229Z", "db.system.name": "mysql", "thread.id": 39,
        "mysql.query_id": 187, "mysql.command": "QUERY", "user.name": "app", "client.address": "10.0.0.1",
        "client.port": 3306, "server.address": "vm", "db.namespace": "d", "db.response.status_code": "1064",
        "error.type": "1064", "db.query.text": "SELECT 'a,b'",
    });
    check(audit, Profile::Otel, otel);
    let table = b"20210723 05:45:52,vm,app,web,39,187,READ,d,t,";
    let ecs = json!({
        "@timestamp": "2021-07-23T05:45:52.976000Z", "mysql.thread_id": 39, "mysql.query_id": 187,
        "event.action": "READ", "user.name": "app", "client.address": "web", "client.domain": "web",
        "server.address": "vm", "db.namespace": "d", "db.collection.name": "t", "related.user": ["app"],
        "ecs.version": "8.17.0", "event.kind": "event", "event.category": ["database"], "event.type": ["access"],
        "event.dataset": "mysql.audit",
    });
    check(table, Profile::Ecs, ecs);
    let left = b"20210723 05:45:52,vm,app,web,39,0,DISCONNECT,,,0";
    let (_, document) = one(event(left), &options(Profile::Ecs));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["event.type"], &document["event.outcome"]), (&json!(["end"]), &"success".into()));
    assert_eq!(document.get("error.code"), None);
}

#[test]
fn json_lines_and_text_keep_what_they_hold() {
    check(b"hello", Profile::Otel, json!({"@timestamp": "2021-07-23T05:45:52.976000Z", "body": "hello"}));
    check(b"hello", Profile::Ecs, json!({"@timestamp": "2021-07-23T05:45:52.976000Z", "message": "hello"}));
    let line = br#"{"message":"x","aws":{"region":"r"},"cloud.account.id":"7"}"#;
    let (format, document) = one(event(line), &options(Profile::Ecs));
    assert_eq!(format, Format::Json);
    // What stands on the way of a name of ours keeps it out.
    let expected = json!({
        "@timestamp": "2021-07-23T05:45:52.976000Z", "message": "x", "aws": {"region": "r"}, "cloud.account.id": "7",
        "event_id": EVENT_ID,
    });
    assert_eq!(serde_json::from_str::<Value>(&document).unwrap(), expected);
}

#[test]
fn statements_have_what_groups_them_on_request() {
    let message = b"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT a FROM t JOIN u WHERE b IN (1, 2)";
    let options = Options { digest: true, ..options(Profile::Otel) };
    let document: Value = serde_json::from_str(&one(event(message), &options).1).unwrap();
    assert_eq!(document["mysql.digest.text"], "SELECT `a` FROM `t` JOIN `u` WHERE `b` IN (...)");
    assert_eq!(document["db.operation.name"], "SELECT");
    assert_eq!(document["db.query.summary"], "SELECT t u");
    assert_eq!(document["mysql.tables"], json!(["t", "u"]));
    let classic = Options { digest: true, ..Options::default() };
    let document: Value = serde_json::from_str(&one(event(message), &classic).1).unwrap();
    assert_eq!(document["summary"], "SELECT t u");
}

#[test]
fn lines_of_the_users_own_have_its_groups() {
    let source = Source {
        regex: r"(?<at>\S+) (?<level>[A-Z]+) (?<took>\d+)ms (?<owner>\S+): (?<text>.*)".to_owned(),
        time: Some("at".to_owned()),
        integers: vec!["took".to_owned()],
        ..Source::default()
    };
    let patterns: Arc<[Pattern]> = [Pattern::new(source).unwrap()].into();
    let options = Options { patterns, ..Options::default() };
    let line = b"2021-07-23T05:45:50.5Z INFO 12ms me: SET PASSWORD = 'x1y2'\n";
    let (format, document) = one(event(line), &options);
    let expected = json!({
        "@timestamp": "2021-07-23T05:45:50.500000Z", "at": "2021-07-23T05:45:50.5Z", "level": "INFO", "took": 12,
        "owner": "me", "text": "SET PASSWORD = <secret>", "log_group": "/aws/rds/general", "log_stream": "db",
        "event_id": EVENT_ID,
    });
    assert_eq!((format, serde_json::from_str::<Value>(&document).unwrap()), (Format::Pattern, expected));
    // What it does not match is text; what is of a known format keeps that, unless only the pattern is asked for.
    assert_eq!(one(event(b"2021-07-23T05:45:50.5Z INFO me"), &options).0, Format::Text);
    let query = b"2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb";
    assert_eq!(one(event(query), &options).0, Format::General);
    let only = Options { format: Some(Format::Pattern), ..options.clone() };
    assert_eq!((one(event(query), &only).0, one(event(line), &only).0), (Format::Text, Format::Pattern));
    // Every value is a literal.
    let hidden = one(event(line), &Options { redact: Redact::Literals, ..options.clone() }).1;
    let hidden: Value = serde_json::from_str(&hidden).unwrap();
    let names: Vec<&str> = hidden.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["@timestamp", "owner", "log_group", "log_stream", "event_id"]);
    // Bytes that are not UTF-8 are whole beside.
    let latin = one(event(b"2021-07-23T05:45:50.5Z INFO 12ms me: caf\xe9"), &options).1;
    let latin: Value = serde_json::from_str(&latin).unwrap();
    assert_eq!((&latin["text"], latin["message_base64"].is_string()), (&"caf\u{fffd}".into(), true));
}

/// The table in docs/fields.md is the one in the code, row by row.
#[test]
fn the_table_in_docs_is_the_one_in_the_code() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fields.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let rows = docs.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| classic"));
    let told: Vec<Vec<String>> = rows
        .map(|row| {
            let cells = row.trim_matches('|').split('|').take(3);
            cells.map(|cell| cell.trim().trim_matches('`').replace('–', "")).collect()
        })
        .collect();
    let known: Vec<Vec<String>> = Field::ALL.iter().map(|field| field.names().map(str::to_owned).to_vec()).collect();
    for names in &known {
        assert!(told.contains(names), "docs/fields.md lacks {names:?}");
    }
    for names in &told {
        assert!(known.contains(names), "docs/fields.md has {names:?}, which no document does");
    }
}
