//! The event source mapping: is it on, does it lose nothing, and does one bad record not hold a shard up.

use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::lambda::Mapping;
use crate::cli::doctor::read::{Chain, quoted};

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    // Others may read the stream too, as they like.
    for mapping in chain.mappings.iter().filter(|mapping| !chain.is_foreign(&mapping.function_arn)) {
        state(chain, mapping, findings);
        safety(chain, mapping, findings);
    }
}

fn update(chain: &Chain, mapping: &Mapping, change: &str) -> String {
    chain.place.aws(&format!("lambda update-event-source-mapping --uuid {} {change}", quoted(&mapping.uuid)))
}

fn state(chain: &Chain, mapping: &Mapping, findings: &mut Findings) {
    let Mapping { uuid, state, state_reason, last_result, .. } = mapping;
    if matches!(state.as_str(), "Disabled" | "Disabling" | "Deleting") {
        let read = format!("the mapping {uuid} is {state}: {state_reason}");
        let why = "the function reads nothing, and records expire";
        findings.error(Hop::Lambda, "mapping-disabled", read, why, update(chain, mapping, "--enabled"));
    }
    if last_result.starts_with("PROBLEM") {
        let read = format!("the last result of the mapping {uuid} is {last_result}");
        let why = "the function fails, or may not be called or not read the stream; records wait until they expire";
        let mend = chain.place.aws(&format!("lambda get-event-source-mapping --uuid {}", quoted(uuid)));
        findings.error(Hop::Lambda, "mapping-last-result", read, why, mend);
    }
}

fn safety(chain: &Chain, mapping: &Mapping, findings: &mut Findings) {
    let Mapping { uuid, starts, bisects, responses, on_failure, .. } = mapping;
    if !responses.iter().any(|one| one == "ReportBatchItemFailures") {
        let read = format!("the mapping {uuid} does not ask which records failed");
        let why = "hydrant-lambda answers the first record that is not safe; without it such an answer counts as success, and those records are lost";
        let mend = update(chain, mapping, "--function-response-types ReportBatchItemFailures");
        findings.error(Hop::Lambda, "mapping-no-partial-response", read, why, mend);
    }
    if !bisects {
        let read = format!("the mapping {uuid} does not divide a batch that fails");
        let why = "one record that ends the function holds up its shard until it expires";
        let mend = update(chain, mapping, "--bisect-batch-on-function-error");
        findings.warning(Hop::Lambda, "mapping-no-bisect", read, why, mend);
    }
    if on_failure.is_none() {
        let read = format!("the mapping {uuid} has no destination for what fails");
        let why = "a batch that is given up is gone, without a trace";
        let destination = quoted("{\"OnFailure\":{\"Destination\":\"arn:aws:s3:::BUCKET\"}}");
        let mend = update(chain, mapping, &format!("--destination-config {destination}"));
        findings.warning(Hop::Lambda, "mapping-no-failure-destination", read, why, mend);
    }
    if starts == "LATEST" {
        let read = format!("the mapping {uuid} starts at LATEST");
        let why = "records from before it was made are not read, nor would be those that come while it is made again; a second one beside it would only double the work";
        let mend = "nothing has to be done while it is there; should it be made again, then with --starting-position TRIM_HORIZON";
        let mend = mend.to_owned();
        findings.info(Hop::Lambda, "mapping-starts-at-latest", read, why, mend);
    }
}
