//! The database: does it write the log, into a file, and does it export it; is there room for it.

use std::collections::BTreeMap;

use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::aws::Looked;
use crate::cli::doctor::read::rds::{Database, Member, Origin};
use crate::cli::doctor::read::{Chain, Place, quoted};

const GIB: f64 = 1_073_741_824.0;

/// Of a volume, in percent: below it is a warning, below [`FULL_PERCENT`] an error.
const LOW_PERCENT: f64 = 10.0;

const FULL_PERCENT: f64 = 3.0;

/// Of an Aurora instance's local storage, where logs lie until they are exported.
const LOW_LOCAL: f64 = 2.0 * GIB;

const TO_A_TABLE: &str = "RDS exports files; what goes to a table stays there, and fills it";

const NO_ENTRY: &str = "no entry of this log is written, so none can arrive";

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    let Some(origin) = &chain.origin else { return };
    let commands = Commands { place: &chain.place, origin };
    let database = match &chain.database {
        Looked::Found(database) => database,
        Looked::NotThere => {
            let read = format!("there is no {} {}", commands.kind(), origin.id);
            let why = "the log group has outlived its database, or stands in another Region; nothing new will come";
            let mend = chain.place.aws(&format!(
                "rds describe-db-{0}s --query 'DB{1}s[].DB{1}Identifier'",
                commands.kind(),
                commands.kind_capital()
            ));
            return findings.error(Hop::Rds, "rds-missing", read, why, mend);
        }
        Looked::Unknown => return,
    };
    status(&commands, database, findings);
    standings(&commands, database, super::log_group::is_fresh(chain), findings);
    parameter_group(&commands, database, findings);
    exports(&commands, database, findings);
    storage(chain, &commands, database, findings);
}

struct Commands<'a> {
    place: &'a Place,
    origin: &'a Origin,
}

impl Commands<'_> {
    fn kind(&self) -> &'static str {
        if self.origin.is_cluster { "cluster" } else { "instance" }
    }

    fn kind_capital(&self) -> &'static str {
        if self.origin.is_cluster { "Cluster" } else { "Instance" }
    }

    fn modify(&self, rest: &str) -> String {
        let (kind, id) = (self.kind(), quoted(&self.origin.id));
        self.place.aws(&format!("rds modify-db-{kind} --db-{kind}-identifier {id} {rest} --apply-immediately"))
    }

    /// A volume may be enlarged, never made smaller.
    fn grow(&self, gib: u64) -> String {
        self.modify(&format!("--allocated-storage {}", gib + gib.div_ceil(2)))
    }

    fn set(&self, group: &str, name: &str, value: &str) -> String {
        let kind = if self.origin.is_cluster { "db-cluster" } else { "db" };
        self.place.aws(&format!(
            "rds modify-{kind}-parameter-group --{kind}-parameter-group-name {} \
             --parameters ParameterName={name},ParameterValue={value},ApplyMethod=immediate",
            quoted(group)
        ))
    }
}

fn status(commands: &Commands<'_>, database: &Database, findings: &mut Findings) {
    let (kind, id) = (commands.kind(), quoted(&commands.origin.id));
    let identifier = if commands.origin.is_cluster { "db-cluster-identifier" } else { "target-db-instance-identifier" };
    let mend = match (database.status.as_str(), database.allocated_gib) {
        ("stopped" | "stopping", _) => commands.place.aws(&format!("rds start-db-{kind} --db-{kind}-identifier {id}")),
        ("storage-full", Some(gib)) => commands.grow(gib),
        ("failed", _) => commands.place.aws(&format!(
            "rds restore-db-{kind}-to-point-in-time --source-db-{kind}-identifier {id} --{identifier} {} \
             --use-latest-restorable-time",
            quoted(&format!("{}-restored", commands.origin.id))
        )),
        ("storage-full" | "deleting", _) => {
            commands.place.aws(&format!("rds describe-events --source-type db-{kind} --source-identifier {id}"))
        }
        _ => return,
    };
    let read = format!("{} is {}", commands.origin.id, database.status);
    findings.error(Hop::Rds, "rds-not-available", read, NO_ENTRY, mend);
}

