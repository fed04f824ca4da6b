//! The query part of a request body, read into a [`Query`].
//!
//! Limits: [`DEPTH_MAX`] queries within each other, [`CLAUSES_MAX`] clauses in all `bool` queries of a request,
//! [`TERMS_MAX`] values of a `terms` query. What is not supported is refused by its name.

mod field;
mod range;

use std::cell::Cell;
use std::collections::HashSet;

use super::dates::Dates;
use super::error::ApiError;
use super::json::{self, Member, Node};
use crate::index::query::{Query, Value};
use crate::index::query_string::{self, Operator, Options};

/// Queries within each other.
pub(super) const DEPTH_MAX: usize = 32;

/// Clauses of one request, OpenSearch's default.
pub(super) const CLAUSES_MAX: usize = 1_024;

/// Values of one `terms` query, OpenSearch's default.
pub(super) const TERMS_MAX: usize = 65_536;

/// What the reading of a query needs to know besides the query.
pub(super) struct Reader<'a> {
    /// The body, for the places in errors.
    text: &'a str,
    indices: &'a [String],
    now_ms: i64,
    /// Fields whose ranges are dates.
    date_fields: &'a HashSet<String>,
    clauses: Cell<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        text: &'a str,
        indices: &'a [String],
        now_ms: i64,
        date_fields: &'a HashSet<String>,
    ) -> Reader<'a> {
        Reader { text, indices, now_ms, date_fields, clauses: Cell::new(0) }
    }

    pub(super) fn query(&self, node: &Node<'_>) -> Result<Query, ApiError> {
        self.nested(node, 0)
    }

    fn nested(&self, node: &Node<'_>, depth: usize) -> Result<Query, ApiError> {
        if depth > DEPTH_MAX {
            return Err(ApiError::illegal_argument(format!("queries are nested deeper than [{DEPTH_MAX}]")));
        }
        let Some(members) = node.as_object() else {
            return Err(self.wrong(node.at, "[_na] query malformed, must start with start_object"));
        };
        let (member, more) = match members.split_first() {
            Some((member, rest)) => (member, rest.first()),
            None => {
                let (line, column) = json::place(self.text, node.end);
                let reason = format!("query malformed, empty clause found at [{line}:{column}]");
                return Err(ApiError::illegal_argument(reason));
            }
        };
        if let Some(more) = more {
            let reason = format!("[{}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]", member.key);
            return Err(self.wrong(more.at, reason));
        }
        match &*member.key {
            "match_all" => self.match_all(member),
            "match_none" => self.match_none(member),
            "term" => self.term(member),
            "terms" => self.terms(member),
            "match" => self.match_text(member),
            "match_phrase" => self.match_phrase(member),
            "range" => self.range(member),
            "exists" => self.exists(member),
            "prefix" => self.prefix(member),
            "wildcard" => self.wildcard(member),
            "ids" => self.ids(member),
            "bool" => self.boolean(member, depth),
            "constant_score" => self.constant_score(member, depth),
            "query_string" => self.query_string(member),
            unknown => Err(self.unknown_query(unknown, member)),
        }
    }

    fn unknown_query(&self, name: &str, member: &Member<'_>) -> ApiError {
        let (line, column) = json::place(self.text, member.node.at);
        self.wrong(member.node.at, format!("unknown query [{name}]"))
            .caused_by("named_object_not_found_exception", format!("[{line}:{column}] unknown field [{name}]"))
    }

    fn match_all(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        Ok(boosted(Query::MatchAll, self.only_boost(member)?))
    }

    fn match_none(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        self.only_boost(member)?;
        Ok(Query::MatchNone)
    }

    fn only_boost(&self, member: &Member<'_>) -> Result<f32, ApiError> {
        let mut boost = 1.0;
        for option in self.options(member)? {
            match &*option.key {
                "boost" => boost = self.boost(option)?,
                unknown => {
                    let reason = format!("[{}] unknown field [{unknown}]", member.key);
                    let (line, column) = json::place(self.text, option.at);
                    let reason = format!("[{line}:{column}] {reason}");
                    return Err(self
                        .wrong(option.node.at, reason.clone())
                        .caused_by("x_content_parse_exception", reason));
                }
            }
        }
        Ok(boost)
    }

    fn exists(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let (mut field, mut boost) = (None, 1.0);
        for option in self.options(member)? {
            match &*option.key {
                "field" => field = Some(self.text_of(member, option)?),
                "boost" => boost = self.boost(option)?,
                unknown => return Err(self.no_option(member, unknown, option)),
            }
        }
        let missing = || self.wrong(member.node.end, "[exists] must be provided with a [field]");
        Ok(boosted(Query::Exists { field: field.ok_or_else(missing)? }, boost))
    }

    fn ids(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let (mut ids, mut boost) = (Vec::new(), 1.0);
        for option in self.options(member)? {
            match &*option.key {
                "values" => {
                    let nodes = option.node.as_array().unwrap_or(std::slice::from_ref(&option.node));
                    self.check_terms(nodes.len())?;
                    ids = nodes
                        .iter()
                        .map(|node| {
                            let id = node.as_text().map(std::borrow::Cow::into_owned);
                            id.ok_or_else(|| self.no_option(member, "values", option))
                        })
                        .collect::<Result<_, _>>()?;
                }
                "boost" => boost = self.boost(option)?,
                unknown => {
                    let reason = format!("[ids] unknown field [{unknown}]");
                    return Err(ApiError::x_content(self.text, option.at, &reason));
                }
            }
        }
        Ok(boosted(Query::Ids(ids), boost))
    }

    fn boolean(&self, member: &Member<'_>, depth: usize) -> Result<Query, ApiError> {
        let (mut must, mut filter, mut should, mut must_not) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut minimum, mut boost) = (None, 1.0);
        for option in self.options(member)? {
            match &*option.key {
                "must" => must = self.clauses(option, depth)?,
                "filter" => filter = self.clauses(option, depth)?,
                "should" => should = self.clauses(option, depth)?,
                "must_not" => must_not = self.clauses(option, depth)?,
                "minimum_should_match" => minimum = Some(self.text_of(member, option)?),
                "boost" => boost = self.boost(option)?,
                // Without it a query that only excludes would find nothing.
                "adjust_pure_negative" if option.node.as_text().as_deref() == Some("true") => {}
                unknown => {
                    let reason = format!("[bool] unknown field [{unknown}]");
                    return Err(ApiError::x_content(self.text, option.at, &reason));
                }
            }
        }
        let minimum_should_match =
            minimum.map(|minimum| self.minimum_should_match(&minimum, should.len())).transpose()?;
        Ok(Query::Bool { must, filter, should, must_not, minimum_should_match, boost })
    }

    fn clauses(&self, option: &Member<'_>, depth: usize) -> Result<Vec<Query>, ApiError> {
        let nodes = match (option.node.as_array(), option.node.as_object()) {
            (Some(nodes), _) => nodes,
            (None, Some(_)) => std::slice::from_ref(&option.node),
            (None, None) => {
                let reason = format!("[bool] {} doesn't support values of type: {}", option.key, option.node.token());
                return Err(ApiError::x_content(self.text, option.node.at, &reason));
            }
        };
        self.clauses.set(self.clauses.get() + nodes.len());
        if self.clauses.get() > CLAUSES_MAX {
            return Err(self.shard_error(&format!("maxClauseCount is set to {CLAUSES_MAX}")));
        }
        nodes.iter().map(|node| self.nested(node, depth + 1)).collect()
    }

    /// `2`, `-1`, `75%`, `-25%` of the optional clauses.
    fn minimum_should_match(&self, text: &str, clauses: usize) -> Result<usize, ApiError> {
        let wrong = || self.shard_error(&format!("For input string: \"{text}\""));
        let clauses = i64::try_from(clauses).unwrap_or(i64::MAX);
        let count = match text.strip_suffix('%') {
            Some(percent) => {
                let percent: i64 = percent.parse().map_err(|_| wrong())?;
                percent.checked_mul(clauses).ok_or_else(wrong)? / 100
            }
            None => text.parse().map_err(|_| wrong())?,
        };
        let least = if text.starts_with('-') { clauses.saturating_add(count) } else { count };
        Ok(usize::try_from(least.max(0)).unwrap_or(usize::MAX))
    }

    /// Every match scores the same: what must match is not the query but everything.
    fn constant_score(&self, member: &Member<'_>, depth: usize) -> Result<Query, ApiError> {
        let (mut filter, mut boost) = (None, 1.0);
        for option in self.options(member)? {
            match &*option.key {
                "filter" => filter = Some(self.nested(&option.node, depth + 1)?),
                "boost" => boost = self.boost(option)?,
                unknown => return Err(self.no_option(member, unknown, option)),
            }
        }
        let missing = || self.wrong(member.node.end, "[constant_score] requires a 'filter' element");
        Ok(Query::Bool {
            must: vec![Query::MatchAll],
            filter: vec![filter.ok_or_else(missing)?],
            should: Vec::new(),
            must_not: Vec::new(),
            minimum_should_match: None,
            boost,
        })
    }

    fn query_string(&self, member: &Member<'_>) -> Result<Query, ApiError> {
        let mut query = None;
        let mut options = Options::default();
        let mut boost = 1.0;
        for option in self.options(member)? {
            let text = || self.text_of(member, option);
            match &*option.key {
                "query" => query = Some(text()?),
                "default_field" => options.fields = fields(&[text()?]),
                "fields" => {
                    let nodes = option.node.as_array().unwrap_or_default();
                    let names: Vec<String> =
                        nodes.iter().filter_map(|node| Some(node.as_text()?.into_owned())).collect();
                    if names.iter().any(|name| name.contains('^')) {
                        return Err(self.wrong(option.node.at, "[query_string] boosts in [fields] are not supported"));
                    }
                    options.fields = fields(&names);
                }
                "default_operator" => options.operator = operator(&text()?)?,
                "boost" => boost = self.boost(option)?,
                // How wildcards are analysed and what is forgiven is not a choice here.
                "analyze_wildcard" | "lenient" => {}
                "allow_leading_wildcard" if &*text()? == "true" => {}
                "time_zone" if matches!(&*text()?, "UTC" | "Z" | "+00:00") => {}
                unknown => return Err(self.no_option(member, unknown, option)),
            }
        }
        let missing = || self.wrong(member.node.end, "[query_string] must be provided with a [query]");
        Ok(boosted(text_query(&query.ok_or_else(missing)?, &options, self.indices)?, boost))
    }

    /// The members of a query's object.
    fn options<'n, 'j>(&self, member: &'n Member<'j>) -> Result<&'n [Member<'j>], ApiError> {
        member.node.as_object().ok_or_else(|| {
            let reason = format!("[{}] query malformed, no start_object after query name", member.key);
            self.wrong(member.node.at, reason)
        })
    }

    fn no_option(&self, member: &Member<'_>, name: &str, option: &Member<'_>) -> ApiError {
        self.wrong(option.node.at, format!("[{}] query does not support [{name}]", member.key))
    }

    fn text_of(&self, member: &Member<'_>, option: &Member<'_>) -> Result<String, ApiError> {
        let text = option.node.as_text().map(std::borrow::Cow::into_owned);
        text.ok_or_else(|| self.no_option(member, &option.key, option))
    }

    fn boost(&self, option: &Member<'_>) -> Result<f32, ApiError> {
        let text = option.node.as_text().unwrap_or_default();
        match text.parse::<f32>() {
            Ok(boost) if boost.is_finite() && boost >= 0.0 => Ok(boost),
            Ok(_) => Err(ApiError::illegal_argument(format!("negative [boost] are not allowed, found [{text}]"))),
            Err(_) => Err(number_format(&text)),
        }
    }

    fn check_terms(&self, count: usize) -> Result<(), ApiError> {
        if count <= TERMS_MAX {
            return Ok(());
        }
        Err(self.shard_error(&format!(
            "The number of terms [{count}] used in the Terms Query request has exceeded the allowed maximum of [{TERMS_MAX}]"
        )))
    }

    /// A string, number or boolean.
    fn value(&self, node: &Node<'_>) -> Option<Value> {
        match &node.value {
            json::Value::String(raw) => Some(Value::String(json::unescape(raw).into_owned())),
            json::Value::Number(text) => match text.parse() {
                Ok(integer) => Some(Value::Integer(integer)),
                Err(_) => text.parse().ok().map(Value::Float),
            },
            json::Value::Boolean(boolean) => Some(Value::Boolean(*boolean)),
            json::Value::Null | json::Value::Array(_) | json::Value::Object(_) => None,
        }
    }

    fn dates(&self) -> Dates {
        Dates::new(self.now_ms)
    }

    fn wrong(&self, at: usize, reason: impl Into<String>) -> ApiError {
        ApiError::parsing(self.text, at, reason)
    }

    fn shard_error(&self, reason: &str) -> ApiError {
        ApiError::search_phase("query_shard_exception", format!("failed to create query: {reason}"), self.indices)
    }
}

