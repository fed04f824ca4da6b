//! The documents: two days of a general log and one index of JSON lines, each in two segments.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use tantivy::indexer::NoMergePolicy;
use tantivy::schema::OwnedValue;
use tantivy::{DateTime, Index, IndexWriter, TantivyDocument};

use super::super::OpenIndex;
use crate::index::FieldType;
use crate::index::analyzer::{self, StatementTokenizer};
use crate::index::embedded::mapping::{DateFormat, Mapping};
use crate::index::embedded::schema::{Fixed, Slot, id_key, schema};

type Fields = Vec<(&'static str, OwnedValue)>;

/// id, time of day, PID, Perform, Statement.
type Line = (&'static str, &'static str, i64, &'static str, &'static str);

const FIRST_DAY: [Line; 10] = [
    ("a0", "2022-01-15T08:44:45.161343Z", 9566, "Execute", "select 1"),
    ("a1", "2022-01-15T08:44:45.161344Z", 9566, "Query", "SELECT * FROM information_schema.tables"),
    ("a2", "2022-01-15T08:44:46Z", 9567, "Query", "select * from `app_db`.`t` where id=5"),
    ("a3", "2022-01-15T08:44:47.5Z", 9567, "Query", "INSERT INTO app_db.orders VALUES (1,'北京市')"),
    ("a4", "2022-01-15T09:00:00Z", 22481, "Connect", "rdsadmin@localhost on  using TCP/IP"),
    ("a5", "2022-01-15T09:30:00Z", 22481, "Init DB", "app_db"),
    ("a6", "2022-01-15T09:30:00Z", 22481, "Query", "select * from information_schema.rds_events_threads_waits_current"),
    ("a7", "2022-01-15T11:15:30Z", 9566, "Quit", ""),
    ("a8", "2022-01-15T11:15:31Z", 100, "Query", "UPDATE users SET name='it''s' WHERE id IN (1,2,3)"),
    ("a9", "2022-01-15T11:15:32Z", 100, "Query", "select name from users"),
];

/// A PID of 0 stands for none.
const SECOND_DAY: [Line; 6] = [
    ("b0", "2022-01-16T00:00:00Z", 100, "Query", "select name from users"),
    ("b1", "2022-01-16T00:10:00Z", 100, "Query", "delete from app_db.t"),
    ("b2", "2022-01-16T00:20:00Z", 200, "Execute", "select 1"),
    ("b3", "2022-01-16T05:00:00Z", 200, "Init DB", "other_db"),
    ("b4", "2022-01-16T05:00:00.000001Z", 9566, "Query", "select * from app_db.t"),
    ("b5", "2022-01-16T06:00:00Z", 0, "Query", "SELECT 'app_db'"),
];

pub(super) fn indices() -> &'static [OpenIndex] {
    static INDICES: LazyLock<Vec<OpenIndex>> = LazyLock::new(make);
    &INDICES
}

fn make() -> Vec<OpenIndex> {
    let general = |lines: &[Line]| lines.iter().map(line).collect::<Vec<_>>();
    vec![
        open("hydrant-general-2022-01-15", general_mapping(), &general(&FIRST_DAY)),
        open("hydrant-general-2022-01-16", general_mapping(), &general(&SECOND_DAY)),
        open("hydrant-json-2022-01-15", json_mapping(), &json_lines()),
    ]
}

fn line((id, time, pid, perform, statement): &Line) -> (&'static str, Fields) {
    let mut fields = vec![
        ("@timestamp", date(time)),
        ("Time", date(time)),
        ("Perform", string(perform)),
        ("Statement", string(statement)),
    ];
    if *pid != 0 {
        fields.push(("PID", OwnedValue::I64(*pid)));
    }
    (id, fields)
}

