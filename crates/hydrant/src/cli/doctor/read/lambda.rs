//! Functions and the mappings by which they read the stream.
//!
//! Of a function's environment only `HYDRANT_` variables are kept: others may hold secrets.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::aws::{Action, Aws, Looked, Paged, paged, text};
use super::encoded;

/// Pages of up to 100 mappings of one stream.
const PAGES_MAX: usize = 5;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Function {
    /// Name or ARN that it was asked by, with its alias.
    pub(in crate::cli::doctor) asked: String,
    pub(in crate::cli::doctor) name: String,
    pub(in crate::cli::doctor) arn: String,
    pub(in crate::cli::doctor) runtime: String,
    /// `x86_64` or `arm64`.
    pub(in crate::cli::doctor) architecture: String,
    pub(in crate::cli::doctor) role: String,
    pub(in crate::cli::doctor) timeout_seconds: u64,
    pub(in crate::cli::doctor) memory_mb: u64,
    pub(in crate::cli::doctor) state: String,
    pub(in crate::cli::doctor) state_reason: String,
    pub(in crate::cli::doctor) last_update: String,
    pub(in crate::cli::doctor) log_group: String,
    /// Those that begin with `HYDRANT_`.
    pub(in crate::cli::doctor) variables: BTreeMap<String, String>,
    pub(in crate::cli::doctor) reserved: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Mapping {
    pub(in crate::cli::doctor) uuid: String,
    pub(in crate::cli::doctor) function_arn: String,
    pub(in crate::cli::doctor) state: String,
    pub(in crate::cli::doctor) state_reason: String,
    pub(in crate::cli::doctor) starts: String,
    pub(in crate::cli::doctor) bisects: bool,
    pub(in crate::cli::doctor) responses: Vec<String>,
    pub(in crate::cli::doctor) last_result: String,
    pub(in crate::cli::doctor) on_failure: Option<String>,
}

/// The parts of a function's ARN: its name, and its version or alias.
pub(in crate::cli::doctor) fn parts(arn: &str) -> (&str, Option<&str>) {
    let Some((_, behind)) = arn.split_once(":function:") else { return (arn, None) };
    behind.split_once(':').map_or((behind, None), |(name, qualifier)| (name, Some(qualifier)))
}

pub(in crate::cli::doctor) async fn function(aws: &Aws, arn: &str) -> Looked<Function> {
    let (name, qualifier) = parts(arn);
    let query = qualifier.map(|qualifier| format!("Qualifier={}", encoded(qualifier)));
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let answer = match aws.rest(Action::GetFunctionConfiguration, arn, &path, query.as_deref()).await {
        Looked::Found(answer) => answer,
        Looked::NotThere => return Looked::NotThere,
        Looked::Unknown => return Looked::Unknown,
    };
    let mut function = described(arn, &answer);
    let path = format!("/2019-09-30/functions/{name}/concurrency");
    if let Looked::Found(answer) = aws.rest(Action::GetFunctionConcurrency, arn, &path, None).await {
        function.reserved = answer.get("ReservedConcurrentExecutions").and_then(Json::as_u64);
    }
    Looked::Found(function)
}

fn described(asked: &str, answer: &Json) -> Function {
    let text = |path: &str| answer.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    let number = |path: &str| answer.pointer(path).and_then(Json::as_u64).unwrap_or_default();
    let name = text("/FunctionName");
    let variables = answer.pointer("/Environment/Variables").and_then(Json::as_object).into_iter().flatten();
    let ours = variables.filter(|(name, _)| name.starts_with("HYDRANT_"));
    let log_group = Some(text("/LoggingConfig/LogGroup")).filter(|group| !group.is_empty());
    Function {
        asked: asked.to_owned(),
        arn: text("/FunctionArn"),
        runtime: text("/Runtime"),
        architecture: text("/Architectures/0"),
        role: text("/Role"),
        timeout_seconds: number("/Timeout"),
        memory_mb: number("/MemorySize"),
        state: text("/State"),
        state_reason: text("/StateReason"),
        last_update: text("/LastUpdateStatus"),
        log_group: log_group.unwrap_or_else(|| format!("/aws/lambda/{name}")),
        variables: ours.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
        reserved: None,
        name,
    }
}

/// The mappings that read a stream.
pub(in crate::cli::doctor) async fn mappings(aws: &Aws, stream_arn: &str) -> Looked<Paged<Mapping>> {
    paged(PAGES_MAX, async |marker: Option<&str>| {
        let marker = marker.map(|marker| format!("&Marker={}", encoded(marker))).unwrap_or_default();
        let query = format!("EventSourceArn={}{marker}", encoded(stream_arn));
        let path = "/2015-03-31/event-source-mappings";
        let answer = aws.rest(Action::ListEventSourceMappings, stream_arn, path, Some(&query)).await;
        answer.map(|answer| {
            let all = answer.get("EventSourceMappings").and_then(Json::as_array).into_iter().flatten();
            (all.map(mapping).collect(), text(&answer, "NextMarker"))
        })
    })
    .await
}

fn mapping(told: &Json) -> Mapping {
    let text = |path: &str| told.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    let responses = told.get("FunctionResponseTypes").and_then(Json::as_array).into_iter().flatten();
    Mapping {
        uuid: text("/UUID"),
        function_arn: text("/FunctionArn"),
        state: text("/State"),
        state_reason: text("/StateTransitionReason"),
        starts: text("/StartingPosition"),
        bisects: told.get("BisectBatchOnFunctionError").and_then(Json::as_bool).unwrap_or_default(),
        responses: responses.filter_map(|name| Some(name.as_str()?.to_owned())).collect(),
        last_result: text("/LastProcessingResult"),
        on_failure: Some(text("/DestinationConfig/OnFailure/Destination")).filter(|text| !text.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn functions_are_named_by_arns_with_and_without_an_alias() {
        assert_eq!(parts("arn:aws:lambda:eu-west-1:1:function:f:live"), ("f", Some("live")));
        assert_eq!(parts("arn:aws:lambda:eu-west-1:1:function:f"), ("f", None));
        assert_eq!(parts("f"), ("f", None));
    }
}
