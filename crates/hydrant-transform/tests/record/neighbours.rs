//! A log event gives the same document alone and among others, in any order: nothing comes from another entry.

use hydrant_transform::document::{DocumentId, Profile};
use hydrant_transform::envelope::{Encoder, Header, LogEvent};
use hydrant_transform::record::{Join, LineTransformer, Noise, Options, transform, transform_events};
use hydrant_transform::sql::redact::Redact;
use proptest::prelude::*;
use serde_json::Value;

use super::{SOURCE, event, gzip};

/// Entries of all formats. `{u}`, `{d}` and `{s}`: a user, a database and a word that no other entry has; `{t}`: the
/// fraction of its stamp.
const MESSAGES: [&str; 27] = [
    "2021-07-23T05:45:52.{t}Z\t    5 Query\tSELECT a FROM t WHERE b = '{s}'",
    "2021-07-23T05:45:52.{t}Z\t    5 Query\tUPDATE {d}.t SET password = '{s}'",
    "2021-07-23T05:45:52.{t}Z\t    5 Connect\t{u}@10.0.0.1 on {d} using SSL/TLS",
    "2021-07-23T05:45:52.{t}Z\t    5 Init DB\t{d}",
    "2021-07-23T05:45:52.{t}Z\t    5 Quit\t",
    "210723  5:45:52\t    5 Query\tSELECT '{s}\n  x'",
    "\t\t    5 Query\tSELECT '{s} never closed",
    "# Time: 2021-07-23T05:45:52.{t}Z\n# User@Host: {u}[{u}] @ {u} [10.0.0.1]  Id:    12\n# Query_time: 2  Lock_time: 0.{t}\nuse {d};\nSET timestamp=1627019150;\nSELECT a FROM t WHERE b = '{s}';\n",
    "# User@Host: {u}[{u}] @  []  Id:    13\n# Query_time: 1\nSET timestamp=1627019150;\nSELECT '{s}';\n",
    "# Query_time: 1\nSET timestamp=1627019150;\nSELECT a FROM t WHERE b = '{s}';\n",
    "# Query_time: 1\nSELECT '{s}\n",
    "# User@Host: {u}[{u}] @ localhost []\n# Thread_id: 14  Schema: {d}  QC_hit: No\n# Query_time: 1\n# explain: {s}\n# Warning 1292 {s}\nSET timestamp=1627019150;\nSELECT 1;",
    "# Time: 2021-07-23T05:45:52.{t}Z\n# Query_time: 1\n# administrator command: Ping;\n",
    "2021-07-23T05:45:52.{t}Z 74 [Note] [MY-010926] [Server] Access denied for {u}",
    "2021-07-23  5:45:52 25 [Warning] {s}",
    "2021-07-23T05:45:52Z UTC - mysqld got signal 11 ;\nQuery (7f): SELECT '{s}'\nConnection ID (thread ID): 12\n",
    "2021-07-23  5:45:52 7 [Note] InnoDB: Transactions deadlock detected\n*** (1) TRANSACTION:\nTRANSACTION 33, ACTIVE 4 sec\nMySQL thread id 5, query id 40 localhost {u} updating\nSELECT '{s}'\n*** WE ROLL BACK TRANSACTION (1)\n",
    r#"{"prio":1,"err_code":10926,"msg":"{s}","time":"2021-07-23T05:45:52.{t}Z","thread":5,"label":"Error"}"#,
    "20210723 05:45:52,vm,{u},{u},39,187,QUERY,{d},'SELECT \\'{s}\\'',0",
    "1627019152{t},vm,{u},10.0.0.1,39,187,CONNECT,{d},,0",
    r#"{"audit_record":{"name":"Query","timestamp":"2021-07-23T05:45:52 UTC","connection_id":"37","status":0,"sqltext":"SELECT '{s}'","user":"{u}[{u}] @ web []","db":"{d}","note":"{s}"}}"#,
    r#"{"a":"{s}","User":"{u}","@timestamp":"{t}"}"#,
    "text {s}",
    "  , {s}'",
    "Tcp port: 3306  Unix socket: {s}",
    "SET @@sql_log_bin=off",
    "",
];

