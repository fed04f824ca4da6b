//! Every log event has a text of its own, and is followed to the one place where it ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::envelope::gzip::Compressor;
use hydrant_transform::envelope::{Decoded, decode};
use hydrant_transform::firehose::{
    ANSWER_BYTES_MAX, Again, Answer, Destination, Plan, Planner, Result, Settings, marked, plan, read_event, serialize,
};
use hydrant_transform::record::{DropReason, reason_code};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A log event, with `{}` where its own text stands.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Document(&'static str),
    Long(usize),
    Banner,
    Empty,
    /// Its time is none.
    Impossible,
}

/// What a record of the event is.
#[derive(Clone, Debug)]
enum Sent {
    Envelope(Vec<Kind>),
    Control(usize),
    Lines(usize),
    Imitation,
    Marked(usize),
    Damaged,
    NoData,
}

/// Where a log event ends, if there is room.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Document,
    Dropped(DropReason),
    Failed,
}

#[derive(Clone, Debug)]
struct Logged {
    /// Its own text.
    token: String,
    message: String,
    /// Index of its record.
    record: usize,
    end: End,
}

#[derive(Debug, Default)]
struct Story {
    logged: Vec<Logged>,
    records: Vec<Option<Vec<u8>>>,
}

impl Story {
    fn of(sent: &[Sent]) -> Story {
        let mut story = Story::default();
        sent.iter().for_each(|sent| {
            let data = story.data(sent);
            story.records.push(data);
        });
        story
    }

    fn log(&mut self, kind: Kind) -> Value {
        let number = self.logged.len();
        let token = format!("[{number}]");
        let (message, end) = match kind {
            Kind::Document(shape) => (shape.replace("{}", &token), End::Document),
            Kind::Long(length) => (token.clone() + &"y".repeat(length), End::Document),
            Kind::Banner => (format!("Tcp port: 1  Unix socket: {token}"), End::Dropped(DropReason::Banner)),
            Kind::Empty => (String::new(), End::Dropped(DropReason::Empty)),
            Kind::Impossible => (format!("never {token}"), End::Failed),
        };
        let timestamp = if end == End::Failed { -1 } else { 1_627_019_152_976_i64 };
        let event = json!({"id": format!("{number:056}"), "timestamp": timestamp, "message": message});
        self.logged.push(Logged { token, message, record: self.records.len(), end });
        event
    }

    fn log_all(&mut self, kinds: &[Kind]) -> Vec<Value> {
        kinds.iter().map(|kind| self.log(*kind)).collect()
    }

