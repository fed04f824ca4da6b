//! Beside AWS's blueprint and the tutorials' function: what each makes of the kinds of event that docs/lambda.md lists.
//!
//! Firehose around them is played by its documented rules. An id that an answer lacks or has twice fails its record, one
//! that was never sent is ignored; an invocation that fails is made four times in all, then its whole batch is kept.
//! OpenSearch takes a record that is one JSON object in one line. What is sent again comes back in later rounds.
//! Documents are held against what the test built, never against what a function made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::events::{BASE_MS, Source, control_message, envelope_of, event_id, firehose, record_id};
use crate::firehose::TIME;
use crate::foreign_awslambdaric::python;
use crate::runtime_api::{Ended, Lambda, Program};
use crate::stub::{Stub, taken};

const DOCS: &str = include_str!("../../../../docs/lambda.md");

/// Of one invocation: the first, and Firehose's usual three more.
const TRIES: usize = 4;

/// Through the stream. More would be a loop.
const ROUNDS_MAX: usize = 4;

/// Firehose's usual buffer before the function.
const BUFFER_BYTES: usize = 1 << 20;

/// Time, PID, Perform and Statement, as they have to be in the document. Each statement holds `entry` and its number.
struct Entry {
    number: u64,
    fields: [String; 4],
}

const NAMES: [&str; 4] = ["Time", "PID", "Perform", "Statement"];

impl Entry {
    fn message(&self) -> String {
        let [time, pid, perform, statement] = &self.fields;
        format!("{time}\t{pid:>5} {perform}\t{statement}")
    }

    /// A number may be one or the text of one.
    fn is(&self, document: &Value) -> bool {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        NAMES.iter().zip(&self.fields).all(|(name, field)| text(&document[*name]) == *field)
    }
}

/// What no function has trouble with.
fn usual(number: u64) -> Entry {
    let statement = format!("SELECT name FROM entry{number:08} WHERE id = {number}");
    let time = format!("2026-11-23T23:30:{:02}.{:06}Z", number % 60, number * 7);
    Entry { number, fields: [time, (10_000 + number).to_string(), "Query".to_owned(), statement] }
}

/// The usual one with another field.
fn with(number: u64, field: usize, value: String) -> Entry {
    let mut entry = usual(number);
    entry.fields[field] = value;
    entry
}

fn small_thread_id(number: u64) -> Entry {
    with(number, 1, (9 + number * 100).to_string())
}

fn init_db(number: u64) -> Entry {
    let mut entry = with(number, 2, "Init DB".to_owned());
    entry.fields[3] = format!("entry{number:08}");
    entry
}

fn many_lines(number: u64) -> Entry {
    with(number, 3, format!("SELECT entry{number:08}.name,\n\tvalue\n\tFROM t\n\tWHERE id = {number}"))
}

fn with_offset(number: u64) -> Entry {
    with(number, 0, format!("2026-11-24T08:30:{:02}.000123+09:00", number % 60))
}

fn long<const BYTES: usize>(number: u64) -> Entry {
    let rows = "(1, 'some text of a row'), ".repeat(BYTES / 27);
    with(number, 3, format!("INSERT INTO entry{number:08} VALUES {rows}(2, '')"))
}

#[derive(Clone)]
struct Record {
    data: Vec<u8>,
    numbers: BTreeSet<u64>,
}

impl Record {
    /// An envelope.
    fn of(entries: &[Entry]) -> Record {
        let event = |entry: &Entry| log_event(entry.number, &entry.message());
        let data = envelope_of(&entries.iter().map(event).collect::<Vec<Value>>());
        Record { data, numbers: entries.iter().map(|entry| entry.number).collect() }
    }

    /// Without any entry.
    fn other(data: Vec<u8>) -> Record {
        Record { data, numbers: BTreeSet::new() }
    }
}

fn log_event(number: u64, message: &str) -> Value {
    json!({"id": event_id(number), "timestamp": BASE_MS, "message": message})
}

/// The entries that data speaks of.
fn numbers_in(data: &[u8]) -> BTreeSet<u64> {
    let mut bytes = Vec::new();
    if data.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(data).read_to_end(&mut bytes).unwrap();
    } else {
        bytes.extend_from_slice(data);
    }
    let text = String::from_utf8(bytes).unwrap();
    text.split("entry").skip(1).filter_map(|rest| rest.get(..8)?.parse().ok()).collect()
}

