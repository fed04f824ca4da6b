//! What failed: how much of it lies in the bucket, by its reason.

use std::collections::BTreeMap;

use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::aws::Looked;
use crate::cli::doctor::read::{Chain, quoted};
use crate::cli::doctor::remedy;

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    for (place, found) in &chain.failed {
        let where_ = format!("s3://{}/{}", place.bucket, place.prefix);
        let failed = match found {
            Looked::Found(failed) => failed,
            Looked::NotThere => {
                let read = format!("there is no bucket {}", place.bucket);
                let why =
                    "what fails can be kept nowhere: Firehose stops delivering, and a function answers that it failed";
                let mend = chain.place.aws(&format!("s3 mb {}", quoted(&format!("s3://{}", place.bucket))));
                findings.error(Hop::Failed, "failed-bucket-missing", read, why, mend);
                continue;
            }
            Looked::Unknown => continue,
        };
        let objects: u64 = failed.objects.values().sum();
        if objects == 0 {
            continue;
        }
        let more = if failed.has_more { "at least " } else { "" };
        let mut read = format!("{where_} holds {more}{objects} objects of what failed: {}", counts(&failed.objects));
        if !failed.reasons.is_empty() {
            // The newest may be among those that were not listed.
            let of = failed.read;
            let which = if failed.has_more { format!("{of} of them") } else { format!("the newest {of}") };
            read.push_str(&format!("; in {which}: {}", counts(&failed.reasons)));
        }
        let why = format!(
            "these log entries may be in no index: once their reason is mended, a replay tells, and brings back what is not; {}",
            remedy::FILE
        );
        let mend = remedy::replay(&chain.place, &where_);
        findings.warning(Hop::Failed, "failed-objects", read, &why, mend);
    }
}

/// The most frequent first.
fn counts(all: &BTreeMap<String, u64>) -> String {
    let mut all: Vec<(&String, &u64)> = all.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told: Vec<String> = all.iter().map(|(name, count)| format!("{name} {count}")).collect();
    told.join(", ")
}
