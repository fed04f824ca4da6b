//! The log group: is it there, may it have a subscription filter, is something coming.

use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::aws::Looked;
use crate::cli::doctor::read::{Chain, quoted};

/// A group without a log event for so long is quiet.
const QUIET_MS: i64 = 2 * 60 * 60 * 1_000;

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    let Some(name) = &chain.group_name else {
        if chain.stream.found().is_some() {
            let (of, more) = (chain.search.looked_at, if chain.search.has_more { "; there are more" } else { "" });
            let read = format!(
                "of the {of} log groups below /aws/rds/ that were looked at none has a filter that leads to this stream{more}"
            );
            let why = "database, log group and filter are not checked";
            let mend = chain.place.doctor("LOG_GROUP");
            findings.info(Hop::LogGroup, "log-group-not-known", read, why, mend);
        }
        return;
    };
    let arn_name = quoted(name);
    let group = match &chain.group {
        Looked::Found(group) => group,
        Looked::NotThere => {
            let read = format!("there is no log group {name}");
            let why = "RDS makes it with the first line that it exports; without it there is nothing to subscribe to";
            let mend = chain.place.aws(&format!("logs create-log-group --log-group-name {arn_name}"));
            return findings.error(Hop::LogGroup, "log-group-missing", read, why, mend);
        }
        Looked::Unknown => return,
    };
    if group.log_group_class == "INFREQUENT_ACCESS" || group.log_group_class == "DELIVERY" {
        let read = format!("{name} has the class {}", group.log_group_class);
        let why = "only the class STANDARD takes a subscription filter, and a class cannot be changed: the group has to be made again, and all log events in it go with it";
        let mend = format!(
            "{} && {}",
            chain.place.aws(&format!("logs delete-log-group --log-group-name {arn_name}")),
            chain.place.aws(&format!("logs create-log-group --log-group-name {arn_name} --log-group-class STANDARD"))
        );
        findings.error(Hop::LogGroup, "log-group-class", read, why, mend);
    }
    if group.retention_in_days.is_none() {
        let read = format!("{name} keeps log events for ever");
        let why = "what is kept is paid for; once it is in OpenSearch, days do";
        let mend =
            chain.place.aws(&format!("logs put-retention-policy --log-group-name {arn_name} --retention-in-days 14"));
        findings.info(Hop::LogGroup, "log-group-retention", read, why, mend);
    }
    quiet(chain, findings, name, group.newest_ms.found());
}

/// Whether log events come in.
pub(super) fn is_fresh(chain: &Chain) -> bool {
    let newest_ms = chain.group.found().and_then(|group| group.newest_ms.found().copied().flatten());
    newest_ms.is_some_and(|newest| chain.place.now_ms - newest < QUIET_MS)
        || chain.metrics.sum("incoming").is_some_and(|events| events > 0.0)
}

fn quiet(chain: &Chain, findings: &mut Findings, name: &str, newest_ms: Option<&Option<i64>>) {
    let Some(newest_ms) = newest_ms else { return };
    if is_fresh(chain) {
        return;
    }
    let read = match newest_ms {
        None => format!("{name} has no log event at all"),
        Some(newest) => {
            format!("the newest log event of {name} is {} minutes old", (chain.place.now_ms - newest) / 60_000)
        }
    };
    let why = "nothing new enters the chain: the database is idle, or its log does not get here";
    let mend = chain.place.aws(&format!(
        "logs describe-log-streams --log-group-name {} --order-by LastEventTime --descending",
        quoted(name)
    ));
    findings.warning(Hop::LogGroup, "log-group-quiet", read, why, mend);
}