/// `q=` and `query_string`.
pub(super) fn text_query(text: &str, options: &Options, indices: &[String]) -> Result<Query, ApiError> {
    query_string::parse(text, options).map_err(|error| ApiError::from_engine(error, indices))
}

pub(super) fn operator(name: &str) -> Result<Operator, ApiError> {
    match name.to_ascii_lowercase().as_str() {
        "and" => Ok(Operator::And),
        "or" => Ok(Operator::Or),
        _ => Err(ApiError::illegal_argument(format!(
            "No enum constant org.opensearch.index.query.Operator.{}",
            name.to_ascii_uppercase()
        ))),
    }
}

/// No names, or `*`, is every field.
pub(super) fn fields(names: &[String]) -> Vec<String> {
    if names.iter().any(|name| name == "*") { Vec::new() } else { names.to_vec() }
}

pub(super) fn number_format(text: &str) -> ApiError {
    ApiError::bad_request("number_format_exception", format!("For input string: \"{text}\""))
}

/// A query that has no boost of its own.
fn boosted(query: Query, boost: f32) -> Query {
    if boost == 1.0 {
        return query;
    }
    Query::Bool {
        must: vec![query],
        filter: Vec::new(),
        should: Vec::new(),
        must_not: Vec::new(),
        minimum_should_match: None,
        boost,
    }
}
