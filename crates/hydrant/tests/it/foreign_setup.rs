//! `hydrant setup opensearch` and the templates of `run` against a real server, which has no plug-ins.

use std::process::{Command, Output};

use hydrant::index::opensearch::marked::Standing;
use hydrant::index::opensearch::template::{Dynamic, Wanted};
use hydrant_opensearch::{Method, Target};
use hydrant_transform::document::{Profile, Rotation};
use serde_json::{Value, json};

use crate::operate::connect;
use crate::program::{BINARY, Program};
use crate::server::Server;

fn setup(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(["setup", "opensearch"]).args(arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap().lines().map(str::to_owned).collect()
}

const GENERAL: &str = "/_index_template/hydrant-general";

/// A template as the server gives it back is known again, whichever profile and options.
#[tokio::test]
async fn templates_are_known_again_as_the_server_writes_them() {
    let server = Server::start("").await;
    for profile in Profile::ALL {
        for dynamic in [Dynamic::Auto, Dynamic::On, Dynamic::Off] {
            let wanted = Wanted { dynamic, ..Wanted::new("hydrant-{format}", profile) };
            for template in wanted.templates(wanted.shape(1)) {
                let path = format!("/_index_template/{}", template.name);
                server.put(&path, template.body.clone()).await;
                let (_, found) = server.ask(Method::GET, &path, Value::Null).await;
                assert_eq!(template.standing(&found), Standing::Current, "{found}");
            }
        }
    }
    // Names with something unknown in the middle meet each other.
    for template in
        Wanted::new("logs-{log_group}-{format}", Profile::Ecs).templates(Wanted::new("", Profile::Ecs).shape(1))
    {
        server.put(&format!("/_index_template/{}", template.name), template.body.clone()).await;
    }
}

/// The server says itself which template an index of a name would get.
#[tokio::test]
async fn templates_are_of_hydrants_indices_and_of_no_others() {
    let server = Server::start("").await;
    let gets_ours = async |index: &str| {
        let path = format!("/_index_template/_simulate_index/{index}");
        let (status, told) = server.ask(Method::POST, &path, Value::Null).await;
        assert_eq!(status, 200, "{told}");
        told.pointer("/template/mappings/properties/event_id").is_some()
    };
    for (name, target, rotation, ours, theirs) in [
        (
            "logs",
            Target::Index,
            Rotation::OneDay,
            &[
                "logs-2026-11-23-05",
                "logs-2026-11-23",
                "logs-2026-w48",
                "logs-2026-11",
                "logs-1970-01-01",
                "logs-2100-12",
            ][..],
            &[
                "logs",
                "logs-nginx-2026-11-23",
                "logstash-2026-11-23",
                "logs-2026.11.23",
                "logs-2026",
                "logs2-2026-11-23",
            ][..],
        ),
        ("logs", Target::Index, Rotation::NoRotation, &["logs"], &["logs-2026-11-23", "logstash", "logs-1"]),
        ("logs", Target::Alias, Rotation::NoRotation, &["logs-000001"], &["logs-2026-11-23", "logs-nginx", "logstash"]),
        (
            "logs-{owner}-{format}",
            Target::Index,
            Rotation::OneDay,
            &["logs-1-slow-2026-11-23", "logs-1-general-2026-11-23"],
            &["logs-1-2026-11-23", "logs-1-slow", "logs-1-slowly-2026-11-23"],
        ),
    ] {
        let wanted = Wanted { target, rotation, ..Wanted::new(name, Profile::Classic) };
        let templates = wanted.templates(wanted.shape(1));
        for template in &templates {
            server.put(&format!("/_index_template/{}", template.name), template.body.clone()).await;
        }
        for index in ours {
            assert!(gets_ours(index).await, "{name} {rotation}: {index}");
        }
        for index in theirs {
            assert!(!gets_ours(index).await, "{name} {rotation}: {index}");
        }
        for template in &templates {
            let path = format!("/_index_template/{}", template.name);
            assert_eq!(server.ask(Method::DELETE, &path, Value::Null).await.0, 200);
        }
    }
}

#[tokio::test]
async fn what_the_server_has_room_for_is_put_and_what_it_lacks_is_said() {
    let server = Server::start("").await;
    let arguments = [
        "--endpoint",
        &server.url,
        "--retention-days",
        "30",
        "--role-arn",
        "arn:aws:iam::1:role/a",
        "--dashboards",
        &server.url,
    ];
    let first = lines(&setup(&arguments));
    assert_eq!(
        first.iter().filter(|line| line.starts_with("index template ") && line.ends_with(": created")).count(),
        7,
        "{first:?}"
    );
    for line in [
        "index state management policy hydrant: not put: the server has no index management plug-in",
        "role hydrant_writer: not put: the server has no security plug-in",
        "role mapping hydrant_writer: not put: the server has no security plug-in",
        "index-pattern hydrant*: not put: no OpenSearch Dashboards answers there",
    ] {
        assert!(first.iter().any(|found| found == line), "{line} is not among {first:?}");
    }
    let second = lines(&setup(&arguments));
    assert_eq!(second.iter().filter(|line| line.ends_with(": is there already")).count(), 7, "{second:?}");

    // Another number of copies is asked for: ours are replaced. One that somebody changed stays.
    let (_, mut changed) = server.ask(Method::GET, GENERAL, Value::Null).await;
    let mut changed = changed["index_templates"][0]["index_template"].take();
    changed["template"]["settings"]["index"]["refresh_interval"] = json!("5s");
    server.put(GENERAL, changed).await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hydrant.toml");
    let text = format!("[index]\nengine = \"opensearch\"\nendpoint = {:?}\nreplicas = 1\nshards = 2\n", server.url);
    std::fs::write(&config, text).unwrap();
    let third = lines(&setup(&["--config", config.to_str().unwrap()]));
    assert!(
        third.contains(
            &"index template hydrant-general: left as it is: somebody has changed it since Hydrant made it".to_owned()
        ),
        "{third:?}"
    );
    assert!(third.contains(&"index template hydrant-slow: replaced that of version 3".to_owned()), "{third:?}");
    let (_, slow) = server.ask(Method::GET, "/_index_template/hydrant-slow", Value::Null).await;
    let settings = slow.pointer("/index_templates/0/index_template/template/settings/index").unwrap();
    assert_eq!((&settings["number_of_shards"], &settings["number_of_replicas"]), (&json!("2"), &json!("1")));
}

/// `run` puts what is absent, and warns of what differs.
#[tokio::test]
async fn run_puts_templates_that_are_absent_and_warns_of_those_that_differ() {
    let server = Server::start("").await;
    let mine = json!({"index_patterns": ["hydrant-general*"], "priority": 150, "template": {"settings": {"number_of_replicas": 0}}});
    server.put(GENERAL, mine).await;
    let folder = tempfile::tempdir().unwrap();
    let (log, config) = (folder.path().join("general.log"), folder.path().join("hydrant.toml"));
    std::fs::write(&config, format!("[index]\nengine = \"opensearch\"\nendpoint = {:?}\n", server.url)).unwrap();
    std::fs::write(&log, "2021-07-23T05:45:52.000001Z\t  199 Query\tSELECT 1\n").unwrap();
    let arguments = ["--config", config.to_str().unwrap(), "--tail", log.to_str().unwrap()];
    let (summary, said) = Program::once(&folder.path().join("data"), &arguments, "warn");
    assert_eq!(summary["failed"], 0, "{summary}");
    assert!(said.contains("the index template differs from Hydrant's and stays as it is"), "{said}");
    assert!(said.contains("hydrant-general") && said.contains("it is not Hydrant's"), "{said}");
    let (_, slow) = server.ask(Method::GET, "/_index_template/hydrant-slow", Value::Null).await;
    assert_eq!(slow.pointer("/index_templates/0/index_template/_meta/made_by"), Some(&json!("hydrant")));
    let (_, general) = server.ask(Method::GET, GENERAL, Value::Null).await;
    assert_eq!(general.pointer("/index_templates/0/index_template/_meta"), None);
    assert_eq!(server.count("hydrant-general-2021-07-23").await, 1);
}

/// Of templates that fit a name the server takes one, and says nothing of the others.
#[tokio::test]
async fn a_template_that_stands_before_ours_is_said() {
    let server = Server::start("").await;
    let before = json!({"index_patterns": ["hydrant-sl*"], "priority": 200, "template": {}});
    server.put("/_index_template/before", before).await;
    let output = setup(&["--endpoint", &server.url]);
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(lines(&output).contains(&"index template hydrant-slow: created".to_owned()), "{output:?}");
    let about = |told: &str| told.lines().filter(|line| line.contains("stands before it")).map(str::to_owned).collect();
    let sentence = "another index template with a higher priority stands before it";
    let of_setup: Vec<String> = about(&told);
    assert_eq!(of_setup, [format!("index template hydrant-slow: {sentence}; no index gets it")], "{told}");
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "data = {:?}\n[index]\nengine = \"opensearch\"\nendpoint = {:?}\n",
        folder.path().join("data"),
        server.url
    );
    let (_, checked, _) = connect(folder.path(), &text);
    let of_check: Vec<String> = about(&checked.join("\n"));
    assert_eq!(of_check.len(), 1, "{checked:?}");
    assert!(of_check[0].starts_with(&format!("warning  index templates: hydrant-slow: {sentence}")), "{checked:?}");
    let log = folder.path().join("general.log");
    std::fs::write(&log, "2021-07-23T05:45:52.000001Z\t  199 Query\tSELECT 1\n").unwrap();
    let config = folder.path().join("hydrant.toml");
    let arguments = ["--config", config.to_str().unwrap(), "--tail", log.to_str().unwrap()];
    let (summary, said) = Program::once(&folder.path().join("data"), &arguments, "warn");
    assert_eq!(summary["documents"], 1, "{summary}");
    let of_run: Vec<String> = about(&said);
    assert_eq!(of_run.len(), 1, "{said}");
    assert!(of_run[0].contains(sentence) && of_run[0].contains("hydrant-slow"), "{said}");
}
