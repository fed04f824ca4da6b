//! The quick way says what the plain way says, byte for byte.

use hydrant_transform::document::{Document, DocumentId, NameSource, Profile};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::gzip::Compressor;
use hydrant_transform::record::{
    Filter, Filters, LineTransformer, Noise, Options, RecordSource, Transformed, transform,
};
use hydrant_transform::sql::redact::Redact;
use proptest::prelude::*;

const SOURCE: RecordSource<'static> =
    RecordSource { shard: "shardId-000000000000", sequence_number: "49546986683135544286507457936321", arrival_ms: 17 };

/// Whether the record was an ordinary one; then both ways are compared.
fn compare(transformer: &mut LineTransformer<'_>, record: &[u8], options: &Options) -> bool {
    let plain = transform(record, SOURCE, options);
    // As delivery takes them, ordinary or not.
    let alone = transformer.documents(record, SOURCE);
    assert_eq!((&alone.documents, &alone.dropped, &alone.failed), (&plain.documents, &plain.dropped, &plain.failed));
    let names = |of: &Transformed| {
        let name = |document: &Document| {
            let NameSource { owner, log_group, log_stream, arrival_ms, .. } = of.name_source(document, 7);
            (owner.to_owned(), log_group.to_owned(), log_stream.to_owned(), arrival_ms)
        };
        of.documents.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&alone), names(&plain));
    let Some(lines) = transformer.transform(record, SOURCE) else { return false };
    let mut data = Vec::new();
    let mut ends = Vec::new();
    for document in &plain.documents {
        data.extend_from_slice(&document.source);
        data.push(b'\n');
        let event = plain.events.iter().zip(0..).find(|(_, idx)| *idx == document.event_idx);
        let partial = event.expect("a document has its event").0.flags.partial;
        ends.push((document.id.clone(), document.format, document.timestamp_ms, partial, data.len()));
    }
    assert_eq!(String::from_utf8_lossy(&lines.data), String::from_utf8_lossy(&data));
    let quick: Vec<_> = lines
        .documents
        .iter()
        .map(|line| (DocumentId::from(line.hash), line.format, line.timestamp_ms, line.partial, line.end))
        .collect();
    assert_eq!(quick, ends);
    assert_eq!((&lines.dropped, plain.failed.len(), plain.pieces.len()), (&plain.dropped, 0, 0));
    true
}

fn options() -> impl Strategy<Value = Options> {
    let filters = prop::sample::select(vec![
        Filters::default(),
        Filters { noise: Noise::Rds, ..Filters::default() },
        Filters {
            filters: vec![Filter { commands: vec!["Quit".into()], ..Filter::default() }].into(),
            noise: Noise::None,
        },
    ]);
    let format = prop::sample::select(vec![None, None, Some(Format::General), Some(Format::Text), Some(Format::Slow)]);
    let profile = prop::sample::select(Profile::ALL.to_vec());
    let redact = prop::sample::select(Redact::ALL.to_vec());
    (format, profile, redact, filters, any::<bool>(), any::<bool>()).prop_map(
        |(format, profile, redact, filters, digest, pid_as_string)| Options {
            format,
            profile,
            redact,
            filters,
            digest,
            pid_as_string,
            ..Options::default()
        },
    )
}