fn standings(commands: &Commands<'_>, database: &Database, is_fresh: bool, findings: &mut Findings) {
    for (instance, standing) in &database.standings {
        if standing.is_empty() || standing == "in-sync" {
            continue;
        }
        let read = format!("{}: the parameter group {} is {standing}", instance, database.parameter_group);
        let mend = commands.place.aws(&format!("rds reboot-db-instance --db-instance-identifier {}", quoted(instance)));
        let code = "rds-parameter-group-pending-reboot";
        if standing != "pending-reboot" {
            let why = "what the parameter group says is not yet what the database does";
            findings.warning(Hop::Rds, "rds-parameter-group-not-in-sync", read, why, mend);
        } else if is_fresh {
            let why = "log events come in, so this log is on; what else was changed counts from the next reboot on";
            findings.warning(Hop::Rds, code, read, why, mend);
        } else {
            let why = "a parameter group that was attached counts from the next reboot on, its dynamic parameters too";
            findings.error(Hop::Rds, code, read, why, mend);
        }
    }
}

fn parameter_group(commands: &Commands<'_>, database: &Database, findings: &mut Findings) {
    let Some(parameters) = database.parameters.found() else { return };
    let switch = match (commands.origin.log.as_str(), commands.origin.is_cluster) {
        ("general", _) => "general_log",
        ("slowquery", _) => "slow_query_log",
        // Elsewhere an option group has it.
        ("audit", true) => "server_audit_logging",
        _ => return,
    };
    let group = database.parameter_group.as_str();
    members(commands, database, switch, findings);
    let is_on = |name: &str| {
        parameters.get(name).is_some_and(|value| is_switched_on(value)) || by_members(database, name, is_switched_on)
    };
    let to_file = commands.origin.log == "audit"
        || goes_to_file(parameters, &database.engine)
        || by_members(database, "log_output", is_to_file);
    if let (Some(family), false) = (group.strip_prefix("default."), is_on(switch) && to_file) {
        let kind = if commands.origin.is_cluster { "db-cluster" } else { "db" };
        let new = quoted(&format!("hydrant-{}", commands.origin.id));
        let create = commands.place.aws(&format!(
            "rds create-{kind}-parameter-group --{kind}-parameter-group-name {new} --db-parameter-group-family {} \
             --description Hydrant",
            quoted(family)
        ));
        let attach = commands.modify(&format!("--{kind}-parameter-group-name {new}"));
        let read = format!("{} has the parameter group {group}", commands.origin.id);
        let why = "a default parameter group cannot be changed, and it does not switch this log on into a file; a new one needs a reboot";
        return findings.error(Hop::Rds, "rds-default-parameter-group", read, why, format!("{create} && {attach}"));
    }
    if !is_on(switch) {
        let code = if switch == "general_log" { "rds-general-log-off" } else { "rds-log-off" };
        let read = format!("{switch} is {} in {group}", parameters.get(switch).map_or("not set", String::as_str));
        findings.error(Hop::Rds, code, read, NO_ENTRY, commands.set(group, switch, "1"));
    }
    if !to_file {
        let value = parameters.get("log_output").map_or("not set, which is TABLE", String::as_str);
        let read = format!("log_output is {value} in {group}");
        findings.error(
            Hop::Rds,
            "rds-log-output-not-file",
            read,
            TO_A_TABLE,
            commands.set(group, "log_output", "FILE"),
        );
    }
}

/// Whether each instance of a cluster sets it right itself, which counts before the cluster's parameter group.
fn by_members(database: &Database, name: &str, is_right: fn(&str) -> bool) -> bool {
    let is_set = |member: &Member| member.parameters.get(name).is_some_and(|value| is_right(value));
    let members = &database.members;
    !members.is_empty() && members.len() == database.standings.len() && members.iter().all(is_set)
}

