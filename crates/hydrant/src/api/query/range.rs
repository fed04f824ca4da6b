//! `range`: bounds on numbers and words as they stand, on dates resolved to instants.

use super::Reader;
use crate::api::dates::{Dates, NoDate};
use crate::api::error::ApiError;
use crate::api::json::{self, Member, Node};
use crate::index::query::{Bound, Query, Value};

/// What a range says, before dates are resolved.
#[derive(Default)]
struct Written<'n, 'j> {
    lower: Option<&'n Node<'j>>,
    upper: Option<&'n Node<'j>>,
    lower_excluded: bool,
    upper_excluded: bool,
    format: Option<String>,
    time_zone: Option<String>,
    boost: Option<f32>,
}

impl Reader<'_> {
    pub(super) fn range(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let field = self.single_field(member)?;
        let written = self.written_range(member, field)?;
        let mut dates = self.dates();
        if let Some(format) = &written.format {
            dates = dates.with_formats(format).map_err(|name| {
                let reason = format!("[range] query does not support [format] [{name}]");
                ApiError::illegal_argument(reason)
            })?;
        }
        if let Some(name) = &written.time_zone {
            let unknown = || ApiError::illegal_argument(format!("Unknown time-zone ID: {name}"));
            dates = dates.with_zone(name).ok_or_else(unknown)?;
        }
        let dates = self.date_fields.contains(&*field.key).then_some(&dates);
        // An excluded lower and an included upper bound mean the last instant of an incomplete date.
        let lower = self.bound(member, written.lower, dates, written.lower_excluded)?;
        let upper = self.bound(member, written.upper, dates, !written.upper_excluded)?;
        Ok(Query::Range {
            field: field.key.to_string(),
            lower: exclude(lower, written.lower_excluded),
            upper: exclude(upper, written.upper_excluded),
            boost: written.boost.unwrap_or(1.0),
        })
    }

    fn written_range<'n, 'j>(&self, member: &Member<'_>, field: &'n Member<'j>) -> Result<Written<'n, 'j>, ApiError> {
        let options = field.node.as_object().ok_or_else(|| self.no_option(member, &field.key, field))?;
        let mut written = Written::default();
        for option in options {
            match &*option.key {
                "gte" => (written.lower, written.lower_excluded) = (Some(&option.node), false),
                "gt" => (written.lower, written.lower_excluded) = (Some(&option.node), true),
                "lte" => (written.upper, written.upper_excluded) = (Some(&option.node), false),
                "lt" => (written.upper, written.upper_excluded) = (Some(&option.node), true),
                "from" => written.lower = Some(&option.node),
                "to" => written.upper = Some(&option.node),
                "include_lower" => written.lower_excluded = self.text_of(member, option)? == "false",
                "include_upper" => written.upper_excluded = self.text_of(member, option)? == "false",
                "format" => written.format = Some(self.text_of(member, option)?),
                "time_zone" => written.time_zone = Some(self.text_of(member, option)?),
                "boost" => written.boost = Some(self.boost(option)?),
                // Only a field that holds ranges itself knows a difference.
                "relation" => {}
                unknown => return Err(self.no_option(member, unknown, option)),
            }
        }
        Ok(written)
    }

    fn bound(
        &self,
        member: &Member<'_>,
        node: Option<&Node<'_>>,
        dates: Option<&Dates>,
        up: bool,
    ) -> Result<Option<Value>, ApiError> {
        let Some(node) = node.filter(|node| node.value != json::Value::Null) else { return Ok(None) };
        let wrong = || self.wrong(node.at, format!("[{}] query does not support values of this type", member.key));
        let Some(dates) = dates else { return Ok(Some(self.value(node).ok_or_else(wrong)?)) };
        let text = node.as_text().ok_or_else(wrong)?;
        match dates.resolve(&text, up) {
            // With a fraction, so that it is this instant and not the whole second.
            Ok(instant) => Ok(Some(Value::String(format!("{instant:.9}")))),
            Err(NoDate(reason)) => Err(ApiError::search_phase("parse_exception", reason, self.indices)),
        }
    }
}

fn exclude(value: Option<Value>, excluded: bool) -> Bound {
    match value {
        None => Bound::Unbounded,
        Some(value) if excluded => Bound::Excluded(value),
        Some(value) => Bound::Included(value),
    }
}