/// A kind of event.
struct Kind {
    name: &'static str,
    source: Source,
    /// The record id of a place.
    id: fn(usize) -> String,
    entries: Vec<Entry>,
    records: Vec<Record>,
    /// The entry whose record the stream refuses each time.
    refused: Option<u64>,
    time: Duration,
}

/// The form of 62 digits, as different as real ones.
fn far(place: usize) -> String {
    format!("49578734086442259037497492980620233840400173390482{:06}000000", place + 112_514)
}

fn near(place: usize) -> String {
    format!("49578734086442259037497492980620233840400173390482112514{place:06}")
}

fn of_direct_put(place: usize) -> String {
    record_id(Source::DirectPut, place)
}

impl Kind {
    fn new(name: &'static str, records: u64, each: usize, entry: fn(u64) -> Entry) -> Kind {
        let entries: Vec<Entry> = (0..records * u64::try_from(each).unwrap()).map(entry).collect();
        let records = entries.chunks(each).map(Record::of).collect();
        Kind { name, source: Source::Kinesis, id: far, entries, records, refused: None, time: TIME }
    }

    /// With one more record in the middle.
    fn and(mut self, data: Vec<u8>) -> Kind {
        self.records.insert(self.records.len() / 2, Record::other(data));
        self
    }

    /// With other bytes for some records.
    fn instead(mut self, places: std::ops::Range<usize>, data: impl Fn(&Entry, &[u8]) -> Vec<u8>) -> Kind {
        for place in places {
            self.records[place].data = data(&self.entries[place], &self.records[place].data);
        }
        self
    }
}

fn damaged(_: &Entry, data: &[u8]) -> Vec<u8> {
    data[..data.len() / 2].to_vec()
}

fn finished(entry: &Entry, _: &[u8]) -> Vec<u8> {
    let fields = NAMES.iter().zip(&entry.fields).map(|(name, field)| ((*name).to_owned(), json!(field)));
    Value::Object(fields.collect()).to_string().into_bytes()
}

fn plain(entry: &Entry, _: &[u8]) -> Vec<u8> {
    entry.message().into_bytes()
}

fn banner() -> Vec<u8> {
    let lines = [
        "/rdsdbbin/mysql/bin/mysqld, Version: 8.0.35 (Source distribution). started with:",
        "Tcp port: 3306  Unix socket: /tmp/mysql.sock",
        "Time                 Id Command    Argument",
    ];
    envelope_of(&[log_event(99_999_999, &lines.join("\n"))])
}

/// Each differs from the first in what its name says.
fn kinds() -> Vec<Kind> {
    let ten = |name, entry| Kind::new(name, 10, 1, entry);
    vec![
        ten("10 records of 1 entry", usual),
        Kind::new("10 records of 3 entries", 10, 3, usual),
        Kind::new("10 records of 50 entries", 10, 50, usual),
        Kind { source: Source::DirectPut, id: of_direct_put, ..ten("record ids `shardId-…`", usual) },
        Kind { id: near, ..Kind::new("record ids that are neighbours, 3 entries each", 10, 3, usual) },
        ten("a corrupt record among 9 good ones", usual).instead(4..5, damaged),
        ten("a control message among 10 records", usual).and(control_message()),
        ten("thread ids under 10,000", small_thread_id),
        ten("`Init DB`", init_db),
        ten("statements of several lines, with tabs", many_lines),
        ten("times with an offset (`+09:00`)", with_offset),
        ten("a server's banner among 10 entries", usual).and(banner()),
        ten("documents and plain lines among envelopes", usual).instead(2..5, finished).instead(6..8, plain),
        Kind::new("answer over 6 MB: 40 records of 1 entry", 40, 1, long::<150_000>),
        Kind::new("answer over 6 MB: 40 records of 3 entries", 40, 3, long::<50_000>),
        Kind::new("answer over 6 MB: 1 record of 60 entries", 1, 60, long::<120_000>),
        Kind {
            refused: Some(39),
            time: Duration::from_secs(20),
            ..Kind::new("the same of 1 entry, and the stream refuses one of those sent again", 40, 1, long::<150_000>)
        },
    ]
}

