//! Reading the whole chain into plain data, from the name of a log group or of a stream on. Nothing is judged here.

pub(super) mod action;

pub(super) mod aws;

mod name;

mod patience;

mod answer;

pub(super) mod xml;

pub(super) mod rds;

pub(super) mod logs;

pub(super) mod kinesis;

pub(super) mod firehose;

pub(super) mod lambda;

pub(super) mod iam;

pub(super) mod index;

pub(super) mod cluster;

pub(super) mod failed;

pub(super) mod metrics;

pub(super) mod destinations;

use std::collections::BTreeMap;

use aws_credential_types::provider::SharedCredentialsProvider;
use hydrant_opensearch::Service;

use crate::cli::output;
use aws::{Aws, Looked, Refusal};
use cluster::Cluster;
use failed::Failed;
use firehose::Delivery;
use iam::Role;
use kinesis::Stream;
use lambda::{Function, Mapping};
use logs::{Filter, LogGroup};
use metrics::Metrics;
pub(super) use name::{Name, home};
use rds::{Database, Origin};

/// Where the chain is, and how commands reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) region: String,
    pub(super) profile: Option<String>,
    /// The environment has keys: Hydrant's own commands take these before a profile.
    pub(super) has_keys: bool,
    pub(super) endpoint_url: Option<String>,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub(super) partition: String,
    pub(super) account: Option<String>,
    pub(super) now_ms: i64,
}

impl Place {
    /// A command of the AWS CLI, as it is typed here.
    pub(super) fn aws(&self, command: &str) -> String {
        self.here(&format!("aws {command}"))
    }

    /// `hydrant doctor` of another chain here.
    pub(super) fn doctor(&self, name: &str) -> String {
        self.here(&format!("hydrant doctor {}", quoted(name)))
    }

    fn here(&self, command: &str) -> String {
        let mut text = format!("{command} --region {}", quoted(&self.region));
        if let Some(profile) = &self.profile {
            text.push_str(&format!(" --profile {}", quoted(profile)));
        }
        if let Some(url) = &self.endpoint_url {
            text.push_str(&format!(" --endpoint-url {}", quoted(url)));
        }
        text
    }
}

/// What somebody gives beside the name.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    pub(super) opensearch: Option<String>,
    pub(super) sign: Option<Service>,
    pub(super) index: Option<String>,
}

impl Given {
    /// As it is typed behind a command; the address was checked to have no secrets.
    pub(super) fn options(&self) -> String {
        let options = [
            ("--opensearch", self.opensearch.as_deref()),
            ("--sign", self.sign.map(Service::name)),
            ("--index", self.index.as_deref()),
        ];
        let given = options.iter().filter_map(|(name, value)| Some(format!(" {name} {}", quoted((*value)?))));
        given.collect()
    }
}

/// All that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    pub(super) place: Place,
    pub(super) given: Given,
    /// The log group's name, where one is known.
    pub(super) group_name: Option<String>,
    pub(super) origin: Option<Origin>,
    pub(super) database: Looked<Database>,
    pub(super) group: Looked<LogGroup>,
    /// From a stream's name: which log groups were looked at for one that leads to it.
    pub(super) search: logs::Search,
    /// The filter that leads on.
    pub(super) filter: Option<Filter>,
    /// Filters that policies of the account give the log group; asked for where none of its own leads on.
    pub(super) account_filters: Looked<Vec<Filter>>,
    /// The stream's name, where one is known.
    pub(super) stream_name: Option<String>,
    pub(super) stream: Looked<Stream>,
    pub(super) deliveries: Vec<Delivery>,
    /// Whether all delivery streams and mappings that read the stream are known.
    pub(super) are_readers_known: bool,
    /// A delivery stream, or a function, that something names and that is not there.
    pub(super) absent: Vec<String>,
    pub(super) mappings: Vec<Mapping>,
    pub(super) functions: Vec<Function>,
    /// By their ARNs.
    pub(super) roles: BTreeMap<String, Looked<Role>>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) failed: Vec<(failed::Place, Looked<Failed>)>,
    /// Whether CloudWatch has told under which names it counts what the filter forwards.
    pub(super) is_forwarded_known: bool,
    pub(super) metrics: Metrics,
    pub(super) refusals: Vec<Refusal>,
    /// Not one call to AWS has brought anything.
    pub(super) is_nothing_read: bool,
}

impl Chain {
    /// Whether documents go through Firehose.
    pub(super) fn is_classic(&self) -> bool {
        !self.deliveries.is_empty()
    }

    /// The account that stream or log group was found in.
    pub(super) fn account(&self) -> Option<&str> {
        let stream = self.stream.found().map(|stream| stream.arn.as_str());
        let arn = self.group.found().map(|group| group.arn.as_str()).or(stream)?;
        home(arn).map(|(_, account)| account).filter(|account| !account.is_empty())
    }

    /// What it was found by.
    pub(super) fn name(&self) -> &str {
        self.group_name.as_deref().or(self.stream_name.as_deref()).unwrap_or("NAME")
    }

