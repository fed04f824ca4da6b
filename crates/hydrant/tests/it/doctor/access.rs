//! How AWS is reached: whose keys sign, what is said while a service is waited for, and what an address may hide.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::stub::{Plan, Stub};
use super::{GROUP, doctor, plan, run, run_in};
use crate::operate::command;

/// The AWS CLI itself judges the table: `tests/aws_doctor/check_profiles.py`.
#[tokio::test]
async fn keys_are_those_that_the_aws_cli_takes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/aws_doctor/profiles.json");
    let table: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        std::fs::write(folder.path().join(name), table[name].as_str().unwrap()).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let (config, credentials) = (file("config"), file("credentials"));
    for case in table["cases"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let has_keys = case["has_keys"].as_bool().unwrap();
        let variables = [
            ("AWS_CONFIG_FILE", config.as_str()),
            ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
            ("AWS_ACCESS_KEY_ID", if has_keys { "AKID-KEYS" } else { "" }),
            ("AWS_SECRET_ACCESS_KEY", if has_keys { "s" } else { "" }),
            ("AWS_PROFILE", text("variable")),
        ];
        let stub = Stub::start(plan("direct")).await;
        let mut arguments = vec![GROUP, "--endpoint-url", &stub.url, "--opensearch", &stub.url, "--json"];
        if !text("option").is_empty() {
            arguments.extend(["--profile", text("option")]);
        }
        let output = run_in(&arguments, &variables).await;
        let told =
            format!("{case}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let keys: Vec<String> = stub.asked.lock().unwrap().keys.iter().cloned().collect();
        match text("key") {
            "refused" => {
                assert_eq!((output.status.code(), keys.len()), (Some(2), 0), "{told}");
                assert!(told.contains(&format!("hydrant: there is no profile \"{}\": ", text("option"))), "{told}");
            }
            "none" => {
                assert_eq!((output.status.code(), keys.len()), (Some(4), 0), "{told}");
                assert!(told.contains("credentials-refused") && told.contains("nothing-read"), "{told}");
            }
            key => assert_eq!((output.status.code(), keys), (Some(0), vec![key.to_owned()]), "{told}"),
        }
    }
}

#[tokio::test]
async fn where_nothing_can_be_read_the_exit_code_says_so() {
    // Nobody listens there.
    let told = doctor(GROUP, "http://127.0.0.1:1", &[]).await;
    assert_eq!((told.code, &told.codes()[..2]), (Some(4), &["nothing-read", "no-answer"][..]), "{}", told.text);
    assert_eq!(told.findings[0]["severity"], "unknown");
    // No keys anywhere.
    let stub = Stub::start(plan("classic")).await;
    let none = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"].map(|name| (name, ""));
    let files = [("AWS_CONFIG_FILE", "/nowhere"), ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")];
    let output = run_in(&[GROUP, "--endpoint-url", &stub.url], &[&none[..], &files].concat()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.starts_with("unknown  access: nothing-read\n") && text.contains("credentials-refused"), "{text}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_named_while_it_is_waited_for() {
    let stub = Stub::start(Plan { held: Some("DescribeStreamSummary"), ..plan("classic") }).await;
    let mut doctor = command();
    doctor.args(["doctor", GROUP, "--region", "eu-west-1", "--json", "--endpoint-url", &stub.url]);
    let mut child =
        doctor.args(["--opensearch", &stub.url]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said = tokio::task::spawn_blocking(move || {
        let said = lines.find(|line| line == "still waiting for kinesis DescribeStreamSummary …");
        (said, lines)
    });
    let (said, rest) = said.await.unwrap();
    assert!(said.is_some(), "it ended without a word");
    assert!(stub.calls().iter().any(|call| call == "held kinesis.DescribeStreamSummary"));
    stub.release.notify_one();
    let ended = tokio::task::spawn_blocking(move || (rest.collect::<Vec<_>>(), child.wait_with_output().unwrap()));
    let (rest, output) = ended.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{rest:?}");
}

/// A user, a password and a query are refused where they are given, and shown nowhere.
#[tokio::test]
async fn what_an_address_hides_is_shown_nowhere() {
    let fault = ("DescribeStreamSummary", "168", "24");
    let stub = Stub::start(Plan { faults: vec![fault], ..plan("classic") }).await;
    let with_user = stub.url.replace("://", "://somebody:pass-word-1@");
    let dead = "http://somebody:pass-word-1@127.0.0.1:1/?token=pass-word-1";
    let shown = |output: &std::process::Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let check = |output: std::process::Output, code: i32| {
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        for secret in ["pass-word-1", "somebody", "token"] {
            assert!(!text.contains(secret), "{text}");
        }
        text
    };
    for json in [&["--json"][..], &[]] {
        let fixed = [&[GROUP, "--region", "eu-west-1"][..], json].concat();
        let query = "http://127.0.0.1:1/?token=pass-word-1";
        for wrong in [dead, "https://somebody:pass-word-1@h", "somebody:pass-word-1@h?token", query, &with_user] {
            check(run(&[&fixed[..], &["--endpoint-url", wrong]].concat()).await, 2);
            check(run_in(&fixed, &[("AWS_ENDPOINT_URL", wrong)]).await, 2);
            check(run(&[&fixed[..], &["--endpoint-url", &stub.url, "--opensearch", wrong]].concat()).await, 2);
        }
    }
    // Of a function's variable, which somebody else has set.
    let endpoint = ("GetFunctionConfiguration", "http://127.0.0.1:1", dead);
    let stub = Stub::start(Plan { faults: vec![endpoint], ..plan("direct") }).await;
    let text = check(run(&[GROUP, "--region", "eu-west-1", "--endpoint-url", &stub.url]).await, 3);
    assert!(text.contains("curl -sS -u \"$USER:$PASSWORD\" http://127.0.0.1:1/"), "{text}");
}

/// Names of AWS's answers, in the text that a terminal shows and in the command that is copied from it.
#[tokio::test]
async fn names_that_turn_or_break_a_line_are_escaped() {
    let faults = vec![
        ("DescribeStreamSummary", "\"logs\"", "\"lo\u{202e}g\u{2066}s\u{2028}\""),
        ("DescribeStreamSummary", "168", "24"),
    ];
    let stub = Stub::start(Plan { faults, ..plan("classic") }).await;
    let output = run(&[GROUP, "--endpoint-url", &stub.url, "--region", "eu-west-1", "--opensearch", &stub.url]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{2028}']), "{text}");
    assert!(text.contains(r"lo\u{202e}g\u{2066}s\u{2028} keeps records for 24 hours"), "{text}");
    assert!(text.contains(r"--stream-name $'lo\u202eg\u2066s\u2028' --retention-period-hours 168"), "{text}");
}
