//! The cluster: who answers, whether we are let in, templates, and all that could refuse a document that is right.
//!
//! That documents may be written is asked by a `_bulk` request that requires an alias which is not there: the server
//! looks at rights and at the cluster's blocks, refuses the item, and makes no index. Its name is one that the role of
//! `hydrant setup opensearch` has.

use hydrant_opensearch::{Client, ClientError, Method, Service, Settings, Target, error_of};
use hydrant_transform::document::Rotation;
use serde_json::Value as Json;

use super::blocks::{Blocks, Room, body_bytes_max, may_create, setting, suffix};
use super::report::Report;
use crate::cli::cluster;
use crate::clock::Clock;
use crate::config::{Config, OpenSearch};
use crate::index::opensearch::marked::Standing;
use crate::index::opensearch::overruled;
use crate::index::opensearch::template::{Template, Wanted};
use crate::index::opensearch::version::{Server, Support};

const INDEX: &str = "index";

const TEMPLATES: &str = "index templates";

const BLOCKS: &str = "index blocks";

const LIMITS: &str = "index limits";

const RIGHTS: &str = "index rights";

/// Ends the name of an index and of an alias that are never there.
const ABSENT: &str = "-hydrant-connect-absent";

/// Begins the security plug-in's sentence on a user that it knows.
const NO_PERMISSION: &str = "no permissions for";

/// Names in one line.
const NAMED_MAX: usize = 3;

const ROLE_ADVICE: &str = "give it the role of `hydrant setup opensearch --role-arn` (docs/opensearch.md)";

/// What a request came to.
enum Told {
    Yes(Json),
    /// 404.
    NotThere,
    /// We are known, and may not do this.
    NotAllowed(String),
    /// We are not let in.
    NotLetIn(String),
    /// Anything else, and no answer.
    Other(String),
}

pub(super) async fn check(found: &OpenSearch, config: &Config, report: &mut Report) {
    let settings = match cluster::settings(found).await {
        Ok(settings) => settings,
        Err(error) => {
            let advice = "`index.password_file`, `ca_file` and `identity_file` have to be readable, credentials and region known";
            return report.failed(INDEX, format!("{error:#}"), advice);
        }
    };
    let Some(client) = endpoints(&settings, found, report).await else { return };
    let cluster = Cluster { client, wanted: cluster::wanted(found, config), found };
    // A Serverless collection knows neither health nor nodes, settings and blocks.
    let is_serverless = found.sign.as_ref().is_some_and(|sign| sign.service == Service::Aoss);
    let health = if is_serverless { None } else { cluster.health(report).await };
    cluster.templates(health.as_ref(), report).await;
    if is_serverless {
        report.ok(LIMITS, "a Serverless collection tells neither blocks nor limits: not checked");
        // It may not know what is required, and would take the document.
        let told = "a Serverless collection is not asked: whether documents may be written shows the first one";
        return report.ok(RIGHTS, told);
    }
    cluster.blocks(report).await;
    cluster.limits(health.as_ref(), report).await;
    cluster.rights(report).await;
}

/// Every endpoint by itself; answers a client of one that lets us in.
async fn endpoints(settings: &Settings, found: &OpenSearch, report: &mut Report) -> Option<Client> {
    let (mut good, mut bad) = (None, Vec::new());
    for endpoint in &settings.endpoints {
        let client = match Client::new(&Settings { endpoints: vec![endpoint.clone()], ..settings.clone() }) {
            Ok(client) => client,
            Err(error) => {
                bad.push((error.to_string(), "mend the configuration"));
                continue;
            }
        };
        match ask(&client, Method::GET, "/", "").await {
            Told::Yes(about) => {
                version(endpoint, &about, report);
                good = good.or(Some(client));
            }
            Told::NotThere => {
                report.ok(INDEX, format!("{endpoint} lets us in and does not say which server it is"));
                good = good.or(Some(client));
            }
            Told::NotAllowed(why) => {
                report.ok(INDEX, format!("{endpoint} lets us in; its version is not known: {why}"));
                good = good.or(Some(client));
            }
            Told::NotLetIn(why) => bad.push((format!("{endpoint} does not let us in: {why}"), sign_in_advice(found))),
            Told::Other(why) => bad.push((
                format!("{endpoint}: {why}"),
                "address, port, TLS (`ca_file`), proxy and firewall have to let Hydrant through",
            )),
        }
    }
    for (told, advice) in bad {
        if good.is_some() { report.warning(INDEX, told, advice) } else { report.failed(INDEX, told, advice) }
    }
    good
}

