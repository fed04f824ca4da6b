//! Commands that mend, where more than one call is needed or the same one is printed for several findings.

use hydrant_opensearch::Service;
use sha2::{Digest as _, Sha256};

use crate::cli::doctor::read::cluster::Cluster;
use crate::cli::doctor::read::{Place, quoted};

/// Why `hydrant.toml` stands in a command: without it `setup` signs nothing, and `replay` fills an index of its own.
pub(super) const FILE: &str = "hydrant.toml has to name this cluster as the chain does: index.engine = \"opensearch\", \
                               index.endpoint, index.sign, index.name, index.rotation";

/// A command of Hydrant itself, with Region and profile as its own SDK takes them.
fn hydrant(place: &Place, command: &str) -> String {
    let profile = place.profile.as_ref().map(|name| format!("AWS_PROFILE={} ", quoted(name))).unwrap_or_default();
    format!("{profile}AWS_REGION={} hydrant {command}", quoted(&place.region))
}

/// Puts templates, policy and role into a cluster; `more` stands behind.
pub(super) fn setup(place: &Place, endpoint: Option<&str>, more: &str) -> String {
    let endpoint = endpoint.map(|url| format!(" --endpoint {}", quoted(url))).unwrap_or_default();
    hydrant(place, &format!("setup opensearch --config hydrant.toml{endpoint}{more}"))
}

/// Sends what failed to the cluster once more.
pub(super) fn replay(place: &Place, from: &str) -> String {
    let endpoint = place.endpoint_url.as_ref().map(|url| format!(" --endpoint {}", quoted(url))).unwrap_or_default();
    let (from, region) = (quoted(from), quoted(&place.region));
    hydrant(place, &format!("replay {from} --config hydrant.toml --region {region}{endpoint}"))
}

/// A request to the cluster itself, signed where the cluster asks for it.
pub(super) fn curl(place: &Place, cluster: &Cluster, request: &str) -> String {
    let service = match cluster.sign {
        Some(Service::Es) => "es",
        Some(Service::Aoss) => "aoss",
        None => return format!("curl -sS {request}"),
    };
    let profile = place.profile.as_ref().map(|name| format!(" --profile {}", quoted(name))).unwrap_or_default();
    // Without a session token curl leaves its header out.
    format!(
        "eval \"$(aws configure export-credentials --format env{profile})\" && \
         curl -sS --aws-sigv4 aws:amz:{}:{service} --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" \
         -H \"x-amz-security-token: $AWS_SESSION_TOKEN\" {request}",
        place.region
    )
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
        let mut cluster = Cluster::default();
        assert_eq!(curl(&place(), &cluster, "https://h/_x"), "curl -sS https://h/_x");
        for (sign, service) in [(Service::Es, "es"), (Service::Aoss, "aoss")] {
            cluster.sign = Some(sign);
            let expected = format!(
                "eval \"$(aws configure export-credentials --format env --profile prod)\" && curl -sS \
                 --aws-sigv4 aws:amz:eu-west-1:{service} --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" \
                 -H \"x-amz-security-token: $AWS_SESSION_TOKEN\" https://h/_x"
            );
            assert_eq!(curl(&place(), &cluster, "https://h/_x"), expected);
        }
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
