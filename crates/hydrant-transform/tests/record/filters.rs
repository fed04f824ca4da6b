//! Filters by digest, on every log that has statements.

use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Encoder, Header, LogEvent};
use hydrant_transform::record::{Action, DropReason, Filter, Filters, Noise, Options, Transformed, transform};
use hydrant_transform::sql::redact::Redact;
use serde_json::Value;

use super::{SOURCE, event};

/// Each log that has statements, with `{}` where one stands.
const LOGS: [(&str, Format); 5] = [
    ("2021-07-23T05:45:52.976229Z\t    5 Query\t{}", Format::General),
    (
        "# Time: 2021-07-23T05:45:52.976229Z\n# User@Host: a[a] @ h []  Id: 5\n# Query_time: 2  Lock_time: 0\nuse d;\nSET timestamp=1627019150;\n{};\n",
        Format::Slow,
    ),
    ("20210723 05:45:52,vm,a,h,1,7,QUERY,d,'{}',0", Format::Audit),
    ("1627019152976229,vm,a,10.0.0.1,39,187,QUERY,d,'{}',1064,,", Format::Audit),
    (
        r#"{"audit_record":{"name":"Query","record":"4_2","timestamp":"2021-07-23T05:45:52 UTC","connection_id":"37","status":0,"sqltext":"{}","user":"a[a] @ h []","host":"h","db":"d"}}"#,
        Format::Audit,
    ),
];

fn message(log: &str, statement: &str) -> String {
    let escaped = if log.contains("sqltext") {
        Value::from(statement).to_string().trim_matches('"').to_owned()
    } else if log.contains(",QUERY,") {
        statement.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n")
    } else {
        statement.to_owned()
    };
    log.replace("{}", &escaped)
}

fn transformed(messages: &[String], options: &Options) -> Transformed {
    let header =
        Header { owner: "1".into(), log_group: "g".into(), log_stream: "s".into(), subscription_filters: Vec::new() };
    let mut encoder = Encoder::new(&header);
    for (number, message) in messages.iter().enumerate() {
        encoder.push(&LogEvent { id: format!("{number:056}"), ..event(message.as_bytes()) });
    }
    transform(&encoder.seal(), SOURCE, options)
}

fn by_digest(digests: &[&str], action: Action) -> Filters {
    let digests = digests.iter().map(|&digest| digest.to_owned()).collect();
    Filters {
        filters: [Filter { name: "mine".into(), action, digests, ..Filter::default() }].into(),
        noise: Noise::None,
    }
}

#[test]
fn a_digest_drops_its_statements_and_no_other_entry() {
    let filters = by_digest(&["SELECT `a` FROM `t` WHERE `b` IN (...)"], Action::Drop);
    let options = Options { filters, ..Options::default() };
    for (log, format) in LOGS {
        let messages = [
            "SELECT a FROM t WHERE b IN ('x', 2)",
            "SELECT a FROM t WHERE b = 'x'",
            "select  a /* it's */ from t where b in (1,2,3)",
            "SELECT 'SELECT a FROM t WHERE b IN (1)'",
        ]
        .map(|statement| message(log, statement));
        let transformed = transformed(&messages, &options);
        let kept: Vec<(u32, Format)> =
            transformed.documents.iter().map(|document| (document.event_idx, document.format)).collect();
        assert_eq!(kept, [(1, format), (3, format)], "{log}");
        assert_eq!(transformed.dropped, [DropReason::Filter("mine".into()), DropReason::Filter("mine".into())]);
    }
}

/// A command and a row of a table have no statement; nor has what is no log of statements.
#[test]
fn entries_without_a_statement_have_no_digest() {
    let messages = [
        "# Query_time: 1\n# administrator command: Ping;\n",
        "20210723 05:45:52,vm,a,h,1,7,CONNECT,d,,0",
        "20210723 05:45:52,vm,a,h,1,7,READ,d,t,",
        "2021-07-23T05:45:52.976229Z\t    5 Init DB\td",
        "2021-07-23T05:45:52.976229Z 74 [Note] [MY-010926] [Server] SELECT 1",
        "SELECT 1",
    ]
    .map(str::to_owned);
    let digests = ["", "d", "t", "Ping", "SELECT ?", "administrator command: Ping"];
    let dropping = Options { filters: by_digest(&digests, Action::Drop), ..Options::default() };
    assert_eq!(transformed(&messages, &dropping).documents.len(), messages.len());
    let keeping = Options { filters: by_digest(&digests, Action::Keep), ..Options::default() };
    assert_eq!(transformed(&messages, &keeping).dropped, vec![DropReason::NotKept; messages.len()]);
}

/// What stands in a document as its digest, or as the hash, is what a filter takes, whatever is hidden.
#[test]
fn the_digest_of_a_document_is_the_one_of_the_filter() {
    let statements = [
        "SELECT a FROM t WHERE b = 'x' LIMIT 5",
        "INSERT INTO t (a, b) VALUES (1, 'it''s'), (2, \"y\")",
        "UPDATE d.t SET a = 1, b = NULL WHERE c LIKE '%x%'",
        "SET PASSWORD FOR 'u'@'h' = 'x1y2'",
        "CREATE USER 'u'@'h' IDENTIFIED BY 'x1y2'",
        "SELECT 1 -- it's\n, `b 1`",
        "CALL p(1, @v)",
        "SELECT 'open",
        "not a statement",
    ];
    for (log, format) in LOGS {
        for statement in statements {
            for redact in Redact::ALL {
                let messages = [message(log, statement)];
                let options = Options { redact, digest: true, ..Options::default() };
                let document = transformed(&messages, &options).documents.remove(0);
                assert_eq!(document.format, format);
                let document: Value = serde_json::from_slice(&document.source).unwrap();
                for name in ["digest", "digest_hash"] {
                    let filters = by_digest(&[document[name].as_str().unwrap()], Action::Drop);
                    let dropped = transformed(&messages, &Options { filters, ..options.clone() }).dropped;
                    assert_eq!(dropped, [DropReason::Filter("mine".into())], "{name} of {document}, {redact:?}");
                }
                // One that keeps is the same the other way round.
                let filters = by_digest(&[document["digest"].as_str().unwrap()], Action::Keep);
                let kept = transformed(&messages, &Options { filters, ..options.clone() });
                assert_eq!((kept.documents.len(), kept.dropped.len()), (1, 0));
            }
        }
    }
}
