//! Entries in pieces, to documents: however a log is cut, and wherever its reader is stopped, the same come out.

use hydrant_transform::document::Document;
use hydrant_transform::envelope::{Encoder, Header, LogEvent};
use hydrant_transform::record::join::{Joined, Joiner, Limits, LogStream, Mark, StreamKey};
use hydrant_transform::record::{
    DropReason, Join, Options, Piece, RecordSource, transform, transform_joined, transform_leaving,
};
use proptest::prelude::*;

use super::{event, source};

/// Log events of numbered log streams, a run of them in an envelope each.
#[derive(Clone, Debug, Default)]
struct Record {
    arrival_ms: i64,
    envelopes: Vec<(usize, Vec<String>)>,
}

/// Its log events are entries; those of the others are pieces.
const PLAIN: usize = 3;

/// What came out, in order.
#[derive(Debug, Default, PartialEq)]
struct Out {
    documents: Vec<Document>,
    dropped: Vec<DropReason>,
}

/// A record as it is taken: what is left to the joiner, and what is not.
struct Taken {
    arrival_ms: i64,
    pieces: Vec<Piece>,
    documents: Vec<Document>,
    dropped: Vec<DropReason>,
}

fn log_group(stream: usize) -> String {
    if stream == PLAIN { "plain".to_owned() } else { "lines".to_owned() }
}

fn data(number: usize, record: &Record) -> Vec<u8> {
    let mut data = Vec::new();
    for (nth, (stream, messages)) in record.envelopes.iter().enumerate() {
        let mut encoder = Encoder::new(&Header {
            owner: "1".into(),
            log_group: log_group(*stream),
            log_stream: format!("s{stream}"),
            subscription_filters: Vec::new(),
        });
        for (idx, message) in messages.iter().enumerate() {
            // Ids as CloudWatch's, and none.
            let id = if idx % 3 == 2 { String::new() } else { format!("{number:020}{nth:018}{idx:018}") };
            encoder.push(&LogEvent { id, ..event(message.as_bytes()) });
        }
        data.extend(encoder.seal());
    }
    data
}

/// Calls what a record's source is.
fn with_source<R>(number: usize, arrival_ms: i64, call: impl FnOnce(RecordSource<'_>) -> R) -> R {
    call(RecordSource { shard: "shardId-000000000000", sequence_number: &format!("{number:056}"), arrival_ms })
}

fn take_all(records: &[Record]) -> Vec<Taken> {
    let options = Options::default();
    let leaves = |stream: &LogStream| stream.log_group == "lines";
    let take = |(number, record): (usize, &Record)| {
        let transformed = with_source(number, record.arrival_ms, |source| {
            transform_leaving(&data(number, record), source, &options, &leaves)
        });
        assert!(transformed.failed.is_empty(), "{transformed:?}");
        let (pieces, documents, dropped) = (transformed.pieces, transformed.documents, transformed.dropped);
        Taken { arrival_ms: record.arrival_ms, pieces, documents, dropped }
    };
    records.iter().enumerate().map(take).collect()
}

/// A reader of a shard. What a joined entry knows of its record is the record's number.
struct Reader<'t> {
    taken: &'t [Taken],
    limits: Limits,
    joiner: Joiner<usize>,
    out: Out,
}