/// What a member's own parameter group switches off.
fn members(commands: &Commands<'_>, database: &Database, switch: &str, findings: &mut Findings) {
    for Member { instance, parameter_group, parameters } in &database.members {
        let mut wrong = |name: &str, code, right: &str, is_right: fn(&str) -> bool, why| {
            let Some(value) = parameters.get(name).filter(|value| !is_right(value)) else { return };
            let read =
                format!("{name} is {value} in {parameter_group} of {instance}, which counts before the cluster's");
            let mend = commands.place.aws(&format!(
                "rds modify-db-parameter-group --db-parameter-group-name {} \
                 --parameters ParameterName={name},ParameterValue={right},ApplyMethod=immediate",
                quoted(parameter_group)
            ));
            findings.error(Hop::Rds, code, read, why, mend);
        };
        let code = if switch == "general_log" { "rds-general-log-off" } else { "rds-log-off" };
        wrong(switch, code, "1", is_switched_on, NO_ENTRY);
        if commands.origin.log != "audit" {
            wrong("log_output", "rds-log-output-not-file", "FILE", is_to_file, TO_A_TABLE);
        }
    }
}

fn is_switched_on(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("on")
}

fn is_to_file(value: &str) -> bool {
    value.split(',').any(|part| part.trim().eq_ignore_ascii_case("file"))
}

fn goes_to_file(parameters: &BTreeMap<String, String>, engine: &str) -> bool {
    parameters.get("log_output").map_or_else(|| engine.starts_with("aurora"), |value| is_to_file(value))
}

fn exports(commands: &Commands<'_>, database: &Database, findings: &mut Findings) {
    let log = commands.origin.log.as_str();
    if database.exports.iter().any(|name| name == log) {
        return;
    }
    let told = if database.exports.is_empty() { "nothing".to_owned() } else { database.exports.join(", ") };
    let read = format!("{} exports {told}", commands.origin.id);
    let configuration = format!("{{\"EnableLogTypes\":[\"{log}\"]}}");
    let mend = commands.modify(&format!("--cloudwatch-logs-export-configuration {}", quoted(&configuration)));
    if database.exports_pending.iter().any(|name| name == log) {
        let why = "the export of this log is being switched on; look again in some minutes";
        return findings.info(Hop::Rds, "rds-export-pending", read, why, mend);
    }
    findings.error(Hop::Rds, "rds-export-off", read, "what is not exported does not reach CloudWatch Logs", mend);
}

fn storage(chain: &Chain, commands: &Commands<'_>, database: &Database, findings: &mut Findings) {
    let why = "the general log fills the storage that the database itself needs, and a full one stops it";
    if let (Some(free), Some(gib)) = (chain.metrics.least("freestorage"), database.allocated_gib) {
        let all = gib as f64 * GIB;
        let percent = free / all * 100.0;
        let read = format!("{} has {:.1} GiB of {gib} GiB free", commands.origin.id, free / GIB);
        let mend = commands.grow(gib);
        if percent < FULL_PERCENT {
            findings.error(Hop::Rds, "rds-storage-low", read, why, mend);
        } else if percent < LOW_PERCENT {
            findings.warning(Hop::Rds, "rds-storage-low", read, why, mend);
        }
    }
    if let Some(free) = chain.metrics.least("localstorage").filter(|free| *free < LOW_LOCAL) {
        let read = format!("an instance of {} has {:.1} GiB of local storage free", commands.origin.id, free / GIB);
        let mend =
            chain.place.aws("rds modify-db-instance --db-instance-identifier MEMBER --db-instance-class LARGER_CLASS");
        findings.warning(Hop::Rds, "rds-storage-low", read, why, mend);
    }
}
