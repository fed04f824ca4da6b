//! OpenSearch: is it there, are its templates put, does it know who writes, does something stand against a write.

use hydrant_opensearch::Service;

use super::policy::fits;
use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::aws::Looked;
use crate::cli::doctor::read::cluster::{Cluster, Reach};
use crate::cli::doctor::read::lambda::Function;
use crate::cli::doctor::read::{Chain, last_part, quoted};
use crate::cli::doctor::remedy;

/// OpenSearch's own watermarks: above the first no new shard goes to a node, above the second indices are closed to writes.
const DISK_WARNING: u64 = 85;

const DISK_ERROR: u64 = 95;

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    let is_ours = |function: &Function| !chain.is_foreign(&function.asked);
    let writes = !chain.deliveries.is_empty() || chain.functions.iter().any(is_ours);
    if chain.clusters.is_empty() && writes {
        let read = "neither Firehose nor a function names an OpenSearch".to_owned();
        let why = "where documents end is not checked";
        let mend = format!("{} --opensearch https://HOST", chain.place.doctor(chain.name()));
        findings.warning(Hop::Opensearch, "opensearch-not-known", read, why, mend);
    }
    for (idx, cluster) in chain.clusters.iter().enumerate() {
        domain(chain, cluster, findings);
        if reach(chain, cluster, findings) {
            templates(chain, cluster, findings);
            writers(chain, cluster, findings);
            blocks(chain, idx, cluster, findings);
            disks(chain, cluster, findings);
            if !cluster.not_read.is_empty() {
                let read = format!("of {} could not be read {}", cluster.name(), cluster.not_read.join("; "));
                not_read(chain, cluster, &read, findings);
            }
        }
    }
}

fn domain(chain: &Chain, cluster: &Cluster, findings: &mut Findings) {
    let Some(arn) = &cluster.domain_arn else { return };
    let is_deleted = cluster.domain.found().is_some_and(|domain| domain.is_deleted);
    if cluster.domain.is_absent() || is_deleted {
        let read =
            format!("the domain {} is {}", last_part(arn), if is_deleted { "being deleted" } else { "not there" });
        let why =
            "documents have nowhere to go; Firehose keeps them in the bucket, a mapping in the stream, while they last";
        let mend = chain.place.aws("opensearch list-domain-names");
        findings.error(Hop::Opensearch, "opensearch-domain-missing", read, why, mend);
    }
}

/// Whether the cluster has answered.
fn reach(chain: &Chain, cluster: &Cluster, findings: &mut Findings) -> bool {
    let is_private = cluster.domain.found().is_some_and(|domain| domain.is_private);
    match &cluster.reach {
        Reach::Answers => return true,
        Reach::NotAsked => {}
        Reach::NotLetIn(why_not) => {
            let read = format!("{} does not let the doctor in: {why_not}", cluster.name());
            let why = format!(
                "templates, write rights, blocks and disks are not checked; the doctor's own role needs to be mapped; {}",
                remedy::FILE
            );
            let mend = setup(chain, cluster, " --role-arn ROLE_OF_THE_DOCTOR");
            findings.warning(Hop::Opensearch, "opensearch-not-let-in", read, &why, mend);
        }
        Reach::NoAnswer(why_not) if is_private => {
            let read = format!("{} stands in a VPC and is not reached from here: {why_not}", cluster.name());
            let why = "templates, write rights, blocks and disks are not checked from here";
            let mend = format!("{} --opensearch https://127.0.0.1:PORT_OF_A_TUNNEL", chain.place.doctor(chain.name()));
            findings.warning(Hop::Opensearch, "opensearch-private", read, why, mend);
        }
        Reach::NotRead(came) => {
            not_read(chain, cluster, &format!("{} could not be read: {came}", cluster.name()), findings);
        }
        Reach::NoAnswer(why_not) => {
            // The client's own words may name the address already.
            let told = format!("{} gives no answer", cluster.name());
            let read = if why_not.starts_with(&told) { why_not.clone() } else { format!("{told}: {why_not}") };
            let why = "while it does not answer nothing is indexed";
            let mend = remedy::look(cluster.endpoint.as_deref().unwrap_or_default());
            findings.error(Hop::Opensearch, "opensearch-no-answer", read, why, mend);
        }
    }
    false
}

/// What answers in the place of OpenSearch.
fn not_read(chain: &Chain, cluster: &Cluster, read: &str, findings: &mut Findings) {
    let why = "what it would have told is not checked: a proxy, a portal or another program answers at this address";
    let url = quoted(&cluster.name());
    let mend = remedy::curl(&chain.place, cluster.sign, &[url]);
    findings.warning(Hop::Opensearch, "opensearch-not-readable", read, why, mend);
}

