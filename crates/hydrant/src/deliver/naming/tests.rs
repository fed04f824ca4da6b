//! The rules for index names: what holds where, and what the file of older versions may say.

use super::*;

fn naming(pattern: &str, rotation: Rotation) -> Arc<IndexNaming> {
    Arc::new(IndexNaming::new(pattern, rotation).unwrap())
}

fn position(text: &str) -> Position {
    Position(text.into())
}

fn shard(id: &str) -> ShardId {
    ShardId(id.into())
}

#[test]
fn a_rule_holds_from_the_record_behind_its_position_on() {
    let mut rules = Rules::of(naming("old-{format}", Rotation::OneDay));
    rules.push(Some(position("9")), naming("new-{format}", Rotation::OneHour));
    assert_eq!(rules.after(0, Some(&position("8"))), 0);
    assert_eq!(rules.after(0, Some(&position("9"))), 1);
    assert_eq!(rules.after(1, Some(&position("10"))), 1);
    assert_eq!(rules.naming(0).pattern(), "old-{format}");
    assert_eq!((rules.naming(1).pattern(), rules.naming(1).rotation()), ("new-{format}", Rotation::OneHour));
    assert_eq!(rules.newest(), rules.naming(1));
}

#[test]
fn of_two_changes_without_a_record_between_them_the_last_one_holds() {
    let mut rules = Rules::of(naming("a", Rotation::NoRotation));
    rules.push(None, naming("b", Rotation::NoRotation));
    rules.push(None, naming("c", Rotation::NoRotation));
    assert_eq!(rules.naming(rules.after(0, None)).pattern(), "c");
}

#[test]
fn the_file_of_an_older_version_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index-names.json");
    let text = concat!(
        r#"{"version":1,"shards":{"s":[{"after":null,"pattern":"old-{format}","rotation":"OneDay"},"#,
        r#"{"after":"9","pattern":"new","rotation":"OneHour"}]}}"#
    );
    std::fs::write(&path, text).unwrap();
    let configured = IndexNaming::new("now", Rotation::OneDay).unwrap();
    let history = History::open(path, configured).unwrap();
    let mut expected = Rules::of(naming("old-{format}", Rotation::OneDay));
    expected.push(Some(position("9")), naming("new", Rotation::OneHour));
    assert_eq!(history.older(&shard("s")), Some(expected));
    assert_eq!(history.older(&shard("other")), None);
}

#[test]
fn a_file_that_is_newer_or_damaged_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index-names.json");
    let problem = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let error = History::open(path.clone(), IndexNaming::new("a", Rotation::NoRotation).unwrap()).unwrap_err();
        error.to_string().replace(&path.display().to_string(), "FILE")
    };
    assert_eq!(problem(r#"{"version":2}"#), "FILE has version 2, this program knows versions up to 1");
    for damaged in ["", "{}", r#"{"version":1}"#, r#"{"version":1,"shards":[]}"#, r#"{"version":1,"shards":{"s":[]}}"#]
    {
        assert!(problem(damaged).starts_with("FILE cannot be read as a history of index names: "), "{damaged}");
    }
    let rotation = r#"{"version":1,"shards":{"s":[{"after":null,"pattern":"a","rotation":"Daily"}]}}"#;
    assert_eq!(problem(rotation), "FILE cannot be read as a history of index names: unknown rotation `Daily`");
}

#[test]
fn the_time_that_decides_the_index_is_stored_where_it_is_not_the_log_event_s() {
    let mut rules = Rules::of(naming("a", Rotation::OneDay));
    let by_arrival = IndexNaming::new("{log_group}", Rotation::OneDay).unwrap().by(RotateBy::Arrival);
    rules.push(Some(position("9")), Arc::new(by_arrival));
    let stored = serde_json::to_string(&rules.stored(0)).unwrap();
    assert_eq!(
        stored,
        concat!(
            r#"[{"after":null,"pattern":"a","rotation":"OneDay"},"#,
            r#"{"after":"9","pattern":"{log_group}","rotation":"OneDay","rotate_by":"arrival"}]"#
        )
    );
    assert_eq!(Rules::from_stored(serde_json::from_str(&stored).unwrap()).unwrap(), rules);
    let unknown = r#"[{"after":null,"pattern":"a","rotation":"OneDay","rotate_by":"moon"}]"#;
    let problem = Rules::from_stored(serde_json::from_str(unknown).unwrap()).unwrap_err();
    assert_eq!(problem, "it names an unknown time for rotation");
}
