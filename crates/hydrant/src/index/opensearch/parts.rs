//! What stands in a cluster beside the templates: the policy that deletes old indices, the role that may write, and who
//! has it. Plug-ins keep them, each with its own form of answers.

use hydrant_transform::document::Rotation;
use serde_json::{Value as Json, json};

use super::marked::{Essence, Mark, Standing, flatten, judge};
use super::template::Template;

/// Of the policy among others that want the same indices.
const PRIORITY: u32 = 150;

/// What the server adds, or what says nothing of the content.
const NOT_CONTENT: [&str; 12] = [
    "retry",
    "last_updated_time",
    "policy_id",
    "schema_version",
    "error_notification",
    "user",
    "description",
    "reserved",
    "hidden",
    "static",
    "id",
    "version",
];

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    IndexTemplate,
    Policy,
    Role,
    RoleMapping,
}

impl Kind {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::IndexTemplate => "index template",
            Kind::Policy => "index state management policy",
            Kind::Role => "role",
            Kind::RoleMapping => "role mapping",
        }
    }

    /// The plug-in that keeps it.
    pub fn plugin(self) -> Option<&'static str> {
        match self {
            Kind::IndexTemplate => None,
            Kind::Policy => Some("index management"),
            Kind::Role | Kind::RoleMapping => Some("security"),
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Kind::IndexTemplate => "/_index_template",
            Kind::Policy => "/_plugins/_ism/policies",
            Kind::Role => "/_plugins/_security/api/roles",
            Kind::RoleMapping => "/_plugins/_security/api/rolesmapping",
        }
    }
}

/// One object, as it is put.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub kind: Kind,
    pub name: String,
    pub body: Json,
    mark: Mark,
}

impl From<Template> for Object {
    fn from(template: Template) -> Object {
        Object { kind: Kind::IndexTemplate, mark: template.mark().clone(), name: template.name, body: template.body }
    }
}

impl Object {
    /// Where it stands in the cluster.
    pub fn path(&self) -> String {
        format!("{}/{}", self.kind.folder(), self.name)
    }

    /// Keeps entries so many days: an index is deleted that long after the period in which it still gets entries.
    pub fn policy(name: &str, patterns: &[String], days: u32, rotation: Rotation) -> Object {
        let age_days = days.saturating_add(period_days(rotation));
        let age = format!("{age_days}d");
        let policy = json!({
            "default_state": "kept",
            "states": [
                {"name": "kept", "actions": [], "transitions": [
                    {"state_name": "deleted", "conditions": {"min_index_age": age}}]},
                {"name": "deleted", "actions": [{"delete": {}}], "transitions": []},
            ],
            "ism_template": [{"index_patterns": patterns, "priority": PRIORITY}],
        });
        let what = format!("Keeps entries {days} days: deletes indices {age_days} days after they were made.");
        Object::described(Kind::Policy, name, policy, &what, |policy| json!({"policy": policy}))
    }

    /// May do what `hydrant run` does, and nothing else.
    pub fn role(name: &str, patterns: &[String]) -> Object {
        let role = json!({
            "cluster_permissions": [
                "cluster:monitor/main",
                "cluster:monitor/health",
                "cluster:monitor/state",
                "indices:data/write/bulk",
                "indices:admin/index_template/get",
                "indices:admin/index_template/put",
                "indices:admin/index_template/simulate_index",
            ],
            "index_permissions": [{
                "index_patterns": patterns,
                "allowed_actions": [
                    "create_index",
                    "index",
                    "read",
                    "indices_monitor",
                    "indices:admin/get",
                    "indices:admin/mappings/get",
                    "indices:admin/refresh*",
                ],
            }],
        });
        let what = "May create indices of Hydrant, write documents and search them.";
        Object::described(Kind::Role, name, role, what, |role| role)
    }

