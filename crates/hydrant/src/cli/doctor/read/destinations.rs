//! Where a chain leads, from its own configuration: which filter, which clusters, which buckets. Pure.

use std::collections::BTreeMap;

use hydrant_opensearch::Service;
use hydrant_transform::document::Rotation;

use super::cluster::{Cluster, domain_of, service_of};
use super::failed::{Layout, Place};
use super::firehose::{Delivery, Kind};
use super::index::{HYDRANT, Index};
use super::lambda::Function;
use super::logs::Filter;
use super::{Chain, last_part};

/// The filter that leads to the stream; else the first that leads to a stream, a delivery stream, a function, or to
/// another account.
pub(super) fn leading_on(filters: &[Filter], stream_arn: Option<&str>) -> Option<Filter> {
    let leads = |part: &str| filters.iter().find(|filter| filter.destination_arn.contains(part));
    let found = match stream_arn {
        Some(arn) => filters.iter().find(|filter| filter.destination_arn == arn),
        None => [":kinesis:", ":firehose:", ":lambda:", ":destination:"].into_iter().find_map(leads),
    };
    found.cloned()
}

/// The clusters and indices that documents go to, each once, with all who write to it.
pub(super) fn clusters(chain: &Chain) -> Vec<Cluster> {
    let given = &chain.given;
    let mut all: Vec<Cluster> = chain.deliveries.iter().filter_map(of_delivery).collect();
    all.extend(
        chain.functions.iter().filter(|function| writes(chain, function)).filter_map(|one| of_function(chain, one)),
    );
    if let Some(endpoint) = &given.opensearch {
        if all.is_empty() {
            let index = Index::of(HYDRANT, Rotation::default(), None, chain.group_name.as_deref());
            all.push(Cluster { index, ..Cluster::default() });
        }
        for cluster in &mut all {
            cluster.endpoint = Some(endpoint.clone());
            cluster.sign = given.sign.or_else(|| service_of(endpoint));
        }
    }
    let mut merged: BTreeMap<_, Cluster> = BTreeMap::new();
    for mut cluster in all {
        if let Some(index) = &given.index {
            cluster.index = cluster.index.named(index);
        }
        let key = (cluster.endpoint.clone(), cluster.domain_arn.clone(), cluster.index.pattern());
        match merged.get_mut(&key) {
            Some(known) => known.writers.append(&mut cluster.writers),
            None => drop(merged.insert(key, cluster)),
        }
    }
    merged.into_values().collect()
}

/// Whether a function writes to OpenSearch itself: one that Firehose calls does not.
pub(in crate::cli::doctor) fn writes(chain: &Chain, function: &Function) -> bool {
    let by_mapping = chain.mappings.iter().any(|mapping| mapping.function_arn == function.asked);
    let by_filter = chain.filter.as_ref().is_some_and(|filter| filter.destination_arn == function.asked);
    (by_mapping || by_filter) && function.variables.get("HYDRANT_OUTPUT").is_none_or(|output| output == "opensearch")
}

fn of_delivery(delivery: &Delivery) -> Option<Cluster> {
    let destination = &delivery.destination;
    let sign = match destination.kind {
        Kind::Domain => Service::Es,
        Kind::Serverless => Service::Aoss,
        Kind::Other(_) | Kind::None => return None,
    };
    let rotation = Rotation::from_name(&destination.rotation).unwrap_or(Rotation::NoRotation);
    Some(Cluster {
        endpoint: destination.endpoint.clone(),
        sign: Some(sign),
        domain_arn: destination.domain_arn.clone(),
        index: Index::new(&destination.index, rotation),
        writers: vec![destination.role.clone()],
        ..Cluster::default()
    })
}