    fn data(&mut self, sent: &Sent) -> Option<Vec<u8>> {
        let from = self.logged.len();
        Some(match sent {
            Sent::Envelope(kinds) => envelope("DATA_MESSAGE", &self.log_all(kinds)),
            Sent::Control(count) => {
                let events = self.log_all(&vec![Kind::Document("CWL CONTROL MESSAGE {}"); *count]);
                let control = self.logged.iter_mut().skip(from);
                control.for_each(|logged| logged.end = End::Dropped(DropReason::ControlMessage));
                envelope("CONTROL_MESSAGE", &events)
            }
            Sent::Lines(count) => {
                self.log_all(&vec![Kind::Document("line {}"); *count]);
                let lines: Vec<&str> = self.logged.iter().skip(from).map(|logged| logged.message.as_str()).collect();
                lines.join("\n").into_bytes()
            }
            Sent::Imitation => {
                self.log(Kind::Document(r#"{"messageType":"HYDRANT_DOCUMENT","version":1,"text":"{}"}"#));
                self.logged[from].message.clone().into_bytes()
            }
            Sent::Marked(length) => {
                let events = [self.log(Kind::Long(*length)), json!({"id": "", "timestamp": 1, "message": "other"})];
                let event = write_event(&[("r".to_owned(), Some(envelope("DATA_MESSAGE", &events)))], false);
                let event = read_event(event.as_bytes()).unwrap();
                plan(&event, &Settings::default()).unwrap().again.swap_remove(0).data
            }
            Sent::Damaged => b"\x1f\x8b\x08x".to_vec(),
            Sent::NoData => return None,
        })
    }
}

fn envelope(message_type: &str, events: &[Value]) -> Vec<u8> {
    let envelope = json!({
        "messageType": message_type, "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"],
        "logEvents": events,
    });
    Compressor::new().gzip(envelope.to_string().as_bytes())
}

/// The event as Firehose writes it.
fn write_event(records: &[(String, Option<Vec<u8>>)], of_kinesis: bool) -> String {
    let record = |(idx, (id, data)): (usize, &(String, Option<Vec<u8>>))| {
        let mut record = json!({"recordId": id, "approximateArrivalTimestamp": 1_627_019_152_976_i64});
        if let Some(data) = data {
            record["data"] = STANDARD.encode(data).into();
        }
        if of_kinesis {
            record["kinesisRecordMetadata"] = json!({"shardId": "shardId-000000000000", "partitionKey": "p",
                "sequenceNumber": format!("{idx:056}"), "subsequenceNumber": 0});
        }
        record
    };
    let records: Vec<Value> = records.iter().enumerate().map(record).collect();
    json!({"invocationId": "i", "deliveryStreamArn": "arn:d", "records": records}).to_string()
}

fn planned(records: &[(String, Option<Vec<u8>>)], settings: &Settings, of_kinesis: bool) -> Option<Plan> {
    plan(&read_event(write_event(records, of_kinesis).as_bytes()).unwrap(), settings).ok()
}

/// The plan is the same whether it is made at once, or written as a response after another one.
fn check_response(planned: &Plan, records: &[(String, Option<Vec<u8>>)], settings: &Settings, of_kinesis: bool) {
    let json = write_event(records, of_kinesis);
    let event = read_event(json.as_bytes()).unwrap();
    let mut planner = Planner::new(settings);
    planner.plan(&event).unwrap();
    let mut response = Vec::new();
    let responded = planner.respond(&event, &mut response).unwrap();
    assert_eq!(String::from_utf8(response).unwrap(), String::from_utf8(serialize(&planned.answers)).unwrap());
    assert_eq!((&responded.again, &responded.failed), (&planned.again, &planned.failed));
    assert_eq!((&responded.dropped, responded.answered), (&planned.dropped, planned.answered));
}

/// One answer for each record, under its very id, and nothing but what Firehose takes.
fn check_answer(planned: &Plan, records: &[(String, Option<Vec<u8>>)], answer_bytes_max: usize) {
    let answer = serialize(&planned.answers);
    assert!(answer.len() <= answer_bytes_max, "{} of {answer_bytes_max}", answer.len());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let answers = answer["records"].as_array().unwrap();
    let told: Vec<&str> = answers.iter().map(|answer| answer["recordId"].as_str().unwrap()).collect();
    let asked: Vec<&str> = records.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(told, asked);
    for (json, answer) in answers.iter().zip(&planned.answers) {
        let (result, data) = match &answer.result {
            Result::Ok(data) => ("Ok", Some(STANDARD.encode(data))),
            Result::Dropped => ("Dropped", None),
            Result::ProcessingFailed => ("ProcessingFailed", None),
        };
        assert_eq!((json["result"].as_str(), json.get("data")), (Some(result), data.map(Value::from).as_ref()));
    }
}

/// The one log event of what failed.
fn failed_message(raw: &[u8]) -> String {
    let Ok(Decoded::Envelopes(envelopes)) = decode(raw) else { panic!("{raw:?}") };
    let [envelope] = &envelopes[..] else { panic!("{envelopes:?}") };
    let [event] = &envelope.log_events[..] else { panic!("{envelope:?}") };
    String::from_utf8(event.message.clone()).unwrap()
}

/// Whether an answer could not hold a document of the log event, even alone.
fn is_too_long(logged: &Logged, record_id: &str, answer_bytes_max: usize) -> bool {
    // What else is in a document of these events takes less than 300 bytes.
    let data = vec![b'x'; logged.message.len() + 300];
    let alone = serialize(&[Answer { record_id: record_id.to_owned(), result: Result::Ok(data) }]);
    alone.len() + 20 > answer_bytes_max
}

/// Each log event is found once, in the place where it belongs.
fn check_account(story: &Story, ids: &[String], planned: &Plan, settings: &Settings) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let answered = planned.answers.iter().filter_map(|answer| match &answer.result {
        Result::Ok(data) => Some(text(data)),
        Result::Dropped | Result::ProcessingFailed => None,
    });
    let documents: Vec<String> = answered.chain(planned.again.iter().map(|again| text(&again.data))).collect();
    let failed: Vec<(String, &str)> = planned
        .failed
        .iter()
        .map(|failed| (failed_message(&failed.raw), failed.failure.reason.code.as_ref()))
        .collect();
    let count = |texts: &[String], token: &str| texts.iter().map(|text| text.matches(token).count()).sum::<usize>();
    let (mut dropped, mut failures) = (Vec::new(), 0);
    for logged in &story.logged {
        let found = count(&documents, &logged.token);
        let failures_here: Vec<&(String, &str)> =
            failed.iter().filter(|(message, _)| message.contains(&logged.token)).collect();
        failures += failures_here.len();
        let too_long = || is_too_long(logged, &ids[logged.record], settings.answer_bytes_max);
        match (&logged.end, found, &failures_here[..]) {
            (End::Document, 1, []) => {}
            (End::Document, 0, [(message, code)]) => {
                assert_eq!((message, *code), (&logged.message, reason_code::TOO_LARGE));
                assert!(too_long(), "{logged:?}");
            }
            (End::Document, 0, []) => {
                // A finished document in a record that Firehose keeps.
                let data = story.records[logged.record].as_ref().unwrap();
                let is_kept = planned.answers[logged.record].result == Result::ProcessingFailed;
                assert!(marked::read(data).is_some() && is_kept && too_long(), "{logged:?}");
            }
            (End::Failed, 0, [(message, code)]) => {
                assert_eq!((message, *code), (&logged.message, reason_code::TIMESTAMP_INVALID));
            }
            (End::Dropped(reason), 0, []) => dropped.push(reason.clone()),
            other => panic!("{logged:?}: {other:?}"),
        }
    }
    assert_eq!(planned.failed.len(), failures);
    let mut told = planned.dropped.clone();
    told.sort();
    dropped.sort();
    assert_eq!(told, dropped);
    let again = planned.again.iter().map(|again| again.partition_key.as_str());
    let ids: Vec<String> =
        planned.again.iter().map(|again| marked::read(&again.data).unwrap().id.as_str().to_owned()).collect();
    assert!(again.eq(ids.iter().map(String::as_str)));
}