    /// Gives the role to roles and users of IAM.
    pub fn role_mapping(name: &str, arns: &[String]) -> Object {
        let (users, roles): (Vec<&String>, Vec<&String>) = arns.iter().partition(|arn| arn.contains(":user/"));
        let mut mapping = json!({"backend_roles": roles});
        if let Some(mapping) = mapping.as_object_mut().filter(|_| !users.is_empty()) {
            mapping.insert("users".to_owned(), json!(users));
        }
        Object::described(Kind::RoleMapping, name, mapping, "Who writes documents.", |mapping| mapping)
    }

    /// With a description that carries the mark.
    fn described(kind: Kind, name: &str, mut content: Json, what: &str, wrap: fn(Json) -> Json) -> Object {
        let mark = Mark::of(&essence(&content));
        if let Some(content) = content.as_object_mut() {
            content.shift_insert(0, "description".to_owned(), json!(mark.describe(what)));
        }
        Object { kind, name: name.to_owned(), body: wrap(content), mark }
    }

    /// The mapping with the names beside its own that the one in the cluster has.
    pub fn with_those_of(&self, answer: &Json) -> Object {
        if self.kind != Kind::RoleMapping {
            return self.clone();
        }
        let mut arns: Vec<String> = Vec::new();
        let there = answer.get(&self.name).unwrap_or(&Json::Null);
        for mapping in [there, &self.body] {
            for member in ["backend_roles", "users"] {
                let named = mapping.get(member).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
                for arn in named {
                    if !arns.iter().any(|known| known == arn) {
                        arns.push(arn.to_owned());
                    }
                }
            }
        }
        Object::role_mapping(&self.name, &arns)
    }

    /// How what the cluster answers to a question for it stands to it.
    pub fn standing(&self, answer: &Json) -> Standing {
        let there = match self.kind {
            Kind::IndexTemplate => return self.template_standing(answer),
            Kind::Policy => answer.get("policy"),
            Kind::Role | Kind::RoleMapping => answer.get(&self.name),
        };
        let Some(there) = there else { return Standing::Absent };
        let text = there.get("description").and_then(Json::as_str).unwrap_or_default();
        judge(&self.mark, Mark::from_text(text), &essence(there))
    }

    fn template_standing(&self, answer: &Json) -> Standing {
        Template::new(self.name.clone(), self.body.clone(), self.mark.clone()).standing(answer)
    }

    /// What has to stand behind its path so that only this state of it is overwritten.
    pub fn condition(&self, answer: &Json) -> String {
        let number = |name: &str| answer.get(name).and_then(Json::as_u64);
        match (self.kind, number("_seq_no"), number("_primary_term")) {
            (Kind::Policy, Some(place), Some(term)) => format!("?if_seq_no={place}&if_primary_term={term}"),
            _ => String::new(),
        }
    }
}

/// How many days after it was made an index may get an entry of its own time.
fn period_days(rotation: Rotation) -> u32 {
    match rotation {
        Rotation::NoRotation => 0,
        Rotation::OneHour | Rotation::OneDay => 1,
        Rotation::OneWeek => 7,
        Rotation::OneMonth => 31,
    }
}