    /// Whether Firehose calls a function.
    pub(super) fn is_processor(&self, arn: &str) -> bool {
        let mut processors = self.deliveries.iter().filter_map(|delivery| delivery.processor.as_ref());
        processors.any(|processor| processor.function_arn == arn)
    }

    /// Whether it is known of a function that it is not Hydrant's: Firehose does not call it, and no variable is ours.
    pub(super) fn is_foreign(&self, arn: &str) -> bool {
        let function = self.functions.iter().find(|function| function.asked == arn);
        function.is_some_and(|function| function.variables.is_empty()) && !self.is_processor(arn)
    }

    pub(super) fn role(&self, arn: &str) -> Option<&Role> {
        self.roles.get(arn).and_then(Looked::found)
    }
}

/// Reads the chain; what could not be read is in its refusals.
pub(super) async fn chain(
    aws: &Aws,
    provider: &SharedCredentialsProvider,
    place: Place,
    name: &Name,
    given: Given,
) -> Chain {
    let mut chain = Chain { place, given, ..Chain::default() };
    source(aws, &mut chain, name).await;
    readers(aws, &mut chain).await;
    functions(aws, &mut chain).await;
    roles(aws, &mut chain).await;
    let region = chain.place.region.clone();
    for mut cluster in destinations::clusters(&chain) {
        Box::pin(cluster::read(aws, &mut cluster, &region, provider)).await;
        chain.clusters.push(cluster);
    }
    for place in destinations::failed_places(&chain) {
        let found = failed::read(aws, &place).await;
        chain.failed.push((place, found));
    }
    let mut forwarded = Vec::new();
    // How CloudWatch counts what a policy of the account forwards is not known.
    let own = chain.filter.as_ref().filter(|filter| !filter.is_of_account);
    if let (Some(group), Some(filter)) = (&chain.group_name, own) {
        let found = metrics::forwarded(aws, group, &filter.filter_name).await;
        chain.is_forwarded_known = found.found().is_some();
        forwarded = found.found().cloned().unwrap_or_default();
    }
    let queries = metrics::plan(&chain, &forwarded);
    if !queries.is_empty() {
        chain.metrics = metrics::read(aws, chain.place.now_ms, &queries).await;
    }
    chain.refusals = aws.refusals();
    chain.is_nothing_read = aws.is_nothing_read();
    chain
}

/// From the database to the stream.
async fn source(aws: &Aws, chain: &mut Chain, name: &Name) {
    match name {
        Name::LogGroup(name) => chain.group_name = Some(name.clone()),
        Name::Stream(name) => from_stream(aws, chain, name).await,
        Name::Either(name) => {
            from_stream(aws, chain, name).await;
            if chain.stream.is_absent() {
                match logs::read(aws, name).await {
                    group @ Looked::Found(_) => {
                        (chain.stream, chain.stream_name) = (Looked::Unknown, None);
                        (chain.group, chain.group_name) = (group, Some(name.clone()));
                    }
                    // It may be the log group that we may not see.
                    Looked::Unknown => chain.stream = Looked::Unknown,
                    Looked::NotThere => {}
                }
            }
        }
    }
    let Some(group) = chain.group_name.clone() else { return };
    if chain.group == Looked::Unknown {
        chain.group = logs::read(aws, &group).await;
    }
    chain.origin = Origin::of(&group);
    if let Some(origin) = &chain.origin {
        chain.database = rds::read(aws, origin).await;
    }
    if let Some(group) = chain.group.found() {
        chain.place.learn(&group.arn);
    }
    filter(aws, chain, &group).await;
    let Some(filter) = &chain.filter else { return };
    if chain.place.account.is_none() {
        chain.place.learn(&filter.destination_arn);
    }
    if filter.destination_arn.contains(":kinesis:") && chain.stream_name.is_none() {
        let name = last_part(&filter.destination_arn).to_owned();
        chain.stream = kinesis::read(aws, &name).await;
        chain.stream_name = Some(name);
    }
}

/// The filter that leads on: the log group's own, else one that a policy of the account gives it.
async fn filter(aws: &Aws, chain: &mut Chain, group: &str) {
    let stream_arn = chain.stream.found().map(|stream| stream.arn.clone());
    let Some(filters) = chain.group.found().and_then(|group| group.filters.found()) else { return };
    chain.filter = destinations::leading_on(filters, stream_arn.as_deref());
    if chain.filter.is_none() {
        chain.account_filters = logs::of_account(aws, group).await;
        let filters = chain.account_filters.found().cloned().unwrap_or_default();
        chain.filter = destinations::leading_on(&filters, stream_arn.as_deref());
    }
}

async fn from_stream(aws: &Aws, chain: &mut Chain, name: &str) {
    chain.stream_name = Some(name.to_owned());
    chain.stream = kinesis::read(aws, name).await;
    if let Some(stream) = chain.stream.found() {
        let arn = stream.arn.clone();
        chain.place.learn(&arn);
        chain.search = logs::leading_to(aws, &arn).await;
        chain.group_name.clone_from(&chain.search.group);
    }
}