/// Documents inside the markers, as the destination takes them.
fn inside(again: &[Again], settings: &Settings) -> Vec<Result> {
    let newline = if settings.destination == Destination::Lines { &b"\n"[..] } else { b"" };
    again.iter().map(|again| Result::Ok([&marked::read(&again.data).unwrap().source, newline].concat())).collect()
}

fn results(planned: &Plan) -> Vec<Result> {
    planned.answers.iter().map(|answer| answer.result.clone()).collect()
}

/// What is sent again passes together, in one more pass, also among fresh records, which it does not change.
fn check_second_pass(again: &[Again], fresh: &Story, settings: &Settings) {
    let settings = Settings { answer_bytes_max: ANSWER_BYTES_MAX, ..settings.clone() };
    let id = |number: usize| format!("{number:062}");
    let numbered = |data: Vec<Option<Vec<u8>>>| -> Vec<(String, Option<Vec<u8>>)> {
        data.into_iter().enumerate().map(|(number, data)| (id(number), data)).collect()
    };
    let data: Vec<Option<Vec<u8>>> = again.iter().map(|again| Some(again.data.clone())).collect();
    let second = planned(&numbered(data.clone()), &settings, true).unwrap();
    assert_eq!(results(&second), inside(again, &settings));
    assert_eq!((second.again.len(), second.failed.len(), second.dropped.len()), (0, 0, 0));
    assert_eq!(second.answered, again.len());

    let alone = planned(&numbered(fresh.records.clone()), &settings, false).unwrap();
    let mixed_data = (0..data.len().max(fresh.records.len()))
        .flat_map(|idx| [fresh.records.get(idx).cloned(), data.get(idx).cloned()])
        .flatten();
    let mixed = planned(&numbered(mixed_data.collect()), &settings, false).unwrap();
    let (mut fresh_results, mut again_results) = (results(&alone).into_iter(), inside(again, &settings).into_iter());
    let pairs = (0..data.len().max(fresh.records.len())).flat_map(|_| [fresh_results.next(), again_results.next()]);
    assert_eq!(results(&mixed), pairs.flatten().collect::<Vec<_>>());
    assert_eq!(mixed.answered, alone.answered + again.len());
    let sources = |plan: &Plan| inside(&plan.again, &settings);
    assert_eq!(sources(&mixed), sources(&alone));
}

