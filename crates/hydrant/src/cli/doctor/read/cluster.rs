//! OpenSearch: the domain as AWS describes it, and what the cluster itself answers to questions that change nothing.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use hydrant_aws::Signer;
use hydrant_opensearch::{Auth, Client, ClientError, Method, Service, Settings, error_of};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::answer;
use super::aws::{Action, Aws, Looked};
use super::index::Index;
use super::last_part;
use super::patience::{TIMEOUT_OF_SILENT, spoken};
use crate::cli::doctor::address;

/// Of one request.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A place where documents go, and who writes them. Plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Cluster {
    pub(in crate::cli::doctor) endpoint: Option<String>,
    pub(in crate::cli::doctor) sign: Option<Service>,
    pub(in crate::cli::doctor) domain_arn: Option<String>,
    pub(in crate::cli::doctor) domain: Looked<Domain>,
    pub(in crate::cli::doctor) index: Index,
    /// ARNs of the roles that write.
    pub(in crate::cli::doctor) writers: Vec<String>,
    pub(in crate::cli::doctor) reach: Reach,
    pub(in crate::cli::doctor) health: Option<String>,
    /// Blocks against writes, each with its index or `cluster`.
    pub(in crate::cli::doctor) blocks: Looked<Vec<(String, String)>>,
    /// Patterns of all index templates.
    pub(in crate::cli::doctor) templates: Looked<Vec<String>>,
    /// How full each node's disk is, in percent.
    pub(in crate::cli::doctor) disks: Looked<Vec<(String, u64)>>,
    /// Users and backend roles that are given a role which may write.
    pub(in crate::cli::doctor) mapped: Looked<Vec<String>>,
    /// Pages that it answers with something else, each with what came.
    pub(in crate::cli::doctor) not_read: Vec<String>,
}

