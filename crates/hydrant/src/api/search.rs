//! `_search` and `_count`: parameters and body read into a [`Search`].
//!
//! A parameter wins over the same key of the body, as in OpenSearch. Limits: [`WINDOW_MAX`] for `from + size`,
//! [`SORT_MAX`] sort keys; those of queries and aggregations stand in their own files.

use std::collections::HashSet;

use super::aggregations;
use super::call::Parameters;
use super::error::ApiError;
use super::json::{self, Member, Node, Value};
use super::prune::{PATTERNS_MAX, SourceFilter};
use super::query;
use crate::index::query::{Query, Search, SortKey, TrackTotal};
use crate::index::query_string::Options;

/// `from + size`, OpenSearch's `index.max_result_window`.
pub(super) const WINDOW_MAX: usize = 10_000;

/// Sort keys of one request.
pub(super) const SORT_MAX: usize = 16;

const SIZE_DEFAULT: usize = 10;

/// OpenSearch's default: hits are counted exactly up to here.
const TRACK_TOTAL_DEFAULT: u64 = 10_000;

/// Keys of a body that OpenSearch knows and this version does not.
const UNSUPPORTED_KEYS: &[&str] = &[
    "search_after",
    "highlight",
    "suggest",
    "rescore",
    "collapse",
    "post_filter",
    "fields",
    "docvalue_fields",
    "script_fields",
    "stored_fields",
    "derived",
    "slice",
    "pit",
    "indices_boost",
    "min_score",
    "explain",
    "profile",
    "version",
    "seq_no_primary_term",
    "terminate_after",
    "ext",
    "stats",
    "runtime_mappings",
    "include_named_queries_score",
    "track_scores",
    "search_pipeline",
    "verbose_pipeline",
];

/// Parameters without a meaning for one node that searches whole indices at once.
const IGNORED: &[&str] = &[
    "timeout",
    "preference",
    "routing",
    "request_cache",
    "batched_reduce_size",
    "max_concurrent_shard_requests",
    "pre_filter_shard_size",
    "allow_partial_search_results",
    "ccs_minimize_roundtrips",
    "cancel_after_time_interval",
    "ignore_throttled",
    "search_type",
    "lenient",
    "analyze_wildcard",
    "phase_took",
];

/// A search, and what its answer looks like.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) search: Search,
    pub(super) source: SourceFilter,
    pub(super) total_as_int: bool,
    /// Each hit says `_version`.
    pub(super) version: bool,
}

/// What the reading needs besides the request.
pub(super) struct Context<'a> {
    pub(super) indices: &'a [String],
    pub(super) now_ms: i64,
    pub(super) date_fields: &'a HashSet<String>,
}

/// Which indices a request means, apart from their names.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndicesOptions {
    pub(super) ignore_unavailable: bool,
    pub(super) allow_no_indices: bool,
}

impl IndicesOptions {
    pub(super) fn take(parameters: &mut Parameters) -> Result<IndicesOptions, ApiError> {
        match parameters.take("expand_wildcards").as_deref() {
            None | Some("open" | "all" | "open,hidden" | "open,closed" | "open,closed,hidden") => {}
            Some(other) => {
                return Err(ApiError::illegal_argument(format!("expand_wildcards [{other}] is not supported")));
            }
        }
        Ok(IndicesOptions {
            ignore_unavailable: parameters.take_flag("ignore_unavailable")?.unwrap_or(false),
            allow_no_indices: parameters.take_flag("allow_no_indices")?.unwrap_or(true),
        })
    }
}

