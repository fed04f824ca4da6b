//! Names of indices: suffixes, legality of whatever log events bring, periods.

use proptest::prelude::*;

use super::*;

fn source(format: Format, timestamp_ms: i64) -> NameSource<'static> {
    NameSource { owner: "", log_group: "", log_stream: "", format, timestamp_ms, arrival_ms: 0 }
}

fn name(pattern: &str, rotation: Rotation, timestamp_ms: i64) -> String {
    IndexNaming::new(pattern, rotation).unwrap().name(&source(Format::General, timestamp_ms))
}

/// The name without a suffix of an event of this log group.
fn of_group(pattern: &str, log_group: &str) -> String {
    let naming = IndexNaming::new(pattern, Rotation::NoRotation).unwrap();
    naming.name(&NameSource { log_group, ..source(Format::General, 0) })
}

/// OpenSearch's rules, said once more.
fn is_legal(name: &str) -> bool {
    let refused: &[char] = &['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];
    !name.is_empty()
        && name.len() <= 255
        && name.to_lowercase() == name
        && !name.contains(refused)
        && !name.contains(char::is_control)
        && !name.starts_with(['-', '_', '+', '.'])
}

#[test]
fn suffixes_are_those_of_firehose_s_documentation() {
    let arrival_ms = 1_456_405_200_000; // 2016-02-25T13:00:00Z
    for (rotation, expected) in [
        (Rotation::NoRotation, "myindex"),
        (Rotation::OneHour, "myindex-2016-02-25-13"),
        (Rotation::OneDay, "myindex-2016-02-25"),
        (Rotation::OneWeek, "myindex-2016-w08"),
        (Rotation::OneMonth, "myindex-2016-02"),
    ] {
        assert_eq!(name("myindex", rotation, arrival_ms), expected);
    }
}

/// Weeks by Python's date.isocalendar.
#[test]
fn a_week_belongs_to_the_year_of_its_thursday() {
    for (timestamp_ms, expected) in [
        (1_609_372_800_000, "i-2020-w53"), // 2020-12-31
        (1_609_632_000_000, "i-2020-w53"), // 2021-01-03, a Sunday
        (1_609_718_400_000, "i-2021-w01"), // 2021-01-04
        (1_735_516_800_000, "i-2025-w01"), // 2024-12-30
        (1_735_516_799_999, "i-2024-w52"), // 2024-12-29, the last millisecond
    ] {
        assert_eq!(name("i", Rotation::OneWeek, timestamp_ms), expected);
    }
}

#[test]
fn the_format_stands_where_the_pattern_says() {
    let naming = IndexNaming::new("hydrant-{format}", Rotation::OneDay).unwrap();
    assert_eq!(naming.name(&source(Format::General, 1_795_392_000_000)), "hydrant-general-2026-11-23");
    assert_eq!(naming.name(&source(Format::Json, 1_795_391_999_999)), "hydrant-json-2026-11-22");
    assert_eq!(name("{format}.x", Rotation::NoRotation, 0), "general.x");
}

#[test]
fn every_number_has_a_name() {
    assert_eq!(name("i", Rotation::OneHour, i64::MIN), "i-1970-01-01-00");
    assert_eq!(name("i", Rotation::OneHour, i64::MAX), "i-2100-12-31-23");
}

#[test]
fn remembered_names_are_the_same_names() {
    let times = [0, 1, 3_599_999, 3_600_000, 3_599_999, -1, 90_000_000_000, 1_735_516_799_999, i64::MAX];
    let groups: Vec<String> = (0..100).map(|number| format!("/g/{number}")).collect();
    for rotation in Rotation::ALL {
        for (pattern, rotate_by) in [("{format}", RotateBy::Event), ("{log_group}-{format}-{owner}", RotateBy::Arrival)]
        {
            let naming = IndexNaming::new(pattern, rotation).unwrap().by(rotate_by);
            let mut names = naming.names();
            for timestamp_ms in times {
                for (format, log_group) in Format::ALL.into_iter().cycle().zip(&groups) {
                    let source = NameSource { log_group, arrival_ms: timestamp_ms / 2, ..source(format, timestamp_ms) };
                    assert_eq!(names.name(&source), naming.name(&source));
                }
            }
            assert!(names.latest.len() <= REMEMBERED_MAX);
        }
    }
}

#[test]
fn values_stand_where_the_pattern_says_and_are_made_legal() {
    let naming = IndexNaming::new("logs-{owner}-{log_group}.{log_stream}-{format}", Rotation::OneMonth).unwrap();
    let source = NameSource {
        owner: "123456789012",
        log_group: "/aws/rds/instance/Db-1/general",
        log_stream: "{format} #2",
        ..source(Format::Slow, 1_795_392_000_000)
    };
    assert_eq!(naming.name(&source), "logs-123456789012-aws-rds-instance-db-1-general.{format}--2-slow-2026-11");
    // A record that is no envelope has none of them.
    assert_eq!(of_group("{log_group}", ""), "none");
    assert_eq!(of_group("{log_group}", "/_+."), "none");
    assert_eq!(of_group("{log_group}-x", "_.A\u{130}\u{3a3} b"), "ai\u{307}\u{3c2}-b-x");
    // Log groups that become one name share an index.
    assert_eq!(of_group("{log_group}", "/A/b"), of_group("{log_group}", "a b"));
}

#[test]
fn long_names_are_cut_and_stay_distinct() {
    let long = "g".repeat(300);
    let (one, other) = (of_group("x-{log_group}", &format!("{long}1")), of_group("x-{log_group}", &format!("{long}2")));
    assert_ne!(one, other);
    // 11 bytes are left for what a data stream adds.
    assert_eq!((one.len(), other.len()), (244, 244));
    // By Python: hashlib.sha256(("g" * 300 + "1").encode()).hexdigest()[:16]
    assert_eq!(one, format!("x-{}-6648f678946d474b", "g".repeat(225)));
    // Cut between characters.
    let wide = of_group("{log_group}", &"\u{65e5}".repeat(100));
    assert!(wide.len() <= 244 && wide.starts_with(&"\u{65e5}".repeat(75)), "{wide}");
    // What the pattern says stands behind it all the same, and short values stay.
    assert_eq!(
        of_group("{log_group}-{format}", &format!("{long}1")),
        format!("{}-6648f678946d474b-general", "g".repeat(219))
    );
    let naming = IndexNaming::new("{owner}-{log_group}-{log_stream}-{format}", Rotation::OneDay).unwrap();
    let source = NameSource {
        owner: "123456789012",
        log_group: &format!("{long}1"),
        log_stream: &long,
        ..source(Format::Slow, 1_795_392_000_000)
    };
    let name = naming.name(&source);
    assert!(
        name.starts_with("123456789012-ggg")
            && name.contains("g-6648f678946d474b-ggg")
            && name.ends_with("-slow-2026-11-23"),
        "{name}"
    );
    // Of 244 bytes, less twelve, three dashes and `slow`, a half each.
    assert_eq!(name.len(), 12 + 2 * 112 + 3 + 4 + "-2026-11-23".len());
    // The pattern's own text is not cut, nor what just fits.
    let whole = "g".repeat(255);
    assert_eq!(of_group(&whole, ""), whole);
    assert_eq!(of_group("x-{log_group}", &"g".repeat(242)), format!("x-{}", "g".repeat(242)));
}

#[test]
fn the_arrival_decides_where_it_is_asked_to() {
    let naming = IndexNaming::new("i", Rotation::OneDay).unwrap();
    let source = NameSource { arrival_ms: 1_609_632_000_000, ..source(Format::Text, 1_456_405_200_000) };
    assert_eq!(naming.name(&source), "i-2016-02-25");
    assert_eq!(naming.by(RotateBy::Arrival).name(&source), "i-2021-01-03");
    for by in RotateBy::ALL {
        assert_eq!(RotateBy::from_name(by.name()), Some(by));
    }
    assert_eq!(RotateBy::from_name("Event"), None);
}

proptest! {
    #[test]
    fn whatever_a_log_event_brings_its_name_is_legal_and_always_the_same(
        values in [".{0,40}", "[-_+.#/A-Z\u{130}\u{3a3}\u{1c5} ]{0,300}", ".{0,600}"],
        time_ms in any::<i64>(),
        rotation in 0..5_usize,
        pattern in 0..4_usize,
    ) {
        let pattern = ["{log_group}", "h-{format}-{log_stream}{owner}", "{owner}_{log_group}-{log_stream}.{format}", "é{log_stream}"][pattern];
        let naming = IndexNaming::new(pattern, Rotation::ALL[rotation]).unwrap();
        let [owner, log_group, log_stream] = &values;
        let source = NameSource { owner, log_group, log_stream, ..source(Format::Pattern, time_ms) };
        let name = naming.name(&source);
        prop_assert!(is_legal(&name), "{name:?}");
        let mut names = naming.names();
        prop_assert_eq!(&name, names.name(&source));
        prop_assert_eq!(name, IndexNaming::new(pattern, Rotation::ALL[rotation]).unwrap().name(&source));
    }

    /// The last instant of a period has the name, and the first behind it has another.
    #[test]
    fn a_name_says_when_its_period_is_over(
        time_ms in 0..TIMESTAMP_MS_LAST - 32 * 24 * HOUR_MS,
        rotation in 1..5_usize,
        group in "[-a-z0-9]{0,12}",
    ) {
        let naming = IndexNaming::new("{log_group}", Rotation::ALL[rotation]).unwrap();
        let name = |time_ms| naming.name(&NameSource { log_group: &group, ..source(Format::Text, time_ms) });
        let end_ms = period_end_ms(&name(time_ms)).unwrap();
        prop_assert!(time_ms < end_ms);
        prop_assert_eq!(name(end_ms - 1), name(time_ms));
        prop_assert_ne!(name(end_ms), name(time_ms));
    }
}

#[test]
fn a_name_without_a_period_says_so() {
    for name in [
        "",
        "hydrant",
        "hydrant-general",
        "a-2026",
        "2026-11-23",
        "2026-11",
        "a-2026-13",
        "a-2026-w54",
        "a-26-11-23",
        "a-2026-11-31",
    ] {
        assert_eq!(period_end_ms(name), None, "{name}");
    }
    // 2026-11-24T00:00:00Z, 2026-11-23T14:00:00Z, 2026-12-01T00:00:00Z, 2026-11-30T00:00:00Z
    assert_eq!(period_end_ms("a-2026-11-23"), Some(1_795_478_400_000));
    assert_eq!(period_end_ms("a-2026-11-23-13"), Some(1_795_442_400_000));
    assert_eq!(period_end_ms("a-2026-11"), Some(1_796_083_200_000));
    assert_eq!(period_end_ms("a-2026-w48"), Some(1_795_996_800_000));
}

#[test]
fn names_that_opensearch_refuses_are_refused_with_the_rule() {
    let long = "a".repeat(242);
    for (pattern, problem) in [
        ("", "is empty"),
        ("Hydrant", "must be lower case"),
        ("hydrant-É", "must be lower case"),
        ("a b", "holds one of \\ / * ? \" < > | , # : or a space"),
        ("a:b", "holds one of \\ / * ? \" < > | , # : or a space"),
        ("a\\b", "holds one of \\ / * ? \" < > | , # : or a space"),
        ("a\0b", "holds a control character"),
        ("-a", "starts with - _ or +"),
        ("_{format}", "starts with - _ or +"),
        ("+a", "starts with - _ or +"),
        ("..", "is `.` or `..`"),
        (".", "is `.` or `..`"),
        ("{format}-{format}", "holds a name in braces more than once"),
        ("{log_group}-{owner}{log_group}", "holds a name in braces more than once"),
        ("a-{formt}", "holds a brace that does not belong to `{format}`, `{owner}`, `{log_group}` or `{log_stream}`"),
        (&long, "is longer than 255 bytes with format, date and 16 bytes for each other name in braces"),
    ] {
        let error = IndexNaming::new(pattern, Rotation::OneHour).unwrap_err();
        assert_eq!(error.to_string(), format!("index name `{pattern}`: {problem}"));
    }
    assert!(IndexNaming::new("a".repeat(241), Rotation::OneHour).is_ok());
    assert!(IndexNaming::new("日志-{format}", Rotation::OneHour).is_ok());
}

#[test]
fn rotations_are_known_by_firehose_s_names() {
    for rotation in Rotation::ALL {
        assert_eq!(Rotation::from_name(&rotation.to_string()), Some(rotation));
    }
    assert_eq!(Rotation::from_name("oneday"), None);
    assert_eq!(Rotation::default().name(), "OneDay");
}
