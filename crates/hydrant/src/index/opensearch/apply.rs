//! Bringing what Hydrant needs into a cluster and into its Dashboards: what is absent is put, what is ours and old is
//! replaced, what somebody else made or changed stays, and each is said.

use hydrant_opensearch::{Client, Method, error_of};
use serde_json::{Value as Json, json};

use super::dashboards::Saved;
use super::marked::Standing;
use super::overruled;
use super::parts::{Kind, Object};

/// What became of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// `index template`.
    pub kind: &'static str,
    pub name: String,
    pub done: Done,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Created,
    /// It was there already.
    Current,
    /// It was ours, of this version.
    Updated {
        from: u64,
    },
    /// It stays as it is, and why.
    Left(String),
    /// The server has no part that could keep it.
    Lacking(String),
    Failed(String),
}

impl Done {
    /// As the configuration of other programs reads it.
    pub fn code(&self) -> &'static str {
        match self {
            Done::Created => "created",
            Done::Current => "current",
            Done::Updated { .. } => "updated",
            Done::Left(_) => "left",
            Done::Lacking(_) => "lacking",
            Done::Failed(_) => "failed",
        }
    }
}

/// An answer's status and JSON.
struct Told {
    status: u16,
    json: Json,
    error: String,
}

async fn ask(client: &Client, method: Method, path: &str, body: Option<&Json>) -> Result<Told, String> {
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let answer = client.send(method, path, "application/json", bytes).await.map_err(|error| error.to_string())?;
    let said = error_of(&answer.body).reason;
    let error = if said.is_empty() { format!("HTTP status {}", answer.status) } else { said };
    Ok(Told { status: answer.status, json: serde_json::from_slice(&answer.body).unwrap_or_default(), error })
}

/// Puts one object where it may be put.
pub async fn object(client: &Client, object: &Object) -> Applied {
    let done = put_object(client, object).await.unwrap_or_else(Done::Failed);
    Applied { kind: object.kind.name(), name: object.name.clone(), done }
}

async fn put_object(client: &Client, object: &Object) -> Result<Done, String> {
    let there = ask(client, Method::GET, &object.path(), None).await?;
    let standing = match there.status {
        200..300 => object.standing(&there.json),
        404 => Standing::Absent,
        // A server without a plug-in knows no handler for its paths.
        400 | 405 if object.kind != Kind::IndexTemplate && is_unknown(&there.error) => {
            let plugin = object.kind.plugin().unwrap_or_default();
            return Ok(Done::Lacking(format!("the server has no {plugin} plug-in")));
        }
        _ => return Err(there.error),
    };
    let wanted = object.with_those_of(&there.json);
    let standing = if wanted == *object { standing } else { merged(standing, &wanted, &there.json) };
    let (done, condition) = match standing {
        Standing::Absent => (Done::Created, String::new()),
        Standing::Current => return Ok(Done::Current),
        Standing::Outdated { version } => (Done::Updated { from: version }, object.condition(&there.json)),
        Standing::Newer { .. } | Standing::Changed | Standing::Foreign => {
            return Ok(Done::Left(standing.why_left().unwrap_or_default()));
        }
    };
    let put = ask(client, Method::PUT, &format!("{}{condition}", object.path()), Some(&wanted.body)).await?;
    if (200..300).contains(&put.status) { Ok(done) } else { Err(put.error) }
}

/// Whether another index template stands before this one, which is there. A server that does not tell has none.
pub async fn is_overruled(client: &Client, object: &Object) -> bool {
    if object.kind != Kind::IndexTemplate {
        return false;
    }
    let told = ask(client, Method::POST, &overruled::question(&object.body), None).await;
    told.is_ok_and(|told| overruled::is_overruled(&object.name, &told.json))
}

/// Where names are only added, and all are there, nothing is to be done.
fn merged(standing: Standing, wanted: &Object, there: &Json) -> Standing {
    match standing {
        Standing::Outdated { .. } => wanted.standing(there),
        Standing::Absent | Standing::Current | Standing::Newer { .. } | Standing::Changed | Standing::Foreign => {
            standing
        }
    }
}

fn is_unknown(error: &str) -> bool {
    error.starts_with("no handler found for uri") || error.starts_with("Incorrect HTTP method")
}

/// Puts saved objects into OpenSearch Dashboards where they may be put. The client is one of Dashboards.
pub async fn saved(client: &Client, objects: &[Saved]) -> Vec<Applied> {
    let told = |object: &Saved, done: Done| Applied { kind: object.kind, name: object.title.clone(), done };
    let failed = |problem: String| objects.iter().map(|object| told(object, Done::Failed(problem.clone()))).collect();
    let asked: Vec<Json> = objects.iter().map(|object| json!({"type": object.kind, "id": object.id})).collect();
    let there = match ask(client, Method::POST, "/api/saved_objects/_bulk_get", Some(&Json::Array(asked))).await {
        Ok(there) => there,
        Err(problem) => return failed(problem),
    };
    let found = match (there.status, there.json.get("saved_objects").and_then(Json::as_array)) {
        (200, Some(found)) => found,
        (200 | 400 | 404 | 405, None) => {
            let lacking = Done::Lacking("no OpenSearch Dashboards answers there".to_owned());
            return objects.iter().map(|object| told(object, lacking.clone())).collect();
        }
        _ => return failed(there.error),
    };
    let mut applied = Vec::with_capacity(objects.len());
    for object in objects {
        let is_it = |found: &&Json| {
            found.get("type") == Some(&json!(object.kind)) && found.get("id") == Some(&json!(object.id))
        };
        let standing = found.iter().find(is_it).map_or(Standing::Absent, |found| object.standing(found));
        let done = match standing {
            Standing::Absent => put_saved(client, object, "", Done::Created).await,
            Standing::Outdated { version } => {
                put_saved(client, object, "?overwrite=true", Done::Updated { from: version }).await
            }
            Standing::Current => Done::Current,
            Standing::Newer { .. } | Standing::Changed | Standing::Foreign => {
                Done::Left(standing.why_left().unwrap_or_default())
            }
        };
        applied.push(told(object, done));
    }
    applied
}

async fn put_saved(client: &Client, object: &Saved, query: &str, done: Done) -> Done {
    let path = format!("/api/saved_objects/_bulk_create{query}");
    match ask(client, Method::POST, &path, Some(&json!([object.json()]))).await {
        Ok(told) if told.status == 200 => {
            match told.json.pointer("/saved_objects/0/error/message").and_then(Json::as_str) {
                Some(problem) => Done::Failed(problem.to_owned()),
                None => done,
            }
        }
        Ok(told) => Done::Failed(told.error),
        Err(problem) => Done::Failed(problem),
    }
}
