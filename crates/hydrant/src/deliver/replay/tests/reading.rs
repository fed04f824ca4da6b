//! Reading objects: what cannot be read, filters, progress, pace.

use super::*;
use crate::deliver::replay::object::Object;

#[tokio::test]
async fn what_cannot_be_read_is_named_by_object_and_line_and_its_neighbours_are_replayed() {
    let world = World::new();
    let good = ours("00aa", 0, &envelope(&[(event_id(1), &general("SELECT 1"))]));
    let no_base64 = r#"{"rawData":"%","errorCode":"400","attemptsMade":1}"#;
    world.put("bucket/a", format!("{good}\n\nnot JSON\n{no_base64}\n{{\"cut\":"));
    let mut cut = gzip(format!("{good}\n").repeat(3).as_bytes());
    cut.truncate(cut.len() - 4);
    world.put("bucket/b.gz", cut);
    let (counts, unreadable) = run(&world.replay("bucket", Options::default())).await;
    assert_eq!((counts.read, counts.replayed, counts.unreadable), (8, 4, 4));
    assert_eq!(
        unreadable[..3],
        ["a:3: the line is no JSON object", "a:4: `rawData` is no base64", "a:5: the line is no JSON object"]
    );
    assert!(unreadable[3].starts_with("b.gz:4: the gzip data is damaged behind this"), "{unreadable:?}");
    assert_eq!(world.count("*").await, 1);
}

#[test]
fn no_bytes_stop_the_reading() {
    let samples: [&[u8]; 8] = [
        b"",
        b"\n\n",
        b"\x1f\x8b",
        b"[]",
        b"{\"payload\":\"{\\\"payload\\\":\\\"{}\\\"}\"}",
        b"{\"Messages\":[1,{\"Body\":2}]}",
        b"{\"_index\":\"i\",\"_id\":\"a\",\"_source\":1}",
        b"\xff\xfe{\"rawData\":1}",
    ];
    for bytes in samples {
        let object = Object::read("k".to_owned(), bytes.to_vec());
        assert!(object.items.iter().all(|item| matches!(item.content, Content::Unreadable(_))));
    }
}