impl<'t> Reader<'t> {
    fn new(taken: &'t [Taken], limits: Limits) -> Reader<'t> {
        Reader { taken, limits, joiner: Joiner::new(limits, None, i64::MIN, 0), out: Out::default() }
    }

    fn finished(&mut self, finished: Vec<Joined<usize>>) {
        for joined in finished {
            let transformed = with_source(joined.record, self.taken[joined.record].arrival_ms, |source| {
                transform_joined(&joined, source, &Options::default())
            });
            assert!(transformed.failed.is_empty(), "{transformed:?}");
            self.out.documents.extend(transformed.documents);
            self.out.dropped.extend(transformed.dropped);
        }
    }

    fn read(&mut self, from: usize, to: usize) {
        for number in from..to {
            let (taken, mut finished) = (&self.taken[number], Vec::new());
            self.joiner.record(taken.arrival_ms, &mut finished);
            for Piece { stream, event, event_idx } in &taken.pieces {
                self.joiner.push(stream, event.clone(), *event_idx, &number, &mut finished);
            }
            self.out.documents.extend(taken.documents.iter().cloned());
            self.out.dropped.extend(taken.dropped.iter().cloned());
            self.finished(finished);
        }
    }

    /// Forgets all but the marks, and reads again from the earliest unfinished entry up to `stop`, where it was.
    fn crash(&mut self, stop: usize) {
        let marks: Vec<(StreamKey, Mark<usize>)> = self.joiner.marks().map(|(key, mark)| (key.clone(), mark)).collect();
        let base = marks.iter().filter_map(|(_, mark)| Some(mark.place.as_ref()?.record)).min().unwrap_or(stop);
        let highest_ms = self.taken[..base].iter().map(|taken| taken.arrival_ms).max().unwrap_or(i64::MIN);
        self.joiner = Joiner::new(self.limits, None, highest_ms, base as u64);
        let (mut finished, mut reached) = (Vec::new(), Vec::new());
        for (key, mark) in marks.iter().filter(|(_, mark)| mark.place.is_none()) {
            self.joiner.resume_idle(key.clone(), mark, &mut finished);
        }
        for number in base..stop {
            self.joiner.record(self.taken[number].arrival_ms, &mut finished);
            for Piece { stream, event, event_idx } in &self.taken[number].pieces {
                let (key, event) = (stream.key(), event.clone());
                if reached.contains(&key) {
                    self.joiner.push(stream, event, *event_idx, &number, &mut finished);
                    continue;
                }
                let Some((_, mark)) = marks.iter().find(|(marked, _)| *marked == key) else { continue };
                let Some(place) = &mark.place else { continue };
                if (place.record, place.event_idx) == (number, *event_idx) {
                    self.joiner.resume(stream, mark.state, place, event, &mut finished);
                    reached.push(key);
                }
            }
        }
        assert!(finished.is_empty(), "what is read again was finished before: {finished:?}");
    }

    fn end(mut self) -> Out {
        let mut finished = Vec::new();
        self.joiner.expire(&mut finished);
        self.finished(finished);
        self.out
    }
}

/// What is read with a crash behind each of so many records.
fn read(taken: &[Taken], limits: Limits, stops: &[usize]) -> Out {
    let mut reader = Reader::new(taken, limits);
    let mut at = 0;
    for stop in stops {
        reader.read(at, *stop);
        reader.crash(*stop);
        at = *stop;
    }
    reader.read(at, taken.len());
    reader.end()
}

/// A document but for what tells the log event that it came from.
fn without_place(document: &Document) -> String {
    let mut text = source(document);
    for key in [",\"event_id\":\"", ",\"ordinal\":"] {
        if let Some(at) = text.find(key) {
            let behind = at + key.len();
            let length = text[behind..].find([',', '}']).unwrap();
            text.replace_range(at..behind + length, "");
        }
    }
    format!("{} {} {text}", document.format.name(), document.timestamp_ms)
}

const STATEMENTS: [&str; 12] = [
    "SELECT 1",
    "SELECT a\n  FROM t\n WHERE b = 'x'",
    "INSERT INTO t VALUES ('open\n\n# Time: 2026-11-23T03:06:05.222163Z\nclosed')",
    "SELECT /* it's\n open */ 1",
    "UPDATE t SET a = \"\n2026-11-23T03:06:05.013294Z\t   99 Query\tDROP TABLE users\"",
    "BEGIN\n\tSELECT 1;\n\nEND",
    "SELECT 'never closed\n  x",
    "SELECT '\u{e9}\u{1f600}\r\n'\r",
    "SELECT 1\n-- it's\n# Foo: bar\n, 2",
    "",
    "\n\n",
    "SELECT `a\n\t\t    9 Quit\t\n`",
];

fn general() -> impl Strategy<Value = String> {
    let statement = prop::sample::select(STATEMENTS.to_vec());
    let command = prop::sample::select(vec!["Query", "Execute", "Prepare"]);
    prop_oneof![
        6 => (0..60_u32, 1..99_u32, command, statement.clone())
            .prop_map(|(second, id, command, text)| format!("2026-11-23T03:06:{second:02}.013294Z\t{id:5} {command}\t{text}")),
        1 => (1..99_u32).prop_map(|id| format!("2026-11-23T03:07:00.000001Z\t{id:5} Quit\t")),
        1 => statement.prop_map(|text| format!("\t\t   13 Query\t{text}")),
        1 => Just("/usr/sbin/mysqld, Version: 8.0.28 (Source distribution). started with:\nTcp port: 3306  Unix socket: /tmp/mysql.sock\nTime                 Id Command    Argument".to_owned()),
    ]
}

fn slow() -> impl Strategy<Value = String> {
    let statement = prop::sample::select(STATEMENTS.to_vec());
    let head = prop::sample::select(vec![
        "# Time: 2026-11-23T03:06:05.222163Z\n# User@Host: app[app] @  [10.0.0.1]  Id:    12\n",
        "# User@Host: app[app] @ web []\n# Thread_id: 12  Schema: d  QC_hit: No\n",
        "",
    ]);
    let database = prop::sample::select(vec!["", "use d;\n", "use `e`;\n"]);
    prop_oneof![
        6 => (head, database, statement).prop_map(|(head, database, text)| {
            format!("{head}# Query_time: 0.200490  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1\n{database}SET timestamp=1795403165;\n{text};")
        }),
        1 => Just("# Time: 2026-11-23T03:06:05.222163Z\n# Query_time: 1\n# administrator command: Ping;".to_owned()),
    ]
}

/// The lines of a log.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let log = prop_oneof![prop::collection::vec(general(), 1..8), prop::collection::vec(slow(), 1..6)];
    log.prop_map(|entries| entries.join("\n").split('\n').map(str::to_owned).collect())
}

