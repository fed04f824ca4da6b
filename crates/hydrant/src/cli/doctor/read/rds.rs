//! The database: an instance, or a cluster of Aurora, its parameter group and the logs that it exports.

use std::collections::BTreeMap;

use super::aws::{Action, Aws, Looked, paged};
use super::xml::Node;

/// Pages of a parameter group; each holds up to 100 of some 500 parameters.
const PAGES_MAX: usize = 20;

/// Instances of a cluster of Aurora: a writer and 15 readers.
const MEMBERS_MAX: usize = 16;

/// Parameters that are looked at.
const PARAMETERS: [&str; 5] =
    ["general_log", "slow_query_log", "log_output", "server_audit_logging", "server_audit_events"];

/// What a log group of RDS is named after: `/aws/rds/KIND/ID/LOG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Origin {
    pub(in crate::cli::doctor) is_cluster: bool,
    pub(in crate::cli::doctor) id: String,
    /// `general`, `slowquery`, `error`, `audit`.
    pub(in crate::cli::doctor) log: String,
}

impl Origin {
    pub(in crate::cli::doctor) fn of(log_group: &str) -> Option<Origin> {
        let mut parts = log_group.strip_prefix("/aws/rds/")?.split('/');
        let (kind, id, log) = (parts.next()?, parts.next()?, parts.next()?);
        let is_cluster = match kind {
            "cluster" => true,
            "instance" => false,
            _ => return None,
        };
        parts.next().is_none().then(|| Origin { is_cluster, id: id.to_owned(), log: log.to_owned() })
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Database {
    pub(in crate::cli::doctor) engine: String,
    pub(in crate::cli::doctor) status: String,
    pub(in crate::cli::doctor) parameter_group: String,
    /// `in-sync`, `pending-reboot`, …: of the instance, of each member of a cluster.
    pub(in crate::cli::doctor) standings: Vec<(String, String)>,
    pub(in crate::cli::doctor) exports: Vec<String>,
    pub(in crate::cli::doctor) exports_pending: Vec<String>,
    /// Of an instance with a volume of its own.
    pub(in crate::cli::doctor) allocated_gib: Option<u64>,
    pub(in crate::cli::doctor) parameters: Looked<BTreeMap<String, String>>,
    /// Of a cluster.
    pub(in crate::cli::doctor) members: Vec<Member>,
}

/// An instance of a cluster: what its own parameter group sets counts before the cluster's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Member {
    pub(in crate::cli::doctor) instance: String,
    pub(in crate::cli::doctor) parameter_group: String,
    /// Those that somebody has set.
    pub(in crate::cli::doctor) parameters: BTreeMap<String, String>,
}

pub(in crate::cli::doctor) async fn read(aws: &Aws, origin: &Origin) -> Looked<Database> {
    let id = origin.id.as_str();
    let (action, name) = match origin.is_cluster {
        true => (Action::DescribeDbClusters, "DBClusterIdentifier"),
        false => (Action::DescribeDbInstances, "DBInstanceIdentifier"),
    };
    let answer = match aws.query(action, id, &[(name, id)]).await {
        Looked::Found(answer) => answer,
        Looked::NotThere => return Looked::NotThere,
        Looked::Unknown => return Looked::Unknown,
    };
    let read = if origin.is_cluster { cluster } else { instance };
    let Some(mut database) = read(&answer) else { return Looked::NotThere };
    if !database.parameter_group.is_empty() {
        database.parameters = parameters(aws, &database.parameter_group, origin.is_cluster, false).await;
    }
    if origin.is_cluster {
        let names: Vec<String> = database.standings.iter().map(|(name, _)| name.clone()).collect();
        database.members = members(aws, &names).await;
    }
    Looked::Found(database)
}

/// Those that have a parameter group of their own; a default one has nothing that somebody has set.
async fn members(aws: &Aws, names: &[String]) -> Vec<Member> {
    let (mut members, mut known) = (Vec::new(), BTreeMap::<String, BTreeMap<String, String>>::new());
    for name in names.iter().take(MEMBERS_MAX) {
        let asked = [("DBInstanceIdentifier", name.as_str())];
        let answer = aws.query(Action::DescribeDbInstances, name, &asked).await;
        let Some(Database { parameter_group, .. }) = answer.found().and_then(instance) else { continue };
        if parameter_group.starts_with("default.") {
            continue;
        }
        let parameters = match known.get(&parameter_group).cloned() {
            Some(parameters) => parameters,
            None => {
                let read = parameters(aws, &parameter_group, false, true).await.found().cloned().unwrap_or_default();
                known.insert(parameter_group.clone(), read.clone());
                read
            }
        };
        members.push(Member { instance: name.clone(), parameter_group, parameters });
    }
    members
}

fn instance(answer: &Node) -> Option<Database> {
    let found = answer.all("DBInstances").first()?;
    let group = found.all("DBParameterGroups").first()?;
    let standing = (found.text("DBInstanceIdentifier"), group.text("ParameterApplyStatus"));
    Some(Database {
        engine: found.text("Engine"),
        status: found.text("DBInstanceStatus"),
        parameter_group: group.text("DBParameterGroupName"),
        standings: vec![standing],
        exports: found.texts("EnabledCloudwatchLogsExports"),
        exports_pending: found.texts("PendingModifiedValues/PendingCloudwatchLogsExports/LogTypesToEnable"),
        allocated_gib: found.number("AllocatedStorage"),
        ..Database::default()
    })
}

fn cluster(answer: &Node) -> Option<Database> {
    let found = answer.all("DBClusters").first()?;
    let members = found.all("DBClusterMembers").iter();
    let standing = |member: &Node| (member.text("DBInstanceIdentifier"), member.text("DBClusterParameterGroupStatus"));
    Some(Database {
        engine: found.text("Engine"),
        status: found.text("Status"),
        parameter_group: found.text("DBClusterParameterGroup"),
        standings: members.map(standing).collect(),
        exports: found.texts("EnabledCloudwatchLogsExports"),
        exports_pending: found.texts("PendingModifiedValues/PendingCloudwatchLogsExports/LogTypesToEnable"),
        ..Database::default()
    })
}

/// What a parameter group sets; with `is_own`, only what somebody and not AWS has set.
async fn parameters(aws: &Aws, group: &str, is_cluster: bool, is_own: bool) -> Looked<BTreeMap<String, String>> {
    let (action, name) = match is_cluster {
        true => (Action::DescribeDbClusterParameters, "DBClusterParameterGroupName"),
        false => (Action::DescribeDbParameters, "DBParameterGroupName"),
    };
    let found = paged(PAGES_MAX, async |marker: Option<&str>| {
        let mut asked = vec![(name, group)];
        asked.extend(marker.map(|marker| ("Marker", marker)));
        aws.query(action, group, &asked).await.map(|page| {
            let counts = |parameter: &&Node| !is_own || parameter.text("Source") == "user";
            let all = page.all("Parameters").iter().filter(counts);
            let all = all.map(|parameter| (parameter.text("ParameterName"), parameter.text("ParameterValue")));
            let all = all.filter(|(name, value)| PARAMETERS.contains(&name.as_str()) && !value.is_empty());
            (all.collect::<Vec<_>>(), Some(page.text("Marker")))
        })
    });
    match found.await {
        // One that was not read may say otherwise.
        Looked::Found(found) if found.has_more => Looked::Unknown,
        Looked::Found(found) => Looked::Found(found.items.into_iter().collect()),
        Looked::NotThere => Looked::NotThere,
        Looked::Unknown => Looked::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn log_groups_of_rds_name_their_database() {
        let origin = |name| Origin::of(name).map(|found| (found.is_cluster, found.id, found.log));
        let of = |is_cluster, id: &str, log: &str| Some((is_cluster, id.to_owned(), log.to_owned()));
        assert_eq!(origin("/aws/rds/instance/db-1/general"), of(false, "db-1", "general"));
        assert_eq!(origin("/aws/rds/cluster/c/audit"), of(true, "c", "audit"));
        for other in ["/aws/rds/instance/db-1", "/aws/rds/proxy/p/x", "/aws/lambda/f", "/aws/rds/instance/a/b/c", ""] {
            assert_eq!(origin(other), None, "{other}");
        }
    }
}
