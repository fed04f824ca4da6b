//! Faults of Firehose and of OpenSearch.

use hydrant_opensearch::Service;

use super::*;
use crate::cli::doctor::remedy;

const UPDATE: &str = "update-destination --delivery-stream-name delivery --current-delivery-stream-version-id 3";

const FIREHOSE: &[Case] = &[
    (|c| delivery(c).status = "CREATING_FAILED".to_owned(), Hop::Firehose, "firehose-not-active", ERROR, &["delivery"]),
    (
        |c| {
            delivery(c).processor = None;
            drop(delivery(c).processors.pop());
        },
        Hop::Firehose,
        "firehose-no-processor",
        ERROR,
        &[UPDATE, "destinationId-000000000001", "BufferSizeInMBs", "0.2", "Decompression", "FUNCTION_ARN"],
    ),
    (
        |c| delivery(c).processor.as_mut().unwrap().buffer_mb = Mb(1_000),
        Hop::Firehose,
        "firehose-buffer",
        WARNING,
        &[
            UPDATE,
            "--amazonopensearchservice-destination-update",
            "{\"ParameterName\":\"CompressionFormat\",\"ParameterValue\":\"GZIP\"}",
            "{\"ParameterName\":\"NumberOfRetries\",\"ParameterValue\":\"5\"}",
            FUNCTION,
            "{\"ParameterName\":\"BufferSizeInMBs\",\"ParameterValue\":\"0.2\"}",
        ],
    ),
    (
        |c| delivery(c).destination.rotation = "NoRotation".to_owned(),
        Hop::Firehose,
        "firehose-no-rotation",
        WARNING,
        &[UPDATE, "\"IndexRotationPeriod\":\"OneDay\""],
    ),
    (
        |c| {
            delivery(c).destination.is_legacy = true;
            delivery(c).destination.rotation = "NoRotation".to_owned();
        },
        Hop::Firehose,
        "firehose-no-rotation",
        WARNING,
        &[UPDATE, "--elasticsearch-destination-update"],
    ),
    (
        |c| {
            let destination = &mut delivery(c).destination;
            destination.error_prefix.clear();
            destination.backup = "AllDocuments".to_owned();
            destination.prefix = "firehose/".to_owned();
        },
        Hop::Firehose,
        "firehose-error-prefix",
        WARNING,
        &[UPDATE, "!{firehose:error-output-type}"],
    ),
    (|c| delivery(c).destination.bucket_arn.clear(), Hop::Firehose, "firehose-no-bucket", ERROR, &["delivery"]),
    (
        |c| delivery(c).destination.logs = false,
        Hop::Firehose,
        "firehose-no-log",
        INFO,
        &[UPDATE, "/aws/kinesisfirehose/delivery"],
    ),
    (|c| delivery(c).destination.kind = Kind::None, Hop::Firehose, "firehose-no-destination", ERROR, &["delivery"]),
    (
        |c| delivery(c).destination.kind = Kind::Other("SplunkDestinationDescription".to_owned()),
        Hop::Firehose,
        "firehose-other-destination",
        INFO,
        &["delivery"],
    ),
    (
        |c| without(c, "delivery", "lambda:InvokeFunction"),
        Hop::Firehose,
        "firehose-role-rights",
        ERROR,
        &["put-role-policy --role-name delivery", "lambda:InvokeFunction", FUNCTION],
    ),
    (
        |c| without(c, "delivery", "es:ESHttp*"),
        Hop::Firehose,
        "firehose-role-rights",
        ERROR,
        &["es:ESHttpPost", healthy::DOMAIN],
    ),
    (
        |c| *c.roles.get_mut(&role_arn("delivery")).unwrap() = Looked::NotThere,
        Hop::Firehose,
        "firehose-role-missing",
        ERROR,
        &["create-role --role-name delivery"],
    ),
    (
        |c| role(c, "delivery").trust = Json::Null,
        Hop::Firehose,
        "firehose-role-trust",
        ERROR,
        &["update-assume-role-policy --role-name delivery", "firehose.amazonaws.com"],
    ),
    (
        |c| metric(c, "freshness0", 1_200.0),
        Hop::Firehose,
        "firehose-freshness",
        WARNING,
        &["/aws/kinesisfirehose/delivery"],
    ),
    (|c| metric(c, "freshness0", 9_000.0), Hop::Firehose, "firehose-freshness", ERROR, &["delivery"]),
    (|c| metric(c, "success0", 0.5), Hop::Firehose, "firehose-delivery", WARNING, &["delivery"]),
    (|c| metric(c, "processing0", 0.5), Hop::Firehose, "firehose-processing", WARNING, &["delivery"]),
    (
        |c| metric(c, "authfailure0", 1.0),
        Hop::Firehose,
        "firehose-auth-failure",
        ERROR,
        &[SETUP, "--role-arn arn:aws:iam::123456789012:role/delivery"],
    ),
];