/// What reads the stream, or is written to by the filter itself.
async fn readers(aws: &Aws, chain: &mut Chain) {
    if let Some(stream) = chain.stream.found() {
        let arn = stream.arn.clone();
        chain.place.learn(&arn);
        let (deliveries, are_all_known) = firehose::reading(aws, &arn).await;
        let mappings = lambda::mappings(aws, &arn).await;
        chain.are_readers_known = are_all_known && mappings.found().is_some_and(|mappings| !mappings.has_more);
        chain.deliveries = deliveries;
        chain.mappings = mappings.found().map(|mappings| mappings.items.clone()).unwrap_or_default();
        return;
    }
    let destination = chain.filter.as_ref().map(|filter| filter.destination_arn.clone()).unwrap_or_default();
    if destination.contains(":firehose:") {
        let found = firehose::read(aws, last_part(&destination)).await;
        if found.is_absent() {
            chain.absent.push(destination);
        }
        chain.deliveries.extend(found.found().cloned());
    }
}

async fn functions(aws: &Aws, chain: &mut Chain) {
    let mut arns: Vec<String> = chain.mappings.iter().map(|mapping| mapping.function_arn.clone()).collect();
    let processors = chain.deliveries.iter().filter_map(|delivery| delivery.processor.as_ref());
    arns.extend(processors.map(|processor| processor.function_arn.clone()));
    let direct = chain.filter.iter().map(|filter| filter.destination_arn.clone());
    arns.extend(direct.filter(|arn| arn.contains(":lambda:")));
    arns.sort();
    arns.dedup();
    for arn in arns {
        let found = lambda::function(aws, &arn).await;
        if found.is_absent() {
            chain.absent.push(arn);
        }
        chain.functions.extend(found.found().cloned());
    }
}

async fn roles(aws: &Aws, chain: &mut Chain) {
    let mut arns: Vec<String> = chain.filter.iter().filter_map(|filter| filter.role_arn.clone()).collect();
    for delivery in &chain.deliveries {
        arns.push(delivery.destination.role.clone());
        arns.extend(delivery.source_role.clone());
        arns.extend(delivery.processor.as_ref().and_then(|processor| processor.role.clone()));
    }
    arns.extend(chain.functions.iter().map(|function| function.role.clone()));
    arns.retain(|arn| !arn.is_empty());
    arns.sort();
    arns.dedup();
    for arn in arns {
        let found = iam::role(aws, &arn).await;
        chain.roles.insert(arn, found);
    }
}

impl Place {
    /// Partition and account, as an ARN of the chain names them.
    fn learn(&mut self, arn: &str) {
        let mut parts = arn.split(':').skip(1);
        if let (Some(partition), Some(account)) = (parts.next(), parts.nth(2)) {
            self.partition = partition.to_owned();
            if !account.is_empty() {
                self.account = Some(account.to_owned());
            }
        }
    }
}

/// What stands behind the last slash.
pub(super) fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Percent-encoded for a query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The reverse of [`encoded`]; what is no escape stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut idx) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(idx) {
        let escape = bytes.get(idx + 1..idx + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, escape.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                idx += 3;
            }
            _ => {
                out.push(*byte);
                idx += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A word of a command line, in quotes where it needs them; bash's escapes for what would turn or break the line.
pub(super) fn quoted(text: &str) -> String {
    if !text.chars().all(output::is_plain) {
        let escape = |c: char| match c {
            '\\' | '\'' => format!("\\{c}"),
            c if output::is_plain(c) => c.to_string(),
            c => match u32::from(c) {
                code @ ..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            },
        };
        return format!("$'{}'", text.chars().map(escape).collect::<String>());
    }
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_bare) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_and_encoded_for_a_query() {
        assert_eq!(quoted("a/b:c"), "a/b:c");
        assert_eq!(quoted("it's $(x)"), "'it'\\''s $(x)'");
        assert_eq!(quoted(""), "''");
        // Bash itself says what they stand for.
        for text in ["a\u{202e}b", "it's\\\u{2028} \u{1b}[31m", "\u{2066}$(x)\u{2069}", "\u{e0001}1", "it's $(x)", "é"]
        {
            let command = format!("printf %s {}", quoted(text));
            let bash = std::process::Command::new("bash").env("LC_ALL", "C.UTF-8").arg("-c").arg(&command).output();
            assert_eq!(String::from_utf8(bash.unwrap().stdout).unwrap(), text, "{command}");
            assert!(command.chars().all(output::is_plain), "{command}");
        }
        let text = "a b/c=ü%";
        assert_eq!(decoded(&encoded(text)), text);
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%é"), "%zz%é");
    }

    #[test]
    fn commands_say_where_they_go() {
        let mut place = Place { region: "eu-west-1".to_owned(), ..Place::default() };
        assert_eq!(place.aws("x y"), "aws x y --region eu-west-1");
        place.profile = Some("my profile".to_owned());
        place.endpoint_url = Some("http://127.0.0.1:1".to_owned());
        assert_eq!(place.aws("x"), "aws x --region eu-west-1 --profile 'my profile' --endpoint-url http://127.0.0.1:1");
        place.learn("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/s");
        assert_eq!((place.partition.as_str(), place.account.as_deref()), ("aws-cn", Some("123456789012")));
    }
}
