//! The canary's documents: looked for in every cluster of the chain by the mark, and deleted.

use hydrant_opensearch::{Client, Method, Service};
use serde_json::{Value as Json, json};

use crate::cli::doctor::read::cluster::{Told, asked};
use crate::cli::doctor::read::{encoded, quoted};

/// Of one canary: a chain that repeats makes more than one.
const HITS_MAX: usize = 50;

/// The right to look for it, as OpenSearch calls it.
pub(super) const TO_SEARCH: &str = "indices:data/read/search";

/// A document: its index and its id.
pub(super) type Hit = (String, String);

pub(super) struct Place {
    pub(super) client: Client,
    pub(super) endpoint: String,
    pub(super) sign: Option<Service>,
    /// Of the indices.
    pub(super) pattern: String,
}

pub(super) struct Places(pub(super) Vec<Place>);

/// What one look has come to.
#[derive(Default)]
pub(super) struct Look {
    pub(super) hits: Vec<Hit>,
    /// A cluster has searched.
    pub(super) is_answered: bool,
    /// Which cluster does not let us search, and in which words.
    pub(super) refused: Vec<String>,
    /// Why one has not searched this time.
    pub(super) problem: Option<String>,
}

impl Places {
    pub(super) async fn search(&self, mark: &str) -> Look {
        let query = json!({"size": HITS_MAX, "_source": false, "query": {"simple_query_string":
            {"query": format!("\"{mark}\""), "fields": ["*"], "lenient": true}}});
        let mut look = Look::default();
        for Place { client, endpoint, pattern, .. } in &self.0 {
            let path = format!("/{pattern}/_search?ignore_unavailable=true&allow_no_indices=true");
            match asked(client, Method::POST, &path, query.to_string().into_bytes()).await {
                Told::Yes(answer) => {
                    look.is_answered = true;
                    let found = answer.pointer("/hits/hits").and_then(Json::as_array).into_iter().flatten();
                    let text = |hit: &Json, name: &str| Some(hit.get(name)?.as_str()?.to_owned());
                    look.hits.extend(found.filter_map(|hit| Some((text(hit, "_index")?, text(hit, "_id")?))));
                }
                // No index yet.
                Told::NotThere => look.is_answered = true,
                Told::NotLetIn(why) => look.refused.push(format!("{endpoint}: {why}")),
                Told::No(why) => look.problem = Some(format!("{endpoint}: {why}")),
            }
        }
        look.hits.sort();
        look.hits.dedup();
        look
    }

    /// # Errors
    /// What each cluster says that has it still.
    pub(super) async fn delete(&self, (index, id): &Hit) -> Result<(), String> {
        let path = format!("/{}/_doc/{}", encoded(index), encoded(id));
        let mut problems = Vec::new();
        for Place { client, .. } in &self.0 {
            match asked(client, Method::DELETE, &path, Vec::new()).await {
                Told::Yes(_) => return Ok(()),
                Told::NotThere => {}
                Told::NotLetIn(why) | Told::No(why) => problems.push(why),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// The command that lets the doctor's role look for a canary and delete it.
    pub(super) fn permit(&self) -> String {
        let permit = |place: &Place| {
            if place.sign == Some(Service::Aoss) {
                return "aws opensearchserverless list-access-policies --type data".to_owned();
            }
            let rights = json!({"cluster_permissions": ["indices:data/write/bulk"], "index_permissions": [{
                "index_patterns": [place.pattern],
                "allowed_actions": [TO_SEARCH, "indices:data/write/delete", "indices:data/write/bulk*"]}]});
            let put = |what: &str, body: &Json| {
                let url =
                    format!("{}/_plugins/_security/api/{what}/hydrant_canary", place.endpoint.trim_end_matches('/'));
                let body = quoted(&body.to_string());
                format!("curl -sS -X PUT {} -H 'content-type: application/json' -d {body}", quoted(&url))
            };
            format!(
                "{} && {}",
                put("roles", &rights),
                put("rolesmapping", &json!({"backend_roles": ["ROLE_OF_THE_DOCTOR"]}))
            )
        };
        self.0.first().map(permit).unwrap_or_default()
    }
}
