//! What variables are read as, and what is told of those that are wrong.

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::new(variables.collect())
}

#[test]
fn nothing_set_is_a_transformation_for_opensearch() {
    let settings = Settings::read(&environment(&[("PATH", "/bin")])).unwrap();
    assert_eq!((settings.output, settings.destination), (Output::OpenSearch, Destination::Documents));
    assert_eq!((settings.answer_bytes_max, settings.options.format), (6_291_456, None));
    assert_eq!((settings.naming.pattern(), settings.naming.rotation()), ("hydrant-{format}", Rotation::OneDay));
    assert_eq!((settings.options.redact, settings.index.ids), (Redact::Secrets, true));
    assert_eq!((settings.failed, settings.delivery_stream), (None, None));
    assert_eq!(settings.index.limits.operation, Operation::Create);
}

#[test]
fn everything_set_is_read() {
    let all = [
        ("HYDRANT_OUTPUT", "firehose"),
        ("HYDRANT_DELIVERY_STREAM", "logs"),
        ("HYDRANT_DESTINATION", "lines"),
        ("HYDRANT_ANSWER_LIMIT", "1000000"),
        ("HYDRANT_TRANSFORM_FORMAT", "slow"),
        ("HYDRANT_TRANSFORM_PROFILE", "ecs"),
        ("HYDRANT_TRANSFORM_REDACT", "literals"),
        ("HYDRANT_TRANSFORM_DIGEST", "true"),
        ("HYDRANT_TRANSFORM_NOISE", "rds"),
        ("HYDRANT_TRANSFORM_PID", "string"),
        ("HYDRANT_JOIN_LOG_GROUPS", "/agents/*, mine"),
        ("HYDRANT_INDEX_ENDPOINT", "https://a, https://b:9200"),
        ("HYDRANT_INDEX_SIGN", "aoss"),
        ("HYDRANT_INDEX_NAME", "logs-{log_group}"),
        ("HYDRANT_INDEX_ROTATION", "OneHour"),
        ("HYDRANT_INDEX_ROTATE_BY", "arrival"),
        ("HYDRANT_INDEX_OPERATION", "index"),
        ("HYDRANT_INDEX_IDS", "off"),
        ("HYDRANT_FAILED_TO", "s3://my-bucket/a/b/"),
        ("HYDRANT_FAILED_REGION", "eu-west-3"),
    ];
    let settings = Settings::read(&environment(&all)).unwrap();
    assert_eq!((settings.output, settings.destination), (Output::Firehose, Destination::Lines));
    assert_eq!(settings.delivery_stream.as_deref(), Some("logs"));
    assert_eq!((settings.answer_bytes_max, settings.options.format), (1_000_000, Some(Format::Slow)));
    assert_eq!((settings.options.profile, settings.options.digest), (Profile::Ecs, true));
    assert_eq!((settings.options.filters.noise, settings.options.pid_as_string), (Noise::Rds, true));
    let joined = ["/agents/x", "/agents", "mine", "mine2"].map(|name| settings.options.join.applies(name));
    assert_eq!(joined, [true, false, true, false]);
    assert_eq!(settings.index.endpoints, ["https://a", "https://b:9200"]);
    assert_eq!((settings.index.sign, settings.index.ids), (Some(Service::Aoss), false));
    assert_eq!((settings.naming.rotation(), settings.naming.rotate_by()), (Rotation::OneHour, RotateBy::Arrival));
    let bucket = Bucket { name: "my-bucket".into(), prefix: "a/b".into(), region: Some("eu-west-3".into()) };
    assert_eq!(settings.failed, Some(bucket));
}