fn essence(content: &Json) -> Essence {
    let mut out = Essence::new();
    flatten(content, "", &NOT_CONTENT, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns() -> Vec<String> {
        vec!["hydrant-general-2*-*".to_owned(), "hydrant-slow-2*-*".to_owned()]
    }

    /// As the documentation of index state management shows an answer.
    #[test]
    fn a_policy_is_known_again_beside_what_the_plugin_adds() {
        let ours = Object::policy("hydrant", &patterns(), 30, Rotation::OneDay);
        let answer = |days: u32| {
            let described = Object::policy("hydrant", &patterns(), days, Rotation::OneDay);
            let described = described.body["policy"]["description"].clone();
            let retry = json!({"count": 3, "backoff": "exponential", "delay": "1m"});
            json!({"_id": "hydrant", "_version": 1, "_seq_no": 7, "_primary_term": 2, "policy": {
                "policy_id": "hydrant", "description": described, "last_updated_time": 1_577_990_761_311_u64,
                "schema_version": 1, "error_notification": null, "default_state": "kept",
                "states": [
                    {"name": "kept", "actions": [], "transitions": [
                        {"state_name": "deleted", "conditions": {"min_index_age": format!("{}d", days + 1)}}]},
                    {"name": "deleted", "actions": [{"retry": retry, "delete": {}}], "transitions": []}],
                "ism_template": [{"index_patterns": patterns(), "priority": 150, "last_updated_time": 1_577_990_761_311_u64}],
            }})
        };
        assert_eq!(ours.standing(&answer(30)), Standing::Current);
        assert_eq!(ours.standing(&answer(7)), Standing::Outdated { version: 3 });
        assert_eq!(ours.condition(&answer(7)), "?if_seq_no=7&if_primary_term=2");
        let mut changed = answer(30);
        changed["policy"]["states"][0]["transitions"][0]["conditions"]["min_index_age"] = json!("90d");
        assert_eq!(ours.standing(&changed), Standing::Changed);
        changed["policy"]["description"] = json!("ours");
        assert_eq!(ours.standing(&changed), Standing::Foreign);
    }

    /// The newest entry of an index may be as much younger than it as its period is long.
    #[test]
    fn a_policy_waits_until_the_newest_entry_is_old() {
        for (rotation, age) in [
            (Rotation::OneHour, "8d"),
            (Rotation::OneDay, "8d"),
            (Rotation::OneWeek, "14d"),
            (Rotation::OneMonth, "38d"),
        ] {
            let policy = Object::policy("hydrant", &patterns(), 7, rotation).body;
            let found = policy.pointer("/policy/states/0/transitions/0/conditions/min_index_age");
            assert_eq!(found, Some(&json!(age)), "{rotation}");
        }
    }

    /// As the documentation of the security plug-in shows an answer.
    #[test]
    fn a_role_and_its_mapping_are_known_again_and_a_mapping_keeps_its_names() {
        let role = Object::role("hydrant_writer", &patterns());
        let mut there = role.body.clone();
        for (name, value) in [
            ("reserved", json!(false)),
            ("hidden", json!(false)),
            ("static", json!(false)),
            ("tenant_permissions", json!([])),
        ] {
            there[name] = value;
        }
        for (name, value) in [("dls", json!(null)), ("fls", json!([])), ("masked_fields", json!([]))] {
            there["index_permissions"][0][name] = value;
        }
        assert_eq!(role.standing(&json!({"hydrant_writer": there})), Standing::Current);
        there["index_permissions"][0]["dls"] = json!("{\"match_all\":{}}");
        assert_eq!(role.standing(&json!({"hydrant_writer": there})), Standing::Changed);

        let arns = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let one = Object::role_mapping("hydrant_writer", &arns(&["arn:aws:iam::1:role/a", "arn:aws:iam::1:user/u"]));
        assert_eq!(one.body["backend_roles"], json!(["arn:aws:iam::1:role/a"]));
        assert_eq!(one.body["users"], json!(["arn:aws:iam::1:user/u"]));
        let there = json!({"hydrant_writer": {"hosts": [], "users": ["arn:aws:iam::1:user/u"], "reserved": false,
            "hidden": false, "backend_roles": ["arn:aws:iam::1:role/a"], "and_backend_roles": [],
            "description": one.body["description"]}});
        assert_eq!(one.standing(&there), Standing::Current);
        let other = Object::role_mapping("hydrant_writer", &arns(&["arn:aws:iam::1:role/b"]));
        assert_eq!(other.standing(&there), Standing::Outdated { version: 3 });
        let both = other.with_those_of(&there);
        assert_eq!(both.body["backend_roles"], json!(["arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b"]));
        assert_eq!(both.body["users"], json!(["arn:aws:iam::1:user/u"]));
        // Nothing is left to add.
        assert_eq!(one.with_those_of(&there), one);
    }
}
