//! The files of `deploy/opensearch/`: all that `hydrant setup opensearch` puts, for people who put it by other means. The
//! program makes them, and a test holds them equal.

use hydrant_transform::document::{Profile, Rotation};
use serde_json::Value as Json;

use super::dashboards;
use super::parts::Object;
use super::template::{Shape, Wanted};

/// Days that the policy among the files keeps entries.
pub const DAYS: u32 = 30;

/// The name of role and mapping.
pub const ROLE: &str = "hydrant_writer";

/// Stands for the role of whoever writes.
const ARN: &str = "arn:aws:iam::123456789012:role/hydrant";

/// Of a cluster of several nodes.
const SHAPE: Shape = Shape { shards: 1, replicas: 1 };

/// Path below the folder, and content.
pub fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut patterns = Vec::new();
    for profile in Profile::ALL {
        let wanted = Wanted::new("hydrant-{format}", profile);
        patterns = wanted.patterns();
        for template in wanted.templates(SHAPE) {
            let name = template.name.trim_start_matches("hydrant-").to_owned();
            files.push((format!("templates/{}/{name}.json", profile.name()), pretty(&template.body)));
        }
        files.push((format!("dashboards/{}.ndjson", profile.name()), ndjson(&wanted.base(), profile)));
    }
    for (file, object) in [
        ("ism-policy.json", Object::policy("hydrant", &patterns, DAYS, Rotation::OneDay)),
        ("role.json", Object::role(ROLE, &patterns)),
        ("role-mapping.json", Object::role_mapping(ROLE, &[ARN.to_owned()])),
    ] {
        files.push((file.to_owned(), pretty(&object.body)));
    }
    files
}

/// Saved objects as Dashboards imports them.
pub fn ndjson(base: &str, profile: Profile) -> String {
    dashboards::objects(base, profile).iter().map(|saved| format!("{}\n", saved.json())).collect()
}

fn pretty(json: &Json) -> String {
    format!("{json:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_deploy_are_what_the_program_makes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/opensearch");
        for (path, content) in files() {
            let found = std::fs::read_to_string(format!("{folder}/{path}"));
            let found = found.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(found == content, "{path} differs; run: hydrant setup opensearch --write deploy/opensearch");
        }
    }
}