fn of_function(chain: &Chain, function: &Function) -> Option<Cluster> {
    let text = |name: &str| function.variables.get(name).map(String::as_str);
    let endpoint = text("HYDRANT_INDEX_ENDPOINT")?.split(',').next()?.trim().to_owned();
    let sign = match text("HYDRANT_INDEX_SIGN") {
        Some("aoss") => Some(Service::Aoss),
        Some("es") => Some(Service::Es),
        _ => service_of(&endpoint),
    };
    let domain_arn = match (sign, domain_of(&endpoint), &chain.place.account) {
        (Some(Service::Es), Some(domain), Some(account)) => {
            Some(format!("arn:{}:es:{}:{account}:domain/{domain}", chain.place.partition, chain.place.region))
        }
        _ => None,
    };
    let pattern = text("HYDRANT_INDEX_NAME").unwrap_or(HYDRANT);
    let rotation = text("HYDRANT_INDEX_ROTATION").and_then(Rotation::from_name).unwrap_or_default();
    let format = text("HYDRANT_TRANSFORM_FORMAT").filter(|format| *format != "auto");
    Some(Cluster {
        endpoint: Some(endpoint),
        sign,
        domain_arn,
        index: Index::of(pattern, rotation, format, chain.group_name.as_deref()),
        writers: vec![function.role.clone()],
        ..Cluster::default()
    })
}

/// Where what has failed lies, each place once.
pub(super) fn failed_places(chain: &Chain) -> Vec<Place> {
    let mut places = Vec::new();
    for delivery in &chain.deliveries {
        let destination = &delivery.destination;
        let bucket = destination.bucket_arn.rsplit(":::").next().unwrap_or_default().to_owned();
        // Without a prefix of its own, what failed lies beside the backup.
        let is_own = !destination.error_prefix.is_empty();
        let prefix = destination.failed_prefix().to_owned();
        let by_kind = format!("{prefix}!{{firehose:error-output-type}}/");
        let is_by_kind = !is_own || destination.error_prefix.starts_with(&by_kind);
        let layout = if is_by_kind { Layout::ByKind } else { Layout::ByKey };
        places.push(Place { bucket, prefix, layout });
    }
    for function in &chain.functions {
        let Some(to) = function.variables.get("HYDRANT_FAILED_TO").and_then(|to| to.strip_prefix("s3://")) else {
            continue;
        };
        let (bucket, prefix) = to.split_once('/').unwrap_or((to, ""));
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        places.push(Place { bucket: bucket.to_owned(), prefix, layout: Layout::ByKind });
    }
    for mapping in chain.mappings.iter().filter(|mapping| !chain.is_foreign(&mapping.function_arn)) {
        let Some(arn) = mapping.on_failure.as_ref().filter(|arn| arn.contains(":s3:::")) else { continue };
        let bucket = arn.rsplit(":::").next().and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
        places.push(Place {
            bucket,
            prefix: format!("aws/lambda/{}/", last_part(&mapping.uuid)),
            layout: Layout::AllFailed,
        });
    }
    places.retain(|place| !place.bucket.is_empty());
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::super::lambda::Mapping;
    use super::*;

    #[test]
    fn two_chains_into_one_opensearch_are_two_places_and_each_is_there_once() {
        let function = |name: &str, index: &str| Function {
            asked: name.to_owned(),
            role: format!("role-of-{name}"),
            variables: [("HYDRANT_INDEX_ENDPOINT", "https://h"), ("HYDRANT_INDEX_NAME", index)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Function::default()
        };
        let functions = vec![function("a", "old"), function("b", "new"), function("c", "old")];
        let mapping = |function: &Function| Mapping { function_arn: function.asked.clone(), ..Mapping::default() };
        let chain = Chain { mappings: functions.iter().map(mapping).collect(), functions, ..Chain::default() };
        let found: Vec<_> =
            clusters(&chain).into_iter().map(|cluster| (cluster.index.pattern(), cluster.writers)).collect();
        let writers = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            found,
            [("new-*".to_owned(), writers(&["role-of-b"])), ("old-*".to_owned(), writers(&["role-of-a", "role-of-c"]))]
        );
    }
}
