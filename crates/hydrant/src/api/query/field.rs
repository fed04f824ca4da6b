//! Queries on one field, each with a short form (`{"term":{"PID":5}}`) and a long one (`{"term":{"PID":{"value":5}}}`).

use super::{Reader, number_format};
use crate::api::error::ApiError;
use crate::api::json::{self, Member, Node};
use crate::index::query::{Query, Value};
use crate::index::query_string::Operator;

impl Reader<'_> {
    /// The one field of a query's object.
    pub(super) fn single_field<'n, 'j>(&self, member: &'n Member<'j>) -> Result<&'n Member<'j>, ApiError> {
        let fields = self.options(member)?;
        match (fields.first(), fields.get(1)) {
            (None, _) => Err(ApiError::illegal_argument("field name is null or empty")),
            (Some(field), None) if !field.key.is_empty() => Ok(field),
            (Some(_), None) => Err(ApiError::illegal_argument("field name is null or empty")),
            (Some(first), Some(second)) => {
                let reason = format!(
                    "[{}] query doesn't support multiple fields, found [{}] and [{}]",
                    member.key, first.key, second.key
                );
                Err(self.wrong(second.node.at, reason))
            }
        }
    }

    pub(super) fn term(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let field = self.single_field(member)?;
        let (mut value_node, mut boost) = (&field.node, 1.0);
        if let Some(options) = field.node.as_object() {
            let mut given = None;
            for option in options {
                match &*option.key {
                    "value" => given = Some(&option.node),
                    "boost" => boost = self.boost(option)?,
                    "case_insensitive" if option.node.as_text().as_deref() == Some("false") => {}
                    unknown => return Err(self.no_option(member, unknown, option)),
                }
            }
            value_node = given.ok_or_else(|| ApiError::illegal_argument("value cannot be null"))?;
        }
        let value = self.term_value(member, value_node)?;
        Ok(Query::Term { field: field.key.to_string(), value, boost })
    }

    fn term_value(&self, member: &Member<'_>, node: &Node<'_>) -> Result<Value, ApiError> {
        self.value(node).ok_or_else(|| match node.value {
            json::Value::Array(_) => {
                self.wrong(node.at, format!("[{}] query does not support array of values", member.key))
            }
            json::Value::Null
            | json::Value::Object(_)
            | json::Value::Boolean(_)
            | json::Value::Number(_)
            | json::Value::String(_) => ApiError::illegal_argument("value cannot be null"),
        })
    }

    pub(super) fn terms(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let (mut found, mut boost) = (None, 1.0);
        for option in self.options(member)? {
            match (&*option.key, option.node.as_array()) {
                ("boost", None) => boost = self.boost(option)?,
                (_, Some(_)) if found.is_some() => {
                    return Err(self.wrong(option.at, "[terms] query does not support multiple fields"));
                }
                (field, Some(nodes)) => {
                    self.check_terms(nodes.len())?;
                    let values: Result<Vec<Value>, ApiError> =
                        nodes.iter().map(|node| self.term_value(member, node)).collect();
                    found = Some((field.to_string(), values?));
                }
                (unknown, None) => return Err(self.no_option(member, unknown, option)),
            }
        }
        let missing = || ApiError::illegal_argument("field name is null or empty");
        let (field, values) = found.ok_or_else(missing)?;
        Ok(Query::Terms { field, values, boost })
    }

    pub(super) fn match_text(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let field = self.single_field(member)?;
        let (mut text, mut all_terms, mut boost) = (field.node.as_text(), false, 1.0);
        for option in field.node.as_object().unwrap_or_default() {
            let value = option.node.as_text();
            match (&*option.key, value.as_deref()) {
                ("query", _) => text = value,
                ("operator", Some(name)) => all_terms = super::operator(name)? == Operator::And,
                ("boost", _) => boost = self.boost(option)?,
                // What OpenSearch does by default, said aloud.
                ("zero_terms_query", Some("none" | "NONE"))
                | ("lenient" | "auto_generate_synonyms_phrase_query", _) => {}
                (unknown, _) => return Err(self.no_option(member, unknown, option)),
            }
        }
        let text = self.searched_text(field, text)?;
        Ok(Query::Match { field: Some(field.key.to_string()), text, all_terms, boost })
    }

    pub(super) fn match_phrase(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let field = self.single_field(member)?;
        let (mut text, mut slop, mut boost) = (field.node.as_text(), 0, 1.0);
        for option in field.node.as_object().unwrap_or_default() {
            let value = option.node.as_text();
            match (&*option.key, value.as_deref()) {
                ("query", _) => text = value,
                ("slop", Some(number)) => slop = read_slop(number)?,
                ("boost", _) => boost = self.boost(option)?,
                ("zero_terms_query", Some("none" | "NONE")) => {}
                (unknown, _) => return Err(self.no_option(member, unknown, option)),
            }
        }
        let text = self.searched_text(field, text)?;
        Ok(Query::MatchPhrase { field: Some(field.key.to_string()), text, slop, boost })
    }

    fn searched_text(&self, field: &Member<'_>, text: Option<std::borrow::Cow<'_, str>>) -> Result<String, ApiError> {
        let text = text.map(std::borrow::Cow::into_owned);
        text.ok_or_else(|| self.wrong(field.node.end, "No text specified for text query"))
    }

    pub(super) fn prefix(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let (field, prefix, case_insensitive, boost) = self.pattern(member, &["value", "prefix"])?;
        Ok(Query::Prefix { field, prefix, case_insensitive, boost })
    }

    pub(super) fn wildcard(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let (field, pattern, case_insensitive, boost) = self.pattern(member, &["value", "wildcard"])?;
        Ok(Query::Wildcard { field: Some(field), pattern, case_insensitive, boost })
    }

    fn pattern(&self, member: &Member<'_>, value_keys: &[&str]) -> Result<(String, String, bool, f32), ApiError> {
        let field = self.single_field(member)?;
        let (mut pattern, mut case_insensitive, mut boost) = (field.node.as_text(), false, 1.0);
        for option in field.node.as_object().unwrap_or_default() {
            let value = option.node.as_text();
            match (&*option.key, value.as_deref()) {
                (key, Some(_)) if value_keys.contains(&key) => pattern = value,
                ("case_insensitive", Some("true")) => case_insensitive = true,
                ("case_insensitive", Some("false")) => case_insensitive = false,
                ("boost", _) => boost = self.boost(option)?,
                // How a score is computed is the engine's own affair.
                ("rewrite", Some(_)) => {}
                (unknown, _) => return Err(self.no_option(member, unknown, option)),
            }
        }
        let missing = || ApiError::illegal_argument("value cannot be null");
        let pattern = pattern.ok_or_else(missing)?.into_owned();
        Ok((field.key.to_string(), pattern, case_insensitive, boost))
    }
}

fn read_slop(text: &str) -> Result<u32, ApiError> {
    match text.parse::<i64>() {
        Ok(slop) => u32::try_from(slop).map_err(|_| ApiError::illegal_argument("No negative slop allowed.")),
        Err(_) => Err(number_format(text)),
    }
}
