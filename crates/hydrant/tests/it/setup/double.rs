//! A server that stands for OpenSearch with its plug-ins, for OpenSearch Dashboards and for AWS's token service, as far
//! as `hydrant setup` speaks with them. Answers have the form that the documentation of the plug-ins shows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

/// What it holds and what it was asked.
#[derive(Default)]
pub(crate) struct World {
    /// By path; saved objects by `saved/TYPE/ID`.
    pub(crate) objects: BTreeMap<String, Value>,
    /// How often an object was written.
    writes: BTreeMap<String, u64>,
    /// Method, path with query, and headers of each request.
    pub(crate) requests: Vec<(String, String, HeaderMap)>,
    /// What token requests asked for.
    pub(crate) tokens: Vec<String>,
    /// What `GET /` says.
    pub(crate) version: Value,
    /// Paths that begin so are refused.
    pub(crate) forbidden: Option<&'static str>,
}

pub(crate) struct Double {
    pub(crate) url: String,
    pub(crate) world: Arc<Mutex<World>>,
}

impl Double {
    pub(crate) async fn start() -> Double {
        let version = json!({"distribution": "opensearch", "number": "2.19.1"});
        let world = Arc::new(Mutex::new(World { version, ..World::default() }));
        let router = Router::new().fallback(answer).with_state(world.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Ends with the test's runtime.
        #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
        drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        Double { url, world }
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.world.lock().unwrap().objects.keys().cloned().collect()
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.lock().unwrap())
    }
}

type Told = (StatusCode, String);

fn json_of(status: u16, body: &Value) -> Told {
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

async fn answer(
    State(world): State<Arc<Mutex<World>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Told {
    let mut world = world.lock().unwrap();
    let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned());
    let has_xsrf = headers.contains_key("osd-xsrf");
    world.requests.push((method.to_string(), uri.to_string(), headers));
    if world.forbidden.is_some_and(|beginning| path.starts_with(beginning)) {
        return json_of(403, &json!({"status": "FORBIDDEN", "message": "No permission to access REST API"}));
    }
    let sent = || serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
    match (method.as_str(), path.as_str()) {
        ("GET", "/") => json_of(200, &json!({"name": "double", "version": world.version})),
        ("GET", "/_cluster/health") => json_of(200, &json!({"status": "green", "number_of_data_nodes": 3})),
        ("POST", "/") => token(&mut world, &String::from_utf8_lossy(&body)),
        ("POST", _) if path.starts_with("/api/") && !has_xsrf => json_of(
            400,
            &json!({"statusCode": 400, "error": "Bad Request", "message": "Request must contain a osd-xsrf header."}),
        ),
        ("POST", "/api/saved_objects/_bulk_get") => bulk_get(&world, &sent()),
        ("POST", "/api/saved_objects/_bulk_create") => {
            bulk_create(&mut world, &sent(), query.contains("overwrite=true"))
        }
        ("GET", _) => get(&world, &path),
        ("PUT", _) => put(&mut world, &path, &query, sent()),
        _ => json_of(400, &json!({"error": format!("no handler found for uri [{uri}] and method [{method}]")})),
    }
}

fn token(world: &mut World, asked: &str) -> Told {
    world.tokens.push(asked.to_owned());
    let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
        <AssumedRoleId>AROA:hydrant</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/writer/hydrant</Arn></AssumedRoleUser>\
        <Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>of-the-role</SessionToken>\
        <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    (StatusCode::OK, body.to_owned())
}

fn get(world: &World, path: &str) -> Told {
    let name = path.rsplit('/').next().unwrap();
    let Some(object) = world.objects.get(path) else {
        return if path.starts_with("/_plugins/_security/") {
            json_of(404, &json!({"status": "NOT_FOUND", "message": format!("Resource '{name}' not found.")}))
        } else {
            let error = json!({"root_cause": [], "type": "resource_not_found_exception", "reason": format!("[{name}] not found")});
            json_of(404, &json!({"error": error, "status": 404}))
        };
    };
    let writes = world.writes.get(path).copied().unwrap_or(0);
    let mut object = object.clone();
    let told = match path.trim_end_matches(name) {
        "/_index_template/" => json!({"index_templates": [{"name": name, "index_template": object}]}),
        "/_plugins/_ism/policies/" => {
            let policy = object["policy"].as_object_mut().unwrap();
            for (name, value) in [
                ("policy_id", json!(name)),
                ("last_updated_time", json!(1_577_990_761_311_u64 + writes)),
                ("schema_version", json!(21)),
                ("error_notification", Value::Null),
            ] {
                policy.insert(name.to_owned(), value);
            }
            for state in policy["states"].as_array_mut().unwrap() {
                for action in state["actions"].as_array_mut().unwrap() {
                    action["retry"] = json!({"count": 3, "backoff": "exponential", "delay": "1m"});
                }
            }
            json!({"_id": name, "_version": writes, "_seq_no": writes, "_primary_term": 1, "policy": policy})
        }
        _ => {
            let members = object.as_object_mut().unwrap();
            for (name, value) in [("reserved", json!(false)), ("hidden", json!(false)), ("hosts", json!([]))] {
                members.insert(name.to_owned(), value);
            }
            json!({name: members})
        }
    };
    json_of(200, &told)
}

fn put(world: &mut World, path: &str, query: &str, body: Value) -> Told {
    let writes = world.writes.get(path).copied().unwrap_or(0);
    if path.starts_with("/_plugins/_ism/")
        && world.objects.contains_key(path)
        && query != format!("if_seq_no={writes}&if_primary_term=1")
    {
        let reason = "version conflict, document already exists (current version [1])";
        return json_of(
            409,
            &json!({"error": {"type": "version_conflict_engine_exception", "reason": reason}, "status": 409}),
        );
    }
    world.objects.insert(path.to_owned(), body);
    world.writes.insert(path.to_owned(), writes + 1);
    json_of(if writes == 0 { 201 } else { 200 }, &json!({"acknowledged": true}))
}

fn saved_path(object: &Value) -> String {
    format!("saved/{}/{}", object["type"].as_str().unwrap(), object["id"].as_str().unwrap())
}

fn bulk_get(world: &World, asked: &Value) -> Told {
    let one = |asked: &Value| match world.objects.get(&saved_path(asked)) {
        Some(object) => {
            let mut object = object.clone();
            object["version"] = json!("WzEsMV0=");
            object["namespaces"] = json!(["default"]);
            object
        }
        None => {
            json!({"type": asked["type"], "id": asked["id"], "error": {"statusCode": 404, "error": "Not Found", "message": "Saved object not found"}})
        }
    };
    let found: Vec<Value> = asked.as_array().unwrap().iter().map(one).collect();
    json_of(200, &json!({"saved_objects": found}))
}

fn bulk_create(world: &mut World, sent: &Value, overwrite: bool) -> Told {
    let mut told = Vec::new();
    for object in sent.as_array().unwrap() {
        let path = saved_path(object);
        if world.objects.contains_key(&path) && !overwrite {
            told.push(json!({"type": object["type"], "id": object["id"], "error": {"statusCode": 409, "error": "Conflict", "message": "Saved object conflict"}}));
        } else {
            world.objects.insert(path, object.clone());
            told.push(object.clone());
        }
    }
    json_of(200, &json!({"saved_objects": told}))
}