/// With little room in the answers several passes may be needed, but each brings something.
fn check_passes(again: &[Again], settings: &Settings) {
    let mut expected = inside(again, settings);
    let (mut queue, mut told) = (again.to_vec(), Vec::new());
    while !queue.is_empty() {
        // As many as an answer without data has room for. Ids no longer than those of the pass before.
        let taken = (1..=queue.len()).rev().find_map(|count| {
            let records: Vec<(String, Option<Vec<u8>>)> =
                queue[..count].iter().map(|again| (String::new(), Some(again.data.clone()))).collect();
            Some((count, planned(&records, settings, false)?))
        });
        let (count, planned) = taken.unwrap();
        assert!(planned.answered > 0 && planned.failed.is_empty(), "{planned:?}");
        told.extend(results(&planned).into_iter().filter(|result| matches!(result, Result::Ok(_))));
        queue.drain(..count);
        queue.extend(planned.again);
    }
    let key = |result: &Result| format!("{result:?}");
    told.sort_by_key(key);
    expected.sort_by_key(key);
    assert_eq!(told, expected);
}

fn kind() -> impl Strategy<Value = Kind> {
    let shapes = prop::sample::select(vec![
        "2021-07-23T05:45:52.976229Z\t  199 Query\tSELECT '{}'",
        "text {}",
        r#"{"a":"{}"}"#,
        "# Query_time: 1\nSELECT '{}';\n",
        "\u{0}\u{fffd} {} \u{1f600}",
        "20210723 05:45:52,vm,app,h,1,0,QUERY,d,'{}',0",
    ]);
    prop_oneof![
        6 => shapes.prop_map(Kind::Document),
        2 => (1_usize..4_000).prop_map(Kind::Long),
        1 => Just(Kind::Banner),
        1 => Just(Kind::Empty),
        1 => Just(Kind::Impossible),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        8 => prop::collection::vec(kind(), 0..6).prop_map(Sent::Envelope),
        1 => (0_usize..3).prop_map(Sent::Control),
        2 => (1_usize..4).prop_map(Sent::Lines),
        1 => Just(Sent::Imitation),
        2 => (1_usize..4_000).prop_map(Sent::Marked),
        1 => Just(Sent::Damaged),
        1 => Just(Sent::NoData),
    ]
}

/// As Firehose makes them, with and without a Kinesis stream, and as nobody promised that it will not.
fn record_id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{62}",
        "[0-9]{56}",
        "4954698668313554428650745793632162567570019247115678515[0-9]",
        "shardId-000000000000[0-9]{56}",
        "[ \t\n\u{0}]{0,2}",
        "[\"\\\\/'{}\u{e9}\u{2028}\u{1f600}\u{7f}\u{1}]{1,62}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_answered_under_its_id_and_every_log_event_ends_in_one_place(
        records in prop::collection::vec((sent(), record_id()), 0..8),
        fresh in prop::collection::vec(sent(), 0..3),
        answer_bytes_max in prop_oneof![Just(ANSWER_BYTES_MAX), 1_000_usize..20_000],
        lines in any::<bool>(),
        of_kinesis in any::<bool>(),
    ) {
        let destination = if lines { Destination::Lines } else { Destination::Documents };
        let settings = Settings { destination, answer_bytes_max, ..Settings::default() };
        let (sent, ids): (Vec<Sent>, Vec<String>) = records.into_iter().unzip();
        let story = Story::of(&sent);
        let records: Vec<_> = ids.iter().cloned().zip(story.records.iter().cloned()).collect();
        let Some(planned) = planned(&records, &settings, of_kinesis) else { return Ok(()) };
        check_answer(&planned, &records, answer_bytes_max);
        check_response(&planned, &records, &settings, of_kinesis);
        check_account(&story, &ids, &planned, &settings);
        if !planned.again.is_empty() {
            check_second_pass(&planned.again, &Story::of(&fresh), &settings);
        }
        if answer_bytes_max < ANSWER_BYTES_MAX {
            check_passes(&planned.again, &settings);
        }
    }
}