/// Reads a `_search`. The indices options have been taken already.
pub(super) fn read_search(
    parameters: &mut Parameters,
    ignore_unavailable: bool,
    body: Option<(&str, &Node<'_>)>,
    context: &Context<'_>,
) -> Result<Request, ApiError> {
    parameters.ignore(IGNORED);
    let search = Search {
        indices: context.indices.to_vec(),
        ignore_unavailable,
        query: Query::MatchAll,
        sort: Vec::new(),
        from: 0,
        size: SIZE_DEFAULT,
        track_total: TrackTotal::UpTo(TRACK_TOTAL_DEFAULT),
        aggregations: Vec::new(),
    };
    let mut request = Request { search, source: SourceFilter::All, total_as_int: false, version: false };
    if let Some((text, node)) = body {
        Body { text, context }.search(node, &mut request)?;
    }
    take_parameters(parameters, context, &mut request)?;
    let window = request.search.from.saturating_add(request.search.size);
    if window > WINDOW_MAX {
        let reason = format!(
            "Result window is too large, from + size must be less than or equal to: [{WINDOW_MAX}] but was [{window}]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting."
        );
        return Err(ApiError::search_phase("illegal_argument_exception", reason, context.indices));
    }
    Ok(request)
}

/// Reads a `_count`: a search for no hits that counts all.
pub(super) fn read_count(
    parameters: &mut Parameters,
    ignore_unavailable: bool,
    body: Option<(&str, &Node<'_>)>,
    context: &Context<'_>,
) -> Result<Search, ApiError> {
    parameters.ignore(&["preference", "routing", "ignore_throttled", "lenient", "analyze_wildcard"]);
    let mut query = Query::MatchAll;
    if let Some((text, node)) = body {
        let body = Body { text, context };
        for member in body.members(node)? {
            match &*member.key {
                "query" => query = body.query(&member.node)?,
                other => {
                    let reason = format!("request does not support [{other}]");
                    return Err(ApiError::parsing(text, member.at, reason));
                }
            }
        }
    }
    if let Some(text) = take_text_query(parameters, context)? {
        query = text;
    }
    Ok(Search {
        indices: context.indices.to_vec(),
        ignore_unavailable,
        query,
        sort: Vec::new(),
        from: 0,
        size: 0,
        track_total: TrackTotal::All,
        aggregations: Vec::new(),
    })
}

fn take_parameters(parameters: &mut Parameters, context: &Context<'_>, request: &mut Request) -> Result<(), ApiError> {
    let search = &mut request.search;
    if let Some(query) = take_text_query(parameters, context)? {
        search.query = query;
    }
    if let Some(from) = parameters.take_integer("from")? {
        search.from = not_negative("from", from)?;
    }
    if let Some(size) = parameters.take_integer("size")? {
        search.size = not_negative("size", size)?;
    }
    if let Some(keys) = parameters.take_list("sort") {
        let keys = keys.iter().map(|key| sort_parameter(key));
        search.sort = bounded_sort(keys.collect::<Result<_, _>>()?)?;
    }
    if let Some(text) = parameters.take("track_total_hits") {
        search.track_total = match text.as_str() {
            "" | "true" => TrackTotal::All,
            "false" => TrackTotal::No,
            number => TrackTotal::UpTo(number.parse().map_err(|_| {
                let reason = format!("Failed to parse int parameter [track_total_hits] with value [{number}]");
                ApiError::illegal_argument(reason)
                    .caused_by("number_format_exception", format!("For input string: \"{number}\""))
            })?),
        };
    }
    request.total_as_int = parameters.take_flag("rest_total_hits_as_int")?.unwrap_or(false);
    if request.total_as_int && matches!(search.track_total, TrackTotal::UpTo(TRACK_TOTAL_DEFAULT)) {
        search.track_total = TrackTotal::All;
    }
    if let Some(version) = parameters.take_flag("version")? {
        request.version = version;
    }
    if let Some(source) = take_source(parameters) {
        request.source = source;
    }
    Ok(())
}

/// `_source`, `_source_includes`, `_source_excludes`.
pub(super) fn take_source(parameters: &mut Parameters) -> Option<SourceFilter> {
    let source = parameters.take_list("_source");
    let includes = parameters.take_list("_source_includes").or_else(|| parameters.take_list("_source_include"));
    let excludes = parameters.take_list("_source_excludes").or_else(|| parameters.take_list("_source_exclude"));
    let source_is = |word: &str| source.as_deref().is_some_and(|source| source == [word]);
    if source_is("false") {
        return Some(SourceFilter::None);
    }
    let all = source_is("true") || source.as_deref().is_some_and(<[String]>::is_empty);
    let listed = source.filter(|_| !all);
    if listed.is_none() && includes.is_none() && excludes.is_none() {
        return all.then_some(SourceFilter::All);
    }
    let mut includes = includes.or(listed).unwrap_or_default();
    let mut excludes = excludes.unwrap_or_default();
    includes.truncate(PATTERNS_MAX);
    excludes.truncate(PATTERNS_MAX);
    Some(SourceFilter::Some { includes, excludes })
}

fn take_text_query(parameters: &mut Parameters, context: &Context<'_>) -> Result<Option<Query>, ApiError> {
    let text = parameters.take("q");
    let field = parameters.take("df");
    let operator = parameters.take("default_operator");
    let operator = operator.map(|name| query::operator(&name)).transpose()?.unwrap_or_default();
    let fields = query::fields(&field.into_iter().collect::<Vec<_>>());
    text.map(|text| query::text_query(&text, &Options { fields, operator }, context.indices)).transpose()
}

fn not_negative(name: &str, number: i64) -> Result<usize, ApiError> {
    usize::try_from(number)
        .map_err(|_| ApiError::illegal_argument(format!("[{name}] parameter cannot be negative, found [{number}]")))
}

fn sort_parameter(text: &str) -> Result<SortKey, ApiError> {
    match text.rsplit_once(':') {
        Some((field, "asc")) => Ok(sort_key(field, false)),
        Some((field, "desc")) => Ok(sort_key(field, true)),
        Some((_, other)) => Err(ApiError::illegal_argument(format!(
            "sort order [{other}] in [{text}] is not supported, use [asc] or [desc]"
        ))),
        None => Ok(sort_key(text, text == "_score")),
    }
}

fn sort_key(field: &str, descending: bool) -> SortKey {
    SortKey { field: field.to_string(), descending, missing_first: false, unmapped_ok: false }
}

/// By score alone is no sort: it is what happens without one, and the answer says so.
fn bounded_sort(keys: Vec<SortKey>) -> Result<Vec<SortKey>, ApiError> {
    if keys.len() > SORT_MAX {
        return Err(ApiError::illegal_argument(format!("a request has at most [{SORT_MAX}] sort keys")));
    }
    let by_score = matches!(keys.as_slice(), [key] if key.field == "_score" && key.descending);
    Ok(if by_score { Vec::new() } else { keys })
}

/// A body that is an object.
pub(super) struct Body<'a> {
    pub(super) text: &'a str,
    pub(super) context: &'a Context<'a>,
}

impl Body<'_> {
    fn members<'n, 'j>(&self, node: &'n Node<'j>) -> Result<&'n [Member<'j>], ApiError> {
        node.as_object().ok_or_else(|| {
            let reason = format!("Expected [START_OBJECT] but found [{}]", node.token());
            ApiError::parsing(self.text, node.at, reason)
        })
    }

    fn query(&self, node: &Node<'_>) -> Result<Query, ApiError> {
        let Context { indices, now_ms, date_fields } = self.context;
        query::Reader::new(self.text, indices, *now_ms, date_fields).query(node)
    }

    fn search(&self, node: &Node<'_>, request: &mut Request) -> Result<(), ApiError> {
        for member in self.members(node)? {
            self.search_key(member, request)?;
        }
        Ok(())
    }

    fn search_key(&self, member: &Member<'_>, request: &mut Request) -> Result<(), ApiError> {
        let node = &member.node;
        let search = &mut request.search;
        match (&*member.key, &node.value) {
            ("query", Value::Object(_)) => search.query = self.query(node)?,
            ("aggs" | "aggregations", Value::Object(members)) => {
                let Context { indices, now_ms, .. } = self.context;
                search.aggregations =
                    aggregations::Reader::new(self.text, *now_ms, indices).aggregations(members, 0)?;
            }
            ("from", Value::Number(_) | Value::String(_)) => search.from = not_negative("from", integer(node)?)?,
            ("size", Value::Number(_) | Value::String(_)) => search.size = not_negative("size", integer(node)?)?,
            ("sort", _) => search.sort = self.sort(node)?,
            ("track_total_hits", Value::Boolean(_) | Value::Number(_) | Value::String(_)) => {
                search.track_total = track_total(node)?;
            }
            ("_source", _) => request.source = self.source(node)?,
            ("version", Value::Boolean(version)) => request.version = *version,
            ("timeout", Value::String(_) | Value::Number(_)) => {}
            (name, _) if UNSUPPORTED_KEYS.contains(&name) => {
                if !says_nothing(name, node) {
                    let reason = format!("key [{name}] is not supported in this version of Hydrant");
                    return Err(ApiError::parsing(self.text, member.at, reason));
                }
            }
            (unknown, _) => {
                let reason = format!("Unknown key for a {} in [{unknown}].", node.token());
                return Err(ApiError::parsing(self.text, node.at, reason));
            }
        }
        Ok(())
    }

    fn source(&self, node: &Node<'_>) -> Result<SourceFilter, ApiError> {
        let some = |includes: Vec<String>, excludes: Vec<String>| SourceFilter::Some { includes, excludes };
        match &node.value {
            Value::Boolean(true) => Ok(SourceFilter::All),
            Value::Boolean(false) => Ok(SourceFilter::None),
            Value::String(_) | Value::Array(_) => Ok(some(self.patterns(node)?, Vec::new())),
            Value::Object(members) => {
                let (mut includes, mut excludes) = (Vec::new(), Vec::new());
                for member in members {
                    match &*member.key {
                        "includes" | "include" => includes = self.patterns(&member.node)?,
                        "excludes" | "exclude" => excludes = self.patterns(&member.node)?,
                        unknown => {
                            let reason = format!("Unknown key for a {} in [{unknown}].", member.node.token());
                            return Err(ApiError::parsing(self.text, member.node.at, reason));
                        }
                    }
                }
                let all = includes.is_empty() && excludes.is_empty();
                Ok(if all { SourceFilter::All } else { some(includes, excludes) })
            }
            Value::Null | Value::Number(_) => {
                let reason = format!(
                    "Expected one of [VALUE_BOOLEAN, VALUE_STRING, START_ARRAY, START_OBJECT] but found [{}]",
                    node.token()
                );
                Err(ApiError::parsing(self.text, node.at, reason))
            }
        }
    }

    fn patterns(&self, node: &Node<'_>) -> Result<Vec<String>, ApiError> {
        let nodes = node.as_array().unwrap_or(std::slice::from_ref(node));
        let patterns = nodes.iter().take(PATTERNS_MAX).map(|node| {
            node.as_string().map(std::borrow::Cow::into_owned).ok_or_else(|| {
                let reason = format!("Unknown key for a {} in [_source].", node.token());
                ApiError::parsing(self.text, node.at, reason)
            })
        });
        patterns.collect()
    }

    fn sort(&self, node: &Node<'_>) -> Result<Vec<SortKey>, ApiError> {
        let nodes = node.as_array().unwrap_or(std::slice::from_ref(node));
        let mut keys = Vec::new();
        for node in nodes {
            match &node.value {
                Value::String(raw) => {
                    let field = json::unescape(raw);
                    keys.push(sort_key(&field, field == "_score"));
                }
                Value::Object(members) => {
                    for member in members {
                        keys.push(self.sort_member(member)?);
                    }
                }
                Value::Null | Value::Boolean(_) | Value::Number(_) | Value::Array(_) => {
                    return Err(ApiError::illegal_argument(
                        "malformed sort format, within the sort array, an object, or an actual string are allowed",
                    ));
                }
            }
        }
        bounded_sort(keys)
    }

    fn sort_member(&self, member: &Member<'_>) -> Result<SortKey, ApiError> {
        let mut key = sort_key(&member.key, &*member.key == "_score");
        if let Some(order) = member.node.as_string() {
            key.descending = self.descending(member, &order)?;
            return Ok(key);
        }
        let Some(options) = member.node.as_object() else {
            let reason = format!("[field_sort] failed to parse field [{}]", member.key);
            return Err(ApiError::x_content(self.text, member.node.at, &reason));
        };
        for option in options {
            let text = option.node.as_text();
            match (&*option.key, text.as_deref()) {
                ("order", Some(order)) => key.descending = self.descending(option, order)?,
                ("missing", Some("_first")) => key.missing_first = true,
                ("missing", Some("_last")) => key.missing_first = false,
                ("unmapped_type", Some(_)) => key.unmapped_ok = true,
                ("ignore_unmapped", Some("true")) => key.unmapped_ok = true,
                ("numeric_type", Some("date_nanos")) => {}
                (unknown, _) => {
                    let reason = format!("[field_sort] unknown field [{unknown}]");
                    return Err(ApiError::x_content(self.text, option.at, &reason));
                }
            }
        }
        Ok(key)
    }

    fn descending(&self, member: &Member<'_>, order: &str) -> Result<bool, ApiError> {
        match order.to_ascii_lowercase().as_str() {
            "asc" => Ok(false),
            "desc" => Ok(true),
            other => {
                let cause =
                    format!("No enum constant org.opensearch.search.sort.SortOrder.{}", other.to_ascii_uppercase());
                Err(ApiError::x_content(self.text, member.node.at, "[field_sort] failed to parse field [order]")
                    .caused_by("illegal_argument_exception", cause))
            }
        }
    }
}