/// What became of the entries of a kind.
#[derive(Default)]
struct Fate {
    /// And how often.
    right: BTreeMap<u64, usize>,
    wrong: BTreeSet<u64>,
    /// What OpenSearch does not take lies in the delivery stream's backup, as the function answered it.
    refused: BTreeSet<u64>,
    /// In the error output, with the original bytes.
    kept: BTreeSet<u64>,
    again: BTreeSet<u64>,
    /// Handed on as they were logged, a line end behind each.
    lines: BTreeSet<u64>,
    /// Documents of what is no entry.
    others: usize,
}

impl Fate {
    fn of_record(&mut self, kind: &Kind, record: &Record, answers: &[&Value]) {
        let [answer] = answers else { return self.kept.extend(&record.numbers) };
        match (answer["result"].as_str(), answer["data"].as_str()) {
            (Some("Ok"), Some(data)) => self.deliver(kind, &STANDARD.decode(data).unwrap()),
            (Some("Dropped"), _) => {}
            _ => self.kept.extend(&record.numbers),
        }
    }

    fn deliver(&mut self, kind: &Kind, data: &[u8]) {
        let (numbers, text) = (numbers_in(data), std::str::from_utf8(data).unwrap());
        let entry = |number: u64| &kind.entries[usize::try_from(number).unwrap()];
        self.lines.extend(numbers.iter().filter(|number| text.contains(&format!("{}\n", entry(**number).message()))));
        let line = text.trim_end();
        let document =
            serde_json::from_str::<Value>(line).ok().filter(|value| value.is_object() && !line.contains('\n'));
        match (document, numbers.first()) {
            (None, _) => self.refused.extend(&numbers),
            (Some(_), None) => self.others += 1,
            (Some(document), Some(number)) if entry(*number).is(&document) => {
                *self.right.entry(*number).or_default() += 1;
            }
            (Some(_), Some(_)) => self.wrong.extend(&numbers),
        }
    }

    /// Each entry right and once, or kept.
    fn is_sound(&self, kind: &Kind) -> bool {
        let safe: BTreeSet<&u64> = self.right.keys().chain(&self.kept).collect();
        let is_once = self.right.values().all(|times| *times == 1) && self.right.len() + self.kept.len() == safe.len();
        safe.len() == kind.entries.len()
            && is_once
            && self.wrong.is_empty()
            && self.refused.is_empty()
            && self.others == 0
    }

    /// Of the table. Each entry counts once, in the first of these that it is in.
    fn cell(&self, kind: &Kind) -> String {
        let mut left: BTreeSet<u64> = kind.entries.iter().map(|entry| entry.number).collect();
        let right: BTreeSet<u64> = self.right.keys().copied().collect();
        let mut parts = Vec::new();
        for (name, found) in
            [("right", &right), ("wrong", &self.wrong), ("kept", &self.kept), ("refused", &self.refused)]
        {
            let count = left.intersection(found).count();
            left.retain(|number| !found.contains(number));
            parts.extend((count > 0).then(|| format!("{count} {name}")));
        }
        let times = self.right.values().max().copied().unwrap_or_default();
        if times > 1 {
            parts.insert(1, format!("up to {times} times each"));
        }
        parts.extend((!left.is_empty()).then(|| format!("**{} lost**", left.len())));
        parts.extend((self.others > 0).then(|| format!("{} that is no entry", self.others)));
        let again = self.again.len();
        parts.join(", ") + &if again > 0 { format!(" ({again} sent again)") } else { String::new() }
    }
}

/// A function with all that is around it.
struct Peer {
    function: Lambda,
    /// The records that came back to the stream.
    back: Arc<Mutex<Vec<Vec<u8>>>>,
    bucket: Stub,
    _stream: Stub,
}

impl Peer {
    async fn deploy(program: Program, refused: Option<u64>) -> Peer {
        let back: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = back.clone();
        let stream = Stub::start(move |call, _| {
            let records = call.records();
            let is_refused = |record: &[u8]| refused.is_some_and(|number| numbers_in(record).contains(&number));
            let reply = taken(call, |place| is_refused(&records[place]).then_some("InternalFailure"));
            let came = records.into_iter().filter(|record| !is_refused(record));
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend(came);
            reply
        })
        .await;
        let bucket = Stub::bucket().await;
        let variables = [
            ("AWS_ENDPOINT_URL", stream.url.as_str()),
            ("AWS_ENDPOINT_URL_S3", bucket.url.as_str()),
            ("HYDRANT_DESTINATION", "opensearch"),
            ("HYDRANT_FAILED_TO", "s3://failed-bucket"),
        ];
        Peer { function: Lambda::deploy_program(program, &variables), back, bucket, _stream: stream }
    }