#[tokio::test]
async fn filters_take_by_time_reason_and_index() {
    let world = World::new();
    let line = |id: &str, number: u32, arrival_ms: i64, reason: &str, index: Option<&str>| {
        let mut line: Value =
            serde_json::from_str(&ours(id, 0, &envelope(&[(event_id(number), &general("SELECT 1"))]))).unwrap();
        line["arrivalTimestamp"] = json!(arrival_ms);
        line["reasonCode"] = json!(reason);
        if let Some(index) = index {
            line["esIndexName"] = json!(index);
        }
        line.to_string()
    };
    let lines = [
        line("01", 1, 1_000, "mapper_parsing_exception", Some("a-2021")),
        line("02", 2, 2_000, "Hydrant.TooLarge", None),
        line("03", 3, 3_000, "mapper_parsing_exception", Some("b-2021")),
    ];
    world.put("bucket/x", lines.join("\n"));
    let taken = async |filter: Filter| {
        let mut replay = world.replay("bucket", Options::default());
        (replay.filter, replay.dry_run) = (filter, true);
        let (counts, _) = run(&replay).await;
        assert_eq!(counts.read, 3);
        (counts.replayed, counts.filtered)
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(taken(Filter::default()).await, (3, 0));
    let time = Filter { from_ms: Some(2_000), to_ms: Some(3_000), ..Filter::default() };
    assert_eq!(taken(time).await, (1, 2));
    assert_eq!(taken(Filter { reasons: texts(&["mapper_*"]), ..Filter::default() }).await, (2, 1));
    assert_eq!(taken(Filter { indices: texts(&["a-*"]), ..Filter::default() }).await, (1, 2));
    // The index of the second is the one that it goes to.
    assert_eq!(taken(Filter { indices: texts(&["b-*", "hydrant-general-*"]), ..Filter::default() }).await, (2, 1));
}

#[tokio::test]
async fn a_replay_that_is_cut_off_goes_on_behind_what_it_has_finished() {
    let world = World::new();
    let objects = CHUNK_OBJECTS + 10;
    for number in 0..objects {
        let raw = envelope(&[(event_id(u32::try_from(number % 100).unwrap()), &general("SELECT 1"))]);
        world.put(&format!("bucket/{number:04}"), ours(&format!("{number:032x}"), 0, &raw));
    }
    let replay = world.replay("bucket", Options::default());
    let mut kept = None;
    let mut cut = |told: Told<'_>| match told {
        Told::Progress(progress) => {
            kept = Some(progress.clone());
            Err(io::Error::other("cut off"))
        }
        Told::Unreadable { .. } | Told::FailedAgain { .. } => Ok(()),
    };
    assert!(replay.run(Progress::default(), &mut cut).await.is_err());
    let kept = kept.unwrap();
    assert_eq!((kept.counts.read, kept.counts.objects), (CHUNK_OBJECTS as u64, CHUNK_OBJECTS as u64));
    assert_eq!(kept.after, Some(format!("{:04}", CHUNK_OBJECTS - 1)));
    let counts = replay.run(kept, &mut |_| Ok(())).await.unwrap();
    let all = objects as u64;
    assert_eq!(counts, Counts { objects: all, read: all, replayed: all, documents: all, ..Counts::default() });
    assert_eq!(world.count("*").await, all);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept() {
    let world = World::new();
    let lines: Vec<String> =
        (0..50).map(|number| ours(&format!("{number:032x}"), 0, &envelope(&[(event_id(number), "{}")]))).collect();
    world.put("bucket/x", lines.join("\n"));
    let mut replay = world.replay("bucket", Options::default());
    replay.rate = NonZeroU32::new(10);
    replay.dry_run = true;
    let start = Instant::now();
    assert_eq!(run(&replay).await.0.replayed, 50);
    // The last ten go out when forty have had their time.
    assert!(start.elapsed() >= std::time::Duration::from_secs(4));
}

#[tokio::test]
async fn one_object_may_be_named() {
    let world = World::new();
    for name in ["x", "y"] {
        world.put(&format!("bucket/a/{name}"), ours(name, 0, &envelope(&[(event_id(1), "{}")])));
    }
    let mut replay = world.replay("bucket", Options::default());
    replay.source.prefix = "a/y".to_owned();
    assert_eq!(run(&replay).await.0.read, 1);
    replay.source.prefix = "none".to_owned();
    assert_eq!(run(&replay).await.0.read, 0);
}

#[test]
fn an_index_and_those_that_it_rotates_with() {
    for (name, expected) in [
        ("logs-2026-11-23", "logs*"),
        ("my-logs-2026-11-23-05", "my-logs*"),
        ("logs-2026-11", "logs*"),
        ("logs-2026", "logs*"),
        ("logs-2026-w48", "logs*"),
        ("logs", "logs*"),
        ("logs-20261123", "logs-20261123*"),
        ("2026-11-23", "2026-11-23*"),
    ] {
        assert_eq!(entries::family(name), expected, "{name}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// A line of which some bytes are others: read, made or unreadable, and never the end of the program.
    #[test]
    fn no_damage_to_a_line_stops_a_replay(places in proptest::collection::vec((0_usize..600, proptest::num::u8::ANY), 0..6)) {
        let world = World::new();
        let rules = world.replay("bucket", Options::default()).rules;
        let mut line = ours("00aa", 1, &envelope(&[(event_id(1), "{\"n\":1}")])).into_bytes();
        for (place, byte) in places {
            if let Some(old) = line.get_mut(place) {
                *old = byte;
            }
        }
        let lines = line.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        let object = Object::read("k".to_owned(), line);
        proptest::prop_assert_eq!(object.items.len(), lines);
        for item in &object.items {
            let made = rules.make(&item.content);
            let is_unreadable = matches!(item.content, Content::Unreadable(_));
            proptest::prop_assert!(is_unreadable || !made.entries.is_empty() || !made.lost.is_empty() || made.dropped > 0);
        }
    }
}
