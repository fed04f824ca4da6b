//! Firehose: any event is answered by its contract, and feeding the plan its own output ends.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::firehose::{
    Destination, Event, InputRecord, Planner, Result, Settings, marked, plan, read_event, serialize,
};
use libfuzzer_sys::fuzz_target;

fn answer(event: &Event<'_>, settings: &Settings) {
    let Ok(plan) = plan(event, settings) else { return };
    let asked: Vec<&str> = event.records.iter().map(|record| &*record.record_id).collect();
    let answered: Vec<&str> = plan.answers.iter().map(|answer| answer.record_id.as_str()).collect();
    assert_eq!(answered, asked, "every record id once, as it came, in order");
    let answer = serialize(&plan.answers);
    let mut response = Vec::new();
    Planner::new(settings).respond(event, &mut response).expect("what can be planned can be answered");
    assert_eq!(response, answer, "both ways to answer say the same");
    assert!(answer.len() <= settings.answer_bytes_max, "the answer keeps its bound");
    let json: serde_json::Value = serde_json::from_slice(&answer).expect("the answer is JSON");
    for (told, answer) in json["records"].as_array().expect("records").iter().zip(&plan.answers) {
        let has_data = matches!(answer.result, Result::Ok(_));
        assert_eq!(told.get("data").is_some(), has_data, "data only with Ok");
    }
    assert!(plan.again.iter().all(|again| marked::read(&again.data).is_some()), "only finished documents go again");
    // Each alone, as a stream may bring them.
    for (idx, again) in plan.again.into_iter().enumerate() {
        let event = Event { records: vec![record(&idx.to_string(), &again.data)], ..Event::default() };
        if let Ok(plan) = hydrant_transform::firehose::plan(&event, settings) {
            assert_eq!(plan.again.len(), 0, "the second pass is the last");
            assert!(matches!(plan.answers[0].result, Result::Ok(_)), "what is sent again fits in an answer");
        }
    }
}

fn record(record_id: &str, data: &[u8]) -> InputRecord<'static> {
    InputRecord { record_id: record_id.to_owned().into(), data: Some(STANDARD.encode(data).into()), ..InputRecord::default() }
}

fuzz_target!(|input: (u16, bool, &[u8])| {
    let (limit, lines, bytes) = input;
    let destination = if lines { Destination::Lines } else { Destination::Documents };
    let settings = Settings {
        destination,
        answer_bytes_max: 256 + usize::from(limit),
        record_bytes_max: 4096,
        ..Settings::default()
    };
    if let Ok(event) = read_event(bytes) {
        answer(&event, &settings);
    }
    // The same bytes as the record itself.
    let record = record("49578734086442259037497492980620233840400173390482112514000000", bytes);
    answer(&Event { records: vec![record], ..Event::default() }, &settings);
});
