//! What policies say: whom a role trusts, and whether an action on a resource is allowed.
//!
//! Conditions are not weighed: a statement that allows under a condition allows, one that denies under a condition does
//! not deny. Permission boundaries and policies of the organisation are not read.

use serde_json::{Value as Json, json};

use crate::cli::doctor::read::iam::Role;

/// Statements, of which a single one may stand without its list.
fn statements(policy: &Json) -> &[Json] {
    match policy.get("Statement") {
        Some(Json::Array(all)) => all,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

fn texts(value: Option<&Json>) -> Vec<&str> {
    match value {
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
        None => Vec::new(),
    }
}

fn is(statement: &Json, effect: &str) -> bool {
    statement.get("Effect").and_then(Json::as_str) == Some(effect)
}

/// Whether a trust policy lets a service take the role on: `logs` stands for `logs.amazonaws.com`, for
/// `logs.REGION.amazonaws.com` and for China's names.
pub(super) fn trusts(trust: &Json, service: &str) -> bool {
    statements(trust).iter().filter(|statement| is(statement, "Allow")).any(|statement| {
        let principals = match statement.get("Principal") {
            Some(Json::Object(kinds)) => texts(kinds.get("Service")),
            other => texts(other),
        };
        let is_service = |name: &str| {
            let bare = name.trim_end_matches(".cn").strip_suffix(".amazonaws.com");
            name == "*" || bare.is_some_and(|bare| bare.split('.').next() == Some(service))
        };
        let takes = |action: &str| fits(&action.to_lowercase(), "sts:assumerole");
        principals.into_iter().any(is_service) && texts(statement.get("Action")).into_iter().any(takes)
    })
}

/// Whether a role's policies allow an action. A role whose policies are not all known is given the benefit of the doubt.
pub(super) fn allows(role: &Role, action: &str, resource: &str) -> bool {
    let all = || role.policies.iter().flat_map(statements).filter(|statement| meets(statement, action, resource));
    let denied = all().any(|statement| is(statement, "Deny") && statement.get("Condition").is_none());
    let allowed = all().any(|statement| is(statement, "Allow"));
    !role.is_whole || (allowed && !denied)
}

/// Whether a resource's own policy lets a role do it by itself, whatever the role's policies say.
pub(super) fn grants(policy: &Json, role_arn: &str, action: &str, resource: &str) -> bool {
    let names_role = |statement: &Json| {
        let principals = match statement.get("Principal") {
            Some(Json::Object(kinds)) => texts(kinds.get("AWS")),
            other => texts(other),
        };
        // That of the account only lets the role's own policies decide.
        principals.into_iter().any(|name| name == "*" || name == role_arn)
    };
    let all = || statements(policy).iter().filter(|one| meets(one, action, resource) && names_role(one));
    all().any(|one| is(one, "Allow")) && !all().any(|one| is(one, "Deny") && one.get("Condition").is_none())
}

fn meets(statement: &Json, action: &str, resource: &str) -> bool {
    let action = action.to_lowercase();
    let names_action = |name: &str| texts(statement.get(name)).iter().any(|one| fits(&one.to_lowercase(), &action));
    let names_resource = |name: &str| texts(statement.get(name)).iter().any(|one| fits(one, resource));
    let of_action = match statement.get("NotAction") {
        Some(_) => !names_action("NotAction"),
        None => names_action("Action"),
    };
    let of_resource = match statement.get("NotResource") {
        Some(_) => !names_resource("NotResource"),
        None => names_resource("Resource"),
    };
    of_action && of_resource
}

/// Whether a text fits a pattern in which `*` stands for any characters and `?` for one.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut idx) = (0, 0);
    // Behind the last `*`: where it stands, and how much of the text it holds.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(idx) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, idx));
                at += 1;
            }
            Some(expected) if *expected == '?' || expected == character => {
                at += 1;
                idx += 1;
            }
            Some(_) | None => match star {
                Some((star_at, held)) => {
                    star = Some((star_at, held + 1));
                    (at, idx) = (star_at + 1, held + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

/// A policy that allows what is lacking.
pub(super) fn granting(lacking: &[&(&'static str, String)]) -> String {
    let statement =
        |(action, resource): &&(&str, String)| json!({"Effect": "Allow", "Action": action, "Resource": resource});
    let all: Vec<Json> = lacking.iter().map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": all}).to_string()
}

/// A role's policy of trust, with one more service: whoever it trusts already stays.
pub(super) fn trust_too(document: &Json, service: &str) -> String {
    let principal = json!({"Service": format!("{service}.amazonaws.com")});
    let mut all = statements(document).to_vec();
    all.push(json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}));
    json!({"Version": "2012-10-17", "Statement": all}).to_string()
}

/// A policy that lets a service take a role on.
pub(super) fn trust(service: &str) -> String {
    trust_too(&Json::Null, service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(statements: Json) -> Role {
        Role { policies: vec![json!({"Statement": statements})], is_whole: true, ..Role::default() }
    }

    #[test]
    fn patterns_are_those_of_policies() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("arn:*:s/*", "arn:aws:s/x/y", true),
            ("a*b*c", "a-c-b-b-c", true),
            ("", "a", false),
            ("**", "é", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!fits(&"*a".repeat(50), &"a".repeat(49)), "it ends, too");
    }

    #[test]
    fn rights_are_allowed_by_a_statement_and_denied_by_another() {
        let allow = json!({"Effect": "Allow", "Action": ["kinesis:Put*"], "Resource": "arn:s"});
        assert!(allows(&role(allow.clone()), "kinesis:PutRecord", "arn:s"));
        assert!(!allows(&role(allow.clone()), "kinesis:PutRecord", "arn:other"));
        assert!(!allows(&role(allow.clone()), "kinesis:GetRecords", "arn:s"));
        let deny = json!({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"});
        assert!(!allows(&role(json!([allow, deny])), "kinesis:PutRecord", "arn:s"));
        let under = json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"x": "true"}}});
        assert!(allows(&role(json!([allow, under])), "kinesis:PutRecord", "arn:s"));
        // Of all that stands below a prefix, one that is allowed by its name is not enough.
        let below = |resource: &str| role(json!({"Effect": "Allow", "Action": "s3:PutObject", "Resource": resource}));
        assert!(!allows(&below("arn:b/x/x"), "s3:PutObject", "arn:b/x/*"));
        assert!(["arn:b/x/*", "arn:b/*", "*"].iter().all(|all| allows(&below(all), "s3:PutObject", "arn:b/x/*")));
        let not_resource = json!({"Effect": "Allow", "Action": "*", "NotResource": "arn:s"});
        assert!(!allows(&role(not_resource), "kinesis:PutRecord", "arn:s"));
        assert!(allows(&Role { is_whole: false, ..Role::default() }, "kinesis:PutRecord", "arn:s"));
    }

    #[test]
    fn a_domain_may_grant_by_itself() {
        let policy = |principal: &str| {
            json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": principal},
            "Action": "es:ESHttp*", "Resource": "arn:d/*"}]})
        };
        let role = "arn:aws:iam::1:role/r";
        assert!(grants(&policy(role), role, "es:ESHttpPost", "arn:d/_bulk"));
        assert!(!grants(&policy("arn:aws:iam::1:root"), role, "es:ESHttpPost", "arn:d/_bulk"));
        assert!(!grants(&policy(role), role, "es:ESHttpPost", "arn:other/_bulk"));
        assert!(!grants(&Json::Null, role, "es:ESHttpPost", "arn:d/_bulk"));
    }

    #[test]
    fn trust_is_given_to_a_service_whatever_the_region() {
        let trust_of = |principal: Json| json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}});
        for principal in [
            json!({"Service": "logs.amazonaws.com"}),
            json!({"Service": ["x.amazonaws.com", "logs.eu-west-1.amazonaws.com"]}),
            json!({"Service": "logs.cn-north-1.amazonaws.com.cn"}),
            json!("*"),
        ] {
            assert!(trusts(&trust_of(principal.clone()), "logs"), "{principal}");
        }
        for principal in
            [json!({"Service": "firehose.amazonaws.com"}), json!({"AWS": "*"}), json!({"Service": "logs.evil.example"})]
        {
            assert!(!trusts(&trust_of(principal.clone()), "logs"), "{principal}");
        }
        assert!(trusts(&serde_json::from_str(&trust("logs")).unwrap(), "logs"));
        let of_ec2 = trust_of(json!({"Service": "ec2.amazonaws.com"}));
        let both = serde_json::from_str(&trust_too(&of_ec2, "logs")).unwrap();
        assert!(trusts(&both, "logs") && trusts(&both, "ec2"), "{both}");
        assert!(!trusts(&Json::Null, "logs"));
    }
}
