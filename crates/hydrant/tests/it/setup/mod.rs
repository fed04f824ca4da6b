//! `hydrant setup opensearch` against a server with all plug-ins: what is put, what stays, what is said.

mod double;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use double::Double;
use serde_json::{Value, json};

use crate::program::BINARY;

/// Runs it away from the server's thread.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["setup", "opensearch"]).args(arguments);
    for name in [
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
    ] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    let folder = tempfile::tempdir().unwrap();
    command.current_dir(folder.path());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What became of each part, by kind and name.
fn told(output: &Output) -> BTreeMap<String, String> {
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    let parts = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |part: &Value, name: &str| part[name].as_str().unwrap_or_default().to_owned();
    parts.map(|part| (format!("{} {}", text(&part, "kind"), text(&part, "name")), text(&part, "done"))).collect()
}

fn count(told: &BTreeMap<String, String>, done: &str) -> usize {
    told.values().filter(|found| *found == done).count()
}

const ARN: &str = "arn:aws:iam::123456789012:role/hydrant";

const OTHER_ARN: &str = "arn:aws:iam::123456789012:role/other";

fn everything(double: &Double) -> Vec<&str> {
    vec!["--json", "--endpoint", &double.url, "--dashboards", &double.url, "--retention-days", "30", "--role-arn", ARN]
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_put_once_and_then_it_is_there() {
    let double = Double::start().await;
    let output = run(&everything(&double), &[]).await;
    assert!(output.status.success(), "{output:?}");
    let first = told(&output);
    // Seven templates, policy, role, mapping; index pattern, four searches, six charts, dashboard.
    assert_eq!((first.len(), count(&first, "created")), (22, 22), "{first:?}");
    let paths = double.paths();
    for path in [
        "/_index_template/hydrant-general",
        "/_index_template/hydrant-json",
        "/_plugins/_ism/policies/hydrant",
        "/_plugins/_security/api/roles/hydrant_writer",
        "/_plugins/_security/api/rolesmapping/hydrant_writer",
        "saved/index-pattern/hydrant",
        "saved/search/hydrant-classic-slow",
        "saved/dashboard/hydrant-classic-overview",
    ] {
        assert!(paths.iter().any(|found| found == path), "{path} is not among {paths:?}");
    }
    let object = |path: &str| double.with(|world| world.objects[path].clone());
    let settings = object("/_index_template/hydrant-general")["template"]["settings"]["index"].clone();
    // Three data nodes.
    assert_eq!((&settings["number_of_shards"], &settings["number_of_replicas"]), (&json!(1), &json!(1)));
    assert_eq!(object("/_plugins/_security/api/rolesmapping/hydrant_writer")["backend_roles"], json!([ARN]));
    let age = "/policy/states/0/transitions/0/conditions/min_index_age";
    assert_eq!(object("/_plugins/_ism/policies/hydrant").pointer(age), Some(&json!("31d")));

    let before = double.with(|world| world.objects.clone());
    let output = run(&everything(&double), &[]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(count(&told(&output), "current"), 22);
    assert_eq!(double.with(|world| world.objects.clone()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ours_is_brought_up_to_date_and_what_is_not_stays() {
    let double = Double::start().await;
    let role = "/_plugins/_security/api/roles/hydrant_writer";
    double.with(|world| {
        world.objects.insert(role.to_owned(), json!({"description": "mine", "cluster_permissions": ["*"]}))
    });
    assert!(run(&everything(&double), &[]).await.status.success());
    let general = "/_index_template/hydrant-general";
    let search = "saved/search/hydrant-classic-slow";
    let foreign = double.with(|world| {
        world.objects.get_mut(general).unwrap()["template"]["settings"]["index"]["refresh_interval"] = json!("1s");
        world.objects.get_mut(search).unwrap()["attributes"]["columns"] = json!(["Statement"]);
        [general, search, role].map(|path| world.objects[path].clone())
    });

    let arguments = [
        "--json",
        "--endpoint",
        &double.url,
        "--dashboards",
        &double.url,
        "--retention-days",
        "7",
        "--role-arn",
        OTHER_ARN,
    ];
    let output = run(&arguments, &[]).await;
    assert!(output.status.success(), "{output:?}");
    let found = told(&output);
    assert_eq!(found["index template hydrant-general"], "left");
    assert_eq!(found["search Hydrant: slow statements"], "left");
    assert_eq!(found["role hydrant_writer"], "left");
    assert_eq!(found["index state management policy hydrant"], "updated");
    assert_eq!(found["role mapping hydrant_writer"], "updated");
    assert_eq!((count(&found, "current"), count(&found, "created")), (17, 0), "{found:?}");
    assert_eq!(double.with(|world| [general, search, role].map(|path| world.objects[path].clone())), foreign);
    let object = |path: &str| double.with(|world| world.objects[path].clone());
    assert_eq!(object("/_plugins/_security/api/rolesmapping/hydrant_writer")["backend_roles"], json!([ARN, OTHER_ARN]));
    let age = "/policy/states/0/transitions/0/conditions/min_index_age";
    assert_eq!(object("/_plugins/_ism/policies/hydrant").pointer(age), Some(&json!("8d")));
    // For people it is a sentence.
    let output = run(&arguments[1..], &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("index template hydrant-general: left as it is: somebody has changed it since Hydrant made it\n"),
        "{text}"
    );
    assert!(text.contains("role hydrant_writer: left as it is: it is not Hydrant's\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_refused_fails_alone_and_the_command_says_so() {
    let double = Double::start().await;
    double.with(|world| world.forbidden = Some("/_plugins/_security"));
    let output = run(&everything(&double), &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let found = told(&output);
    assert_eq!((count(&found, "failed"), count(&found, "created")), (2, 20), "{found:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("No permission to access REST API"), "{stdout}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("2 of 22 parts could not be put"));
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_profile_and_the_parts_that_nobody_asked_for() {
    let double = Double::start().await;
    let output = run(&["--json", "--endpoint", &double.url, "--formats", "slow,error", "--profile", "ecs"], &[]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        double.paths(),
        [
            "/_index_template/hydrant-error",
            "/_index_template/hydrant-slow",
            "/_plugins/_security/api/roles/hydrant_writer"
        ]
    );
    let properties = double
        .with(|world| world.objects["/_index_template/hydrant-slow"]["template"]["mappings"]["properties"].clone());
    assert_eq!((&properties["event.duration"]["type"], properties.get("Time")), (&json!("long"), None));
    let notes = String::from_utf8(output.stderr).unwrap();
    for part in ["--retention-days", "--role-arn", "--dashboards URL"] {
        assert!(notes.contains(part), "{notes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old_is_refused_and_others_are_told_of() {
    let double = Double::start().await;
    double.with(|world| world.version = json!({"number": "6.8.0"}));
    let output = run(&["--endpoint", &double.url], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("elasticsearch 6.8.0 is too old: OpenSearch 1.3 or newer"), "{said}");
    assert!(double.paths().is_empty());
    for (version, sentence) in [
        (json!({"number": "7.10.2"}), "elasticsearch 7.10.2 was not tested"),
        (json!({"number": "1.3.20", "distribution": "opensearch"}), "opensearch 1.3.20 was not tested"),
        (json!({"number": "8.1.0"}), "elasticsearch 8.1.0 was never tried"),
    ] {
        double.with(|world| world.version = version);
        let output = run(&["--endpoint", &double.url, "--formats", "slow"], &[]).await;
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(sentence), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said_before_any_request() {
    for (arguments, sentence) in [
        (&[][..], "no cluster is configured: give --endpoint URL"),
        (&["--endpoint", "http://127.0.0.1:1", "--formats", "auto"][..], "`auto` is none of general, "),
        (&["--role-arn", "me"][..], "an ARN of a role or user of IAM is expected"),
        (&["--retention-days", "0"][..], "0 is not in 1..=36500"),
    ] {
        let output = run(arguments, &[]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(sentence), "{said}");
    }
}

/// A file that says all but the address, which the command line gives; what else is wrong with it is told by its line.
#[tokio::test(flavor = "multi_thread")]
async fn the_option_stands_for_the_address_that_the_file_lacks() {
    let double = Double::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hydrant.toml");
    let file = config.to_str().unwrap();
    let forms = [
        "owner = \"me\" # mine\n[index]\nengine = \"opensearch\" # ours\nname = \"shop-{format}\"\nshards = 2\n[transform]\nprofile = \"ecs\"\n",
        "index = {engine = \"opensearch\", name = \"shop-{format}\", shards = 2}\ntransform.profile = \"ecs\"\n",
        "index.engine = 'opensearch'\nindex.name = \"shop-{format}\"\nindex.shards = 2\ntransform.profile = \"ecs\"\n",
    ];
    for text in forms {
        std::fs::write(&config, text).unwrap();
        double.with(|world| world.objects.clear());
        let output = run(&["--config", file, "--endpoint", &double.url, "--formats", "slow"], &[]).await;
        assert!(output.status.success(), "{text}: {output:?}");
        let template = double.with(|world| world.objects["/_index_template/shop-slow"]["template"].clone());
        assert_eq!(template["settings"]["index"]["number_of_shards"], json!(2), "{text}");
        assert_eq!(template["mappings"]["properties"]["event.duration"]["type"], json!("long"), "{text}");
        let output = run(&["--config", file, "--formats", "slow"], &[]).await;
        assert_eq!(output.status.code(), Some(2), "{text}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("the engine `opensearch` needs `endpoint`"), "{said}");
    }
    let before = double.with(|world| world.requests.len());
    std::fs::write(&config, "[index]\nengine = \"opensearch\"\nshard = 2\nuser = \"me\"\n").unwrap();
    let output = run(&["--config", file, "--endpoint", &double.url], &[]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("hydrant.toml: line 3: unknown key `index.shard`; did you mean `index.shards`?"), "{said}");
    assert!(said.contains("line 2: `user` and `password_file` belong together"), "{said}");
    assert!(!said.contains("needs `endpoint`"), "{said}");
    assert_eq!(double.with(|world| world.requests.len()), before);
}

/// The index that is written to would go with its newest entries, or those of others with ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_would_delete_fresh_or_foreign_indices_is_refused() {
    let double = Double::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hydrant.toml");
    let cluster = format!("[index]\nengine = \"opensearch\"\nendpoint = {:?}\n", double.url);
    let fresh = "the policy goes by the age of an index, and the one that is written to would be deleted with its newest entries";
    for (index, sentence) in [
        (
            "rotation = \"NoRotation\"\n",
            format!("`--retention-days` needs a rotation: {fresh}; set `index.rotation`"),
        ),
        (
            "target = \"alias\"\n",
            format!("`--retention-days` needs a rotation, and `index.target = \"alias\"` has none: {fresh}; put a policy of your own that rolls over first"),
        ),
        (
            "target = \"data_stream\"\n",
            format!("`--retention-days` needs a rotation, and `index.target = \"data_stream\"` has none: {fresh}"),
        ),
        (
            "name = \"logs-{owner}\"\n",
            "with `{owner}` in `index.name` \"logs-{owner}\" the policy would delete all that fits logs-*-19*-*, logs-*-2*-*, whoever made it".to_owned(),
        ),
        (
            "name = \"{log_group}\"\n",
            "begins with a placeholder: templates and policy would be those of all indices".to_owned(),
        ),
    ] {
        std::fs::write(&config, format!("{cluster}{index}")).unwrap();
        for more in [&[][..], &["--print"]] {
            let arguments = [&["--config", config.to_str().unwrap(), "--retention-days", "7"][..], more].concat();
            let output = run(&arguments, &[]).await;
            assert_eq!(output.status.code(), Some(2), "{index}: {output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains(&sentence), "{said}");
        }
    }
    assert_eq!(double.with(|world| world.requests.len()), 0);
    // What has a date in its name is deleted when its newest entry is so old.
    for (rotation, age) in [("OneHour", "8d"), ("OneDay", "8d"), ("OneWeek", "14d"), ("OneMonth", "38d")] {
        std::fs::write(&config, format!("{cluster}name = \"logs\"\nrotation = \"{rotation}\"\n")).unwrap();
        let output = run(&["--config", config.to_str().unwrap(), "--retention-days", "7", "--print"], &[]).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("\"min_index_age\": \"{age}\"")), "{rotation}: {text}");
    }
    // Without the policy all of these are possible.
    std::fs::write(&config, format!("{cluster}target = \"data_stream\"\n")).unwrap();
    assert!(run(&["--config", config.to_str().unwrap()], &[]).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn printing_and_writing_ask_no_server() {
    let output = run(&["--print", "--retention-days", "30", "--role-arn", ARN], &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("PUT ")).count(), 10, "{text}");
    let folder = tempfile::tempdir().unwrap();
    assert!(run(&["--write", folder.path().to_str().unwrap()], &[]).await.status.success());
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/opensearch");
    for file in
        ["templates/ecs/slow.json", "dashboards/otel.ndjson", "ism-policy.json", "role.json", "role-mapping.json"]
    {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(read(folder.path()), read(&deploy), "{file}");
    }
}

/// Keys of the environment take on a role, whose keys sign.
#[cfg(feature = "aws")]
#[tokio::test(flavor = "multi_thread")]
async fn requests_are_signed_with_the_role_that_was_taken_on() {
    let double = Double::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hydrant.toml");
    let text = format!(
        "[index]\nengine = \"opensearch\"\nendpoint = {:?}\nsign = \"aoss\"\nregion = \"eu-central-1\"\n\
         role_arn = \"arn:aws:iam::1:role/writer\"\nexternal_id = \"asked-for\"\n",
        double.url
    );
    std::fs::write(&config, text).unwrap();
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIAFIRST"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL_STS", double.url.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/nonexistent/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"),
    ];
    let output = run(&["--config", config.to_str().unwrap(), "--formats", "slow"], &environment).await;
    assert!(output.status.success(), "{output:?}");
    let tokens = double.with(|world| world.tokens.clone());
    // The role's keys are kept for all requests.
    let [token] = &tokens[..] else { panic!("{tokens:?}") };
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fwriter",
        "ExternalId=asked-for",
        "RoleSessionName=hydrant",
    ] {
        assert!(token.contains(part), "{token}");
    }
    let requests = double.with(|world| std::mem::take(&mut world.requests));
    let signed: Vec<_> = requests.iter().filter(|(method, path, _)| method != "POST" || path != "/").collect();
    assert!(signed.len() > 3);
    for (method, path, headers) in signed {
        let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
        let scheme = "AWS4-HMAC-SHA256 Credential=ASIAROLE/";
        assert!(header("authorization").starts_with(scheme), "{method} {path}: {headers:?}");
        assert!(header("authorization").contains("/eu-central-1/aoss/aws4_request, SignedHeaders="));
        assert_eq!((header("x-amz-security-token"), header("x-amz-content-sha256").len()), ("of-the-role", 64));
    }
    let template = double.with(|world| world.objects["/_index_template/hydrant-slow"].clone());
    assert_eq!(template["template"]["settings"]["index"], json!({}), "a collection chooses its shards itself");
}