/// A whole number, also as text; a fraction is cut off, as OpenSearch does.
fn integer(node: &Node<'_>) -> Result<i64, ApiError> {
    let text = node.as_text().unwrap_or_default();
    let whole = text.split_once('.').map_or(&*text, |(whole, _)| whole);
    whole.parse().map_err(|_| query::number_format(&text))
}

fn track_total(node: &Node<'_>) -> Result<TrackTotal, ApiError> {
    let text = node.as_text().unwrap_or_default();
    match &*text {
        "true" => Ok(TrackTotal::All),
        "false" => Ok(TrackTotal::No),
        number => match number.parse::<i64>() {
            Ok(limit) => u64::try_from(limit)
                .map(TrackTotal::UpTo)
                .map_err(|_| ApiError::illegal_argument(format!("value must be >= 0, got {limit}"))),
            Err(_) => Err(query::number_format(number)),
        },
    }
}

/// Keys that clients send although they ask for nothing by them.
fn says_nothing(name: &str, node: &Node<'_>) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Boolean(asked) => !asked,
        Value::Number(number) => name == "terminate_after" && *number == "0",
        Value::String(_) => false,
        Value::Array(nodes) => match nodes.as_slice() {
            [] => true,
            [only] => name == "stored_fields" && only.value == Value::String("*"),
            [_, _, ..] => false,
        },
        Value::Object(members) => members.is_empty(),
    }
}
