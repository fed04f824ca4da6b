//! Each `hydrant` command of the pages on AWS, run by bash as it stands there: the program takes its words, reads the
//! page's own hydrant.toml, and asks for what the words say.
//!
//! The server that it asks lets nobody in, but to a bucket that is empty. What an answer leads to, other tests have.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};

use crate::program::BINARY;

/// Each page, and how many commands it has.
const PAGES: [(&str, usize); 7] = [
    ("docs/aws.md", 11),
    ("docs/lambda.md", 1),
    ("docs/doctor.md", 3),
    ("docs/cost.md", 1),
    ("docs/cloudformation.md", 0),
    // Their output `SetupCommand`.
    ("deploy/cloudformation/chain-kinesis.yaml", 1),
    ("deploy/cloudformation/chain-firehose.yaml", 1),
];

/// What the words of a command ask for: exit codes, the requests that have to be there, and what has to be said.
const KINDS: [(&str, &[i32], &[&str], &str); 6] = [
    (
        "hydrant setup opensearch ",
        &[1],
        &["GET /_index_template/hydrant-general", "GET /_plugins/_security/api/rolesmapping/hydrant_writer"],
        "parts could not be put",
    ),
    // Nothing could be read.
    ("hydrant doctor ", &[4], &["POST / "], "not-allowed"),
    ("hydrant replay ", &[0], &["GET /failed?list-type=2"], "read 0 = 0 replayed"),
    (
        "hydrant verify ",
        &[1],
        &["GET /_cat/indices/hydrant-general-*,-mysql-general-*"],
        "the index cannot be read: no permissions",
    ),
    ("hydrant config check --lambda", &[0], &[], "HYDRANT_OUTPUT=opensearch"),
    ("hydrant cost ", &[0], &[], "recommended chain: Kinesis -> Lambda -> OpenSearch"),
];

/// What single words ask for.
const WORDS: [(&str, &str); 5] = [
    ("/aws/rds/instance/", "Logs_20140328.DescribeLogGroups"),
    ("doctor my-stream", "Kinesis_20131202.DescribeStreamSummary"),
    ("--retention-days", "GET /_plugins/_ism/policies/hydrant"),
    ("--dashboards", "POST /_dashboards/api/saved_objects/_bulk_get"),
    ("BUCKET/firehose", "prefix=firehose%2F"),
];

/// Of one command.
const SECONDS_MAX: &str = "60";

/// Variables that commands before have set, as the page makes them.
const GROUP: &str = "/aws/rds/instance/shop/general";

const WRITER: &str = "arn:aws:iam::123456789012:role/hydrant-writer";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// Commands of blocks, fenced or indented, and those in the text that have an option with all that it needs.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_fenced = false;
    let joined = page.replace("\\\n", " ");
    for line in joined.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced || line.starts_with("    ") {
            found.push(line.trim().trim_start_matches("- ").trim_matches('\''));
        } else {
            let code = line.split('`').skip(1).step_by(2);
            found.extend(code.filter(|code| code.contains(" --") && !code.ends_with("--role-arn")));
        }
    }
    found.into_iter().filter(|code| code.starts_with("hydrant ")).map(str::to_owned).collect()
}