fn setup(chain: &Chain, cluster: &Cluster, more: &str) -> String {
    remedy::setup(&chain.place, Some(&cluster.name()), more)
}

fn templates(chain: &Chain, cluster: &Cluster, findings: &mut Findings) {
    let Some(patterns) = cluster.templates.found() else { return };
    let index = cluster.index.example();
    // Where the name differs from entry to entry, a template for some of them does.
    let some = |pattern: &str| cluster.index.is_open() && fits(&cluster.index.pattern(), pattern);
    if patterns.iter().any(|pattern| fits(pattern, &index) || some(pattern)) {
        return;
    }
    let read = format!("no index template of {} fits {index}", cluster.name());
    let why = format!(
        "fields get the types that the first document suggests, and a later one that differs is refused; {}",
        remedy::FILE
    );
    findings.warning(Hop::Opensearch, "opensearch-no-template", read, &why, setup(chain, cluster, ""));
}

fn writers(chain: &Chain, cluster: &Cluster, findings: &mut Findings) {
    let Looked::Found(mapped) = &cluster.mapped else { return };
    for writer in &cluster.writers {
        if mapped.iter().any(|known| fits(known, writer)) {
            continue;
        }
        let read = format!("no role of {} is given to {writer}", cluster.name());
        let why = format!("fine-grained access control refuses each of its documents; {}", remedy::FILE);
        let mend = setup(chain, cluster, &format!(" --role-arn {}", quoted(writer)));
        findings.error(Hop::Opensearch, "opensearch-role-not-mapped", read, &why, mend);
    }
}

fn blocks(chain: &Chain, idx: usize, cluster: &Cluster, findings: &mut Findings) {
    // All indices of the pattern, whatever their time.
    let pattern = cluster.index.pattern();
    let ours = |index: &str| index == "cluster" || fits(&pattern, index);
    let all = cluster.blocks.found().cloned().unwrap_or_default();
    let blocked: Vec<String> =
        all.iter().filter(|(index, _)| ours(index)).map(|(index, block)| format!("{index}: {block}")).collect();
    let why =
        "documents are refused while it lasts; a full disk sets one by itself, and takes it away when there is room";
    let is_red = cluster.health.as_deref() == Some("red");
    let unblock = |index: &str| {
        let request = format!(
            "-X PUT {} -H 'content-type: application/json' -d '{{\"index.blocks.read_only_allow_delete\":null,\"index.blocks.write\":null}}'",
            quoted(&format!("{}/{index}/_settings", cluster.name().trim_end_matches('/')))
        );
        remedy::curl(&chain.place, cluster.sign, &[request])
    };
    if !blocked.is_empty() {
        let read = format!("{} refuses writes: {}", cluster.name(), blocked.join(", "));
        findings.error(Hop::Opensearch, "opensearch-blocked", read, why, unblock(&pattern));
    } else if chain.metrics.most(&format!("writesblocked{idx}")).is_some_and(|blocked| blocked > 0.0) {
        let read = format!("the domain of {} counted writes that were blocked in the last hour", cluster.name());
        findings.error(Hop::Opensearch, "opensearch-blocked", read, why, unblock(&pattern));
    }
    if is_red {
        let read = format!("{} is red", cluster.name());
        let why = "what is written to shards without a node waits or fails";
        let explain = quoted(&format!("{}/_cluster/allocation/explain", cluster.name().trim_end_matches('/')));
        let mend = remedy::curl(&chain.place, cluster.sign, &[explain]);
        findings.error(Hop::Opensearch, "opensearch-red", read, why, mend);
    }
}

fn disks(chain: &Chain, cluster: &Cluster, findings: &mut Findings) {
    if cluster.sign == Some(Service::Aoss) {
        return;
    }
    let nodes = cluster.disks.found().cloned().unwrap_or_default();
    let Some((node, percent)) = nodes.iter().max_by_key(|(_, percent)| *percent) else { return };
    let read = format!("the disk of {node} is {percent} % full");
    let why = "from 85 % on no new shard goes to a node, from 95 % on its indices take no write";
    let mend = match &cluster.domain_arn {
        Some(arn) => chain.place.aws(&format!(
            "opensearch update-domain-config --domain-name {} --ebs-options EBSEnabled=true,VolumeType=gp3,VolumeSize=LARGER_GIB",
            quoted(last_part(arn))
        )),
        None => setup(chain, cluster, " --retention-days 14"),
    };
    if *percent >= DISK_ERROR {
        findings.error(Hop::Opensearch, "opensearch-disk", read, why, mend);
    } else if *percent >= DISK_WARNING {
        findings.warning(Hop::Opensearch, "opensearch-disk", read, why, mend);
    }
}
