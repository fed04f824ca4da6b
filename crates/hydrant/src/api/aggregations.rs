//! The `aggs` part of a request body, read into [`Aggregation`]s.
//!
//! Limits: [`DEPTH_MAX`] aggregations within each other, [`COUNT_MAX`] in one request. Time buckets have a fixed
//! length in UTC: calendar intervals up to a day are such, longer ones and other time zones are refused by name.

use super::dates::{Dates, NoDate};
use super::error::ApiError;
use super::json::{self, Member, Node};
use crate::index::query::{Aggregation, TermsOrder};

/// Aggregations within each other.
pub(super) const DEPTH_MAX: usize = 8;

/// Aggregations of one request.
pub(super) const COUNT_MAX: usize = 100;

/// Buckets that a `terms` aggregation may ask for, OpenSearch's `search.max_buckets`.
const BUCKETS_MAX: usize = 65_535;

const TERMS_SIZE_DEFAULT: usize = 10;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

pub(super) struct Reader<'a> {
    text: &'a str,
    now_ms: i64,
    indices: &'a [String],
    left: std::cell::Cell<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, now_ms: i64, indices: &'a [String]) -> Reader<'a> {
        Reader { text, now_ms, indices, left: std::cell::Cell::new(COUNT_MAX) }
    }

    /// The value of `aggs` or `aggregations`, which is an object.
    pub(super) fn aggregations(
        &self,
        members: &[Member<'_>],
        depth: usize,
    ) -> Result<Vec<(String, Aggregation)>, ApiError> {
        if depth >= DEPTH_MAX {
            return Err(ApiError::illegal_argument(format!("aggregations are nested deeper than [{DEPTH_MAX}]")));
        }
        members.iter().map(|member| Ok((member.key.to_string(), self.aggregation(member, depth)?))).collect()
    }

    fn aggregation(&self, member: &Member<'_>, depth: usize) -> Result<Aggregation, ApiError> {
        let name = &*member.key;
        if name.is_empty() || name.contains(['[', ']', '>']) {
            let reason = format!(
                "Invalid aggregation name [{name}]. Aggregation names can contain any character except '[', ']', and '>'"
            );
            return Err(self.wrong(member.at, reason));
        }
        let left = self.left.get().checked_sub(1);
        let too_many = || ApiError::illegal_argument(format!("a request has at most [{COUNT_MAX}] aggregations"));
        self.left.set(left.ok_or_else(too_many)?);
        let Some(parts) = member.node.as_object() else {
            let token = member.node.token();
            let reason =
                format!("Aggregation definition for [{name} starts with a [{token}], expected a [START_OBJECT].");
            return Err(self.wrong(member.node.at, reason));
        };
        let (mut definition, mut sub) = (None::<&Member<'_>>, Vec::new());
        for part in parts {
            match (&*part.key, part.node.as_object(), definition) {
                ("aggs" | "aggregations", Some(members), _) => sub = self.aggregations(members, depth + 1)?,
                (_, Some(_), None) => definition = Some(part),
                (kind, Some(_), Some(first)) => {
                    let reason =
                        format!("Found two aggregation type definitions in [{name}]: [{}] and [{kind}]", first.key);
                    return Err(self.wrong(part.node.at, reason));
                }
                (kind, None, _) => {
                    let token = part.node.token();
                    let reason = format!("Expected [START_OBJECT] under [{kind}], but got a [{token}] in [{name}]");
                    return Err(self.wrong(part.node.at, reason));
                }
            }
        }
        let missing = || self.wrong(member.node.end, format!("Missing definition for aggregation [{name}]"));
        self.defined(name, definition.ok_or_else(missing)?, sub)
    }

    fn defined(&self, name: &str, part: &Member<'_>, sub: Vec<(String, Aggregation)>) -> Result<Aggregation, ApiError> {
        let field = || self.only_field(part);
        let metric = match &*part.key {
            "terms" => return self.terms(name, part, sub),
            "date_histogram" => return self.date_histogram(name, part, sub),
            "min" => Aggregation::Min { field: field()? },
            "max" => Aggregation::Max { field: field()? },
            "avg" => Aggregation::Avg { field: field()? },
            "sum" => Aggregation::Sum { field: field()? },
            "value_count" => Aggregation::ValueCount { field: field()? },
            "cardinality" => Aggregation::Cardinality { field: field()? },
            unknown => {
                let (line, column) = json::place(self.text, part.node.at);
                let reason = format!("Unknown aggregation type [{unknown}]");
                return Err(self.wrong(part.node.at, reason).caused_by(
                    "named_object_not_found_exception",
                    format!("[{line}:{column}] unknown field [{unknown}]"),
                ));
            }
        };
        if sub.is_empty() {
            return Ok(metric);
        }
        let reason = format!("Aggregator [{name}] of type [{}] cannot accept sub-aggregations", part.key);
        Err(ApiError::bad_request("aggregation_initialization_exception", reason))
    }

    fn only_field(&self, part: &Member<'_>) -> Result<String, ApiError> {
        let mut field = None;
        for option in part.node.as_object().unwrap_or_default() {
            match &*option.key {
                "field" => field = Some(self.text_of(part, option)?),
                // How exactly to count: the answer is as exact as the engine makes it.
                "precision_threshold" if &*part.key == "cardinality" => {}
                unknown => return Err(self.unknown_option(part, option, unknown)),
            }
        }
        field.ok_or_else(no_field)
    }

    fn terms(&self, name: &str, part: &Member<'_>, sub: Vec<(String, Aggregation)>) -> Result<Aggregation, ApiError> {
        let (mut field, mut size, mut min_doc_count) = (None, TERMS_SIZE_DEFAULT, 1);
        let mut order = TermsOrder::CountDescending;
        for option in part.node.as_object().unwrap_or_default() {
            match &*option.key {
                "field" => field = Some(self.text_of(part, option)?),
                "size" => {
                    size = usize::try_from(self.count(part, option)?).unwrap_or(usize::MAX).min(BUCKETS_MAX);
                    if size == 0 {
                        let cause = format!("[size] must be greater than 0. Found [0] in [{name}]");
                        return Err(self.bad_option(part, option).caused_by("illegal_argument_exception", cause));
                    }
                }
                "min_doc_count" => min_doc_count = self.count(part, option)?,
                "order" => order = self.terms_order(part, option)?,
                // One index is one shard: nothing is approximated.
                "shard_size" | "shard_min_doc_count" | "show_term_doc_count_error" => {
                    if option.node.as_text().as_deref() == Some("true") {
                        return Err(self.unknown_option(part, option, &option.key));
                    }
                }
                "execution_hint" | "collect_mode" => {}
                unknown => return Err(self.unknown_option(part, option, unknown)),
            }
        }
        Ok(Aggregation::Terms { field: field.ok_or_else(no_field)?, size, order, min_doc_count, sub })
    }

    fn terms_order(&self, part: &Member<'_>, option: &Member<'_>) -> Result<TermsOrder, ApiError> {
        // Of a list the first decides; ties are broken by key anyway.
        let first = option.node.as_array().map_or(Some(&option.node), <[Node<'_>]>::first);
        let by = first.and_then(Node::as_object).and_then(<[Member<'_>]>::first);
        let by = by.and_then(|by| Some((&*by.key, by.node.as_text()?)));
        match by.as_ref().map(|(key, direction)| (*key, &**direction)) {
            Some(("_count", "desc")) => Ok(TermsOrder::CountDescending),
            Some(("_count", "asc")) => Ok(TermsOrder::CountAscending),
            Some(("_key" | "_term", "asc")) => Ok(TermsOrder::KeyAscending),
            Some(("_key" | "_term", "desc")) => Ok(TermsOrder::KeyDescending),
            Some((key, _)) => {
                let reason = format!("[terms] order by [{key}] is not supported, only by [_count] and [_key]");
                Err(ApiError::x_content(self.text, option.at, &reason))
            }
            None => Err(self.bad_option(part, option)),
        }
    }

    fn date_histogram(
        &self,
        name: &str,
        part: &Member<'_>,
        sub: Vec<(String, Aggregation)>,
    ) -> Result<Aggregation, ApiError> {
        let (mut field, mut interval, mut offset_ms, mut min_doc_count, mut bounds_ms) = (None, None, 0, 0, None);
        for option in part.node.as_object().unwrap_or_default() {
            let text = option.node.as_text();
            match (&*option.key, text.as_deref()) {
                ("field", Some(name)) => field = Some(name.to_string()),
                ("fixed_interval" | "calendar_interval" | "interval", Some(text)) => {
                    let length = self.interval(part, option, text)?;
                    if let Some((first, _)) = interval.replace((option.key.to_string(), length)) {
                        let cause = format!("Cannot use [{}] with [{first}] configuration option.", option.key);
                        return Err(self.bad_option(part, option).caused_by("illegal_argument_exception", cause));
                    }
                }
                ("offset", Some(text)) => {
                    offset_ms = signed_length_ms(text).ok_or_else(|| self.bad_option(part, option))?;
                }
                ("min_doc_count", _) => min_doc_count = self.count(part, option)?,
                ("extended_bounds", None) => bounds_ms = self.bounds(name, part, option)?,
                ("time_zone", Some("UTC" | "Z" | "+00:00" | "Etc/UTC" | "GMT")) => {}
                ("time_zone", Some(zone)) => {
                    let reason = format!("[date_histogram] time_zone [{zone}] is not supported, only [UTC]");
                    return Err(ApiError::x_content(self.text, option.at, &reason));
                }
                ("keyed", Some("false")) => {}
                ("order", None) if is_key_ascending(option) => {}
                (unknown, _) => return Err(self.unknown_option(part, option, unknown)),
            }
        }
        let no_interval = "Invalid interval specified, must be non-null and non-empty";
        let missing = || ApiError::search_phase("illegal_argument_exception", no_interval, self.indices);
        let (_, interval_ms) = interval.ok_or_else(missing)?;
        Ok(Aggregation::DateHistogram {
            field: field.ok_or_else(no_field)?,
            interval_ms,
            offset_ms,
            min_doc_count,
            bounds_ms,
            sub,
        })
    }

    fn interval(&self, part: &Member<'_>, option: &Member<'_>, text: &str) -> Result<i64, ApiError> {
        let bad = |cause: String| Err(self.bad_option(part, option).caused_by("illegal_argument_exception", cause));
        // The old `interval` takes both kinds.
        let calendar = calendar_ms(text).filter(|_| &*option.key != "fixed_interval");
        match (calendar, length_ms(text)) {
            (Some(Some(length)), _) => Ok(length),
            (Some(None), _) => bad(format!(
                "The supplied interval [{text}] is not supported: calendar intervals longer than a day vary in length"
            )),
            (None, _) if &*option.key == "calendar_interval" => {
                bad(format!("The supplied interval [{text}] could not be parsed as a calendar interval."))
            }
            (None, Some(0)) => Err(ApiError::search_phase(
                "illegal_argument_exception",
                "Zero or negative time interval not supported",
                self.indices,
            )),
            (None, Some(length)) => Ok(length),
            (None, None) => bad(format!(
                "failed to parse setting [date_histogram.fixedInterval] with value [{text}] as a time value: unit is missing or unrecognized"
            )),
        }
    }

    fn bounds(&self, name: &str, part: &Member<'_>, option: &Member<'_>) -> Result<Option<(i64, i64)>, ApiError> {
        let (mut min, mut max) = (None, None);
        for bound in option.node.as_object().unwrap_or_default() {
            let text = bound.node.as_text().ok_or_else(|| self.bad_option(part, option))?;
            let instant = Dates::new(self.now_ms).resolve(&text, false);
            let instant =
                instant.map_err(|NoDate(reason)| ApiError::search_phase("parse_exception", reason, self.indices))?;
            match &*bound.key {
                "min" => min = Some(instant.as_millisecond()),
                "max" => max = Some(instant.as_millisecond()),
                unknown => return Err(self.unknown_option(part, bound, unknown)),
            }
        }
        match (min, max) {
            (Some(min), Some(max)) if min > max => Err(ApiError::search_phase(
                "illegal_argument_exception",
                format!(
                    "[extended_bounds.min][{min}] cannot be greater than [extended_bounds.max][{max}] for histogram aggregation [{name}]"
                ),
                self.indices,
            )),
            (Some(min), Some(max)) => Ok(Some((min, max))),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => Err(ApiError::x_content(
                self.text,
                option.at,
                "[date_histogram] extended_bounds is supported with both [min] and [max] only",
            )),
        }
    }

    fn text_of(&self, part: &Member<'_>, option: &Member<'_>) -> Result<String, ApiError> {
        let text = option.node.as_string().map(std::borrow::Cow::into_owned);
        text.ok_or_else(|| {
            let reason =
                format!("[{}] {} doesn't support values of type: {}", part.key, option.key, option.node.token());
            ApiError::x_content(self.text, option.node.at, &reason)
        })
    }

    fn count(&self, part: &Member<'_>, option: &Member<'_>) -> Result<u64, ApiError> {
        let text = option.node.as_text().unwrap_or_default();
        text.parse().map_err(|_| self.bad_option(part, option))
    }

    fn bad_option(&self, part: &Member<'_>, option: &Member<'_>) -> ApiError {
        let reason = format!("[{}] failed to parse field [{}]", part.key, option.key);
        ApiError::x_content(self.text, option.node.at, &reason)
    }

    fn unknown_option(&self, part: &Member<'_>, option: &Member<'_>, name: &str) -> ApiError {
        ApiError::x_content(self.text, option.at, &format!("[{}] unknown field [{name}]", part.key))
    }

    fn wrong(&self, at: usize, reason: impl Into<String>) -> ApiError {
        ApiError::parsing(self.text, at, reason)
    }
}

fn no_field() -> ApiError {
    ApiError::illegal_argument("Required one of fields [field, script], but none were specified. ")
}

fn is_key_ascending(option: &Member<'_>) -> bool {
    let members = option.node.as_object().unwrap_or_default();
    let by: Vec<_> = members.iter().map(|member| (&*member.key, member.node.as_text())).collect();
    matches!(by.as_slice(), [("_key", Some(direction))] if direction == "asc")
}

/// `90s`, `1d`: a whole number and a unit.
fn length_ms(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => SECOND_MS,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(unit_ms)
}

fn signed_length_ms(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(text) => length_ms(text).map(|length| -length),
        None => length_ms(text.strip_prefix('+').unwrap_or(text)),
    }
}

/// `Some(None)` for a calendar interval that has no fixed length, or does not begin where the epoch does.
fn calendar_ms(text: &str) -> Option<Option<i64>> {
    match text {
        "second" | "1s" => Some(Some(SECOND_MS)),
        "minute" | "1m" => Some(Some(MINUTE_MS)),
        "hour" | "1h" => Some(Some(HOUR_MS)),
        "day" | "1d" => Some(Some(DAY_MS)),
        "week" | "1w" | "month" | "1M" | "quarter" | "1q" | "year" | "1y" => Some(None),
        _ => None,
    }
}
