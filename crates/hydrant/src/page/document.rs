//! One document, whole.

use maud::{Markup, html};
use serde_json::Value;

use super::html::shell;

pub(super) fn page(index_name: &str, id: &str, source: &[u8]) -> Markup {
    let parsed: Value = serde_json::from_slice(source).unwrap_or(Value::Null);
    let body = html! {
        h1 { "Entry" }
        dl.document {
            @for (name, value) in parsed.as_object().into_iter().flatten() {
                dt { (name) }
                dd { (field(name, value)) }
            }
        }
        h2 { "As stored" }
        p { "Index " code { (index_name) } ", id " code { (id) } }
        pre.source tabindex="0" { (serde_json::to_string_pretty(&parsed).unwrap_or_default()) }
    };
    shell("Entry – Hydrant", &body)
}

fn field(name: &str, value: &Value) -> Markup {
    match value {
        Value::String(text) if name == "@timestamp" => html! { time datetime=(text) { (text) } },
        Value::String(text) => html! { pre { (text) } },
        Value::Null | Value::Bool(_) | Value::Number(_) => html! { (value.to_string()) },
        Value::Array(_) | Value::Object(_) => {
            html! { pre { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
        }
    }
}
