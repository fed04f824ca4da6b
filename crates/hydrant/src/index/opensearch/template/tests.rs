//! What templates say.

use super::*;

#[test]
fn each_format_has_a_template_of_its_own_where_names_tell_it() {
    let all = templates("hydrant-{format}", Profile::Classic, Shape { shards: 2, replicas: 1 });
    let told: Vec<_> = all
        .iter()
        .map(|template| {
            let dynamic = template.body.pointer("/template/mappings/dynamic").unwrap().as_bool().unwrap();
            (template.name.as_str(), template.body["index_patterns"].to_string(), dynamic)
        })
        .collect();
    assert_eq!(told.len(), Format::ALL.len());
    for (name, patterns, dynamic) in [
        ("hydrant-general", r#"["hydrant-general-19*-*","hydrant-general-2*-*"]"#, false),
        ("hydrant-json", r#"["hydrant-json-19*-*","hydrant-json-2*-*"]"#, true),
    ] {
        assert!(told.contains(&(name, patterns.to_owned(), dynamic)), "{told:?}");
    }
    let settings = all[0].body.pointer("/template/settings/index").unwrap();
    assert_eq!((&settings["number_of_shards"], &settings["number_of_replicas"]), (&json!(2), &json!(1)));
    let one = templates("logs-", Profile::Ecs, Shape::of_nodes(1));
    assert_eq!((one.len(), one[0].name.as_str()), (1, "logs"));
    assert_eq!(one[0].body.pointer("/template/settings/index/number_of_replicas"), Some(&json!(0)));
}

#[test]
fn fields_have_the_types_of_their_values() {
    let classic = properties(Profile::Classic);
    for (name, kind) in [
        ("@timestamp", "date_nanos"),
        ("Time", "date_nanos"),
        ("PID", "long"),
        ("Statement", "text"),
        ("event_id", "keyword"),
        ("Query_time", "double"),
        ("Lock_time", "double"),
        ("Rows_sent", "long"),
        ("Return_code", "long"),
        ("partial", "boolean"),
    ] {
        assert_eq!(classic[name]["type"], kind, "{name}");
    }
    assert!(classic.get("Deadlock").is_none());
    let ecs = properties(Profile::Ecs);
    assert_eq!((&ecs["event.duration"]["type"], &ecs["client.ip"]["type"]), (&json!("long"), &json!("ip")));
    assert_eq!(ecs["mysql.slowlog.rows_sent"]["type"], "long");
    assert!(ecs.get("Time").is_none());
}

#[test]
fn dynamic_fields_shards_and_copies_are_as_configured() {
    let of = |wanted: &Wanted, nodes: u64| wanted.templates(wanted.shape(nodes));
    let wanted = Wanted { formats: vec![Format::Slow, Format::Json], ..Wanted::new("a-{format}", Profile::Otel) };
    let told = |templates: &[Template]| {
        let of_one = |template: &Template| {
            let limit = template.body.pointer("/template/settings/index/mapping.total_fields.limit").cloned();
            (template.name.clone(), template.body["template"]["mappings"]["dynamic"].clone(), limit.unwrap_or_default())
        };
        templates.iter().map(of_one).collect::<Vec<_>>()
    };
    let (on, off) = (json!(true), json!(false));
    assert_eq!(
        told(&of(&wanted, 1)),
        [("a-slow".to_owned(), off.clone(), Json::Null), ("a-json".to_owned(), on.clone(), json!(1_000))]
    );
    let capped = Wanted { dynamic: Dynamic::On, dynamic_fields: 200, ..wanted.clone() };
    assert_eq!(
        told(&of(&capped, 1)),
        [("a-slow".to_owned(), on.clone(), json!(200)), ("a-json".to_owned(), on, json!(200))]
    );
    let none = Wanted { dynamic: Dynamic::Off, ..wanted.clone() };
    assert!(told(&of(&none, 1)).iter().all(|(_, dynamic, limit)| *dynamic == off && limit.is_null()));
    for (nodes, shards, replicas) in [(1, 1, 0), (2, 1, 1), (3, 1, 1), (4, 2, 1), (9, 2, 1)] {
        assert_eq!(wanted.shape(nodes), Shape { shards, replicas });
    }
    let asked = Wanted { shards: Some(5), replicas: Some(2), ..wanted.clone() };
    assert_eq!(asked.shape(1), Shape { shards: 5, replicas: 2 });
    let index = of(&wanted, 2)[0].body.pointer("/template/settings/index").cloned().unwrap();
    let expected = json!({"number_of_shards": 1, "number_of_replicas": 1, "refresh_interval": "30s",
        "codec": "best_compression", "highlight.max_analyzed_offset": 16 * 1024 * 1024});
    assert_eq!(index, expected);
    let serverless = Wanted { serverless: true, ..wanted };
    assert_eq!(of(&serverless, 2)[0].body.pointer("/template/settings/index"), Some(&json!({})));
}

#[test]
fn no_keyword_is_longer_than_lucene_takes_and_no_field_is_mapped_by_its_first_value() {
    for profile in Profile::ALL {
        for (name, field) in properties(profile).as_object().unwrap() {
            match field["type"].as_str().unwrap() {
                // 32,766 bytes, of four a character at most.
                "keyword" => assert!(field["ignore_above"].as_u64().unwrap() <= 32_766 / 4, "{name}"),
                "text" => assert_eq!(
                    (&field["analyzer"], &field["index_options"]),
                    (&json!("hydrant"), &Json::Null),
                    "{name}"
                ),
                "date_nanos" | "long" | "double" | "boolean" | "ip" => {}
                other => panic!("{name} is {other}"),
            }
        }
    }
}

#[test]
fn placeholders_become_wildcards_and_no_template_is_of_all_indices() {
    let patterns = |name: &str| {
        let wanted = Wanted { formats: vec![Format::Slow, Format::Json], ..Wanted::new(name, Profile::Classic) };
        wanted.patterns().into_iter().filter(|pattern| !pattern.ends_with("-19*-*")).collect::<Vec<_>>()
    };
    assert_eq!(patterns("hydrant-{format}"), ["hydrant-slow-2*-*", "hydrant-json-2*-*"]);
    assert_eq!(patterns("logs-{log_group}-{format}"), ["logs-*-slow-2*-*", "logs-*-json-2*-*"]);
    assert_eq!(patterns("logs-{owner}{log_group}{log_stream}"), ["logs-*-2*-*"]);
    assert_eq!(patterns("logs"), ["logs-2*-*"]);
    assert_eq!(patterns("{log_group}-{format}"), Vec::<String>::new());
    let open = Wanted::new("logs-{log_group}-{format}", Profile::Classic).templates(Shape::of_nodes(1));
    let mut priorities: Vec<u64> = open.iter().map(|template| template.body["priority"].as_u64().unwrap()).collect();
    priorities.dedup();
    assert_eq!((priorities.len(), open[0].name.as_str()), (Format::ALL.len(), "logs-general"));
}

#[test]
fn patterns_are_of_what_the_names_are_names_of() {
    let patterns = |name: &str, target: Target, rotation: Rotation| {
        Wanted { formats: vec![Format::Slow], target, rotation, ..Wanted::new(name, Profile::Classic) }.patterns()
    };
    let none = Rotation::NoRotation;
    assert_eq!(patterns("logs", Target::Index, none), ["logs"]);
    assert_eq!(patterns("logs-{owner}-{format}", Target::Index, none), ["logs-*-slow"]);
    assert_eq!(patterns("logs-{format}", Target::DataStream, none), ["logs-slow"]);
    assert_eq!(patterns("logs-{format}", Target::Alias, none), ["logs-slow", "logs-slow-0*"]);
    for rotation in Rotation::ALL.into_iter().filter(|rotation| *rotation != none) {
        assert_eq!(patterns("logs", Target::Index, rotation), ["logs-19*-*", "logs-2*-*"], "{rotation}");
    }
    let names = |name: &str| Wanted { formats: vec![Format::Slow], ..Wanted::new(name, Profile::Classic) }.names();
    assert_eq!(
        (names("logs-{owner}-{format}"), names("logs")),
        (vec!["logs--slow".to_owned()], vec!["logs".to_owned()])
    );
    let unknown = |name: &str| Wanted::new(name, Profile::Classic).unknown();
    assert_eq!((unknown("l-{format}"), unknown("l-{format}-{log_group}")), (None, Some("{log_group}")));
}

#[test]
fn a_template_knows_itself_and_what_was_done_to_it() {
    let one = &templates("hydrant-{format}", Profile::Classic, Shape::of_nodes(1))[0];
    let two = &templates("hydrant-{format}", Profile::Classic, Shape::of_nodes(2))[0];
    let answer = |body: &Json| json!({"index_templates": [{"name": "hydrant-general", "index_template": body}]});
    assert_eq!(one.standing(&answer(&one.body)), Standing::Current);
    assert_eq!(two.standing(&answer(&one.body)), Standing::Outdated { version: 3 });
    let mut changed = one.body.clone();
    changed["template"]["settings"]["index"]["refresh_interval"] = json!("1s");
    assert_eq!(one.standing(&answer(&changed)), Standing::Changed);
    changed["_meta"] = Json::Null;
    assert_eq!(one.standing(&answer(&changed)), Standing::Foreign);
    assert_eq!(one.standing(&json!({"error": {}, "status": 404})), Standing::Absent);
}
