//! Commands that mend, where more than one call is needed or the same one is printed for several findings.

use hydrant_opensearch::Service;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::address;
use super::read::{Place, quoted};

/// Why `hydrant.toml` stands in a command: without it `setup` signs nothing, and `replay` fills an index of its own.
pub(super) const FILE: &str = "hydrant.toml has to name this cluster as the chain does: index.engine = \"opensearch\", \
                               index.endpoint, index.sign, index.name, index.rotation";

/// The right to look for a canary, as OpenSearch calls it.
pub(super) const TO_SEARCH: &str = "indices:data/read/search";

/// Runs a command without the keys of the environment.
const WITHOUT_KEYS: &str = "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN ";

/// A command of Hydrant itself, with Region and profile as its own SDK takes them.
fn hydrant(place: &Place, command: &str) -> String {
    let profile = place.profile.as_ref().map(|name| format!("AWS_PROFILE={} ", quoted(name))).unwrap_or_default();
    let keys = if place.has_keys && !profile.is_empty() { WITHOUT_KEYS } else { "" };
    format!("{keys}{profile}AWS_REGION={} hydrant {command}", quoted(&place.region))
}

/// Puts templates, policy and role into a cluster; `more` stands behind.
pub(super) fn setup(place: &Place, endpoint: Option<&str>, more: &str) -> String {
    let endpoint = endpoint.map(|url| format!(" --endpoint {}", quoted(&address::shown(url)))).unwrap_or_default();
    hydrant(place, &format!("setup opensearch --config hydrant.toml{endpoint}{more}"))
}

/// Sends what failed to the cluster once more.
pub(super) fn replay(place: &Place, from: &str) -> String {
    let endpoint = place.endpoint_url.as_ref().map(|url| format!(" --endpoint {}", quoted(url))).unwrap_or_default();
    let (from, region) = (quoted(from), quoted(&place.region));
    hydrant(place, &format!("replay {from} --config hydrant.toml --region {region}{endpoint}"))
}

/// Requests to a cluster itself, one after the other, signed where the cluster asks for it.
pub(super) fn curl(place: &Place, sign: Option<Service>, requests: &[String]) -> String {
    let (keys, sign_in) = match sign {
        Some(Service::Es) => signing(place, "es"),
        Some(Service::Aoss) => signing(place, "aoss"),
        None => (String::new(), String::new()),
    };
    let all: Vec<String> = requests.iter().map(|request| format!("curl -sS {sign_in}{request}")).collect();
    format!("{keys}{}", all.join(" && "))
}

/// What puts the keys into the shell, and curl's options for a signature with them.
fn signing(place: &Place, service: &str) -> (String, String) {
    let profile = place.profile.as_ref().map(|name| format!(" --profile {}", quoted(name))).unwrap_or_default();
    let keys = format!("eval \"$(aws configure export-credentials --format env{profile})\" && ");
    // Without a session token curl leaves its header out.
    let sign_in = format!(
        "--aws-sigv4 {} --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" \
         -H \"x-amz-security-token: $AWS_SESSION_TOKEN\" ",
        quoted(&format!("aws:amz:{}:{service}", place.region))
    );
    (keys, sign_in)
}

/// Asks an address whether anything is there. A user whose password stands in it is asked for.
pub(super) fn look(endpoint: &str) -> String {
    let user = if address::has_user(endpoint) { "-u \"$USER:$PASSWORD\" " } else { "" };
    format!("curl -sS {user}{}", quoted(&address::shown(endpoint)))
}

/// Lets the doctor's role look for a canary below a pattern of indices, and delete it.
pub(super) fn permit(place: &Place, sign: Option<Service>, endpoint: &str, pattern: &str) -> String {
    if sign == Some(Service::Aoss) {
        return place.aws("opensearchserverless list-access-policies --type data");
    }
    let rights = json!({"cluster_permissions": ["indices:data/write/bulk"], "index_permissions": [{
        "index_patterns": [pattern],
        "allowed_actions": [TO_SEARCH, "indices:data/write/delete", "indices:data/write/bulk*"]}]});
    let endpoint = address::shown(endpoint);
    let put = |what: &str, body: &serde_json::Value| {
        let url = format!("{}/_plugins/_security/api/{what}/hydrant_canary", endpoint.trim_end_matches('/'));
        let body = quoted(&body.to_string());
        format!("-X PUT {} -H 'content-type: application/json' -d {body}", quoted(&url))
    };
    let mapping = json!({"backend_roles": ["ROLE_OF_THE_DOCTOR"]});
    curl(place, sign, &[put("roles", &rights), put("rolesmapping", &mapping)])
}

