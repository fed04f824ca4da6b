//! Calls that brought nothing: which right is missing and on what, and services that do not answer.

use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::Chain;
use crate::cli::doctor::read::aws::{Because, Refusal};
use crate::cli::doctor::read::quoted;

/// Services that do not answer are named once each.
pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    for refusal in &chain.refusals {
        let Refusal { action, resource, because, told } = refusal;
        let permission = action.permission();
        match because {
            Because::Denied => {
                let read = format!("{permission} on {resource} is denied: {told}");
                let why = "what this call would have told is not checked; who runs the doctor needs the right (docs/doctor.md has the whole policy)";
                let policy = serde_json::json!({"Version": "2012-10-17", "Statement":
                    [{"Effect": "Allow", "Action": permission, "Resource": "*"}]});
                let mend = format!(
                    "aws iam put-role-policy --role-name YOUR_ROLE --policy-name hydrant-doctor --policy-document {}",
                    quoted(&policy.to_string())
                );
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
