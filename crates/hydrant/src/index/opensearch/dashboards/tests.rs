//! Saved objects fit together, and name only fields that can do what is asked of them.

use super::super::template::Wanted;
use super::*;

/// The type of a field in the template of general logs; `None` where it is not mapped.
fn mapped(profile: Profile, field: &str) -> Option<String> {
    let wanted = Wanted::new("hydrant-{format}", profile);
    let template = wanted.templates(wanted.shape(1)).into_iter().next().unwrap();
    let properties = template.body.pointer("/template/mappings/properties").unwrap().clone();
    Some(properties.get(field)?["type"].as_str().unwrap().to_owned())
}

fn read(text: &Json) -> Json {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

#[test]
fn every_reference_is_to_an_object_that_is_there() {
    for profile in Profile::ALL {
        let all = objects("hydrant", profile);
        let known: Vec<(String, String)> = all.iter().map(|saved| (saved.kind.to_owned(), saved.id.clone())).collect();
        let mut ids = known.clone();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), known.len());
        for saved in &all {
            for reference in saved.json()["references"].as_array().unwrap() {
                let text = |name: &str| reference[name].as_str().unwrap().to_owned();
                assert!(known.contains(&(text("type"), text("id"))), "{} refers to {reference}", saved.id);
            }
        }
        let dashboard = all.last().unwrap().json();
        let panels = read(&dashboard["attributes"]["panelsJSON"]);
        let names: Vec<&Json> = panels.as_array().unwrap().iter().map(|panel| &panel["panelRefName"]).collect();
        let referred: Vec<&Json> =
            dashboard["references"].as_array().unwrap().iter().map(|reference| &reference["name"]).collect();
        assert_eq!((names.len(), names), (7, referred));
    }
}

#[test]
fn panels_do_not_lie_on_each_other() {
    let dashboard = objects("hydrant", Profile::Classic).pop().unwrap().json();
    let panels = read(&dashboard["attributes"]["panelsJSON"]);
    let mut taken = std::collections::HashSet::new();
    for panel in panels.as_array().unwrap() {
        let at = |name: &str| panel["gridData"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 48);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
    }
}

#[test]
fn charts_ask_of_fields_what_their_types_can_do() {
    for profile in Profile::ALL {
        for saved in objects("hydrant", profile).iter().filter(|saved| saved.kind == "visualization") {
            let state = read(&saved.json()["attributes"]["visState"]);
            for aggregation in state["aggs"].as_array().unwrap() {
                let kinds: &[&str] = match aggregation["type"].as_str().unwrap() {
                    "count" => continue,
                    "terms" => &["keyword", "ip"],
                    "date_histogram" => &["date_nanos"],
                    "sum" | "avg" | "max" => &["double", "long"],
                    other => panic!("{other}"),
                };
                let field = aggregation["params"]["field"].as_str().unwrap();
                let kind = mapped(profile, field).unwrap_or_else(|| panic!("{field} of {} is not mapped", saved.id));
                assert!(kinds.contains(&kind.as_str()), "{}: {field} is {kind}", saved.id);
            }
        }
    }
}

#[test]
fn searches_show_and_ask_for_fields_that_documents_have() {
    for profile in Profile::ALL {
        for saved in objects("hydrant", profile).iter().filter(|saved| saved.kind == "search") {
            let json = saved.json();
            for column in json["attributes"]["columns"].as_array().unwrap() {
                assert!(mapped(profile, column.as_str().unwrap()).is_some(), "{}: {column}", saved.id);
            }
            let source = read(&json["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]);
            let query = source["query"]["query"].as_str().unwrap();
            let field = query.split(':').next().unwrap();
            assert!(mapped(profile, field).is_some(), "{}: {query}", saved.id);
        }
    }
}

#[test]
fn objects_know_themselves_and_what_was_done_to_them() {
    for saved in objects("hydrant", Profile::Classic) {
        let mut there = saved.json();
        there["version"] = json!("WzEsMV0=");
        there["updated_at"] = json!("2026-11-27T00:00:00.000Z");
        assert_eq!(saved.standing(&there), Standing::Current, "{}", saved.id);
        assert_eq!(
            saved.standing(&json!({"type": saved.kind, "id": saved.id, "error": {"statusCode": 404}})),
            Standing::Absent
        );
        there["attributes"]["title"] = json!("mine");
        let changed = if saved.kind == INDEX_PATTERN { Standing::Foreign } else { Standing::Changed };
        assert_eq!(saved.standing(&there), changed);
    }
}