#[test]
fn faults_of_firehose() {
    all(healthy::classic, FIREHOSE);
    let buffer = only(healthy::classic(), |c| delivery(c).processor.as_mut().unwrap().buffer_mb = Mb(1_000));
    assert_eq!(buffer.mend.matches("BufferSizeInMBs").count(), 1, "{}", buffer.mend);
    // Firehose tells what failed apart by itself behind a prefix without expressions, and without a backup there is no heap.
    for (prefix, backup) in
        [("firehose/", "AllDocuments"), ("firehose/", "FailedDocumentsOnly"), ("", "FailedDocumentsOnly")]
    {
        let mut chain = healthy::classic();
        let destination = &mut delivery(&mut chain).destination;
        (destination.error_prefix, destination.prefix) = (prefix.to_owned(), "firehose/".to_owned());
        destination.backup = backup.to_owned();
        assert_eq!(check(&chain), [], "{prefix} {backup}");
    }
    let caller = only(healthy::classic(), |c| {
        delivery(c).processor.as_mut().unwrap().role = Some(role_arn("caller"));
        let caller = Role { name: "caller".to_owned(), policies: Vec::new(), ..role(c, "delivery").clone() };
        c.roles.insert(role_arn("caller"), Looked::Found(caller));
    });
    is(&caller, Hop::Firehose, "firehose-role-rights", ERROR, &["put-role-policy --role-name caller", FUNCTION]);
    let absent = only(healthy::classic(), |c| {
        c.absent.push("arn:aws:firehose:eu-west-1:123456789012:deliverystream/gone".to_owned());
    });
    is(&absent, Hop::Firehose, "firehose-missing", ERROR, &["list-delivery-streams"]);
}

const SETUP: &str =
    "AWS_REGION=eu-west-1 hydrant setup opensearch --config hydrant.toml --endpoint https://search.example";

const SETTINGS: &str = "https://search.example/hydrant-general-*/_settings";

const SIGNED: &str = "curl -sS --aws-sigv4 aws:amz:eu-west-1:es --user";

