//! Whether another index template stands before one of ours. Of those that fit a name the server takes the one of the
//! highest priority, whole, and says nothing of the others: an index would have neither our types nor our analyzer.

use serde_json::{Value as Json, json};

/// What follows the name of a template that no index gets.
pub const SENTENCE: &str = "another index template with a higher priority stands before it";

/// Where to ask (POST) which template a name of its patterns would get.
pub fn question(body: &Json) -> String {
    let patterns = body.get("index_patterns").and_then(Json::as_array);
    let pattern = patterns.and_then(|patterns| patterns.last()?.as_str()).unwrap_or_default();
    format!("/_index_template/_simulate_index/{}", pattern.replace('*', "0"))
}

/// By the answer: it lists those that fit and give way.
pub fn is_overruled(name: &str, answer: &Json) -> bool {
    let giving_way = answer.get("overlapping").and_then(Json::as_array);
    giving_way.is_some_and(|templates| templates.iter().any(|template| template.get("name") == Some(&json!(name))))
}