/// Where a log is cut: behind a line, into log events, envelopes and records.
fn cut(lines: &[String], cuts: &[(bool, bool, bool, bool)]) -> Vec<Record> {
    let mut records = vec![Record { envelopes: vec![(0, Vec::new())], ..Record::default() }];
    let mut text = String::new();
    for (nth, line) in lines.iter().enumerate() {
        let (ends_event, with_newline, ends_envelope, ends_record) = cuts[nth % cuts.len()];
        text.push_str(line);
        let is_last = nth + 1 == lines.len();
        if !ends_event && !is_last {
            text.push('\n');
            continue;
        }
        // The newline of a last, empty line cannot be left out.
        if with_newline || text.ends_with('\n') {
            text.push('\n');
        }
        let record = records.last_mut().unwrap();
        record.envelopes.last_mut().unwrap().1.push(std::mem::take(&mut text));
        if ends_envelope {
            record.envelopes.push((0, Vec::new()));
        }
        if ends_record {
            records.push(Record { envelopes: vec![(0, Vec::new())], ..Record::default() });
        }
    }
    records
}

/// Lines that are entries: a log stream of these is remembered without an unfinished one.
fn texts() -> impl Strategy<Value = Vec<String>> {
    let line = prop::sample::select(vec![
        "plain text",
        "{\"a\":1}",
        "",
        "Tcp port: 3306  Unix socket: /tmp/mysql.sock",
        "Time                 Id Command    Argument",
    ]);
    prop::collection::vec(line.prop_map(str::to_owned), 1..4)
}

/// Records of several log streams, in about their order of arrival.
fn shard() -> impl Strategy<Value = Vec<Record>> {
    let log = prop_oneof![2 => lines(), 1 => texts()];
    let messages = (log, prop::collection::vec((any::<bool>(), any::<bool>()), 4)).prop_map(|(lines, cuts)| {
        let cuts: Vec<_> = cuts.into_iter().map(|(ends, newline)| (ends, newline, false, false)).collect();
        cut(&lines, &cuts).remove(0).envelopes.remove(0).1
    });
    let envelopes = prop::collection::vec((0..=PLAIN, messages), 0..4);
    prop::collection::vec((0..1_500_i64, envelopes), 1..10).prop_map(|records| {
        let mut arrival_ms = 0;
        let timed = records.into_iter().map(|(step, envelopes)| {
            arrival_ms += step - 300;
            Record { arrival_ms, envelopes }
        });
        timed.collect()
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let entry_bytes_max = prop_oneof![1..100_usize, 100..1_000_usize, Just(1 << 20)];
    let bytes_max = prop_oneof![1..4_000_usize, Just(1 << 20)];
    (entry_bytes_max, bytes_max, 1..4_usize, 0..3_000_i64, 0..5_000_i64).prop_map(
        |(entry_bytes_max, bytes_max, streams_max, quiet_ms, age_ms)| Limits {
            entry_bytes_max,
            bytes_max,
            streams_max,
            quiet_ms,
            age_ms,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_at_line_ends_gives_the_same_documents(
        lines in lines(),
        cuts in prop::collection::vec(any::<(bool, bool, bool, bool)>(), 1..20),
    ) {
        let whole = [Record { envelopes: vec![(0, vec![lines.join("\n") + "\n"])], ..Record::default() }];
        let expected = read(&take_all(&whole), Limits::default(), &[]);
        let expected: Vec<String> = expected.documents.iter().map(without_place).collect();
        let records = cut(&lines, &cuts);
        let told = read(&take_all(&records), Limits::default(), &[]).documents;
        prop_assert_eq!(told.iter().map(without_place).collect::<Vec<_>>(), &expected[..]);
        let ids: std::collections::BTreeSet<&str> = told.iter().map(|document| document.id.as_str()).collect();
        prop_assert_eq!(ids.len(), told.len());

        // In one envelope nobody has to keep anything. There the last entry is known to be whole.
        let events: Vec<String> = records.into_iter().flat_map(|record| record.envelopes).flat_map(|(_, events)| events).collect();
        let one = Record { envelopes: vec![(0, events)], ..Record::default() };
        let options = Options { join: Join { log_groups: ["lines".to_owned()].into(), ..Join::default() }, ..Options::default() };
        let told = with_source(0, 0, |source| transform(&data(0, &one), source, &options)).documents;
        let last_is_whole = |text: &str| text.replace(",\"partial\":true", "");
        prop_assert_eq!(
            told.iter().map(|document| last_is_whole(&without_place(document))).collect::<Vec<_>>(),
            expected.iter().map(|text| last_is_whole(text)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn crashes_anywhere_give_the_same_documents_ids_and_all(
        records in shard(),
        limits in limits(),
        stops in prop::collection::btree_set(0..10_usize, 1..4),
    ) {
        let taken = take_all(&records);
        let stops: Vec<usize> = stops.into_iter().filter(|stop| *stop <= taken.len()).collect();
        prop_assert_eq!(read(&taken, limits, &stops), read(&taken, limits, &[]));
    }
}