fn sign_in_advice(found: &OpenSearch) -> &'static str {
    match (&found.sign, &found.user) {
        (Some(_), _) => {
            "the host's clock, `region`, and `es:ESHttp*` or `aoss:APIAccessAll` with a data access policy have to be right"
        }
        (None, Some(_)) => "`index.user` and the password in `index.password_file` have to be the cluster's",
        (None, None) => "the cluster wants a sign-in: set `user` and `password_file`, `identity_file`, or `sign`",
    }
}

fn version(endpoint: &str, about: &Json, report: &mut Report) {
    let Some(server) = Server::from_answer(about) else {
        return report.ok(INDEX, format!("{endpoint} lets us in and does not say which server it is"));
    };
    let Server { distribution, number } = &server;
    let what = format!("{endpoint} is {distribution} {number}");
    match server.support() {
        Support::Tested => report.ok(INDEX, format!("{what} and lets us in")),
        Support::Untested => {
            report.warning(INDEX, what, "it was not tested, and answers as 2.19 does as far as is known")
        }
        Support::Unknown(sentence) => report.warning(INDEX, sentence, "try it out before you trust it"),
        Support::Refused(sentence) => report.failed(INDEX, sentence, "delivery waits until another server answers"),
    }
}

/// A cluster that lets us in.
struct Cluster<'a> {
    client: Client,
    wanted: Wanted,
    found: &'a OpenSearch,
}

