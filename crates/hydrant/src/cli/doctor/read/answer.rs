//! Whether an answer is what was asked for: a proxy, a portal or another server at the address says 200 too.
//!
//! Of one that is something else its kind is told, and the first [`CHARACTERS`] of a page. Of JSON no value is: it may
//! be a secret.

use serde_json::Value as Json;

use super::action::Action;
use super::xml::Node;

/// Of a page.
const CHARACTERS: usize = 60;

/// Members of a JSON object that are named.
const NAMES_MAX: usize = 5;

/// What an answer has to hold.
enum Form {
    /// Nothing that is looked at.
    Any,
    Object,
    /// At this place.
    Text(&'static str),
    /// A list of this name, whose items are texts.
    Texts(&'static str),
    /// A list of this name, whose items are objects that have a text of the second name.
    Objects(&'static str, &'static str),
    /// XML, with this element in its result. A list without items may be left out, so of lists none is named.
    Element(&'static str),
    /// XML of S3.
    Listing,
}

fn form(action: Action) -> Form {
    match action {
        Action::DescribeLogGroups => Form::Objects("logGroups", "logGroupName"),
        Action::DescribeLogStreams => Form::Objects("logStreams", "logStreamName"),
        Action::DescribeSubscriptionFilters => Form::Objects("subscriptionFilters", "filterName"),
        Action::DescribeAccountPolicies => Form::Objects("accountPolicies", "policyName"),
        Action::TestMetricFilter => Form::Objects("matches", "eventMessage"),
        Action::DescribeStreamSummary => Form::Text("/StreamDescriptionSummary/StreamStatus"),
        Action::ListShards => Form::Objects("Shards", "ShardId"),
        Action::ListDeliveryStreams => Form::Texts("DeliveryStreamNames"),
        Action::DescribeDeliveryStream => Form::Text("/DeliveryStreamDescription/DeliveryStreamStatus"),
        Action::GetFunctionConfiguration => Form::Text("/FunctionName"),
        Action::ListEventSourceMappings => Form::Objects("EventSourceMappings", "UUID"),
        Action::DescribeDomain => Form::Text("/DomainStatus/DomainName"),
        Action::GetShardIterator => Form::Text("/ShardIterator"),
        Action::GetRecords => Form::Objects("Records", "Data"),
        Action::GetFunctionConcurrency | Action::PutLogEvents => Form::Object,
        Action::CreateLogStream | Action::DeleteLogStream | Action::GetObject => Form::Any,
        Action::GetRole => Form::Element("/Role/AssumeRolePolicyDocument"),
        Action::GetRolePolicy => Form::Element("/PolicyDocument"),
        Action::GetPolicy => Form::Element("/Policy/DefaultVersionId"),
        Action::GetPolicyVersion => Form::Element("/PolicyVersion/Document"),
        Action::DescribeDbInstances
        | Action::DescribeDbParameters
        | Action::DescribeDbClusters
        | Action::DescribeDbClusterParameters
        | Action::ListRolePolicies
        | Action::ListAttachedRolePolicies
        | Action::ListMetrics
        | Action::GetMetricData => Form::Element(""),
        Action::ListObjectsV2 => Form::Listing,
    }
}

impl Form {
    fn fits(&self, answer: &Json) -> bool {
        match self {
            Form::Any => true,
            Form::Element(_) | Form::Listing => false,
            Form::Object => answer.is_object(),
            Form::Text(path) => answer.pointer(path).is_some_and(Json::is_string),
            Form::Texts(list) => items(answer, list).is_some_and(|items| items.iter().all(Json::is_string)),
            Form::Objects(list, name) => {
                let has_name = |item: &Json| item.get(name).is_some_and(Json::is_string);
                items(answer, list).is_some_and(|items| items.iter().all(has_name))
            }
        }
    }
}

fn items<'a>(answer: &'a Json, list: &str) -> Option<&'a Vec<Json>> {
    answer.get(list)?.as_array()
}

/// An answer in JSON.
///
/// # Errors
/// What came in its place.
pub(super) fn json(action: Action, body: &[u8]) -> Result<Json, String> {
    let form = form(action);
    if body.is_empty() && matches!(form, Form::Any) {
        return Ok(Json::Null);
    }
    match serde_json::from_slice(body) {
        Ok(answer) if form.fits(&answer) => Ok(answer),
        Ok(_) | Err(_) => Err(came(body)),
    }
}

/// An answer in XML.
///
/// # Errors
/// What came in its place.
pub(super) fn xml(action: Action, body: &[u8]) -> Result<Node, String> {
    let tree = Node::parse(&String::from_utf8_lossy(body));
    let name = action.name();
    let path = match form(action) {
        Form::Element(inside) => format!("{name}Response/{name}Result{inside}"),
        Form::Listing => "ListBucketResult".to_owned(),
        Form::Any | Form::Object | Form::Text(_) | Form::Texts(_) | Form::Objects(..) => return Err(came(body)),
    };
    let is_it = tree.root().is_some_and(|root| path.split('/').next() == Some(root)) && tree.find(&path).is_some();
    if is_it { Ok(tree) } else { Err(came(body)) }
}

/// What a body is.
pub(super) fn came(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let Some(first) = text.chars().next() else { return "nothing".to_owned() };
    if let Ok(json) = serde_json::from_str::<Json>(text) {
        return kind(&json);
    }
    match first {
        // Cut off, or broken: what stands in it may be a secret.
        '{' | '[' | '"' => format!("{} bytes that begin as JSON and are none", body.len()),
        '<' => format!("{} that begins with `{}`", page(text), begin(text)),
        _ => format!("a text that begins with `{}`", begin(text)),
    }
}

fn page(text: &str) -> &'static str {
    let head: String = text.chars().take(200).collect::<String>().to_ascii_lowercase();
    if head.contains("<!doctype html") || head.contains("<html") { "an HTML page" } else { "XML" }
}