fn message() -> impl Strategy<Value = String> {
    let stamps = vec![
        "2026-11-23T03:06:05.013294Z\t",
        "2026-11-23T03:06:05.013294Z",
        "2026-11-23T03:06:05.013294+02:00\t",
        "2026-11-23T03:06:05.013294-00:00\t",
        "2026-02-30T03:06:05.013294Z\t",
        "1969-12-31T23:59:59.999999Z\t",
        "2101-01-01T00:00:00.000000Z\t",
        "261123  3:06:08\t",
        "\t\t",
        "",
        "# Time: ",
        "{\"a\":\"b\"}",
        "\u{feff}2026-11-23T03:06:05.013294Z\t",
    ];
    let ids = vec!["   32 ", "32 ", "99999999999999999999 ", "18446744073709551615 ", "9223372036854775807 ", "    "];
    let commands = vec![
        "Query\t",
        "Execute\t",
        "Prepare\t",
        "Quit",
        "Quit\t",
        "Init DB\t",
        "Connect\t",
        "Close stmt\t",
        "Query",
        "Nothing\t",
    ];
    let arguments = prop_oneof![
        "[ -~\t\n\r\\\\\"'é\u{1}\u{1b}/😀]{0,90}",
        prop::sample::select(vec![
            "",
            "SELECT 1\n",
            "SELECT 'a\\'b', \"c\" FROM t -- x\r\n",
            "ends in a backslash\\n",
            "ends in two\\\\\n",
            "CREATE USER u IDENTIFIED BY 'secret'",
            "SELECT notify, identif FROM passw",
            "app@10.0.0.1 on app_db using TCP/IP",
            "Access denied for user 'app'@'%' to database 'd'",
            "app_db",
            "SELECT * FROM mysql.rds_heartbeat2",
            "/usr/sbin/mysqld, Version: 8.0.28 (Source distribution). started with:",
        ])
        .prop_map(str::to_owned),
    ];
    (prop::sample::select(stamps), prop::sample::select(ids), prop::sample::select(commands), arguments)
        .prop_map(|(stamp, id, command, argument)| format!("{stamp}{id}{command}{argument}"))
}

/// One of the ways to write a character in a JSON string.
fn write_char(json: &mut String, character: char, way: u8) {
    let short = ['"', '\\', '\n', '\t', '\r', '\u{8}', '\u{c}'].iter().zip("\"\\ntrbf".chars());
    let short = short.into_iter().find(|(plain, _)| **plain == character).map(|(_, letter)| letter);
    match (way, short) {
        (0..=9, Some(letter)) => json.extend(['\\', letter]),
        (0..=9, None) if character < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(character))),
        (0..=9, None) => json.push(character),
        (10, _) if character == '/' => json.push_str("\\/"),
        (_, _) => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                json.push_str(&if way == 10 { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
            }
        }
    }
}

fn json_string(text: &str, ways: &[u8]) -> String {
    let mut json = String::from("\"");
    for (character, way) in text.chars().zip(ways.iter().cycle()) {
        write_char(&mut json, character, *way);
    }
    json.push('"');
    json
}

/// Mostly as CloudWatch writes them.
fn ways() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(vec![0]), Just(vec![0]), prop::collection::vec(0..12_u8, 1..40)]
}

