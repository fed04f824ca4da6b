//! Calls that brought nothing: which right is missing and on what, and services that do not answer.

use std::collections::BTreeSet;

use serde_json::json;

use super::remedy;
use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::Chain;
use crate::cli::doctor::read::aws::{Because, Refusal};

/// Services that do not answer are named once each.
pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    for refusal in &chain.refusals {
        let Refusal { action, resource, because, told } = refusal;
        let permission = action.permission();
        match because {
            Because::Denied => {
                let read = format!("{permission} on {resource} is denied: {told}");
                let why = "what this call would have told is not checked; who runs the doctor needs the right (docs/doctor.md has the whole policy)";
                let mend = remedy::grant(&chain.place, "YOUR_ROLE", &policy(chain));
                findings.warning(Hop::Access, "not-allowed", read, why, mend);
            }
            Because::Credentials => {
                let why = "nothing can be read with credentials that are missing, wrong or expired";
                let mend = chain.place.aws("sts get-caller-identity");
                // Every call would say so.
                if !findings.0.iter().any(|found| found.code == "credentials-refused") {
                    findings.error(Hop::Access, "credentials-refused", format!("{permission}: {told}"), why, mend);
                }
            }
            Because::NoAnswer => {
                let why = "what this service would have told is not checked; region, endpoint, proxy and firewall have to let the doctor through";
                let mend = chain.place.aws("sts get-caller-identity --debug");
                let service = permission.split(':').next().unwrap_or_default();
                let begins = format!("{service}:");
                if !findings.0.iter().any(|found| found.code == "no-answer" && found.read.starts_with(&begins)) {
                    findings.error(Hop::Access, "no-answer", format!("{permission}: {told}"), why, mend);
                }
            }
            Because::Other => {
                let why = "what this call would have told is not checked";
                let mend = chain.place.aws("sts get-caller-identity");
                let read = format!("{permission} on {resource}: {told}");
                findings.warning(Hop::Access, "unexpected-answer", read, why, mend);
            }
        }
    }
}

/// All that is denied, in one policy.
fn policy(chain: &Chain) -> String {
    let denied = chain.refusals.iter().filter(|refusal| refusal.because == Because::Denied);
    let actions: BTreeSet<String> = denied.map(|refusal| refusal.action.permission()).collect();
    let statement = json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}]);
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}
