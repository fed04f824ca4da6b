//! Saved objects of OpenSearch Dashboards: the index pattern, searches, charts and one dashboard, with the field names of
//! a profile.
//!
//! Their form is that of version 7.10, which Dashboards of every version reads and brings up to its own.

mod charts;

use hydrant_transform::document::{Field, Profile};
use serde_json::{Map, Value as Json, json};

use super::marked::{Essence, Mark, Standing, flatten, judge};
use charts::Chart;

/// Entries that a saved search shows at first.
const SORT: &str = "@timestamp";

/// One saved object.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    pub kind: &'static str,
    pub id: String,
    pub title: String,
    attributes: Map<String, Json>,
    references: Vec<Json>,
    mark: Mark,
}

/// Of the kind of object, the version of Dashboards that changed its form last.
const FORMS: [(&str, &str); 4] =
    [("index-pattern", "7.6.0"), ("search", "7.9.3"), ("visualization", "7.10.0"), ("dashboard", "7.9.3")];

/// What holds the mark, and what Dashboards counts itself.
const NOT_CONTENT: [&str; 3] = ["description", "version", "hits"];

const INDEX_PATTERN: &str = "index-pattern";

impl Saved {
    fn new(kind: &'static str, id: String, title: &str, about: &str, attributes: Json, references: Vec<Json>) -> Saved {
        let mut all = Map::new();
        all.insert("title".to_owned(), json!(title));
        if let Json::Object(attributes) = attributes {
            all.extend(attributes);
        }
        let mark = Mark::of(&essence(&all, &references));
        if kind != INDEX_PATTERN {
            all.insert("description".to_owned(), json!(mark.describe(about)));
        }
        Saved { kind, id, title: title.to_owned(), attributes: all, references, mark }
    }

    /// As Dashboards takes it.
    pub fn json(&self) -> Json {
        let form = FORMS.iter().find(|(kind, _)| *kind == self.kind).map_or("7.10.0", |(_, form)| form);
        json!({"type": self.kind, "id": self.id, "attributes": self.attributes, "references": self.references,
            "migrationVersion": {self.kind: form}})
    }

    /// How what Dashboards has under this id stands to it.
    pub fn standing(&self, found: &Json) -> Standing {
        let Some(attributes) = found.get("attributes").and_then(Json::as_object) else { return Standing::Absent };
        if self.kind == INDEX_PATTERN {
            // Dashboards keeps the fields in it, so it says nothing of ours but what it is of.
            let is_same = |name: &str| attributes.get(name) == self.attributes.get(name);
            return if is_same("title") && is_same("timeFieldName") { Standing::Current } else { Standing::Foreign };
        }
        let text = attributes.get("description").and_then(Json::as_str).unwrap_or_default();
        let references = found.get("references").and_then(Json::as_array).cloned().unwrap_or_default();
        judge(&self.mark, Mark::from_text(text), &essence(attributes, &references))
    }
}

fn essence(attributes: &Map<String, Json>, references: &[Json]) -> Essence {
    let mut out = Essence::new();
    for (name, value) in attributes.iter().filter(|(name, _)| !NOT_CONTENT.contains(&name.as_str())) {
        // What Dashboards keeps as a text is compared by what stands in it.
        let read =
            value.as_str().and_then(|text| serde_json::from_str::<Json>(text).ok()).filter(|json| !json.is_number());
        flatten(read.as_ref().unwrap_or(value), name, &NOT_CONTENT, &mut out);
    }
    flatten(&Json::Array(references.to_vec()), "references", &[], &mut out);
    out
}

/// All objects for the indices of one pattern, what others refer to first.
pub fn objects(base: &str, profile: Profile) -> Vec<Saved> {
    let pattern_id = base.to_owned();
    let title = format!("{base}*");
    let id = |slug: &str| format!("{base}-{}-{slug}", profile.name());
    let attributes = json!({"timeFieldName": SORT});
    let mut all = vec![Saved::new(INDEX_PATTERN, pattern_id.clone(), &title, "", attributes, Vec::new())];
    for (slug, title, about, query, columns) in searches(profile) {
        let source = json!({"query": {"language": "kuery", "query": query}, "filter": [], "highlightAll": true,
            "version": true, "indexRefName": REFERENCE});
        let attributes = json!({"columns": columns, "sort": [[SORT, "desc"]], "version": 1,
            "kibanaSavedObjectMeta": {"searchSourceJSON": source.to_string()}});
        all.push(Saved::new("search", id(slug), title, about, attributes, vec![to_pattern(&pattern_id)]));
    }
    for chart in charts::charts(profile) {
        let Chart { slug, title, about, query, state } = chart;
        let source = json!({"query": {"language": "kuery", "query": query}, "filter": [], "indexRefName": REFERENCE});
        let attributes = json!({"visState": state.to_string(), "uiStateJSON": "{}", "version": 1,
            "kibanaSavedObjectMeta": {"searchSourceJSON": source.to_string()}});
        all.push(Saved::new("visualization", id(slug), title, about, attributes, vec![to_pattern(&pattern_id)]));
    }
    all.push(dashboard(&all, id("overview")));
    all
}