#[test]
fn every_problem_is_told_with_its_variable() {
    let wrong = [
        ("HYDRANT_OUTPUT", "kinesis", "`kinesis` is neither"),
        ("HYDRANT_DESTINATION", "s3", "`s3` is neither"),
        ("HYDRANT_ANSWER_LIMIT", "7MB", "a number of bytes from 4096 to 6291456"),
        ("HYDRANT_TRANSFORM_FORMAT", "pattern", "`pattern` is none of"),
        ("HYDRANT_TRANSFORM_PROFILE", "x", "`x` is none of `classic`"),
        ("HYDRANT_TRANSFORM_DIGEST", "yes", "`yes` is neither"),
        ("HYDRANT_JOIN_LOG_GROUPS", "/a*/b", "`/a*/b`: `*` stands for any ending"),
        ("HYDRANT_INDEX_ENDPOINT", "a:9200", "is expected"),
        ("HYDRANT_INDEX_REGION", "EU (Ireland)", "`EU (Ireland)` is no region"),
        ("HYDRANT_DELIVERY_STREAM", "arn:aws:s3:::logs", "neither the name of a delivery stream nor its ARN"),
        ("HYDRANT_INDEX_SIGN", "s3", "`s3` is neither"),
        ("HYDRANT_INDEX_ROTATION", "Daily", "`Daily` is none of"),
        ("HYDRANT_INDEX_NAME", "A B", "HYDRANT_INDEX_NAME: "),
        ("HYDRANT_FAILED_TO", "/tmp/failed", "`/tmp/failed` is not s3://BUCKET/PREFIX"),
        ("HYDRANT_INDEX_ENDPIONT", "https://a", "HYDRANT_INDEX_ENDPIONT is no setting; there are HYDRANT_OUTPUT, "),
    ];
    for (name, value, says) in wrong {
        let SettingsError(problems) = Settings::read(&environment(&[(name, value)])).unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with(name), "{problems:?}");
        assert!(problems[0].contains(says), "{problems:?}");
    }
    for (name, values) in [
        ("HYDRANT_INDEX_ENDPOINT", &[",", " , ,,", "https://a?b=c"][..]),
        ("HYDRANT_FAILED_TO", &["s3://a", "s3://-abc", "s3://abc.", "s3://a..b", "s3://UPPER", "s3://abc/../x"]),
        ("HYDRANT_DELIVERY_STREAM", &["a b", "a/b", "arn:aws:firehose:eu-west-1:1:deliverystream/"]),
    ] {
        for value in values {
            let SettingsError(problems) = Settings::read(&environment(&[(name, value)])).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(name), "{value}: {problems:?}");
        }
    }
    let both: Vec<(&str, &str)> = wrong.iter().map(|(name, value, _)| (*name, *value)).collect();
    assert_eq!(Settings::read(&environment(&both)).unwrap_err().0.len(), wrong.len());
    let needs = Settings::read(&environment(&[("HYDRANT_OUTPUT", "firehose")])).unwrap_err();
    assert_eq!(needs.to_string(), "HYDRANT_OUTPUT is `firehose`, which needs HYDRANT_DELIVERY_STREAM");
    let region = Settings::read(&environment(&[("HYDRANT_FAILED_REGION", "x")])).unwrap_err();
    assert_eq!(region.to_string(), "HYDRANT_FAILED_REGION needs HYDRANT_FAILED_TO");
}

#[test]
fn addresses_of_services_are_checked_before_the_function_is_there() {
    for (name, value) in [("AWS_ENDPOINT_URL", "garbage"), ("AWS_ENDPOINT_URL_S3", "http://a?t=s3cret")] {
        let SettingsError(problems) = Settings::describe(&environment(&[(name, value)])).unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with(name), "{problems:?}");
        assert!(!problems[0].contains("s3cret"), "{problems:?}");
    }
    assert!(Settings::describe(&environment(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")])).is_ok());
}

#[test]
fn what_is_shown_is_what_holds() {
    let shown = Settings::describe(&environment(&[("HYDRANT_INDEX_ROTATION", "OneWeek")])).unwrap();
    for (name, ..) in VARIABLES {
        assert!(shown.contains(&format!("\nHYDRANT_{name}=")), "{name}");
    }
    assert!(shown.contains("\nHYDRANT_INDEX_ROTATION=OneWeek\n") && shown.contains("\nHYDRANT_INDEX_IDS=on\n"));
    let alias = Settings::describe(&environment(&[("HYDRANT_INDEX_TARGET", "alias")])).unwrap();
    assert!(alias.contains("\nHYDRANT_INDEX_ROTATION=NoRotation\n"), "{alias}");
}

#[test]
fn records_are_bounded_by_the_functions_memory() {
    let bounds = |mib: &str| {
        let settings = Settings::read(&environment(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", mib)])).unwrap();
        let Bounds { record, documents_bytes_max } = settings.options.bounds;
        (record.bytes_max, record.events_max, documents_bytes_max)
    };
    assert_eq!(bounds("512"), (53_687_091, 209_715, 107_374_182));
    assert_eq!(bounds("10240"), (268_435_456, 1_000_000, 536_870_912));
    // Nobody says: by hand, and `hydrant config check`.
    assert_eq!(bounds(""), (268_435_456, 1_000_000, 536_870_912));
}