fn begin(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ");
    let begin: String = words.chars().take(CHARACTERS).collect();
    if begin.len() < words.len() { format!("{begin}…") } else { begin }
}

fn kind(json: &Json) -> String {
    match json {
        Json::Null => "JSON `null`".to_owned(),
        Json::Bool(_) => "a JSON boolean".to_owned(),
        Json::Number(_) => "a JSON number".to_owned(),
        Json::String(_) => "a JSON string".to_owned(),
        Json::Array(items) => format!("a JSON array of {} items", items.len()),
        Json::Object(members) => {
            let names: Vec<String> = members.keys().take(NAMES_MAX).map(|name| format!("`{}`", begin(name))).collect();
            let more = if members.len() > NAMES_MAX { ", …" } else { "" };
            let names = if names.is_empty() { "no members".to_owned() } else { names.join(", ") };
            format!("JSON of another shape, with {names}{more}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_told_by_its_kind_and_no_value_is() {
        let html =
            "<!DOCTYPE html>\n<html><head><title>Sign in to the network of the Example Company</title></head></html>";
        for (body, expected) in [
            ("", "nothing"),
            (" \n", "nothing"),
            ("null", "JSON `null`"),
            ("[]", "a JSON array of 0 items"),
            ("\"secret\"", "a JSON string"),
            ("{}", "JSON of another shape, with no members"),
            (r#"{"password":"secret"}"#, "JSON of another shape, with `password`"),
            (r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}"#, "JSON of another shape, with `a`, `b`, `c`, `d`, `e`, …"),
            (r#"{"password":"secret"#, "19 bytes that begin as JSON and are none"),
            ("Hello", "a text that begins with `Hello`"),
            ("<a><b/></a>", "XML that begins with `<a><b/></a>`"),
            (html, "an HTML page that begins with `<!DOCTYPE html> <html><head><title>Sign in to the network of…`"),
        ] {
            assert_eq!(came(body.as_bytes()), expected);
        }
        assert_eq!(came(b"\xff\xfe"), "a text that begins with `\u{fffd}\u{fffd}`");
    }

    #[test]
    fn an_answer_of_another_shape_is_none() {
        for (action, good, bad) in [
            (Action::DescribeLogGroups, r#"{"logGroups":[{"logGroupName":"a"}]}"#, r#"{"logGroups":[5]}"#),
            (Action::DescribeLogGroups, r#"{"logGroups":[]}"#, r#"{"logGroups":5}"#),
            (Action::DescribeSubscriptionFilters, r#"{"subscriptionFilters":[]}"#, "{}"),
            (Action::ListDeliveryStreams, r#"{"DeliveryStreamNames":["a"]}"#, r#"{"DeliveryStreamNames":[1]}"#),
            (Action::GetFunctionConfiguration, r#"{"FunctionName":"f"}"#, r#"{"functionName":"f"}"#),
            (Action::GetFunctionConcurrency, "{}", "null"),
            (Action::CreateLogStream, "", "<html>"),
        ] {
            assert!(json(action, good.as_bytes()).is_ok(), "{good}");
            assert!(json(action, bad.as_bytes()).is_err(), "{bad}");
        }
        let empty = "<DescribeDBInstancesResponse><DescribeDBInstancesResult/></DescribeDBInstancesResponse>";
        let policy = "<GetPolicyResponse><GetPolicyResult><Policy><DefaultVersionId>v1</DefaultVersionId></Policy>\
                      </GetPolicyResult></GetPolicyResponse>";
        for (action, good, bad) in [
            (Action::DescribeDbInstances, empty, "<html/>"),
            (Action::ListObjectsV2, "<?xml version=\"1.0\"?><ListBucketResult/>", "<html><ListBucketResult/></html>"),
            (Action::GetPolicy, policy, "<GetPolicyResponse><GetPolicyResult/></GetPolicyResponse>"),
        ] {
            assert!(xml(action, good.as_bytes()).is_ok(), "{good}");
            assert!(xml(action, bad.as_bytes()).is_err(), "{bad}");
        }
        for body in ["", "{}", "null", "x", "<", "\u{0}"] {
            assert!(xml(Action::GetRole, body.as_bytes()).is_err(), "{body:?}");
        }
    }
}