async fn refuse(
    State(asked): State<Arc<Mutex<Vec<String>>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> (StatusCode, &'static str) {
    let target = headers.get("x-amz-target").map_or("", |target| target.to_str().unwrap());
    asked.lock().unwrap().push(format!("{method} {uri} {target}"));
    if uri.query().is_some_and(|query| query.contains("list-type=2")) {
        return (StatusCode::OK, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
    }
    if uri.path().starts_with("/failed/") {
        return (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>");
    }
    (StatusCode::FORBIDDEN, r#"{"__type":"AccessDenied","error":{"reason":"no permissions"},"status":403}"#)
}

/// Runs a command in a folder of its own, which has the page's hydrant.toml.
fn run(command: &str, url: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let page = read("docs/aws.md");
    let config = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let address = config.split('"').find(|text| text.starts_with("https://")).unwrap_or("no address");
    std::fs::write(folder.path().join("hydrant.toml"), config.replace(address, url)).unwrap();
    // The profile that a page names.
    std::fs::create_dir(folder.path().join(".aws")).unwrap();
    let profile = "[prod]\naws_access_key_id = test\naws_secret_access_key = test\n";
    std::fs::write(folder.path().join(".aws/credentials"), profile).unwrap();
    let mut line = command
        .replace("s3://BUCKET", "s3://failed")
        .replace("${Endpoint}", "$ENDPOINT")
        .replace("${FunctionRole.Arn}", "$WRITER")
        .replace("${DeliveryRole.Arn}", "$WRITER");
    if line.starts_with("hydrant replay ") {
        // Of a bucket only this says where it is.
        line.push_str(" --endpoint \"$ENDPOINT\"");
    }
    let programs = Path::new(BINARY).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var_os("PATH").unwrap().to_str().unwrap());
    let variables =
        [("PATH", path.as_str()), ("GROUP", GROUP), ("ENDPOINT", url), ("WRITER", WRITER), ("FAILED", "s3://failed")];
    let aws = [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    // A program that waits for ever is told as one that ends with 124.
    let mut bash = Command::new("timeout");
    bash.args([SECONDS_MAX, "bash", "-euc", &line]).env_clear().envs(variables).envs(aws).env("HOME", folder.path());
    bash.current_dir(folder.path()).stdin(Stdio::null()).output().unwrap()
}

/// Runs a command, and answers what it does not do of all that its words ask for.
async fn wrong(command: String) -> Vec<String> {
    let Some((_, codes, requests, says)) = KINDS.iter().find(|(begin, ..)| command.starts_with(begin)) else {
        return vec!["no kind of command that is known here".to_owned()];
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(refuse).with_state(asked.clone());
    // Ends with the test's runtime.
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
    drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    let line = command.clone();
    let output = tokio::task::spawn_blocking(move || run(&line, &url)).await.unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let asked = asked.lock().unwrap().join("\n");
    let words = command.replace("\"$GROUP\"", GROUP);
    let of_words = WORDS.iter().filter(|(word, _)| words.contains(word)).map(|(_, request)| request);
    let mut wrong: Vec<String> = requests
        .iter()
        .chain(of_words)
        .filter(|request| !asked.contains(**request))
        .map(|request| format!("does not ask for {request}"))
        .collect();
    if !told.contains(says) {
        wrong.push(format!("does not say {says:?}"));
    }
    if !output.status.code().is_some_and(|code| codes.contains(&code)) {
        wrong.push(format!("ends with {}", output.status));
    }
    if !wrong.is_empty() {
        wrong.push(format!("it says\n{told}\nand asks for\n{asked}"));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_pages_on_aws_is_taken_and_does_what_it_says() {
    let mut problems = Vec::new();
    for (page, count) in PAGES {
        let found = commands(&read(page));
        assert_eq!(found.len(), count, "{page}: {found:#?}");
        for command in found {
            let wrong = wrong(command.clone()).await;
            problems.extend((!wrong.is_empty()).then(|| format!("{page}: `{command}` {}", wrong.join("; "))));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// The test above is one: words that the program does not take are told, and so is a file without an address.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_the_program_does_not_take_is_told() {
    for (command, told) in [
        ("hydrant replay s3://BUCKET --config hydrant.toml --dry", "unexpected argument '--dry'"),
        ("hydrant verify --config hydrant.toml --from yesterday", "'yesterday' for '--from <TIME>'"),
        ("hydrant doctor \"$GROUPS_OF_MINE\"", "GROUPS_OF_MINE: unbound variable"),
        ("hydrant setup opensearch --config other.toml", "other.toml"),
        ("hydrant doctor --canary", "<NAME>"),
        ("hydrant index", "no kind of command that is known here"),
    ] {
        let wrong = wrong(command.to_owned()).await.join("; ");
        assert!(wrong.contains(told), "`{told}` is not in: {wrong}");
    }
}

#[test]
fn commands_are_found_in_blocks_and_in_the_text() {
    let page = "Say `hydrant doctor` or `hydrant replay DIR --dry-run`, with `hydrant setup opensearch --role-arn`.\n\n    \
                hydrant doctor a\n\n```sh\nhydrant verify \\\n    --json\naws hydrant\n```\n      - 'hydrant cost --json'\n";
    let found = commands(page);
    assert_eq!(
        found,
        ["hydrant replay DIR --dry-run", "hydrant doctor a", "hydrant verify      --json", "hydrant cost --json"]
    );
}