    /// A batch of Firehose, and what its answer makes of it.
    async fn batch(&mut self, kind: &Kind, records: Vec<(String, Record)>, fate: &mut Fate) {
        let data = records.iter().map(|(id, record)| (id.clone(), record.data.clone())).collect::<Vec<_>>();
        let event = firehose(kind.source, &data).to_string();
        let mut answers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for _ in 0..TRIES {
            if let Ended::Answer(told) = self.function.invoke(event.clone(), kind.time).await {
                let mut told: Value = serde_json::from_slice(&told).unwrap();
                for answer in std::mem::take(told["records"].as_array_mut().unwrap()) {
                    answers.entry(answer["recordId"].as_str().unwrap().to_owned()).or_default().push(answer);
                }
                break;
            }
        }
        for (id, record) in records {
            let told = answers.get(&id).map_or(Vec::new(), |told| told.iter().collect());
            fate.of_record(kind, &record, &told);
        }
    }
}

/// All rounds of a kind through a program.
async fn run(kind: &Kind, program: Program) -> Fate {
    let (mut peer, mut fate) = (Peer::deploy(program, kind.refused).await, Fate::default());
    let (mut waiting, mut place) = (kind.records.clone(), 0);
    for _ in 0..ROUNDS_MAX {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for record in waiting {
            bytes += record.data.len();
            if bytes > BUFFER_BYTES && !batch.is_empty() {
                peer.batch(kind, std::mem::take(&mut batch), &mut fate).await;
                bytes = record.data.len();
            }
            batch.push(((kind.id)(place), record));
            place += 1;
        }
        if !batch.is_empty() {
            peer.batch(kind, batch, &mut fate).await;
        }
        let back = std::mem::take(&mut *peer.back.lock().unwrap_or_else(PoisonError::into_inner));
        waiting = back.into_iter().map(|data| Record { numbers: numbers_in(&data), data }).collect();
        fate.again.extend(waiting.iter().flat_map(|record| &record.numbers));
    }
    assert!(waiting.is_empty(), "{}: it goes round and round", kind.name);
    for line in peer.bucket.lines("processing-failed") {
        fate.kept.extend(numbers_in(&STANDARD.decode(line["rawData"].as_str().unwrap()).unwrap()));
    }
    fate
}

#[tokio::test]
async fn foreign_the_table_in_the_docs_is_what_all_three_functions_do() {
    let mut table = "| kind of event | tutorial | AWS's blueprint | Hydrant |\n|---|---|---|---|\n".to_owned();
    let (mut entries, mut lines) = (0, 0);
    for kind in kinds() {
        let (tutorial, blueprint, ours) = tokio::join!(
            run(&kind, python("tutorial.function")),
            run(&kind, python("blueprint.function")),
            run(&kind, Program::function())
        );
        let cells = [&tutorial, &blueprint, &ours].map(|fate| fate.cell(&kind));
        writeln!(table, "| {} | {} |", kind.name, cells.join(" | ")).unwrap();
        assert!(ours.is_sound(&kind), "{}: {}", kind.name, cells[2]);
        entries += kind.entries.len();
        lines += blueprint.lines.len();
    }
    assert!(DOCS.contains(&format!("\n\n{table}\n")), "docs/lambda.md has another table than this:\n{table}");
    let told = format!("it hands on {lines} of these {entries} entries as they were logged");
    assert!(DOCS.contains(&told), "docs/lambda.md does not say that {told}");
}

#[tokio::test]
async fn foreign_of_the_three_only_the_tutorials_function_writes_statements_into_its_log() {
    let kind = Kind::new("", 2, 1, usual);
    for (program, line, writes) in [
        (python("tutorial.function"), "entry00000001", true),
        (python("blueprint.function"), "2 records, 0 sent again", false),
        (Program::function(), "requestId", false),
    ] {
        let (mut peer, mut fate) = (Peer::deploy(program, None).await, Fate::default());
        let records = kind.records.iter().enumerate().map(|(place, record)| (far(place), record.clone()));
        peer.batch(&kind, records.collect(), &mut fate).await;
        let start = Instant::now();
        while !peer.function.output().contains(line) {
            assert!(start.elapsed() < TIME, "no `{line}` is in the log: {}", peer.function.output());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(peer.function.output().contains("entry"), writes);
    }
}