impl Cluster<'_> {
    async fn health(&self, report: &mut Report) -> Option<Json> {
        let health = self.get("/_cluster/health", INDEX, report).await?;
        match health.get("status").and_then(Json::as_str) {
            Some("red") => report.warning(
                INDEX,
                "the cluster is red",
                "what is written to shards without a node waits: `GET _cluster/allocation/explain`",
            ),
            status => report.ok(INDEX, format!("the cluster is {}", status.unwrap_or("of unknown health"))),
        }
        Some(health)
    }

    async fn is_overruled(&self, template: &Template) -> bool {
        let told = ask(&self.client, Method::POST, &overruled::question(&template.body), "").await;
        matches!(told, Told::Yes(answer) if overruled::is_overruled(&template.name, &answer))
    }

    async fn templates(&self, health: Option<&Json>, report: &mut Report) {
        let nodes = health.and_then(|health| health.get("number_of_data_nodes")?.as_u64()).unwrap_or(1);
        if !self.found.templates {
            return report.ok(TEMPLATES, "`index.template` is off: run puts none, and none is looked at");
        }
        let templates = self.wanted.templates(self.wanted.shape(nodes));
        if templates.is_empty() {
            let advice = "begin `index.name` with fixed text, or see to field types yourself";
            return report.warning(TEMPLATES, "the index name begins with a placeholder, so none are put", advice);
        }
        let (mut current, mut absent) = (0, 0);
        for template in templates {
            let path = format!("/_index_template/{}", template.name);
            let standing = match ask(&self.client, Method::GET, &path, "").await {
                Told::Yes(answer) => template.standing(&answer),
                Told::NotThere => Standing::Absent,
                Told::NotAllowed(why) | Told::NotLetIn(why) | Told::Other(why) => {
                    return report.warning(TEMPLATES, format!("cannot be looked at: {why}"), ROLE_ADVICE);
                }
            };
            match standing {
                Standing::Current if self.is_overruled(&template).await => {
                    let advice =
                        "give that one a lower priority than 150, or patterns that do not meet Hydrant's names";
                    report.warning(TEMPLATES, format!("{}: {}", template.name, overruled::SENTENCE), advice);
                }
                Standing::Current => current += 1,
                Standing::Absent => absent += 1,
                Standing::Outdated { .. } => report.warning(
                    TEMPLATES,
                    format!("{} differs from Hydrant's present one", template.name),
                    "`hydrant setup opensearch` replaces it; indices made from then on follow it",
                ),
                Standing::Newer { .. } | Standing::Changed | Standing::Foreign => {
                    let why = standing.why_left().unwrap_or_default();
                    let advice = "it stays as it is; compare it with `hydrant setup opensearch --print`";
                    report.warning(TEMPLATES, format!("{} differs: {why}", template.name), advice);
                }
            }
        }
        match absent {
            0 => report.ok(TEMPLATES, format!("{current} are Hydrant's")),
            absent => report
                .ok(TEMPLATES, format!("{current} are Hydrant's, {absent} are not there: run puts them at its start")),
        }
    }

    /// Blocks of the cluster, of what documents of now go to, and of older indices.
    async fn blocks(&self, report: &mut Report) {
        let Some(answer) = self.get("/_cluster/state/blocks", BLOCKS, report).await else { return };
        let Blocks { global, indices } = Blocks::from_answer(&answer, &self.wanted.patterns());
        for block in &global {
            let advice = "delivery waits until it is gone: free disk, or set `cluster.blocks.*` back";
            report.failed(BLOCKS, format!("the cluster refuses writes: {block}"), advice);
        }
        let suffix = self.suffix();
        // Behind an alias and in a data stream, which index is written to is the cluster's to know.
        let has_dates = self.found.limits.target == Target::Index;
        let (now, older): (Vec<_>, Vec<_>) =
            indices.into_iter().partition(|(index, _)| has_dates && index.ends_with(&suffix));
        for (index, block) in &now {
            let advice = "delivery waits until it is gone: free disk, open the index, or set `index.blocks.*` back";
            report.failed(BLOCKS, format!("{index}, where documents of now go, refuses writes: {block}"), advice);
        }
        if !older.is_empty() {
            let named: Vec<&str> = older.iter().take(NAMED_MAX).map(|(index, _)| index.as_str()).collect();
            let more = if older.len() > NAMED_MAX { ", …" } else { "" };
            let told = format!("{} other indices refuse writes: {}{more}", older.len(), named.join(", "));
            report.warning(BLOCKS, told, "entries of their time wait, or fail where `index.retention` says so");
        }
        if global.is_empty() && now.is_empty() {
            report.ok(BLOCKS, "none stands against documents of now");
        }
    }

    async fn limits(&self, health: Option<&Json>, report: &mut Report) {
        let path = "/_cluster/settings?include_defaults=true&flat_settings=true";
        if let Some(settings) = self.get(path, LIMITS, report).await {
            self.creation(&settings, health, report);
        }
        let Some(nodes) = self.get("/_nodes/http?filter_path=nodes.*.http", LIMITS, report).await else { return };
        let (Some(most), body) = (body_bytes_max(&nodes), self.found.limits.body_bytes as u64) else { return };
        if body > most {
            let advice = "requests are halved until they fit: set `index.body_size` below `http.max_content_length`";
            report.warning(LIMITS, format!("requests of {body} bytes are sent, and {most} are taken"), advice);
        } else {
            report.ok(LIMITS, format!("requests of {body} bytes are sent, and {most} are taken"));
        }
    }

    fn suffix(&self) -> String {
        suffix(self.wanted.rotation, Clock::System.now_ms())
    }

    /// Whether an index of now can be made.
    fn creation(&self, settings: &Json, health: Option<&Json>, report: &mut Report) {
        let suffix = self.suffix();
        let names = self.wanted.names().into_iter().map(|name| format!("{name}{suffix}"));
        let create = setting(settings, "action.auto_create_index").unwrap_or("true");
        let needs_none = self.found.limits.target == Target::Alias;
        let refused: Vec<String> = names.filter(|name| !needs_none && !may_create(create, name)).collect();
        if needs_none {
            report.ok(LIMITS, "an alias is written to, so no index has to be made");
        } else if refused.is_empty() {
            report.ok(LIMITS, "a document makes the index that it needs");
        } else {
            let told = format!("action.auto_create_index = {create} keeps {} from being made", refused.join(", "));
            report.failed(LIMITS, told, "let it be true for these names, or make each index before its first document");
        }
        let shape =
            self.wanted.shape(health.and_then(|health| health.get("number_of_data_nodes")?.as_u64()).unwrap_or(1));
        let each = u64::from(shape.shards) * (1 + u64::from(shape.replicas));
        let all = each * u64::try_from(self.wanted.formats.len()).unwrap_or(1);
        let room = health.and_then(|health| Room::of(health, setting(settings, "cluster.max_shards_per_node")));
        let Some(room) = room else { return };
        let told = format!("{} of {} shards are used; a new index takes {each}", room.used, room.most);
        let advice =
            "delete old indices (`hydrant setup opensearch --retention-days`), rotate more seldom, or add nodes";
        match room.left() {
            left if left < each => report.failed(LIMITS, told, advice),
            left if left < all => report.warning(LIMITS, told, advice),
            _ => report.ok(LIMITS, told),
        }
    }

    async fn rights(&self, report: &mut Report) {
        let what = RIGHTS;
        let name = self.wanted.names().into_iter().next().unwrap_or_else(|| "hydrant".to_owned());
        let name = match (self.wanted.target, self.wanted.rotation) {
            (Target::Alias, _) => format!("{name}-0{ABSENT}"),
            (Target::Index, rotation) if rotation != Rotation::NoRotation => format!("{name}{}{ABSENT}", self.suffix()),
            // The role has this name alone.
            (Target::Index | Target::DataStream, _) if self.is_no_alias(&name).await => name,
            (Target::Index | Target::DataStream, _) => {
                return report.ok(what, format!("{name} may be an alias, which would take the question: not asked"));
            }
        };
        let body = format!("{{\"create\":{{\"_index\":\"{name}\",\"_id\":\"connect\"}}}}\n{{}}\n");
        match ask(&self.client, Method::POST, "/_bulk?require_alias=true", &body).await {
            Told::Yes(answer) => {
                let item = answer.pointer("/items/0/create").unwrap_or(&answer);
                let status = item.get("status").and_then(Json::as_u64);
                let reason = item.pointer("/error/reason").and_then(Json::as_str).unwrap_or_default();
                match status {
                    Some(404) => {
                        report.ok(what, "documents may be offered; whether each index takes them shows the first one")
                    }
                    Some(403) => report.failed(what, reason, advice(reason)),
                    Some(status) => report.warning(
                        what,
                        format!("an unusual answer to a document: status {status}, {reason}"),
                        "try a run with a few documents",
                    ),
                    None => report.warning(
                        what,
                        "what it answers to a document is no answer of OpenSearch's",
                        "is it OpenSearch?",
                    ),
                }
            }
            Told::NotThere => report.failed(what, "the server knows no `_bulk`", "is it OpenSearch?"),
            Told::NotAllowed(why) | Told::NotLetIn(why) => report.failed(what, &why, advice(&why)),
            Told::Other(why) => report.warning(what, why, "delivery waits while this lasts"),
        }
    }

    /// Whether a document that requires an alias of this name is refused.
    async fn is_no_alias(&self, name: &str) -> bool {
        let of_stream = format!(".ds-{name}-");
        match ask(&self.client, Method::GET, &format!("/{name}?filter_path=*.settings.index.uuid"), "").await {
            Told::Yes(answer) => {
                let mut indices = answer.as_object().into_iter().flat_map(|indices| indices.keys());
                indices.all(|index| index == name || index.starts_with(&of_stream))
            }
            Told::NotThere => true,
            Told::NotAllowed(_) | Told::NotLetIn(_) | Told::Other(_) => false,
        }
    }

    /// What one may be kept from asking is said; it keeps no document out.
    async fn get(&self, path: &str, what: &str, report: &mut Report) -> Option<Json> {
        let shown = path.split('?').next().unwrap_or(path);
        match ask(&self.client, Method::GET, path, "").await {
            Told::Yes(answer) => Some(answer),
            Told::NotThere => {
                report.ok(what, format!("{shown} is not known to this server: not checked"));
                None
            }
            Told::NotAllowed(why) | Told::NotLetIn(why) => {
                report.ok(what, format!("{shown} may not be asked, so it is not checked: {why}"));
                None
            }
            Told::Other(why) => {
                report.warning(what, format!("{shown}: {why}"), "try again");
                None
            }
        }
    }
}

/// A block is answered as a missing right is.
fn advice(why: &str) -> &'static str {
    if why.contains("blocked by") { "delivery waits until the block is gone, see index blocks" } else { ROLE_ADVICE }
}

async fn ask(client: &Client, method: Method, path: &str, body: &str) -> Told {
    let answer = match client.send(method, path, "application/json", body.as_bytes().to_vec()).await {
        Ok(answer) => answer,
        Err(error @ ClientError::SignIn(_)) => return Told::NotLetIn(error.to_string()),
        Err(error @ (ClientError::NoAnswer { .. } | ClientError::Settings(_))) => {
            return Told::Other(error.to_string());
        }
    };
    let reason = error_of(&answer.body).reason;
    let why = if reason.is_empty() { format!("HTTP status {}", answer.status) } else { reason };
    match answer.status {
        200..300 => match serde_json::from_slice(&answer.body) {
            Ok(json) => Told::Yes(json),
            Err(error) => Told::Other(format!("what it answers with status {} is no JSON: {error}", answer.status)),
        },
        404 => Told::NotThere,
        401 | 403 if why.starts_with(NO_PERMISSION) => Told::NotAllowed(why),
        401 | 403 => Told::NotLetIn(why),
        _ => Told::Other(why),
    }
}