fn json_lines() -> Vec<(&'static str, Fields)> {
    let long: &'static str = "x".repeat(300).leak();
    vec![
        (
            "c0",
            vec![
                ("@timestamp", date("2022-01-15T10:00:00Z")),
                ("user.name", string("Anna Maria")),
                ("bytes", OwnedValue::I64(10)),
                ("ratio", OwnedValue::F64(0.5)),
                ("ok", OwnedValue::Bool(true)),
                ("day", date("2022-01-10T00:00:00Z")),
            ],
        ),
        (
            "c1",
            vec![
                ("@timestamp", date("2022-01-15T10:00:01Z")),
                ("user.name", string("anna")),
                ("bytes", OwnedValue::I64(20)),
                ("ratio", OwnedValue::F64(1.5)),
                ("ok", OwnedValue::Bool(false)),
                ("day", date("2022-01-11T12:00:00.123Z")),
            ],
        ),
        (
            "c2",
            vec![
                ("@timestamp", date("2022-01-15T10:00:02Z")),
                ("user.name", string("Bob")),
                ("bytes", OwnedValue::I64(30)),
                ("ratio", OwnedValue::I64(2)),
                ("ok", OwnedValue::Bool(true)),
            ],
        ),
        ("c3", vec![("@timestamp", date("2022-01-15T10:00:03Z")), ("message", string("plain select text"))]),
        (
            "c4",
            vec![
                ("@timestamp", date("2022-01-15T10:00:04Z")),
                ("user.name", string(long)),
                ("bytes", OwnedValue::I64(9_007_199_254_740_993)),
            ],
        ),
        (
            "c5",
            vec![
                ("@timestamp", date("2022-01-15T10:00:05Z")),
                ("user.name", string("Bob")),
                ("user.name", string("carl")),
                ("bytes", OwnedValue::I64(1)),
                ("bytes", OwnedValue::I64(40)),
            ],
        ),
    ]
}

fn string(text: &str) -> OwnedValue {
    OwnedValue::Str(text.to_owned())
}

fn date(text: &str) -> OwnedValue {
    let instant: jiff::Timestamp = text.parse().unwrap();
    OwnedValue::Date(DateTime::from_timestamp_nanos(i64::try_from(instant.as_nanosecond()).unwrap()))
}

fn general_mapping() -> Mapping {
    let mut mapping = Mapping::default();
    for fixed in [Fixed::Timestamp, Fixed::Time, Fixed::Pid, Fixed::Perform, Fixed::Statement] {
        mapping.add(fixed.name(), fixed.field_type(), Some(fixed), DateFormat::Iso);
    }
    mapping
}

fn json_mapping() -> Mapping {
    let mut mapping = Mapping::default();
    for fixed in [Fixed::Timestamp, Fixed::Message] {
        mapping.add(fixed.name(), fixed.field_type(), Some(fixed), DateFormat::Iso);
    }
    mapping.add_object("user");
    for (name, kind) in [
        ("user.name", FieldType::TextWithKeyword),
        ("bytes", FieldType::Long),
        ("ratio", FieldType::Float),
        ("ok", FieldType::Boolean),
        ("day", FieldType::Date),
        ("kept", FieldType::Unindexed),
    ] {
        mapping.add(name, kind, None, DateFormat::Iso);
    }
    mapping
}

/// An index in memory. Its first two thirds are a segment, the others another (tantivy takes the larger one first).
fn open(name: &str, mapping: Mapping, documents: &[(&str, Fields)]) -> OpenIndex {
    let index = Index::create_in_ram(schema().0.clone());
    index.tokenizers().register(analyzer::NAME, StatementTokenizer::default());
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for (number, (id, fields)) in documents.iter().enumerate() {
        if number == documents.len() * 2 / 3 {
            writer.commit().unwrap();
        }
        writer.add_document(document(&mapping, id, fields)).unwrap();
    }
    writer.commit().unwrap();
    OpenIndex { name: name.to_owned(), searcher: index.reader().unwrap().searcher(), mapping: Arc::new(mapping) }
}

fn document(mapping: &Mapping, id: &str, fields: &Fields) -> TantivyDocument {
    let places = &schema().1;
    let mut document = TantivyDocument::new();
    document.add_text(places.id, id);
    document.add_bytes(places.key, &id_key(id));
    document.add_bytes(places.source, format!("{{\"id\":\"{id}\"}}").as_bytes());
    let mut objects: BTreeMap<_, BTreeMap<String, Vec<OwnedValue>>> = BTreeMap::new();
    for (name, value) in fields {
        let mapped = mapping.get(name).unwrap();
        let mut within = |field| {
            let key = mapped.slot.key().into_owned();
            objects.entry(field).or_default().entry(key).or_default().push(value.clone());
        };
        match (mapped.slot, mapped.field_type, value) {
            (Slot::Dynamic(_), FieldType::TextWithKeyword, OwnedValue::Str(text)) => {
                within(places.text);
                if text.len() <= 256 {
                    within(places.keyword);
                } else {
                    document.add_text(places.fields, mapped.slot.key());
                }
            }
            (Slot::Dynamic(_), ..) => within(places.value),
            (Slot::Fixed(fixed), kind, _) => {
                document.add_field_value(places.fixed(fixed), value);
                if kind == FieldType::Text {
                    document.add_text(places.fields, mapped.slot.key());
                }
            }
        }
    }
    for (field, values) in objects {
        let value = |values: Vec<OwnedValue>| OwnedValue::Array(values);
        document.add_object(field, values.into_iter().map(|(key, values)| (key, value(values))).collect());
    }
    document
}
