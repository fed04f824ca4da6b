//! Roles: whom they trust, and all statements of their policies.

use serde_json::Value as Json;

use super::aws::{Action, Aws, Looked, Paged, paged};
use super::xml::Node;
use super::{decoded, last_part};

/// Policies of each kind that are read of a role; AWS allows 20 attached ones.
const POLICIES_MAX: usize = 20;

/// Pages of up to 100 policies of each kind.
const PAGES_MAX: usize = 2;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Role {
    pub(in crate::cli::doctor) name: String,
    pub(in crate::cli::doctor) arn: String,
    pub(in crate::cli::doctor) trust: Json,
    /// Policy documents.
    pub(in crate::cli::doctor) policies: Vec<Json>,
    /// Whether all of them could be read.
    pub(in crate::cli::doctor) is_whole: bool,
}

pub(in crate::cli::doctor) async fn role(aws: &Aws, arn: &str) -> Looked<Role> {
    let name = last_part(arn);
    let answer = match aws.query(Action::GetRole, arn, &[("RoleName", name)]).await {
        Looked::Found(answer) => answer,
        Looked::NotThere => return Looked::NotThere,
        Looked::Unknown => return Looked::Unknown,
    };
    let trust = document(&answer.text("Role/AssumeRolePolicyDocument"));
    let mut role = Role { name: name.to_owned(), arn: arn.to_owned(), trust, policies: Vec::new(), is_whole: true };
    inline(aws, &mut role).await;
    attached(aws, &mut role).await;
    Looked::Found(role)
}

/// The first [`POLICIES_MAX`] policies of a kind; a role that has more is not whole.
async fn listed(aws: &Aws, role: &mut Role, action: Action, read: fn(&Node) -> Vec<String>) -> Vec<String> {
    let names = paged(PAGES_MAX, async |marker: Option<&str>| {
        let mut asked = vec![("RoleName", role.name.as_str())];
        asked.extend(marker.map(|marker| ("Marker", marker)));
        aws.query(action, &role.arn, &asked).await.map(|answer| (read(&answer), Some(answer.text("Marker"))))
    });
    let mut names = names.await.found().cloned().unwrap_or_else(|| Paged { items: Vec::new(), has_more: true });
    role.is_whole &= !names.has_more && names.items.len() <= POLICIES_MAX;
    names.items.truncate(POLICIES_MAX);
    names.items
}

async fn inline(aws: &Aws, role: &mut Role) {
    for name in listed(aws, role, Action::ListRolePolicies, |answer| answer.texts("PolicyNames")).await {
        let asked = [("RoleName", role.name.as_str()), ("PolicyName", name.as_str())];
        let answer = aws.query(Action::GetRolePolicy, &role.arn, &asked).await;
        match answer.found() {
            Some(answer) => role.policies.push(document(&answer.text("PolicyDocument"))),
            None => role.is_whole = false,
        }
    }
}

async fn attached(aws: &Aws, role: &mut Role) {
    let arns = |answer: &Node| answer.all("AttachedPolicies").iter().map(|policy| policy.text("PolicyArn")).collect();
    for arn in listed(aws, role, Action::ListAttachedRolePolicies, arns).await {
        let arn = arn.as_str();
        let policy = aws.query(Action::GetPolicy, arn, &[("PolicyArn", arn)]).await;
        let version = policy.found().map(|answer| answer.text("Policy/DefaultVersionId"));
        let document = match &version {
            Some(version) => {
                let asked = [("PolicyArn", arn), ("VersionId", version.as_str())];
                let answer = aws.query(Action::GetPolicyVersion, arn, &asked).await;
                answer.found().map(|answer| document(&answer.text("PolicyVersion/Document")))
            }
            None => None,
        };
        match document {
            Some(document) => role.policies.push(document),
            None => role.is_whole = false,
        }
    }
}

/// A policy document stands percent-encoded in IAM's XML.
fn document(text: &str) -> Json {
    serde_json::from_str(&decoded(text)).unwrap_or_default()
}
