//! Each case of the planner by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::envelope::gzip::Compressor;
use hydrant_transform::firehose::{
    Again, Destination, Event, InputRecord, Plan, PlanError, Planner, Result, Settings, Target, batches, marked, plan,
    read_event, serialize,
};
use hydrant_transform::record::{DropReason, Options, RecordSource, reason_code, transform};
use serde_json::{Value, json};

const GENERAL: &str = "2021-07-23T05:45:52.976229Z\t  199 Query\tSELECT 1";

fn envelope(messages: &[&str]) -> Vec<u8> {
    let events: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(idx, message)| json!({"id": format!("{idx:056}"), "timestamp": 1_627_019_152_976_i64, "message": message}))
        .collect();
    let envelope = json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"], "logEvents": events});
    Compressor::new().gzip(envelope.to_string().as_bytes())
}

fn event(records: Vec<Vec<u8>>) -> Event<'static> {
    let record = |(idx, data): (usize, Vec<u8>)| InputRecord {
        record_id: format!("id-{idx}").into(),
        data: Some(STANDARD.encode(data).into()),
        arrival_ms: 1_627_019_152_976,
        shard: "shardId-000000000000".into(),
        sequence_number: format!("{idx}").into(),
    };
    Event { records: records.into_iter().enumerate().map(record).collect(), ..Event::default() }
}

/// A record whose data is missing or no text (a number, a record of Kafka) cannot be decoded: it fails alone.
#[test]
fn a_record_without_data_fails_alone() {
    let json = br#"{"records":[{"recordId":"a","data":5},{"recordId":"b","data":null},{"recordId":"c"},
        {"recordId":"d","kafkaRecordValue":"aGk="},{"recordId":"e","data":"aGk="},{"recordId":"f","data":""}]}"#;
    let plan = plan(&read_event(json).unwrap(), &Settings::default()).unwrap();
    let failed = "ProcessingFailed";
    assert_eq!(results(&plan), [failed, failed, failed, failed, "Ok", "Dropped"]);
}

fn planned(records: Vec<Vec<u8>>) -> Plan {
    plan(&event(records), &Settings::default()).unwrap()
}

fn results(plan: &Plan) -> Vec<&str> {
    let name = |result: &Result| match result {
        Result::Ok(_) => "Ok",
        Result::Dropped => "Dropped",
        Result::ProcessingFailed => "ProcessingFailed",
    };
    plan.answers.iter().map(|answer| name(&answer.result)).collect()
}

fn data(plan: &Plan, idx: usize) -> Value {
    let Result::Ok(data) = &plan.answers[idx].result else { panic!("{:?}", plan.answers[idx]) };
    serde_json::from_slice(data).unwrap()
}

#[test]
fn each_kind_of_record_has_its_result() {
    let control = br#"{"messageType":"CONTROL_MESSAGE","owner":"1","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"x"}]}"#;
    let plan = planned(vec![
        envelope(&[GENERAL]),
        envelope(&[GENERAL, "two", "three"]),
        envelope(&[]),
        control.to_vec(),
        b"a line".to_vec(),
        b"\x1f\x8b\x08 damaged".to_vec(),
        br#"{"messageType":"OTHER","logEvents":[]}"#.to_vec(),
    ]);
    assert_eq!(results(&plan), ["Ok", "Dropped", "Dropped", "Dropped", "Ok", "ProcessingFailed", "ProcessingFailed"]);
    assert_eq!((data(&plan, 0)["PID"].as_u64(), data(&plan, 4)["message"].as_str()), (Some(199), Some("a line")));
    assert_eq!((plan.again.len(), plan.failed.len(), plan.answered), (3, 0, 2));
    assert_eq!(plan.dropped, [DropReason::ControlMessage]);
    let answer: Value = serde_json::from_slice(&serialize(&plan.answers)).unwrap();
    assert_eq!(answer["records"][1], json!({"recordId": "id-1", "result": "Dropped"}));
    assert_eq!(answer["records"][0]["recordId"], "id-0");
}

#[test]
fn a_record_that_is_no_base64_fails_alone() {
    let bytes = json!({"records": [{"recordId": "a", "data": "%%"}, {"recordId": "b", "data": STANDARD.encode(envelope(&[GENERAL]))}]});
    let bytes = bytes.to_string();
    let event = read_event(bytes.as_bytes()).unwrap();
    assert_eq!(results(&plan(&event, &Settings::default()).unwrap()), ["ProcessingFailed", "Ok"]);
}

