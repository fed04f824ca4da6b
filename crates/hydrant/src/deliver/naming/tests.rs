//! The history of index names: what holds where, and what a file may say.

use super::*;

fn naming(pattern: &str, rotation: Rotation) -> IndexNaming {
    IndexNaming::new(pattern, rotation).unwrap()
}

fn position(text: &str) -> Position {
    Position(text.into())
}

fn shard() -> ShardId {
    ShardId("shardId-0".into())
}

#[test]
fn a_new_rule_holds_from_the_end_on_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("naming.json");

    let history = History::open(path.clone(), naming("old-{format}", Rotation::OneDay)).unwrap();
    assert!(!history.is_settled(&shard()));
    history.settle(&shard(), Some(&position("5"))).unwrap();
    assert!(history.is_settled(&shard()));

    let history = History::open(path.clone(), naming("new-{format}", Rotation::OneHour)).unwrap();
    assert!(!history.is_settled(&shard()));
    history.settle(&shard(), Some(&position("9"))).unwrap();

    let history = History::open(path.clone(), naming("new-{format}", Rotation::OneHour)).unwrap();
    assert!(history.is_settled(&shard()), "nothing changed");
    let rules = history.rules(&shard());
    assert_eq!(rules.after(0, Some(&position("8"))).unwrap(), 0);
    assert_eq!(rules.after(0, Some(&position("9"))).unwrap(), 1);
    assert_eq!(rules.after(1, Some(&position("10"))).unwrap(), 1);
    assert_eq!(rules.naming(0).pattern(), "old-{format}");
    assert_eq!(rules.naming(1).pattern(), "new-{format}");
    assert_eq!(rules.naming(1).rotation(), Rotation::OneHour);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap().split_whitespace().collect::<String>(),
        concat!(
            r#"{"version":1,"shards":{"shardId-0":[{"after":null,"pattern":"old-{format}","rotation":"OneDay"},"#,
            r#"{"after":"9","pattern":"new-{format}","rotation":"OneHour"}]}}"#
        )
    );
}

#[test]
fn of_two_changes_without_a_record_between_them_the_last_one_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("naming.json");
    for pattern in ["a", "b", "c"] {
        let history = History::open(path.clone(), naming(pattern, Rotation::NoRotation)).unwrap();
        history.settle(&shard(), None).unwrap();
    }
    let history = History::open(path, naming("c", Rotation::NoRotation)).unwrap();
    let rules = history.rules(&shard());
    let rule = rules.after(0, None).unwrap();
    assert_eq!(rules.naming(rule).pattern(), "c");
}

#[test]
fn a_checkpoint_that_asks_for_a_rule_that_is_gone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path().join("n"), naming("a", Rotation::NoRotation)).unwrap();
    history.settle(&shard(), None).unwrap();
    let error = history.rules(&shard()).after(2, None).unwrap_err();
    assert_eq!(error.to_string(), "its checkpoint asks for rule 2 of the history of index names, which has only 1");
}

#[test]
fn a_newer_or_damaged_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("naming.json");
    let problem = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let error = History::open(path.clone(), naming("a", Rotation::NoRotation)).unwrap_err();
        error.to_string().replace(&path.display().to_string(), "FILE")
    };
    assert_eq!(problem(r#"{"version":2}"#), "FILE has version 2, this program knows versions up to 1");
    for text in ["", "{}", r#"{"version":1}"#, r#"{"version":1,"shards":{"s":[{"after":null}]}}"#] {
        let problem = problem(text);
        assert!(problem.starts_with("FILE cannot be read as a history of index names: "), "{problem}");
    }
    let rotation = r#"{"version":1,"shards":{"s":[{"after":null,"pattern":"a","rotation":"Daily"}]}}"#;
    assert_eq!(problem(rotation), "FILE cannot be read as a history of index names: unknown rotation `Daily`");
}