fn envelope() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        ("/aws/rds/cluster/orders-prod/general", "orders-prod-instance-1"),
        ("g", "s"),
        ("/aws/rds/instance/db/slowquery", "1987-06-05T04:03:02.010203Z"),
        ("7312498560217634509", "the argument 3f9c61d2a7e84b05"),
    ]);
    let id = prop::sample::select(vec!["36283739563646893425505853973335389931765810644969062400", "", "0", "id\u{1}"]);
    let timestamp =
        prop::sample::select(vec!["1627019152976", "1627019152976", "0", "4133980799999", "1627019152976.0"]);
    let flags = prop::sample::select(vec![
        "",
        "",
        "",
        ",\"partial\":true",
        ",\"suspect\":true,\"truncated\":true,\"bytes\":77",
    ]);
    let event = (id, timestamp, message(), ways(), flags).prop_map(|(id, timestamp, message, ways, flags)| {
        let (id, message) = (json_string(id, &[0]), json_string(&message, &ways));
        format!("{{\"id\":{id},\"timestamp\":{timestamp}, \"message\":{message}{flags}}}")
    });
    (names, prop::collection::vec(event, 0..6)).prop_map(|((log_group, log_stream), events)| {
        format!(
            "{{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"123456789012\",\"logGroup\":\"{log_group}\",\"logStream\":\"{log_stream}\",\
             \"subscriptionFilters\":[\"f\"],\"logEvents\":[{}]}}",
            events.join(",")
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn both_ways_give_the_same_documents(options in options(), envelopes in prop::collection::vec(envelope(), 1..4)) {
        let mut transformer = LineTransformer::new(&options);
        for envelope in &envelopes {
            let is_ordinary = compare(&mut transformer, envelope.as_bytes(), &options);
            let gzipped = Compressor::new().gzip(envelope.as_bytes());
            prop_assert_eq!(compare(&mut transformer, &gzipped, &options), is_ordinary);
            // Numbers with a fraction and ids with escapes are not ordinary; nor is an id of a process that is none.
            if !envelope.contains(".0,") && !envelope.contains("\"id\\u0001\"") {
                prop_assert!(is_ordinary, "{}", envelope);
            }
        }
    }

    #[test]
    fn an_envelope_that_is_damaged_is_read_by_one_way_alone_or_by_both_alike(
        envelope in envelope(), at in any::<prop::sample::Index>(), with in prop::sample::select(b"\"\\{}[]:,0a \n\xff".to_vec()), cut in any::<bool>(),
    ) {
        let options = Options::default();
        let mut bytes = envelope.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = with;
        if cut {
            bytes.truncate(at);
        }
        compare(&mut LineTransformer::new(&options), &bytes, &options);
    }
}

#[test]
fn a_record_that_is_not_ordinary_leaves_nothing_behind() {
    let options = Options::default();
    let mut transformer = LineTransformer::new(&options);
    let event = |message: &str| format!("{{\"id\":\"1\",\"timestamp\":1627019152976,\"message\":\"{message}\"}}");
    let envelope = |events: &[String], rest: &str| {
        format!(
            "{{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"1\",\"logGroup\":\"g\",\"logStream\":\"s\",\"subscriptionFilters\":[\"f\"],\
             \"logEvents\":[{}]{rest}}}",
            events.join(",")
        )
    };
    assert!(transformer.transform(envelope(&[event("a"), event("b")], ",\"x\":1").as_bytes(), SOURCE).is_none());
    assert!(transformer.transform(b"no envelope", SOURCE).is_none());
    assert!(transformer.transform(b"\x1f\x8b\x08 damaged", SOURCE).is_none());
    let record = envelope(&[event("c")], "");
    assert!(compare(&mut transformer, record.as_bytes(), &options));
    let lines = transformer.transform(record.as_bytes(), SOURCE).unwrap();
    assert_eq!((lines.documents.len(), lines.data.iter().filter(|byte| **byte == b'\n').count()), (1, 1));
    assert!(String::from_utf8_lossy(&lines.data).contains("\"message\":\"c\""));
}

#[test]
fn every_command_with_and_without_an_argument_is_the_same_both_ways() {
    let commands = ["Query", "Execute", "Prepare", "Bulk_execute", "Quit", "Init DB", "Close stmt", "Connect", "Ping"];
    for profile in Profile::ALL {
        for digest in [false, true] {
            let options = Options { profile, digest, ..Options::default() };
            let messages: Vec<String> = commands
                .iter()
                .flat_map(|command| ["", "\t", "\tSELECT \"a\" FROM t WHERE b = 1\n"].map(|rest| (command, rest)))
                .map(|(command, rest)| {
                    json_string(&format!("2026-11-23T03:06:05.013294Z\t   32 {command}{rest}"), &[0])
                })
                .map(|message| format!("{{\"id\":\"7\",\"timestamp\":1627019152976,\"message\":{message}}}"))
                .collect();
            let envelope = format!(
                "{{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"1\",\"logGroup\":\"g\",\"logStream\":\"s\",\"subscriptionFilters\":[\"f\"],\
                 \"logEvents\":[{}]}}",
                messages.join(",")
            );
            assert!(compare(&mut LineTransformer::new(&options), envelope.as_bytes(), &options));
        }
    }
}