#[test]
fn documents_that_are_sent_again_come_out_the_same() {
    let first = planned(vec![envelope(&[GENERAL, "two", "three"])]);
    let direct = transform(
        &envelope(&[GENERAL, "two", "three"]),
        RecordSource { shard: "", sequence_number: "", arrival_ms: 0 },
        &Options::default(),
    );
    let second = planned(first.again.iter().map(|again| again.data.clone()).collect());
    assert_eq!((second.again.len(), second.answered), (0, 3));
    for (idx, document) in direct.documents.iter().enumerate() {
        assert_eq!(second.answers[idx].result, Result::Ok(document.source.clone()));
        let read = marked::read(&first.again[idx].data).unwrap();
        assert_eq!((&read.id, read.format, read.timestamp_ms), (&document.id, document.format, document.timestamp_ms));
        assert_eq!(first.again[idx].partition_key, document.id.as_str());
        // Who indexes by himself has the original.
        let source = RecordSource { shard: "", sequence_number: "", arrival_ms: 0 };
        let seen = transform(&first.again[idx].data, source, &Options::default());
        assert_eq!((seen.dropped.as_slice(), seen.entries()), (&[DropReason::Reingested][..], 1));
    }
}

#[test]
fn a_line_that_imitates_the_marker_is_a_log_line() {
    let marked = planned(vec![envelope(&[GENERAL, "two"])]).again[0].data.clone();
    let sound = String::from_utf8(marked).unwrap();
    let imitations = [
        sound.replace("\"ordinal\":0", "\"ordinal\":1"),
        sound.replace("\"version\":1", "\"version\":2"),
        sound.replace("\"owner\":\"1\"", "\"owner\":\"2\""),
        sound.replace("\"version\"", "\"x\":1,\"version\""),
        format!("{sound} "),
    ];
    for imitation in &imitations[..4] {
        assert!(marked::read(imitation.as_bytes()).is_none(), "{imitation}");
        let plan = planned(vec![imitation.clone().into_bytes()]);
        assert_eq!(data(&plan, 0)["messageType"], "HYDRANT_DOCUMENT", "it keeps its fields");
    }
    // Inside an envelope it never is one.
    let plan = planned(vec![envelope(&[&sound])]);
    assert_eq!(data(&plan, 0)["messageType"], "HYDRANT_DOCUMENT");
}

#[test]
fn lines_take_many_documents_in_place() {
    let settings = Settings { destination: Destination::Lines, ..Settings::default() };
    let plan = plan(&event(vec![envelope(&["one", "two"])]), &settings).unwrap();
    let Result::Ok(data) = &plan.answers[0].result else { panic!("{plan:?}") };
    let messages: Vec<Value> =
        data.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert_eq!((messages[0]["message"].as_str(), messages[1]["message"].as_str()), (Some("one"), Some("two")));
    assert!(data.ends_with(b"\n") && plan.again.is_empty());
}

#[test]
fn what_fits_in_no_answer_and_no_record_fails_with_its_bytes() {
    let long = "x".repeat(5_000);
    for settings in [
        Settings { answer_bytes_max: 4_000, ..Settings::default() },
        Settings { record_bytes_max: 4_000, ..Settings::default() },
    ] {
        let plan = plan(&event(vec![envelope(&[&long, "short"])]), &settings).unwrap();
        assert_eq!((results(&plan), plan.again.len(), plan.failed.len()), (vec!["Dropped"], 1, 1));
        assert_eq!(plan.failed[0].failure.reason.code, reason_code::TOO_LARGE);
        let again = transform(
            &plan.failed[0].raw,
            RecordSource { shard: "", sequence_number: "", arrival_ms: 0 },
            &Options::default(),
        );
        assert_eq!(again.events[0].message, long.as_bytes());
    }
    let error =
        plan(&event(vec![Vec::new(); 10]), &Settings { answer_bytes_max: 100, ..Settings::default() }).unwrap_err();
    assert!(matches!(error, PlanError::AnswerLimit { records: 10, max: 100, .. }));
}

