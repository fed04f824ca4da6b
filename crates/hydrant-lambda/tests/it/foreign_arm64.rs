//! The package for arm64, under qemu where the machine is another.

use serde_json::json;

use crate::events::{Source, envelope, firehose_data, kinesis, statement, subscription};
use crate::firehose::{Became, TIME, document, results};
use crate::runtime_api::{Ended, Lambda, Program};
use crate::stub::{Cluster, Stub};
use crate::trigger::nothing_failed;

/// `HYDRANT_LAMBDA_ARM64`: the words of the command that runs it.
fn arm64() -> Program {
    #[expect(clippy::disallowed_methods, reason = "what ./test says to the tests is no setting of the program")]
    let command = std::env::var("HYDRANT_LAMBDA_ARM64").expect("HYDRANT_LAMBDA_ARM64 names the package's program");
    Program { command: command.split(' ').map(str::to_owned).collect(), task_root: "/".into() }
}

/// The program begins once more where this is not set, and qemu can begin no program of arm64.
const ALLOCATOR: (&str, &str) = ("MALLOC_TRIM_THRESHOLD_", "67108864");

#[tokio::test]
async fn foreign_all_three_shapes_are_answered() {
    let cluster = Cluster::taking_all().await;
    let mut function = Lambda::deploy_program(arm64(), &[ALLOCATOR, ("HYDRANT_INDEX_ENDPOINT", &cluster.stub.url)]);
    assert!(nothing_failed(&function.answer(&kinesis([envelope(0..20), envelope(20..30)]), TIME).await));
    assert_eq!(function.line().await["delivered"], 30);
    assert_eq!(function.answer(&subscription(&envelope(30..40)), TIME).await, json!(null));
    let mut expected: Vec<String> = (0..40).map(statement).collect();
    expected.sort();
    assert_eq!(cluster.statements(), expected);
    let event = firehose_data(Source::DirectPut, [envelope(7..8), envelope(8..9)[..40].to_vec()]);
    let became = results(&event, &function.answer(&event, TIME).await);
    assert_eq!(document(&became[0])["Statement"], statement(7));
    assert_eq!(became[1], Became::Failed);
    let ended = function.invoke("[]", TIME).await;
    assert!(matches!(ended, Ended::Error(_)), "{ended:?}");
    assert_eq!(function.starts(), 1);
}

#[tokio::test]
async fn foreign_documents_of_a_record_go_back_to_their_stream() {
    let stub = Stub::taking_all().await;
    let mut function = Lambda::deploy_program(arm64(), &[ALLOCATOR, ("AWS_ENDPOINT_URL", &stub.url)]);
    let event = firehose_data(Source::Kinesis, [envelope(0..50)]);
    assert_eq!(results(&event, &function.answer(&event, TIME).await), [Became::Dropped]);
    let sent: usize = stub.calls().iter().map(|call| call.records().len()).sum();
    assert_eq!((sent, &function.line().await["sent_again"]), (50, &json!(50)));
}
