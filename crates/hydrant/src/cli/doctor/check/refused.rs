//! Calls that brought nothing: which right is missing and on what, services that do not answer, and answers that are none.

use std::collections::BTreeSet;

use serde_json::json;

use crate::cli::doctor::finding::{Findings, Hop, Severity};
use crate::cli::doctor::read::Chain;
use crate::cli::doctor::read::aws::{Because, Refusal};
use crate::cli::doctor::remedy;

const NOT_CHECKED: &str = "what this call would have told is not checked";

/// Services that do not answer are named once each.
pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    if chain.is_nothing_read {
        let read = format!("not one of {} calls to AWS has brought anything", chain.refusals.len());
        let why = "whether entries arrive is not known: nothing of the chain was seen";
        let mend = chain.place.aws("sts get-caller-identity");
        findings.add(Severity::Unknown, Hop::Access, "nothing-read", read, why, mend);
    }
    let grant = remedy::grant(&chain.place, "YOUR_ROLE", &policy(chain));
    for refusal in &chain.refusals {
        let Refusal { action, resource, because, told } = refusal;
        let permission = action.permission();
        match because {
            Because::Denied => {
                let read = format!("{permission} on {resource} is denied: {told}");
                let why = "what this call would have told is not checked; who runs the doctor needs the right (docs/doctor.md has the whole policy)";
                findings.warning(Hop::Access, "not-allowed", read, why, grant.clone());
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
                let begins = format!("{}:", action.service());
                if !findings.0.iter().any(|found| found.code == "no-answer" && found.read.starts_with(&begins)) {
                    findings.error(Hop::Access, "no-answer", format!("{permission}: {told}"), why, mend);
                }
            }
            Because::NotRead => {
                let read = format!("{permission} on {resource} could not be read: {told}");
                let why = format!("{NOT_CHECKED}; a proxy, a portal or another program answers in the service's place");
                let mend = chain.place.aws("sts get-caller-identity --debug");
                findings.warning(Hop::Access, "not-readable", read, &why, mend);
            }
            Because::Other => {
                let mend = chain.place.aws("sts get-caller-identity");
                let read = format!("{permission} on {resource}: {told}");
                findings.warning(Hop::Access, "unexpected-answer", read, NOT_CHECKED, mend);
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