/// What is sent again is in memory until the whole event is planned: a record that finds it full is Firehose's to keep.
#[test]
fn what_is_held_of_an_event_is_bounded() {
    let two = || envelope(&["one", "two"]);
    let held = || vec![two(), two(), envelope(&["alone"]), b"\x1f\x8b\x08".to_vec()];
    let all = plan(&event(held()), &Settings::default()).unwrap();
    assert_eq!(results(&all), ["Dropped", "Dropped", "Ok", "ProcessingFailed"]);
    assert_eq!((all.again.len(), all.beyond), (4, 0));
    let first = all.again[..2].iter().map(|again| again.data.len()).sum::<usize>();
    // The first record is held whatever it is; the second is not looked at.
    let settings = Settings { held_bytes_max: first, ..Settings::default() };
    let bounded = plan(&event(held()), &settings).unwrap();
    assert_eq!(results(&bounded), ["Dropped", "ProcessingFailed", "ProcessingFailed", "ProcessingFailed"]);
    assert_eq!((bounded.again.as_slice(), bounded.beyond, bounded.answered), (&all.again[..2], 3, 0));
    // Nothing is held of what is answered in place, and nothing of the event before.
    let settings = Settings { held_bytes_max: 0, ..Settings::default() };
    let mut planner = Planner::new(&settings);
    for _ in 0..2 {
        let plan = planner.plan(&event(vec![envelope(&["a"]), envelope(&["b"]), two(), two()])).unwrap();
        assert_eq!(results(&plan), ["Ok", "Ok", "Dropped", "ProcessingFailed"]);
    }
    // What failed is held too.
    let settings = Settings { held_bytes_max: 0, record_bytes_max: 10, ..Settings::default() };
    let failed = plan(&event(vec![two(), envelope(&["alone"])]), &settings).unwrap();
    assert_eq!((results(&failed), failed.failed.len()), (vec!["Dropped", "ProcessingFailed"], 2));
}

/// The partition key counts of a record of Kinesis, and not of one of Firehose, which has none.
#[test]
fn a_record_is_sent_again_up_to_the_very_bound_of_its_target() {
    let event = event(vec![envelope(&["x", "y"])]);
    let sent = plan(&event, &Settings::default()).unwrap().again;
    let key = sent[0].partition_key.len();
    assert!(key > 0 && sent.iter().all(|again| again.data.len() == sent[0].data.len()));
    for (target, bytes) in [(Target::Kinesis, sent[0].data.len() + key), (Target::Firehose, sent[0].data.len())] {
        for (record_bytes_max, fit) in [(bytes, 2), (bytes - 1, 0)] {
            let settings = Settings { target, record_bytes_max, ..Settings::default() };
            let plan = plan(&event, &settings).unwrap();
            assert_eq!((plan.again.len(), plan.failed.len()), (fit, 2 - fit), "{target:?}");
        }
    }
}

/// Whoever aggregates or compresses records may put finished documents together.
#[test]
fn finished_documents_that_share_a_record_or_are_gzipped_are_not_lost() {
    let sent = planned(vec![envelope(&["a", "b"])]).again;
    let [one, two] = &sent[..] else { panic!("{sent:?}") };
    let of = |data: Vec<u8>| planned(vec![data]);
    for data in [Compressor::new().gzip(&one.data), [b" \n", &one.data[..], b"\n"].concat()] {
        let plan = of(data);
        let Result::Ok(document) = &plan.answers[0].result else { panic!("{plan:?}") };
        assert_eq!(*document, marked::read(&one.data).unwrap().source);
        assert_eq!((plan.answered, plan.again.len(), plan.dropped.len()), (1, 0, 0));
    }
    for between in [&b""[..], b"\n"] {
        let plan = of([&one.data[..], between, &two.data, between, b"{\"a\":1}"].concat());
        assert_eq!(plan.answers[0].result, Result::Dropped);
        assert_eq!((plan.answered, plan.dropped.len(), plan.failed.len()), (0, 0, 0));
        assert_eq!(plan.again[..2], sent[..2]);
        // The line beside them.
        let line: Value = serde_json::from_slice(&marked::read(&plan.again[2].data).unwrap().source).unwrap();
        assert_eq!(line["a"], 1);
        assert_eq!(plan.again.len(), 3);
    }
}

#[test]
fn calls_keep_to_count_and_bytes() {
    let of = |bytes: usize| Again { record_idx: 0, partition_key: "k".into(), data: vec![0; bytes] };
    let small: Vec<Again> = (0..1_200).map(|_| of(9)).collect();
    for target in [Target::Firehose, Target::Kinesis] {
        let calls = batches(small.clone(), target);
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 200]);
        assert_eq!(calls.concat(), small);
    }
    // The partition key counts where there is one: 4 records of 1 MiB fill a call of Firehose, 9 one of Kinesis.
    let sizes =
        |target| batches((0..12).map(|_| of(1 << 20)).collect(), target).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(Target::Firehose), [4, 4, 4]);
    assert_eq!(sizes(Target::Kinesis), [9, 3]);
    assert_eq!(batches(vec![of(11 << 20), of(1)], Target::Kinesis).len(), 2);
    assert_eq!((Target::Firehose.record_bytes_max(), Target::Kinesis.record_bytes_max()), (1_024_000, 1_048_576));
}
