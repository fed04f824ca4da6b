//! A second opinion on the platform of these tests: AWS's own runtime client for Python runs behind it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::events::{Source, control_message, envelope, firehose, firehose_data, kinesis, record_id, subscription};
use crate::firehose::TIME;
use crate::runtime_api::{ANSWER_BYTES_MAX, Ended, Lambda, Program};

/// A handler of the folder `python`, behind AWS's client.
pub(crate) fn python(handler: &str) -> Program {
    #[expect(clippy::disallowed_methods, reason = "what ./test says to the tests is no setting of the program")]
    let python = std::env::var("HYDRANT_PYTHON").expect("HYDRANT_PYTHON names a Python that has awslambdaric");
    let command = [&python, "-B", "-m", "awslambdaric", handler].map(str::to_owned).to_vec();
    Program { command, task_root: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/python").into() }
}

#[tokio::test]
async fn foreign_events_reach_the_handler_as_they_were_sent() {
    let mut function = Lambda::deploy_program(python("echo.function"), &[]);
    let ids = [
        "49578734086442259037497492980620233840400173390482112514000000".to_owned(),
        record_id(Source::Kinesis, 7),
        record_id(Source::DirectPut, 7),
    ];
    let mut events = Vec::new();
    for source in [Source::DirectPut, Source::Kinesis] {
        let data = [envelope(0..3), control_message(), b"\x00\xff".to_vec()];
        events.push(firehose_data(source, data.clone()));
        events.push(firehose(source, &ids.clone().into_iter().zip(data).collect::<Vec<_>>()));
    }
    events.push(kinesis([envelope(0..2), envelope(2..40)]));
    events.push(subscription(&envelope(0..5)));
    for event in events {
        assert_eq!(function.answer(&event, TIME).await, event);
    }
    assert_eq!(function.starts(), 1);
}

#[tokio::test]
async fn foreign_what_the_platform_tells_is_what_the_client_reads() {
    let mut function = Lambda::deploy_program(python("echo.function"), &[]);
    let told = function.answer(&json!({"ask": "context"}), Duration::from_secs(30)).await;
    assert!(told["request_id"].as_str().is_some_and(|id| id.len() == 36), "{told}");
    assert_eq!(told["arn"], "arn:aws:lambda:us-east-1:123456789012:function:hydrant-test");
    let remaining_ms = told["remaining_ms"].as_u64().unwrap();
    assert!((1..=30_000).contains(&remaining_ms), "{told}");
}

#[tokio::test]
async fn foreign_errors_sizes_deadlines_and_ends_are_what_the_client_makes_of_them() {
    let mut function = Lambda::deploy_program(python("echo.function"), &[]);
    let ended = function.invoke(json!({"ask": "error"}).to_string(), TIME).await;
    let Ended::Error(told) = &ended else { panic!("{ended:?}") };
    assert_eq!((&told["errorType"], &told["errorMessage"]), (&json!("ValueError"), &json!("as asked")));
    let bytes = |bytes: usize| json!({"ask": "bytes", "bytes": bytes}).to_string();
    let ended = function.invoke(bytes(ANSWER_BYTES_MAX), TIME).await;
    assert!(matches!(&ended, Ended::Answer(answer) if answer.len() == ANSWER_BYTES_MAX));
    assert_eq!(function.starts(), 1);
    // The client ends where its answer is refused.
    let ended = function.invoke(bytes(ANSWER_BYTES_MAX + 1), TIME).await;
    assert_eq!(ended, Ended::TooLarge(ANSWER_BYTES_MAX + 1));
    let next = function.invoke("{}", TIME).await;
    assert!(matches!(next, Ended::Exited), "{next:?}");
    let ended = function.invoke(json!({"ask": "sleep"}).to_string(), Duration::from_secs(2)).await;
    assert_eq!((ended, function.timeouts()), (Ended::TimedOut, 1));
    let ended = function.invoke(json!({"ask": "exit"}).to_string(), TIME).await;
    assert_eq!(ended, Ended::Exited);
    assert_eq!(function.answer(&json!({"a": "ü"}), TIME).await, json!({"a": "ü"}));
}

#[tokio::test]
async fn foreign_a_handler_that_is_not_there_is_an_error_of_the_initialisation() {
    let mut function = Lambda::deploy_program(python("nothing.function"), &[]);
    let (code, errors) = function.refuses().await;
    assert_eq!(code, Some(1));
    let types: Vec<&Value> = errors.iter().map(|error| &error["errorType"]).collect();
    assert_eq!(types, ["Runtime.ImportModuleError"]);
}
