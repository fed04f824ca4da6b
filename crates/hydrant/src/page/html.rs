//! The page's HTML. Every value goes through the template engine, which escapes it.

use std::time::Duration;

use hydrant_transform::document::Field;
use hydrant_transform::document::timestamp::format_rfc3339;
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::document;
use super::search::{Found, PAGE_SIZE, Parameters, SPANS};
use crate::index::Hit;
use crate::metrics::Health;

/// A shard that is so far behind is shown.
const LATE: Duration = Duration::from_secs(10);

/// No more problems, and no more shards, are shown; `/health` has all.
const PARTS_SHOWN: usize = 20;

/// Characters of a statement in the list; the document's own page has all of it.
const STATEMENT_CHARACTERS: usize = 300;

pub(super) fn home(parameters: &Parameters, state: &Markup, results: &Markup, rest: &str) -> Markup {
    let title = if parameters.q.is_empty() { "Hydrant".to_owned() } else { format!("{} – Hydrant", parameters.q) };
    let body = html! {
        form.search action="/" method="get" role="search" {
            input #q type="search" name="q" value=(parameters.q) placeholder="Perform:Query AND Statement:app_db"
                aria-label="Search" autocomplete="off" autocapitalize="off" spellcheck="false" autofocus[parameters.q.is_empty()];
            select name="span" aria-label="Time span" {
                option value="" { "all time" }
                @for (name, text, _) in SPANS {
                    option value=(name) selected[parameters.span == name] { "last " (text) }
                }
            }
            button type="submit" { "Search" }
        }
        div #results aria-busy="false" { (state) (results) }
        footer {
            label.live hidden { input #live type="checkbox" checked; " live" }
            a href="/metrics" { "metrics" } " " a href="/health" { "health" } " "
            span { "OpenSearch API: " code { (rest) } }
        }
    };
    shell(&title, &body)
}

pub(super) fn message(title: &str, text: &str) -> Markup {
    shell(&format!("{title} – Hydrant"), &html! { h1 { (title) } p.problem role="alert" { (text) } })
}

pub(super) fn problem(text: &str) -> Markup {
    html! { p.problem role="alert" { (text) } }
}

pub(super) fn shell(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href="/style.css";
                script src="/script.js" defer {}
            }
            body {
                header { a.home href="/" { "Hydrant" } }
                main { (body) }
            }
        }
    }
}

/// What waits and why, and how far each shard is behind.
pub(super) fn state(health: &Health) -> Markup {
    let late = health.behind.iter().filter(|(_, behind)| **behind >= LATE);
    html! {
        @for (part, problem) in health.problems.iter().take(PARTS_SHOWN) {
            p.problem role="alert" { b { (part) } ": " (problem) }
        }
        @for (shard, behind) in late.take(PARTS_SHOWN) {
            p.total { "Shard " code { (shard) } " is " (behind.as_secs()) " s behind." }
        }
    }
}

/// What a search found; the script replaces just this.
pub(super) fn results(parameters: &Parameters, found: &Found) -> Markup {
    html! {
        p.total role="status" {
            (total(found))
            @if parameters.after.is_some() || parameters.before.is_some() {
                " in the chosen span. " a href=(parameters.without_bar().link()) { "Show all" }
            }
        }
        @for (index_name, reason) in &found.failures {
            p.problem role="alert" { "Index " code { (index_name) } " is left out: " (reason) }
        }
        @if let Some(histogram) = &found.histogram { (histogram.svg(parameters)) }
        @if found.hits.is_empty() {
            p.none { "No entry matches." }
        } @else {
            div.heads aria-hidden="true" { span { "Time" } span { "PID" } span { "Perform" } span { "Statement" } }
            ol.entries { @for hit in &found.hits { li { (row(hit)) } } }
        }
        (pages(parameters, found))
    }
}

fn total(found: &Found) -> String {
    let noun = if found.total.value == 1 { "entry" } else { "entries" };
    let least = if found.total.exact { "" } else { "at least " };
    format!("{least}{} {noun}", found.total.value)
}

fn row(hit: &Hit) -> Markup {
    let source = document::parse(&hit.source);
    let find = |field: Field| field.find(|name| source.get(name)).map(plain);
    let instant = source.get("@timestamp").and_then(Value::as_str).unwrap_or_default();
    let statement = [Field::Statement, Field::Argument, Field::Message].into_iter().find_map(find);
    // A JSON line shows its own fields.
    let statement = statement.unwrap_or_else(|| String::from_utf8_lossy(&hit.source).into_owned());
    let shown: String = statement.chars().take(STATEMENT_CHARACTERS).collect();
    html! {
        a.entry href={ "/doc/" (segment(&hit.index_name)) "/" (segment(&hit.id)) } {
            time datetime=(instant) { (instant.trim_end_matches('Z').replace('T', " ")) }
            span.pid { (find(Field::Pid).unwrap_or_default()) }
            span.perform { (find(Field::Perform).unwrap_or_default()) }
            code.statement { (shown) @if shown.len() < statement.len() { "…" } }
        }
    }
}

fn pages(parameters: &Parameters, found: &Found) -> Markup {
    let from = parameters.skipped();
    let at = |from: usize| Parameters { from, ..parameters.clone() }.link();
    let more =
        usize::try_from(found.total.value).is_ok_and(|total| from + PAGE_SIZE < total) && found.hits.len() == PAGE_SIZE;
    html! {
        nav.pages aria-label="Pages" {
            @if from > 0 { a rel="prev" href=(at(from.saturating_sub(PAGE_SIZE))) { "Newer" } }
            @if more { a rel="next" href=(at(from + PAGE_SIZE)) { "Older" } }
        }
    }
}

impl Parameters {
    /// The address that asks for this.
    pub(super) fn link(&self) -> String {
        let mut parts = vec![format!("q={}", segment(&self.q))];
        if !self.span.is_empty() {
            parts.push(format!("span={}", segment(&self.span)));
        }
        parts.extend(self.after.map(|ms| format!("after={ms}")));
        parts.extend(self.before.map(|ms| format!("before={ms}")));
        if self.from > 0 {
            parts.push(format!("from={}", self.from));
        }
        format!("/?{}", parts.join("&"))
    }

    fn without_bar(&self) -> Parameters {
        Parameters { after: None, before: None, from: 0, ..self.clone() }
    }
}

/// A value as people read it: strings without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `2026-11-23 03:07:00` of an instant in milliseconds.
pub(super) fn utc(ms: i64) -> String {
    let text = rfc3339(ms);
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// RFC 3339 in UTC; empty outside the years that a log can have.
pub(super) fn rfc3339(ms: i64) -> String {
    format_rfc3339(ms.saturating_mul(1_000)).unwrap_or_default()
}

/// An instant in UTC, which the script shows in the viewer's zone as well.
pub(super) fn time(ms: i64) -> Markup {
    html! { time datetime=(rfc3339(ms)) { (utc(ms)) } }
}

/// Percent-encodes all but letters, digits and `-_.~`, for one part of an address (RFC 3986, 2.3).
fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
