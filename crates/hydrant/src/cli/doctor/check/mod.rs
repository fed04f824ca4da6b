//! Judging what was read: data in, findings out, a file for each hop. Pure.

mod refused;

mod rds;

mod log_group;

mod filter;

mod stream;

mod firehose;

mod lambda;

mod mapping;

mod opensearch;

mod failed;

mod policy;

#[cfg(test)]
mod tests;

use super::finding::{Finding, Findings, Hop, Severity};
use super::read::Chain;
use super::read::aws::Looked;
use super::read::quoted;
use super::remedy;

/// All findings, in the order of the chain.
pub(super) fn check(chain: &Chain) -> Vec<Finding> {
    let mut findings = Findings::default();
    refused::check(chain, &mut findings);
    rds::check(chain, &mut findings);
    log_group::check(chain, &mut findings);
    filter::check(chain, &mut findings);
    stream::check(chain, &mut findings);
    firehose::check(chain, &mut findings);
    lambda::check(chain, &mut findings);
    mapping::check(chain, &mut findings);
    opensearch::check(chain, &mut findings);
    failed::check(chain, &mut findings);
    findings.sorted()
}

/// The customer's key that the stream is encrypted with; one that is named by an alias is not known.
fn key(chain: &Chain) -> Option<String> {
    chain.stream.found().and_then(|stream| stream.key.clone()).filter(|key| key.starts_with("arn:"))
}

/// What a stream's reader calls (AWS's managed policy `AWSLambdaKinesisExecutionRole`; Firehose's guide, "Controlling access").
const READING: [&str; 4] =
    ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"];

/// What a hop asks of a role, and how its findings are called.
struct Needs<'a> {
    hop: Hop,
    /// Who takes the role on, as `firehose.amazonaws.com` without what stands behind its first dot.
    service: &'a str,
    /// Of a role that is not there, does not trust the service, and lacks rights.
    codes: [&'static str; 3],
    /// What does not work without the rights.
    why: &'a str,
    /// Actions, each with the resource that it is needed for. A policy that allows all that a `*` at its end stands for
    /// holds one, too.
    rights: Vec<(&'static str, String)>,
    /// Of a lack of rights.
    severity: Severity,
}

/// Finds what a role lacks; one whose policies could not all be read lacks no right as far as is known.
fn role(chain: &Chain, findings: &mut Findings, arn: &str, needs: &Needs<'_>) {
    let [missing, trust, rights] = needs.codes;
    let name = super::read::last_part(arn);
    let without = format!("{}.amazonaws.com cannot take it on: nothing that it is for is done", needs.service);
    let role = match chain.roles.get(arn) {
        Some(Looked::NotThere) => {
            let mend = chain.place.aws(&format!(
                "iam create-role --role-name {} --assume-role-policy-document {}",
                quoted(name),
                quoted(&policy::trust(needs.service))
            ));
            return findings.error(needs.hop, missing, format!("the role {arn} is not there"), &without, mend);
        }
        Some(Looked::Found(role)) => role,
        Some(Looked::Unknown) | None => return,
    };
    if !policy::trusts(&role.trust, needs.service) {
        let mend = chain.place.aws(&format!(
            "iam update-assume-role-policy --role-name {} --policy-document {}",
            quoted(name),
            quoted(&policy::trust_too(&role.trust, needs.service))
        ));
        let read = format!("the role {name} does not let {}.amazonaws.com take it on", needs.service);
        findings.error(needs.hop, trust, read, &without, mend);
    }
    let domains = chain.clusters.iter().filter_map(|cluster| cluster.domain.found());
    let access: Vec<&serde_json::Value> = domains.map(|domain| &domain.access).collect();
    let is_lacking = |(action, resource): &&(&'static str, String)| {
        let granted = action.starts_with("es:") && access.iter().any(|one| policy::grants(one, arn, action, resource));
        !granted && !policy::allows(role, action, resource)
    };
    let lacking: Vec<&(&'static str, String)> = needs.rights.iter().filter(is_lacking).collect();
    if lacking.is_empty() {
        return;
    }
    let told: Vec<String> = lacking.iter().map(|(action, resource)| format!("{action} on {resource}")).collect();
    let mend = remedy::grant(&chain.place, &quoted(name), &policy::granting(&lacking));
    let read = format!("no policy of the role {name} allows {}", told.join(", "));
    // A key's own policy may allow it, and is not read.
    let is_key = lacking.iter().all(|(action, _)| action.starts_with("kms:"));
    let severity = if is_key { Severity::Warning } else { needs.severity };
    findings.add(severity, needs.hop, rights, read, needs.why, mend);
}