/// The name under which an object refers to its index pattern.
const REFERENCE: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";

fn to_pattern(id: &str) -> Json {
    json!({"name": REFERENCE, "type": INDEX_PATTERN, "id": id})
}

/// Columns of a dashboard.
const WIDTH: usize = 48;

/// Of a chart; two stand side by side.
const HEIGHT: usize = 12;

fn dashboard(all: &[Saved], id: String) -> Saved {
    let charts: Vec<&Saved> = all.iter().filter(|saved| saved.kind == "visualization").collect();
    let search = all.iter().find(|saved| saved.kind == "search");
    let mut panels = Vec::new();
    let mut references = Vec::new();
    let count = charts.len();
    for (place, saved) in charts.into_iter().chain(search).enumerate() {
        let is_wide = place == 0 || place == count;
        // The first is as wide as all, then come pairs, then the list.
        let (x, y) = match place.checked_sub(1) {
            None => (0, 0),
            Some(_) if is_wide => (0, HEIGHT * (1 + (count - 1).div_ceil(2))),
            Some(pair) => ((pair % 2) * WIDTH / 2, HEIGHT * (1 + pair / 2)),
        };
        let (name, index) = (format!("panel_{place}"), (place + 1).to_string());
        let width = if is_wide { WIDTH } else { WIDTH / 2 };
        panels.push(json!({"version": "7.9.3", "panelIndex": index, "panelRefName": name, "embeddableConfig": {},
            "gridData": {"x": x, "y": y, "w": width, "h": HEIGHT, "i": index}}));
        references.push(json!({"name": name, "type": saved.kind, "id": saved.id}));
    }
    let source = json!({"query": {"language": "kuery", "query": ""}, "filter": []});
    let attributes = json!({"panelsJSON": Json::Array(panels).to_string(),
        "optionsJSON": json!({"hidePanelTitles": false, "useMargins": true}).to_string(),
        "timeRestore": true, "timeFrom": "now-24h", "timeTo": "now", "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": source.to_string()}});
    let title = format!("Hydrant: {}", id.trim_end_matches("-overview"));
    Saved::new("dashboard", id, &title, "What the database logs say.", attributes, references)
}

/// Address, title, what it is for, the query in Dashboards' language, columns.
type Search = (&'static str, &'static str, &'static str, String, Vec<&'static str>);

fn searches(profile: Profile) -> Vec<Search> {
    let name = |field: Field| field.name(profile);
    let columns = |fields: &[Field]| fields.iter().map(|field| name(*field)).filter(|name| !name.is_empty()).collect();
    let refused = match profile {
        Profile::Classic => format!("{}: true", name(Field::AccessDenied)),
        Profile::Otel => format!("{}: *", name(Field::ErrorType)),
        Profile::Ecs => format!("{}: failure", name(Field::EventOutcome)),
    };
    vec![
        (
            "statements",
            "Hydrant: statements",
            "Every statement, the newest first.",
            format!("{}: *", name(Field::Statement)),
            columns(&[Field::Perform, Field::Pid, Field::User, Field::Database, Field::Statement]),
        ),
        (
            "slow",
            "Hydrant: slow statements",
            "Statements whose log tells how long they took.",
            format!("{}: *", name(Field::QueryTime)),
            columns(&[Field::QueryTime, Field::User, Field::Database, Field::Statement]),
        ),
        (
            "errors",
            "Hydrant: errors",
            "What the server said of itself, without notes.",
            format!("{label}: * and not {label}: (Note or System or note or information)", label = name(Field::Label)),
            columns(&[Field::Label, Field::ErrorCode, Field::Subsystem, Field::Message]),
        ),
        (
            "refused",
            "Hydrant: refused logins",
            "Connections that the server did not let in.",
            refused,
            columns(&[Field::User, Field::Host, Field::Perform, Field::Statement, Field::Message]),
        ),
    ]
}

#[cfg(test)]
mod tests;