/// Gives a role rights. The policy's name is that of its text, so that none takes another's place.
pub(super) fn grant(place: &Place, role: &str, policy: &str) -> String {
    let digest: String = Sha256::digest(policy).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let policy = quoted(policy);
    place.aws(&format!(
        "iam put-role-policy --role-name {role} --policy-name hydrant-{digest} --policy-document {policy}"
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn place() -> Place {
        Place { region: "eu-west-1".to_owned(), profile: Some("prod".to_owned()), ..Place::default() }
    }

    #[test]
    fn commands_of_hydrant_name_file_region_and_profile() {
        let expected = "AWS_PROFILE=prod AWS_REGION=eu-west-1 hydrant setup opensearch --config hydrant.toml \
                        --endpoint https://h --retention-days 14";
        assert_eq!(setup(&place(), Some("https://h"), " --retention-days 14"), expected);
        let mut place = place();
        place.has_keys = true;
        let begin =
            "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN AWS_PROFILE=prod AWS_REGION=";
        assert!(replay(&place, "s3://b/p/").starts_with(begin));
        (place.profile, place.endpoint_url) = (None, Some("http://127.0.0.1:1".to_owned()));
        let expected = "AWS_REGION=eu-west-1 hydrant replay s3://b/p/ --config hydrant.toml --region eu-west-1 \
                        --endpoint http://127.0.0.1:1";
        assert_eq!(replay(&place, "s3://b/p/"), expected);
    }

    /// Hydrant's own command line takes them.
    #[test]
    fn commands_of_hydrant_are_commands() {
        for command in [setup(&place(), Some("https://h"), " --retention-days 14"), replay(&place(), "s3://b/p/")] {
            let words = command.split(' ').filter(|word| !word.starts_with("AWS_"));
            let parsed = crate::cli::Arguments::try_parse_from(words);
            assert!(parsed.is_ok(), "{command}: {parsed:?}");
        }
    }

    #[test]
    fn requests_are_signed_where_the_cluster_asks_for_it() {
        let requests = ["https://h/_x".to_owned(), "https://h/_y".to_owned()];
        assert_eq!(curl(&place(), None, &requests), "curl -sS https://h/_x && curl -sS https://h/_y");
        for (sign, service) in [(Service::Es, "es"), (Service::Aoss, "aoss")] {
            let signed = format!(
                "curl -sS --aws-sigv4 aws:amz:eu-west-1:{service} --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" \
                 -H \"x-amz-security-token: $AWS_SESSION_TOKEN\""
            );
            let expected = format!(
                "eval \"$(aws configure export-credentials --format env --profile prod)\" && \
                 {signed} https://h/_x && {signed} https://h/_y"
            );
            assert_eq!(curl(&place(), Some(sign), &requests), expected);
        }
    }

    /// A domain with IAM refuses each request that has no signature.
    #[test]
    fn what_lets_the_doctor_look_for_a_canary_is_signed_and_names_region_and_profile() {
        let signed = permit(&place(), Some(Service::Es), "https://h/", "logs-*");
        let begin = "eval \"$(aws configure export-credentials --format env --profile prod)\" && \
                     curl -sS --aws-sigv4 aws:amz:eu-west-1:es --user ";
        assert!(signed.starts_with(begin), "{signed}");
        assert_eq!(signed.matches("--aws-sigv4").count(), 2, "{signed}");
        for part in ["-X PUT https://h/_plugins/_security/api/roles/hydrant_canary ", "\"index_patterns\":[\"logs-*\"]"]
        {
            assert!(signed.contains(part), "{signed}");
        }
        let unsigned = permit(&place(), None, "https://u:p@h", "logs-*");
        let begin = "curl -sS -X PUT https://h/_plugins/_security/api/roles/hydrant_canary -H ";
        assert!(unsigned.starts_with(begin), "{unsigned}");
        let expected = "aws opensearchserverless list-access-policies --type data --region eu-west-1 --profile prod";
        assert_eq!(permit(&place(), Some(Service::Aoss), "https://h", "logs-*"), expected);
    }

    #[test]
    fn a_password_stands_in_no_command() {
        assert_eq!(look("https://h:1/"), "curl -sS https://h:1/");
        assert_eq!(look("https://u:secret@h:1/?secret"), "curl -sS -u \"$USER:$PASSWORD\" https://h:1/");
    }

    #[test]
    fn policies_of_other_rights_have_other_names() {
        let name = |policy| {
            let command = grant(&place(), "r", policy);
            command.split("--policy-name ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
        };
        assert_eq!(name("a"), name("a"));
        assert_ne!(name("a"), name("b"));
        assert!(grant(&place(), "r", "a").ends_with("--policy-document a --region eu-west-1 --profile prod"));
    }
}