const OPENSEARCH: &[Case] = &[
    (
        |c| c.clusters[0].reach = Reach::NoAnswer("connection refused".to_owned()),
        Hop::Opensearch,
        "opensearch-no-answer",
        ERROR,
        &["https://search.example"],
    ),
    (
        |c| c.clusters[0].reach = Reach::NotLetIn("HTTP status 403".to_owned()),
        Hop::Opensearch,
        "opensearch-not-let-in",
        WARNING,
        &[SETUP],
    ),
    (
        |c| c.clusters[0].reach = Reach::NotRead("an HTML page came in place of an answer".to_owned()),
        Hop::Opensearch,
        "opensearch-not-readable",
        WARNING,
        &[SIGNED, "https://search.example"],
    ),
    (
        |c| {
            c.clusters[0].disks = Looked::Unknown;
            c.clusters[0].not_read = vec!["/_cat/allocation: JSON `null` came in place of an answer".to_owned()];
        },
        Hop::Opensearch,
        "opensearch-not-readable",
        WARNING,
        &[SIGNED, "https://search.example"],
    ),
    (
        |c| {
            c.clusters[0].reach = Reach::NoAnswer("no route".to_owned());
            found(&mut c.clusters[0].domain).is_private = true;
        },
        Hop::Opensearch,
        "opensearch-private",
        WARNING,
        &["hydrant doctor /aws/rds/instance/orders/general --region eu-west-1 --opensearch https://"],
    ),
    (
        |c| {
            (c.clusters[0].domain, c.clusters[0].reach) = (Looked::NotThere, Reach::NotAsked);
        },
        Hop::Opensearch,
        "opensearch-domain-missing",
        ERROR,
        &["list-domain-names"],
    ),
    (
        |c| c.clusters[0].templates = Looked::Found(vec!["other*".to_owned()]),
        Hop::Opensearch,
        "opensearch-no-template",
        WARNING,
        &[SETUP],
    ),
    (
        |c| c.clusters[0].mapped = Looked::Found(vec!["somebody".to_owned()]),
        Hop::Opensearch,
        "opensearch-role-not-mapped",
        ERROR,
        &[SETUP, "--role-arn arn:aws:iam::123456789012:role/delivery"],
    ),
    (
        |c| {
            let block = ("hydrant-general-2026-11-28".to_owned(), "index write (api)".to_owned());
            c.clusters[0].blocks = Looked::Found(vec![block, ("theirs".to_owned(), "x".to_owned())]);
        },
        Hop::Opensearch,
        "opensearch-blocked",
        ERROR,
        &[SIGNED, SETTINGS],
    ),
    (|c| metric(c, "writesblocked0", 1.0), Hop::Opensearch, "opensearch-blocked", ERROR, &[SETTINGS]),
    (
        |c| c.clusters[0].health = Some("red".to_owned()),
        Hop::Opensearch,
        "opensearch-red",
        ERROR,
        &[SIGNED, "allocation/explain"],
    ),
    (
        |c| c.clusters[0].disks = Looked::Found(vec![("n".to_owned(), 88)]),
        Hop::Opensearch,
        "opensearch-disk",
        WARNING,
        &["update-domain-config --domain-name search"],
    ),
    (
        |c| c.clusters[0].disks = Looked::Found(vec![("n".to_owned(), 96)]),
        Hop::Opensearch,
        "opensearch-disk",
        ERROR,
        &["search"],
    ),
    (|c| c.clusters.clear(), Hop::Opensearch, "opensearch-not-known", WARNING, &["--opensearch"]),
];

#[test]
fn faults_of_opensearch() {
    all(healthy::classic, OPENSEARCH);
}

#[test]
fn an_address_is_told_without_its_password_and_its_query() {
    let found = only(healthy::classic(), |c| {
        c.clusters[0].endpoint = Some("https://user:secret@search.example/?token=secret".to_owned());
        c.clusters[0].reach = Reach::NoAnswer("https://user:secret@search.example/ gives no answer".to_owned());
    });
    let told = format!("{found:?}");
    assert!(!told.contains("secret") && !told.contains("token"), "{told}");
    assert_eq!(found.mend, "curl -sS -u \"$USER:$PASSWORD\" https://search.example/");
}

pub(super) fn mends() -> Vec<String> {
    let mut all: Vec<String> =
        [FIREHOSE, OPENSEARCH].into_iter().flat_map(|cases| mends_of(healthy::classic, cases)).collect();
    // Of a canary that may not be looked for.
    let place = healthy::classic().place;
    let permit = |sign| remedy::permit(&place, Some(sign), "https://search.example", "hydrant-general-*");
    all.extend([Service::Es, Service::Aoss].map(permit));
    all
}
