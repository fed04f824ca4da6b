//! The database: an instance, or a cluster of Aurora, its parameter group and the logs that it exports.

use std::collections::BTreeMap;

use super::aws::{Action, Aws, Looked};
use super::xml::Node;

/// Pages of a parameter group; each holds up to 100 of some 500 parameters.
const PAGES_MAX: usize = 20;

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
        database.parameters = parameters(aws, &database.parameter_group, origin.is_cluster).await;
    }
    Looked::Found(database)
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
        parameters: Looked::Unknown,
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

async fn parameters(aws: &Aws, group: &str, is_cluster: bool) -> Looked<BTreeMap<String, String>> {
    let (action, name) = match is_cluster {
        true => (Action::DescribeDbClusterParameters, "DBClusterParameterGroupName"),
        false => (Action::DescribeDbParameters, "DBParameterGroupName"),
    };
    let mut found = BTreeMap::new();
    let mut marker = String::new();
    for _ in 0..PAGES_MAX {
        let mut asked = vec![(name, group)];
        if !marker.is_empty() {
            asked.push(("Marker", &marker));
        }
        let page = match aws.query(action, group, &asked).await {
            Looked::Found(page) => page,
            Looked::NotThere => return Looked::NotThere,
            Looked::Unknown => return Looked::Unknown,
        };
        for parameter in page.all("Parameters") {
            let (name, value) = (parameter.text("ParameterName"), parameter.text("ParameterValue"));
            if PARAMETERS.contains(&name.as_str()) && !value.is_empty() {
                found.insert(name, value);
            }
        }
        marker = page.text("Marker");
        if marker.is_empty() {
            break;
        }
    }
    Looked::Found(found)
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