/// The words of the entry with a number.
fn words(number: usize) -> [(&'static str, String); 4] {
    let letter = char::from(b'a' + u8::try_from(number).unwrap());
    let word = |kind: char| format!("zq{letter}{kind}qz");
    [("{u}", word('u')), ("{d}", word('d')), ("{s}", word('s')), ("{t}", format!("{}", 777_001 + number))]
}

fn message(shape: &str, number: usize) -> String {
    words(number).iter().fold(shape.to_owned(), |text, (place, word)| text.replace(place, word))
}

fn logged(shapes: &[&str]) -> Vec<LogEvent> {
    let log = |(number, shape): (usize, &&str)| {
        let id = format!("{number:056}");
        LogEvent { id, timestamp_ms: 1_627_019_000_000, ..event(message(shape, number).as_bytes()) }
    };
    shapes.iter().enumerate().map(log).collect()
}

/// The gzipped envelopes of log events, a new one behind each of so many.
fn record(events: &[LogEvent], cuts: &[bool]) -> Vec<u8> {
    let header =
        Header { owner: "1".into(), log_group: "g".into(), log_stream: "s".into(), subscription_filters: Vec::new() };
    let mut data = Vec::new();
    let mut encoder = Encoder::new(&header);
    for (event, cut) in events.iter().zip(cuts.iter().chain(std::iter::repeat(&false))) {
        encoder.push(event);
        if *cut {
            data.extend(std::mem::replace(&mut encoder, Encoder::new(&header)).seal());
        }
    }
    data.extend(encoder.seal());
    data
}

/// An envelope as CloudWatch writes it.
fn ordinary(events: &[LogEvent]) -> Vec<u8> {
    let event = |event: &LogEvent| {
        let (id, message) = (&event.id, Value::from(std::str::from_utf8(&event.message).unwrap()));
        format!(r#"{{"id":"{id}","timestamp":{},"message":{message}}}"#, event.timestamp_ms)
    };
    let events: Vec<String> = events.iter().map(event).collect();
    let head = r#""messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"]"#;
    gzip(format!(r#"{{{head},"logEvents":[{}]}}"#, events.join(",")))
}

/// What a log event gives, if that is a document: its id, its format's name and its bytes.
type Told = Option<(DocumentId, &'static str, String)>;

fn alone(event: &LogEvent, options: &Options) -> Told {
    let transformed = transform(&record(std::slice::from_ref(event), &[]), SOURCE, options);
    assert_eq!((transformed.entries(), transformed.failed.len()), (1, 0));
    let document = transformed.documents.into_iter().next()?;
    Some((document.id, document.format.name(), String::from_utf8(document.source).unwrap()))
}

/// No word of another entry is in a document.
fn check_words(text: &str, number: usize, count: usize) {
    for other in (0..count).filter(|other| *other != number) {
        for (_, word) in words(other) {
            assert!(!text.contains(&word), "{word} of entry {other} in {text}");
        }
    }
}

fn options() -> impl Strategy<Value = Options> {
    let profile = prop::sample::select(Profile::ALL.to_vec());
    let redact = prop::sample::select(Redact::ALL.to_vec());
    (profile, redact, any::<bool>(), any::<bool>()).prop_map(|(profile, redact, digest, noise)| {
        let mut options = Options { profile, redact, digest, ..Options::default() };
        options.filters.noise = if noise { Noise::Rds } else { Noise::None };
        options
    })
}

/// An entry of a slow log as its log has it, with or without what the server leaves out.
fn slow(number: usize, (time, user, database): (bool, bool, bool)) -> String {
    let time = if time { "# Time: 2021-07-23T05:45:52.{t}Z\n" } else { "" };
    let user = if user { "# User@Host: {u}[{u}] @ {u} [10.0.0.1]  Id:    12\n" } else { "" };
    let database = if database { "use {d};\n" } else { "" };
    let shape = format!("{time}{user}# Query_time: 1\n{database}SET timestamp=1627019150;\nSELECT '{{s}}';");
    message(&shape, number)
}

fn without(document: &[u8], names: &[&str]) -> Value {
    let mut document: Value = serde_json::from_slice(document).unwrap();
    names.iter().for_each(|name| drop(document.as_object_mut().unwrap().remove(*name)));
    document
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_document_is_the_same_alone_and_among_others(
        (shapes, order) in prop::collection::vec(prop::sample::select(MESSAGES.to_vec()), 1..12)
            .prop_flat_map(|shapes| {
                let order: Vec<usize> = (0..shapes.len()).collect();
                (Just(shapes), Just(order).prop_shuffle())
            }),
        cuts in prop::collection::vec(any::<bool>(), 0..12),
        options in options(),
    ) {
        let events = logged(&shapes);
        let expected: Vec<Told> = events.iter().map(|event| alone(event, &options)).collect();
        for (number, told) in expected.iter().enumerate() {
            check_words(told.as_ref().map_or("", |(_, _, text)| text), number, shapes.len());
        }
        let shuffled: Vec<LogEvent> = order.iter().map(|number| events[*number].clone()).collect();
        let expected: Vec<_> = order.iter().filter_map(|number| expected[*number].clone()).collect();

        let together = transform(&record(&shuffled, &cuts), SOURCE, &options).documents;
        let together: Vec<_> = together
            .into_iter()
            .map(|document| (document.id, document.format.name(), String::from_utf8(document.source).unwrap()))
            .collect();
        prop_assert_eq!(together, &expected[..]);

        // The quick way remembers more from one to the next.
        let mut transformer = LineTransformer::new(&options);
        for _ in 0..2 {
            let lines = transformer.transform(&ordinary(&shuffled), SOURCE).expect("an ordinary record");
            let mut from = 0;
            let told: Vec<_> = lines
                .documents
                .iter()
                .map(|line| {
                    let text = std::str::from_utf8(&lines.data[from..line.end - 1]).unwrap().to_owned();
                    from = line.end;
                    (DocumentId::from(line.hash), line.format.name(), text)
                })
                .collect();
            prop_assert_eq!(told, &expected[..]);
        }
    }

    #[test]
    fn entries_of_one_log_take_nothing_from_the_ones_before(
        entries in prop::collection::vec(any::<(bool, bool, bool)>(), 1..9),
        digest in any::<bool>(),
    ) {
        let texts: Vec<String> = entries.iter().enumerate().map(|(number, has)| slow(number, *has)).collect();
        let log = event((texts.join("\n") + "\n").as_bytes());
        let join = Join { log_groups: ["g".to_owned()].into(), ..Join::default() };
        let options = Options { join, digest, ..Options::default() };
        let joined = transform_events("1", "g", "s", vec![log], SOURCE, &options).documents;
        prop_assert_eq!(joined.len(), texts.len());
        for (number, (document, text)) in joined.iter().zip(&texts).enumerate() {
            check_words(std::str::from_utf8(&document.source).unwrap(), number, texts.len());
            let options = Options { digest, ..Options::default() };
            let alone = transform_events("1", "g", "s", vec![event(text.as_bytes())], SOURCE, &options).documents;
            // Its place is another one.
            let told = without(&document.source, &["ordinal"]);
            prop_assert_eq!(&told, &without(&alone[0].source, &["ordinal"]));
            let (time, user, database) = entries[number];
            let has = |name: &str| told.get(name).is_some();
            prop_assert_eq!((has("User"), has("Ip"), has("Database")), (user, user, database));
            let own = told["Time"].as_str().unwrap().contains("7770");
            prop_assert_eq!(own, time, "{}", told);
        }
    }
}