impl Cluster {
    /// Its address as it may be shown, else the domain that it is.
    pub(in crate::cli::doctor) fn name(&self) -> String {
        let endpoint = self.endpoint.as_deref().map(address::shown);
        endpoint.or_else(|| self.domain_arn.clone()).unwrap_or_else(|| "OpenSearch".to_owned())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Domain {
    pub(in crate::cli::doctor) endpoint: String,
    pub(in crate::cli::doctor) is_deleted: bool,
    /// It is reached from its VPC only.
    pub(in crate::cli::doctor) is_private: bool,
    /// Its own policy.
    pub(in crate::cli::doctor) access: Json,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Reach {
    Answers,
    /// It answers, and we may not look.
    NotLetIn(String),
    NoAnswer(String),
    /// What answers is no OpenSearch: what came.
    NotRead(String),
    /// There is no address.
    #[default]
    NotAsked,
}

/// The service whose requests are signed for this address, by its name.
pub(in crate::cli::doctor) fn service_of(endpoint: &str) -> Option<Service> {
    let shown = address::shown(endpoint);
    let host = shown.split("://").nth(1).unwrap_or(&shown).split(['/', ':']).next().unwrap_or_default();
    let is_amazon = |label: &str| {
        [".amazonaws.com", ".amazonaws.com.cn"]
            .iter()
            .any(|end| host.strip_suffix(end).is_some_and(|rest| rest.ends_with(&format!(".{label}"))))
    };
    if is_amazon("aoss") {
        Some(Service::Aoss)
    } else if is_amazon("es") {
        Some(Service::Es)
    } else {
        None
    }
}

/// The name of the domain that has this address: `search-NAME-ID` or `vpc-NAME-ID` begins it.
pub(in crate::cli::doctor) fn domain_of(endpoint: &str) -> Option<String> {
    let shown = address::shown(endpoint);
    let label = shown.split("://").nth(1).unwrap_or(&shown).split('.').next()?;
    let named = label.strip_prefix("search-").or_else(|| label.strip_prefix("vpc-"))?;
    named.rsplit_once('-').map(|(name, _)| name.to_owned())
}

/// Asks AWS for the domain and the cluster for itself.
pub(in crate::cli::doctor) async fn read(
    aws: &Aws,
    cluster: &mut Cluster,
    region: &str,
    provider: &SharedCredentialsProvider,
) {
    if let Some(arn) = cluster.domain_arn.clone() {
        let path = format!("/2021-01-01/opensearch/domain/{}", last_part(&arn));
        cluster.domain = aws.rest(Action::DescribeDomain, &arn, &path, None).await.map(|answer| described(&answer));
        if let (None, Some(domain)) = (&cluster.endpoint, cluster.domain.found()) {
            cluster.endpoint = Some(format!("https://{}", domain.endpoint)).filter(|url| url.len() > "https://".len());
            cluster.sign = Some(Service::Es);
        }
    }
    if let Some(client) = client(cluster, region, provider) {
        ask_all(&client, cluster).await;
    }
}

/// A client of the cluster, where its address is one.
pub(in crate::cli::doctor) fn client(
    cluster: &mut Cluster,
    region: &str,
    provider: &SharedCredentialsProvider,
) -> Option<Client> {
    let endpoint = cluster.endpoint.clone()?;
    let auth = cluster.sign.map_or(Auth::None, |service| {
        Auth::SigV4(Arc::new(Signer::new(service.signing(), region.to_owned(), provider.clone())))
    });
    let settings = Settings { endpoints: vec![endpoint], auth, timeout: TIMEOUT, ..Settings::default() };
    match Client::new(&settings) {
        Ok(client) => Some(client),
        Err(error) => {
            cluster.reach = Reach::NoAnswer(error.to_string());
            None
        }
    }
}

fn described(answer: &Json) -> Domain {
    let text = |path: &str| answer.pointer(&format!("/DomainStatus{path}")).and_then(Json::as_str).unwrap_or_default();
    let private = text("/Endpoints/vpc");
    Domain {
        endpoint: if private.is_empty() { text("/Endpoint") } else { private }.to_owned(),
        is_deleted: answer.pointer("/DomainStatus/Deleted").and_then(Json::as_bool).unwrap_or_default(),
        is_private: !private.is_empty(),
        access: serde_json::from_str(text("/AccessPolicies")).unwrap_or_default(),
    }
}

/// What a question comes to.
pub(in crate::cli::doctor) enum Told {
    Yes(Json),
    NotThere,
    NotLetIn(String),
    No(String),
    /// It is not what was asked for: what came.
    NotRead(String),
}

/// Any question to a cluster.
pub(in crate::cli::doctor) async fn asked(client: &Client, method: Method, path: &str, body: Vec<u8>) -> Told {
    let what = format!("OpenSearch {method} {}", path.split('?').next().unwrap_or_default());
    let answer = match spoken(&what, client.send(method, path, "application/json", body)).await {
        Ok(answer) => answer,
        Err(ClientError::SignIn(why)) => return Told::NotLetIn(why),
        Err(error @ (ClientError::NoAnswer { .. } | ClientError::Settings(_))) => return Told::No(error.to_string()),
    };
    let reason = error_of(&answer.body).reason;
    let why = if reason.is_empty() { format!("HTTP status {}", answer.status) } else { reason };
    match answer.status {
        200..300 => serde_json::from_slice(&answer.body).map_or_else(|_| not_read(&answer.body), Told::Yes),
        404 => Told::NotThere,
        401 | 403 => Told::NotLetIn(why),
        _ => Told::No(why),
    }
}

fn not_read(body: &[u8]) -> Told {
    Told::NotRead(format!("{} came in place of an answer", answer::came(body)))
}

/// The pages of a cluster.
struct Pages<'a> {
    client: &'a Client,
    /// The last one had no answer in time.
    is_silent: Cell<bool>,
    /// Of each that was something else: what came.
    not_read: RefCell<Vec<String>>,
}

impl Pages<'_> {
    /// A page; what `read` makes nothing of is none.
    async fn ask<T>(&self, path: &str, read: impl FnOnce(&Json) -> Option<T>) -> (Told, Option<T>) {
        let time = if self.is_silent.get() { TIMEOUT_OF_SILENT } else { TIMEOUT };
        let (begun, call) = (Instant::now(), asked(self.client, Method::GET, path, Vec::new()));
        let late = |_| Told::No(format!("nothing came in {} s", time.as_secs()));
        let told = tokio::time::timeout(time, call).await.unwrap_or_else(late);
        // The client has a time of its own, which may be over first.
        self.is_silent.set(matches!(told, Told::No(_)) && begun.elapsed() >= TIMEOUT_OF_SILENT);
        match told {
            Told::Yes(answer) => match read(&answer) {
                Some(read) => (Told::Yes(answer), Some(read)),
                None => (not_read(answer.to_string().as_bytes()), None),
            },
            told @ (Told::NotThere | Told::NotLetIn(_) | Told::No(_) | Told::NotRead(_)) => (told, None),
        }
    }

    async fn looked<T>(&self, path: &str, read: impl FnOnce(&Json) -> Option<T>) -> Looked<T> {
        match self.ask(path, read).await {
            (Told::Yes(_), Some(read)) => Looked::Found(read),
            (Told::NotThere, _) => Looked::NotThere,
            (Told::NotRead(came), _) => {
                self.not_read.borrow_mut().push(format!("{path}: {came}"));
                Looked::Unknown
            }
            (Told::Yes(_) | Told::NotLetIn(_) | Told::No(_), _) => Looked::Unknown,
        }
    }
}

async fn ask_all(client: &Client, cluster: &mut Cluster) {
    let pages = Pages { client, is_silent: Cell::new(false), not_read: RefCell::default() };
    let version = |answer: &Json| answer.get("version")?.is_object().then_some(());
    cluster.reach = match pages.ask("/", version).await.0 {
        // A Serverless collection knows no such page.
        Told::Yes(_) | Told::NotThere => Reach::Answers,
        Told::NotLetIn(why) => Reach::NotLetIn(why),
        Told::No(why) => Reach::NoAnswer(why),
        Told::NotRead(came) => Reach::NotRead(came),
    };
    if cluster.reach != Reach::Answers {
        return;
    }
    cluster.templates = pages.looked("/_index_template", templates).await;
    // A collection has neither health nor blocks, disks and roles.
    if cluster.sign != Some(Service::Aoss) {
        let health = |answer: &Json| answer.get("status")?.as_str().map(str::to_owned);
        cluster.health = pages.looked("/_cluster/health", health).await.found().cloned();
        cluster.blocks = pages.looked("/_cluster/state/blocks", blocks).await;
        cluster.disks = pages.looked("/_cat/allocation?format=json&bytes=b", disks).await;
        let object = |answer: &Json| answer.is_object().then(|| answer.clone());
        let roles = pages.looked("/_plugins/_security/api/roles", object).await;
        let mapped = |answer: &Json| mapped(answer, roles.found());
        cluster.mapped = pages.looked("/_plugins/_security/api/rolesmapping", mapped).await;
    }
    cluster.not_read = pages.not_read.into_inner();
}

fn templates(answer: &Json) -> Option<Vec<String>> {
    let all = answer.get("index_templates")?.as_array()?.iter();
    let patterns = all.filter_map(|one| one.pointer("/index_template/index_patterns")?.as_array()).flatten();
    Some(patterns.filter_map(|pattern| Some(pattern.as_str()?.to_owned())).collect())
}

/// Levels that refuse documents or the indices that they need.
const LEVELS: [&str; 3] = ["write", "metadata_write", "create_index"];

fn blocks(answer: &Json) -> Option<Vec<(String, String)>> {
    answer.get("blocks")?.as_object()?;
    let members = |value: Option<&Json>| value.and_then(Json::as_object).cloned().unwrap_or_default();
    let refusing = |block: &Json| {
        let levels = block.get("levels").and_then(Json::as_array)?;
        let refuses = levels.iter().filter_map(Json::as_str).any(|level| LEVELS.contains(&level));
        refuses.then(|| block.get("description").and_then(Json::as_str).unwrap_or("a block").to_owned())
    };
    let global = members(answer.pointer("/blocks/global"));
    let mut found: Vec<(String, String)> =
        global.values().filter_map(refusing).map(|block| ("cluster".to_owned(), block)).collect();
    for (index, of_index) in members(answer.pointer("/blocks/indices")) {
        let all = of_index.as_object().into_iter().flatten();
        found.extend(all.filter_map(|(_, block)| refusing(block)).map(|block| (index.clone(), block)));
    }
    Some(found)
}

fn disks(answer: &Json) -> Option<Vec<(String, u64)>> {
    let rows = answer.as_array()?.iter();
    let percent = |row: &Json| {
        let node = row.get("node")?.as_str()?.to_owned();
        Some((node, row.get("disk.percent")?.as_str()?.parse().ok()?))
    };
    Some(rows.filter_map(percent).collect())
}

/// Groups of actions that write nothing; what is not known is taken for one that does.
const HARMLESS: [&str; 10] = [
    "read",
    "search",
    "get",
    "suggest",
    "indices_monitor",
    "manage",
    "manage_aliases",
    "create_index",
    "delete",
    "cluster_monitor",
];

/// Whether an action, a pattern or a group of them holds the right to put documents.
fn writes(action: &str) -> bool {
    let Some(action) = action.strip_prefix("indices:") else {
        return !action.starts_with("cluster:") && !HARMLESS.contains(&action);
    };
    let begin = action.split('*').next().unwrap_or_default();
    ["data/write/bulk", "data/write/index"].iter().any(|write| write.starts_with(begin) || begin.starts_with(write))
}

/// Who is given a role that may write; a role of which nothing is told may.
fn mapped(answer: &Json, roles: Option<&Json>) -> Option<Vec<String>> {
    let may_write = |role: &str| {
        let Some(role) = roles.and_then(|roles| roles.get(role)) else { return true };
        let permissions = role.get("index_permissions").and_then(Json::as_array).into_iter().flatten();
        let actions = permissions.filter_map(|one| one.get("allowed_actions")?.as_array()).flatten();
        actions.filter_map(Json::as_str).any(writes)
    };
    let all = answer.as_object()?.iter().filter(|(role, _)| may_write(role)).map(|(_, mapping)| mapping);
    let names = all.flat_map(|mapping| ["backend_roles", "users"].into_iter().filter_map(|name| mapping.get(name)));
    let names = names.filter_map(Json::as_array).flatten();
    Some(names.filter_map(|name| Some(name.as_str()?.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_say_how_requests_are_signed_and_which_domain_it_is() {
        let domain = "https://search-logs-2-abcdefghijklmnopqrstuvwxyz.eu-west-1.es.amazonaws.com";
        assert_eq!((service_of(domain), domain_of(domain)), (Some(Service::Es), Some("logs-2".to_owned())));
        let with_user = domain.replace("://", "://user:secret@");
        assert_eq!((service_of(&with_user), domain_of(&with_user)), (Some(Service::Es), Some("logs-2".to_owned())));
        let collection = "https://abc.eu-west-1.aoss.amazonaws.com:443/";
        assert_eq!((service_of(collection), domain_of(collection)), (Some(Service::Aoss), None));
        for other in [
            "http://127.0.0.1:9200",
            "https://es.amazonaws.com.evil.example",
            "https://x.es.amazonaws.com@evil.example",
            "nothing",
            "",
        ] {
            assert_eq!((service_of(other), domain_of(other)), (None, None), "{other}");
        }
    }

    #[test]
    fn answers_of_a_cluster_are_read() {
        let answer = json!({"blocks": {"global": {"6": {"description": "read-only (api)", "levels": ["write"]}},
            "indices": {"a": {"8": {"description": "write (api)", "levels": ["write"]}},
                "b": {"7": {"description": "read (api)", "levels": ["read"]}}}}});
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(blocks(&answer).unwrap(), [pair("cluster", "read-only (api)"), pair("a", "write (api)")]);
        let answer = json!([{"node": "n1", "disk.percent": "86"}, {"node": "UNASSIGNED", "disk.percent": null}]);
        assert_eq!(disks(&answer).unwrap(), [("n1".to_owned(), 86)]);
        let answer = json!({"r": {"backend_roles": ["arn:aws:iam::1:role/w"], "users": ["u"], "hosts": []}});
        assert_eq!(mapped(&answer, None).unwrap(), ["arn:aws:iam::1:role/w", "u"]);
        for (action, expected) in [
            ("read", false),
            ("indices:data/read*", false),
            ("indices:admin/create", false),
            ("indices:data/write/delete", false),
            ("indices:data/write/bulk*", true),
            ("indices:data/*", true),
            ("indices:*", true),
            ("*", true),
            ("write", true),
            ("a_group_of_ones_own", true),
        ] {
            let roles = json!({"r": {"index_permissions": [{"index_patterns": ["*"], "allowed_actions": [action]}]}});
            assert_eq!(!mapped(&answer, Some(&roles)).unwrap().is_empty(), expected, "{action}");
        }
        for other in [json!(null), json!([5]), json!({"blocks": 5}), json!("x")] {
            assert_eq!((blocks(&other), templates(&other)), (None, None), "{other}");
        }
        assert_eq!((disks(&json!({})), mapped(&json!([]), None)), (None, None));
    }
}
