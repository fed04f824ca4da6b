//! Charts, each as Dashboards keeps it.

use hydrant_transform::document::{Field, Profile};
use serde_json::{Value as Json, json};

/// Rows of a table, parts of a pie.
const SIZE: u32 = 20;

pub(super) struct Chart {
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) query: String,
    pub(super) state: Json,
}

pub(super) fn charts(profile: Profile) -> Vec<Chart> {
    let name = |field: Field| field.name(profile);
    let has = |field: Field| format!("{}: *", name(field));
    vec![
        Chart {
            slug: "entries",
            title: "Hydrant: entries over time",
            about: "How many entries there are, by log group.",
            query: String::new(),
            state: bars("Hydrant: entries over time", name(Field::LogGroup)),
        },
        Chart {
            slug: "commands",
            title: "Hydrant: commands",
            about: "What clients ask for.",
            query: String::new(),
            state: pie("Hydrant: commands", name(Field::Perform)),
        },
        Chart {
            slug: "users",
            title: "Hydrant: users",
            about: "Who is connected, from where.",
            query: has(Field::User),
            state: table("Hydrant: users", &[count()], &[name(Field::User), name(Field::Host)]),
        },
        Chart {
            slug: "query-time",
            title: "Hydrant: time of slow statements",
            about: "The longest and the average time of slow statements.",
            query: has(Field::QueryTime),
            state: lines("Hydrant: time of slow statements", name(Field::QueryTime)),
        },
        Chart {
            slug: "digests",
            title: "Hydrant: statements by digest",
            about: "Which statements cost most; needs transform.digest.",
            query: has(Field::DigestHash),
            state: table(
                "Hydrant: statements by digest",
                &[count(), metric("2", "sum", name(Field::QueryTime)), metric("3", "avg", name(Field::QueryTime))],
                &[name(Field::Digest)],
            ),
        },
        Chart {
            slug: "errors",
            title: "Hydrant: errors by label",
            about: "What the server said of itself, by how serious it is.",
            query: has(Field::Label),
            state: bars("Hydrant: errors by label", name(Field::Label)),
        },
    ]
}

fn count() -> Json {
    json!({"id": "1", "enabled": true, "type": "count", "schema": "metric", "params": {}})
}

fn metric(id: &str, kind: &str, field: &str) -> Json {
    json!({"id": id, "enabled": true, "type": kind, "schema": "metric", "params": {"field": field}})
}

fn over_time(id: &str) -> Json {
    json!({"id": id, "enabled": true, "type": "date_histogram", "schema": "segment", "params": {"field": "@timestamp",
        "useNormalizedOpenSearchInterval": true, "interval": "auto", "drop_partials": false, "min_doc_count": 1,
        "extended_bounds": {}}})
}

fn terms(id: &str, schema: &str, field: &str) -> Json {
    json!({"id": id, "enabled": true, "type": "terms", "schema": schema, "params": {"field": field, "orderBy": "1",
        "order": "desc", "size": SIZE, "otherBucket": true, "otherBucketLabel": "Other", "missingBucket": false,
        "missingBucketLabel": "Missing"}})
}

/// Axes and a series for each metric.
fn axes(kind: &str, metrics: &[(&str, &str)]) -> Json {
    let series = metrics.iter().map(|(id, label)| {
        let mode = if kind == "histogram" { "stacked" } else { "normal" };
        json!({"show": true, "type": kind, "mode": mode, "data": {"id": id, "label": label},
            "valueAxis": "ValueAxis-1", "drawLinesBetweenPoints": true, "lineWidth": 2, "showCircles": true})
    });
    let series: Vec<Json> = series.collect();
    json!({"type": kind, "grid": {"categoryLines": false},
        "categoryAxes": [{"id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true, "style": {},
            "scale": {"type": "linear"}, "labels": {"show": true, "filter": true, "truncate": 100}, "title": {}}],
        "valueAxes": [{"id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": true,
            "style": {}, "scale": {"type": "linear", "mode": "normal"},
            "labels": {"show": true, "rotate": 0, "filter": false, "truncate": 100}, "title": {}}],
        "seriesParams": series, "addTooltip": true, "addLegend": true, "legendPosition": "right", "times": [],
        "addTimeMarker": false, "labels": {"show": false},
        "thresholdLine": {"show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C"}})
}

fn bars(title: &str, by: &str) -> Json {
    json!({"title": title, "type": "histogram", "params": axes("histogram", &[("1", "Count")]),
        "aggs": [count(), over_time("2"), terms("3", "group", by)]})
}

fn lines(title: &str, field: &str) -> Json {
    json!({"title": title, "type": "line", "params": axes("line", &[("1", "Longest"), ("3", "Average")]),
        "aggs": [metric("1", "max", field), metric("3", "avg", field), over_time("2")]})
}

fn pie(title: &str, by: &str) -> Json {
    json!({"title": title, "type": "pie", "params": {"type": "pie", "addTooltip": true, "addLegend": true,
        "legendPosition": "right", "isDonut": true,
        "labels": {"show": false, "values": true, "last_level": true, "truncate": 100}},
        "aggs": [count(), terms("2", "segment", by)]})
}

fn table(title: &str, metrics: &[Json], by: &[&str]) -> Json {
    let rows = by.iter().enumerate().map(|(place, field)| terms(&(place + 10).to_string(), "bucket", field));
    let aggs: Vec<Json> = metrics.iter().cloned().chain(rows).collect();
    json!({"title": title, "type": "table", "params": {"perPage": 10, "showPartialRows": false,
        "showMetricsAtAllLevels": false, "showTotal": false, "totalFunc": "sum", "percentageCol": "",
        "sort": {"columnIndex": null, "direction": null}},
        "aggs": aggs})
}
