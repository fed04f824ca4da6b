//! A panic, provoked from outside in the program as it is shipped: the clock of the day fails under it.

use std::process::Command;

use crate::events::{Source, envelope, firehose_data};
use crate::firehose::{Became, TIME, results};
use crate::runtime_api::{Ended, Lambda};

/// A folder with the library that fails, and the paths of the library and of what makes it fail.
fn failing_clock() -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let [library, trigger] = ["clock.so", "trigger"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/panic.c");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", &library, source]).status().unwrap();
    assert!(made.success());
    (folder, library, trigger)
}

#[tokio::test]
async fn a_panic_outside_of_invocations_is_told_with_its_place() {
    let (_folder, library, trigger) = failing_clock();
    std::fs::write(&trigger, "").unwrap();
    let variables = [("LD_PRELOAD", library.as_str()), ("TEST_PANIC_OUTSIDE", trigger.as_str())];
    let mut function = Lambda::deploy(&variables).await;
    assert_eq!(function.refuses().await, (Some(1), Vec::new()));
    let output = function.output();
    let line: serde_json::Value = serde_json::from_str(output.trim()).unwrap();
    let message = line["message"].as_str().unwrap();
    assert!(message.starts_with("the function has panicked at ") && message.contains(".rs:"), "{message}");
}

#[tokio::test]
async fn a_panic_is_the_error_of_its_invocation_and_the_process_lives() {
    let (_folder, library, trigger) = failing_clock();
    let variables =
        [("LD_PRELOAD", library.as_str()), ("TEST_PANIC", trigger.as_str()), ("HYDRANT_DESTINATION", "lines")];
    let mut function = Lambda::deploy(&variables).await;
    let event = firehose_data(Source::DirectPut, [envelope(0..3)]);
    for _ in 0..3 {
        let answer = function.answer(&event, TIME).await;
        assert!(matches!(results(&event, &answer)[0], Became::Ok(_)));
        assert_eq!(function.line().await["received"], 3);
        std::fs::write(&trigger, "").unwrap();
        let ended = function.invoke(event.to_string(), TIME).await;
        let Ended::Error(told) = ended else { panic!("{ended:?}") };
        assert_eq!(told["errorType"], "Hydrant.Panic");
        let message = told["errorMessage"].as_str().unwrap();
        assert!(message.starts_with("the function has panicked at ") && message.contains(".rs:"), "{message}");
        let line = function.line().await;
        assert_eq!((&line["level"], &line["error"]), (&"ERROR".into(), &message.into()));
    }
    assert_eq!((function.starts(), function.echoes()), (1, 6));
}
