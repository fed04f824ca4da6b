//! The canary's documents: looked for in every cluster of the chain by the mark, and deleted.

use hydrant_opensearch::{Client, Method, Service};
use serde_json::{Value as Json, json};

use crate::cli::doctor::read::cluster::{Told, asked};
use crate::cli::doctor::read::{self, encoded};
use crate::cli::doctor::{address, remedy};

/// Of one canary: a chain that repeats makes more than one.
const HITS_MAX: usize = 50;

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
            let name = address::shown(endpoint);
            match asked(client, Method::POST, &path, query.to_string().into_bytes()).await {
                Told::Yes(answer) => match hits(&answer) {
                    Some(hits) => {
                        look.is_answered = true;
                        look.hits.extend(hits);
                    }
                    None => look.problem = Some(of(&name, "it is no answer to a search")),
                },
                // No index yet.
                Told::NotThere => look.is_answered = true,
                Told::NotLetIn(why) => look.refused.push(of(&name, &why)),
                Told::No(why) | Told::NotRead(why) => look.problem = Some(of(&name, &why)),
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
                Told::NotLetIn(why) | Told::No(why) | Told::NotRead(why) => problems.push(why),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// The command that lets the doctor's role look for a canary and delete it.
    pub(super) fn permit(&self, of: &read::Place) -> String {
        let permit = |place: &Place| remedy::permit(of, place.sign, &place.endpoint, &place.pattern);
        self.0.first().map(permit).unwrap_or_default()
    }
}

/// What a cluster says, or what is said of it, with its address before it where it is not there already.
fn of(address: &str, why: &str) -> String {
    if why.contains(address) { why.to_owned() } else { format!("{address}: {why}") }
}

/// The documents that a search has found; `None`: it is no answer to one.
fn hits(answer: &Json) -> Option<Vec<Hit>> {
    let found = answer.pointer("/hits/hits")?.as_array()?;
    let text = |hit: &Json, name: &str| Some(hit.get(name)?.as_str()?.to_owned());
    Some(found.iter().filter_map(|hit| Some((text(hit, "_index")?, text(hit, "_id")?))).collect())
}
