//! The configuration file: what is taken, and what is said of mistakes.

use hydrant_transform::entry::Format;
use hydrant_transform::record::{Action, Noise};
use hydrant_transform::sql::redact::Redact;

use super::{Config, FormatChoice, Place, reference};

fn problems(text: &str) -> Vec<String> {
    match Config::parse(text) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems,
    }
}

#[test]
fn no_file_at_all_is_the_embedded_chain() {
    let config = Config::parse("").unwrap();
    assert_eq!(config.data.to_str(), Some("./hydrant-data"));
    assert_eq!(config.owner, "000000000000");
    assert_eq!(config.stream.shards, 1);
    assert_eq!(config.listen.rest.to_string(), "127.0.0.1:9200");
    assert_eq!(config.listen.page.to_string(), "127.0.0.1:5601");
    assert!(config.tails.is_empty());
}

#[test]
fn no_password_of_an_address_is_shown() {
    let text = "[stream]\nengine = \"kinesis\"\nname = \"s\"\nendpoint = \"http://u:hunter2@a:1\"\n\
        checkpoints = \"dynamodb://table\"\ncheckpoints_endpoint = \"http://u:hunter2@b:2/\"\n\
        [index]\nengine = \"opensearch\"\nendpoint = [\"https://c\", \"https://d:9200\"]\n\
        proxy = \"http://u:hun@ter/hunter2@proxy:3128\"\n\
        [failed]\nto = \"s3://bucket\"\nendpoint = \"http://hunter2@e\"\n\
        [backup]\nto = \"s3://bucket\"\nendpoint = \"u:hunter2@f\"\n";
    let described = Config::parse(text).unwrap().describe();
    assert!(!described.contains("hunter2") && !described.contains("hun@ter"), "{described}");
    for line in [
        "endpoint = \"http://***@a:1\"",
        "checkpoints_endpoint = \"http://***@b:2/\"",
        "endpoint = [\"https://c\", \"https://d:9200\"]",
        "proxy = \"http://***@proxy:3128\"",
        "endpoint = \"http://***@e\"",
        "endpoint = \"***@f\"",
    ] {
        assert!(described.lines().any(|found| found == line), "{line} is not among\n{described}");
    }
}

#[test]
fn every_key_of_this_version_is_taken() {
    let config = Config::parse(
        r#"
data = "/srv/hydrant"
owner = "123456789012"
[[tail]]
file = "/var/log/mysql/general.log"
log_group = "/mysql/general"
log_stream = "db-1"
time_zone = "Asia/Tokyo"
format = "general"
[[tail]]
file = "b.log"
[stream]
engine = "embedded"
shards = 4
retention = "36h"
retention_size = "2GiB"
[transform]
format = "auto"
profile = "classic"
redact = "off"
record_size = "8MiB"
pid = "string"
[index]
engine = "embedded"
name = "mysql-{format}"
rotation = "OneHour"
[failed]
to = "/srv/failed"
[listen]
rest = "127.0.0.1:0"
page = "[::1]:5601"
"#,
    )
    .unwrap();
    assert_eq!(config.tails.len(), 2);
    let tail = &config.tails[0];
    assert_eq!(tail.log_group, "/mysql/general");
    assert_eq!(tail.log_stream.as_deref(), Some("db-1"));
    assert_eq!(tail.time_zone.iana_name(), Some("Asia/Tokyo"));
    assert_eq!(tail.format.and_then(FormatChoice::fixed).map(|format| format.name()), Some("general"));
    assert_eq!(config.tails[1].log_group, "/hydrant/tail");
    assert_eq!(config.stream.shards, 4);
    assert_eq!(config.stream.retention.as_secs(), 36 * 3600);
    assert_eq!(config.stream.retention_bytes, 2 << 30);
    assert!(config.transform.pid_as_string);
    assert_eq!(config.transform.redact, Redact::Off);
    let record = |config: &Config| config.transform.bounds.record.bytes_max;
    assert_eq!((record(&config), record(&Config::parse("").unwrap())), (8 << 20, 64 << 20));
    assert_eq!(Config::parse("").unwrap().transform.redact, Redact::Secrets);
    assert_eq!(config.failed_place(), Place::Folder("/srv/failed".into()));
    assert_eq!(config.listen.page.to_string(), "[::1]:5601");
}

#[test]
fn what_check_prints_is_a_file_that_means_the_same() {
    let written = "data = \"d\"\n[[tail]]\nfile = \"a.log\"\ntime_zone = \"UTC\"\n[stream]\nshards = 3\nretention = \"90m\"\nretention_size = \"1536KiB\"\n";
    let described = Config::parse(written).unwrap().describe();
    assert!(described.contains("retention = \"90m\"\nretention_size = \"1536KiB\""), "{described}");
    assert_eq!(Config::parse(&described).unwrap().describe(), described);
}

#[test]
fn a_misspelt_key_names_its_line_and_the_nearest_name() {
    assert_eq!(
        problems("data = \"d\"\n[stream]\nshard = 2\n"),
        ["line 3: unknown key `stream.shard`; did you mean `stream.shards`?"]
    );
    assert_eq!(problems("[indx]\nname = \"x\"\n"), ["line 1: unknown key `indx`; did you mean `index`?"]);
    assert_eq!(problems("zzzzzz = 1\n"), ["line 1: unknown key `zzzzzz`"]);
    // The table that it stands in is no help.
    assert_eq!(problems("[stream]\nx = 1\n"), ["line 2: unknown key `stream.x`"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(
        "[stream]\nshards = 0\nretention = \"24\"\n[index]\nrotation = \"Daily\"\n[listen]\nrest = \"9200\"\n",
    );
    assert_eq!(
        found,
        [
            "line 2: `shards`: a number from 1 to 64 is expected",
            "line 3: `retention`: `24` is no duration: write a number and ms, s, m, h or d",
            "line 5: `rotation`: `Daily` is none of NoRotation, OneHour, OneDay, OneWeek, OneMonth",
            "line 7: `rest`: `9200` is no address: write it as 127.0.0.1:9200",
        ]
    );
}

#[test]
fn an_address_that_is_not_loopback_is_refused_with_its_line() {
    assert_eq!(
        problems("[listen]\nrest = \"0.0.0.0:9200\"\npage = \"[::]:5601\"\n"),
        [
            "line 2: `rest`: only loopback addresses are served in this version, not 0.0.0.0:9200",
            "line 3: `page`: only loopback addresses are served in this version, not [::]:5601",
        ]
    );
    assert!(problems("[listen]\nrest = \"127.0.0.2:0\"\npage = \"[::1]:0\"\n").is_empty());
    assert!(problems("[listen]\nrest = \"127.0.0.1:0\"\npage = \"127.0.0.1:0\"\n").is_empty());
    let both = "`rest` and `page` are both 127.0.0.1:";
    assert_eq!(problems("[listen]\n\npage = \"127.0.0.1:9200\"\n"), [format!("line 3: {both}9200")]);
    assert_eq!(problems("[listen]\nrest = \"127.0.0.1:5601\"\n"), [format!("line 2: {both}5601")]);
}

#[test]
fn keys_whose_feature_is_missing_are_refused_as_such() {
    assert_eq!(
        problems("[listen]\naws = \"127.0.0.1:4566\"\n"),
        ["line 2: `listen.aws` needs the AWS doors, which this version does not have"]
    );
    assert_eq!(
        problems("[stream]\nname = \"s\"\n"),
        ["line 2: `name` is of the engine `kinesis`, and `engine` is not set to it"]
    );
    let kinesis = problems("[stream]\nengine = \"kinesis\"\nname = \"s\"\n");
    let without = "line 2: `engine`: this program was built without Kinesis; build it with \
                   `cargo build --release --features aws`";
    if cfg!(feature = "aws") {
        assert!(kinesis.is_empty(), "{kinesis:?}");
    } else {
        assert_eq!(kinesis[0], without);
    }
    assert_eq!(
        problems("[transform]\nredact = \"all\"\n"),
        ["line 2: `redact`: `all` is none of `secrets`, `literals`, `off`"]
    );
    assert_eq!(
        problems("[transform]\nrecord_size = \"1GiB\"\n"),
        ["line 2: `record_size`: a size from 1B to 256MiB is expected"]
    );
    assert_eq!(problems("[failed]\nto = \"s3://B/p\"\n").len(), 1);
    for (line, problem) in [
        ("[failed]\nto = \"gs://b/p\"", "`gs://b/p` is neither a folder nor s3://BUCKET/PREFIX"),
        ("[backup]\nto = \"S3://b/p\"", "`S3://b/p` is neither a folder nor s3://BUCKET/PREFIX"),
    ] {
        let said = problems(line).concat();
        assert!(said.contains(problem), "{said}");
    }
    for (line, problem) in [
        ("endpoint = \"ftp://x\"", "endpoint `ftp://x`: `http://HOST:PORT` or `https://HOST:PORT` is expected"),
        ("endpoint = \"http://a:99999\"", "endpoint `http://a:99999`: invalid port number"),
        ("endpoint = [\"http://a\", \"http://u:hunter2@b\"]", "a user belongs into the sign-in's settings"),
        ("endpoint = \"http://a\"\ntimeout = \"0s\"", "`timeout`: a time from 1s to 1h is expected"),
        ("endpoint = \"http://a\"\nproxy = \"nope\"", "`proxy`: `http://HOST:PORT` or `https://HOST:PORT` is expected"),
    ] {
        let said = problems(&format!("[index]\nengine = \"opensearch\"\n{line}\n")).concat();
        assert!(said.contains(problem) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_value_of_the_wrong_type_or_shape_is_named() {
    assert_eq!(problems("data = 5\n"), ["line 1: `data`: a string is expected, not integer"]);
    assert_eq!(problems("stream = 5\n"), ["line 1: `stream` is a table, not integer: write `[stream]`"]);
    assert_eq!(
        problems("[tail]\nfile = \"x\"\n"),
        ["line 1: `tail` is an array of tables, not table: write `[[tail]]`"]
    );
    assert_eq!(problems("[[tail]]\nlog_group = \"x\"\n"), ["line 1: a `[[tail]]` needs `file`"]);
    assert_eq!(
        problems("[[tail]]\nfile = \"x\"\ntime_zone = \"Mars\"\n"),
        ["line 3: `time_zone`: `Mars` is no time zone: write `local`, `UTC` or a name such as `Asia/Tokyo`"]
    );
    assert!(problems("data = \n")[0].starts_with("line 1: "));
    assert_eq!(problems("[index]\nname = \"Upper\"\n").len(), 1);
}

#[test]
fn the_reference_in_docs_is_what_the_program_says() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
    assert_eq!(std::fs::read_to_string(docs).unwrap(), reference(), "run: hydrant config reference > docs/config.md");
}

#[test]
fn filters_are_read_with_all_their_conditions() {
    let text = "[transform]\nnoise = \"rds\"\n\n[[filter]]\nname = \"pings\"\ncommand = [\"Ping\", \"Quit\"]\n\n[[filter]]\nname = \"mine\"\n\
        action = \"keep\"\nformat = \"slow\"\nuser = \"app\"\nstatement_type = \"SELECT\"\ndigest = \"SELECT ?\"\nstatement = '(?i)from\\s+t'\n";
    let config = Config::parse(text).unwrap();
    let [pings, mine] = &*config.transform.filters.filters else { panic!("two filters") };
    assert_eq!(
        (&*pings.name, pings.action, &pings.commands),
        ("pings", Action::Drop, &vec!["Ping".to_owned(), "Quit".to_owned()])
    );
    assert_eq!(
        (mine.action, mine.formats.as_slice(), mine.users[0].as_str()),
        (Action::Keep, &[Format::Slow][..], "app")
    );
    assert_eq!((mine.statement_types[0].as_str(), mine.digests[0].as_str()), ("SELECT", "SELECT ?"));
    assert!(mine.statement.as_ref().unwrap().is_match(b"SELECT a FROM  t"));
    assert_eq!(config.transform.filters.noise, Noise::Rds);
    // What is printed is what was read.
    let again = Config::parse(&config.describe()).unwrap();
    assert_eq!(again.describe(), config.describe());
    assert_eq!(format!("{:?}", again.transform.filters), format!("{:?}", config.transform.filters));
}

#[test]
fn a_filter_that_is_not_sound_is_named() {
    for (text, problem) in [
        (
            "[[filter]]\ncommand = \"Ping\"\n",
            "line 1: a `[[filter]]` needs `name`, under which its entries are counted",
        ),
        (
            "[[filter]]\nname = \"rds\"\ncommand = \"Ping\"\n",
            "line 1: a `[[filter]]` cannot be named `rds`: other entries are counted under it",
        ),
        ("[[filter]]\nname = \"x\"\n", "line 1: filter `x` has no condition: it would speak of every entry"),
        (
            "[[filter]]\nname = \"x\"\nformat = \"slwo\"\n",
            "line 3: `format`: `slwo` is none of general, slow, error, audit, json, pattern, text",
        ),
        ("[[filter]]\nname = \"x\"\ncommand = []\n", "line 3: `command`: at least one is expected"),
        (
            "[[filter]]\nname = \"x\"\ncomand = \"Ping\"\n",
            "line 3: unknown key `filter.comand`; did you mean `filter.command`?",
        ),
        ("[filter]\nname = \"x\"\n", "line 1: `filter` is an array of tables, not table: write `[[filter]]`"),
    ] {
        assert_eq!(problems(text)[0], problem, "{text}");
    }
    assert!(
        problems("[[filter]]\nname = \"x\"\nstatement = \"(\"\n")[0]
            .starts_with("line 3: `statement`: it is no regular expression: ")
    );
}

#[test]
fn patterns_and_profiles_are_read_and_checked() {
    let text = "[transform]\nprofile = \"ecs\"\nformat = \"pattern\"\n\n[[pattern]]\nregex = '(?<t>\\S+) (?<n>\\d+) (?<f>\\S+) (?<b>\\S+)'\n\
        time = \"t\"\ntime_format = \"%Y-%m-%d %H:%M:%S\"\ntime_zone = \"Asia/Tokyo\"\nintegers = \"n\"\nfloats = [\"f\"]\nbooleans = \"b\"\n";
    let config = Config::parse(text).unwrap();
    assert_eq!(config.transform.profile.name(), "ecs");
    let [pattern] = &*config.transform.patterns else { panic!("one pattern") };
    let source = pattern.source();
    assert_eq!(
        (source.regex.as_str(), source.time.as_deref()),
        (r"(?<t>\S+) (?<n>\d+) (?<f>\S+) (?<b>\S+)", Some("t"))
    );
    assert_eq!((&source.integers[0][..], &source.floats[0][..], &source.booleans[0][..]), ("n", "f", "b"));
    assert_eq!(source.time_zone.0.iana_name(), Some("Asia/Tokyo"));
    let again = Config::parse(&config.describe()).unwrap();
    assert_eq!(again.transform.patterns, config.transform.patterns);
    assert_eq!(again.describe(), config.describe());
    for (text, problem) in [
        ("[[pattern]]\ntime = \"t\"\n", "line 1: a `[[pattern]]` needs `regex`"),
        (
            "\n[[pattern]]\nregex = \"(?<t>x)\"\nfloats = \"u\"\n",
            "line 2: `floats` names the group `u`, which `regex` does not have",
        ),
        ("[transform]\nformat = \"pattern\"\n", "line 1: the format `pattern` needs a `[[pattern]]` table"),
        ("[transform]\nprofile = \"x\"\n", "line 2: `profile`: `x` is none of `classic`, `otel`, `ecs`"),
    ] {
        assert_eq!(Config::parse(text).unwrap_err().to_string(), problem);
    }
}

#[test]
fn joins_are_read_and_their_bounds_checked() {
    let text = "[join]\nlog_groups = [\"/agents/*\", \"mine\"]\nquiet = \"2s\"\nage = \"1m\"\nentry_size = \"2MiB\"\nwaiting_size = \"8MiB\"\nstreams = 7\n";
    let config = Config::parse(text).unwrap();
    let join = &config.transform.join;
    assert_eq!(["/agents/x", "/agents", "mine", "mine2"].map(|name| join.applies(name)), [true, false, true, false]);
    let limits = join.limits;
    assert_eq!((limits.quiet_ms, limits.age_ms, limits.streams_max), (2_000, 60_000, 7));
    assert_eq!((limits.entry_bytes_max, limits.bytes_max), (2 << 20, 8 << 20));
    let again = Config::parse(&config.describe()).unwrap();
    assert_eq!((&again.transform.join, again.describe()), (join, config.describe()));
    for (text, problem) in [
        ("[join]\nquiet = \"0s\"\n", "line 2: `quiet`: a duration from 1ms to 1d is expected"),
        ("[join]\nentry_size = \"1GiB\"\n", "line 2: `entry_size`: a size from 1B to 16MiB is expected"),
        ("[join]\nstreams = 0\n", "line 2: `streams`: a number from 1 to 2000 is expected"),
        (
            "[join]\nlog_groups = \"/hydrant/*\"\n[[tail]]\nfile = \"a.log\"\n",
            "line 2: `log_groups`: a.log is in /hydrant/tail, and its entries are cut already",
        ),
    ] {
        assert_eq!(Config::parse(text).unwrap_err().to_string(), problem);
    }
}

#[cfg(feature = "aws")]
#[test]
fn a_stream_of_kinesis_is_described_as_it_was_written() {
    let text = "[stream]\nengine = \"kinesis\"\nname = \"arn:aws:kinesis:eu-west-1:1:stream/logs\"\nregion = \"eu-west-1\"\n\
                endpoint = \"http://127.0.0.1:4567\"\ncheckpoints_endpoint = \"http://127.0.0.1:8000\"\n\
                start = \"2026-11-23T00:00:00Z\"\ncheckpoints = \"dynamodb://hydrant.logs\"\n";
    let described = Config::parse(text).unwrap().describe();
    for line in text.lines() {
        assert!(described.contains(line), "{line}\n{described}");
    }
    let wrong = "[stream]\nengine = \"kinesis\"\nshards = 2\nstart = \"now\"\ncheckpoints = \"s3://b\"\n";
    assert_eq!(
        problems(wrong),
        [
            "line 3: `shards` is of the engine `embedded`, and `engine` is not set to it",
            "line 4: `start`: `now` is neither `TRIM_HORIZON` nor `LATEST` nor a time such as 2026-11-23T00:00:00Z",
            "line 5: `checkpoints`: `s3://b` is neither `folder` nor `dynamodb://TABLE`",
            "line 2: the engine `kinesis` needs `name`, the name or the ARN of the stream",
        ]
    );
}

#[cfg(feature = "aws")]
#[test]
fn names_of_streams_and_tables_are_those_that_aws_takes() {
    let of = |keys: &str| problems(&format!("[stream]\nengine = \"kinesis\"\n{keys}\n"));
    for name in ["a", "my-stream_2.b", "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a"] {
        assert_eq!(of(&format!("name = \"{name}\"")), [""; 0], "{name}");
    }
    let long = "x".repeat(129);
    for name in ["my stream", "a/b", &long, "arn:aws:sqs:eu-west-1:1:q", "arn:aws:kinesis:eu-west-1:1:stream/"] {
        let told = of(&format!("name = \"{name}\""));
        assert_eq!(told[0], format!("line 3: `name`: `{name}` is neither the name nor the ARN of a stream"));
    }
    assert_eq!(
        of("name = \"arn:aws:kinesis:eu-west-1:1:stream/a\"\nregion = \"us-east-1\""),
        ["line 4: `region`: the stream's ARN names eu-west-1"]
    );
    assert_eq!(
        of("name = \"a\"\ncheckpoints = \"dynamodb://a7\""),
        [
            "line 4: `checkpoints`: `dynamodb://a7` names no table: 3 to 255 letters, digits, `_`, `-` and `.` are expected"
        ]
    );
}

#[test]
fn no_folder_is_no_data_folder_and_no_endpoint_is_there_twice() {
    assert_eq!(problems("data = \"\""), ["line 1: `data`: a folder is expected"]);
    assert_eq!(
        problems("[index]\nengine = \"opensearch\"\nendpoint = [\"http://a\", \"http://b\", \"http://a\"]\n")[0],
        "line 3: `endpoint`: http://a is there twice"
    );
}

#[test]
fn signing_and_templates_of_a_cluster_are_read_and_checked() {
    let cluster = "[index]\nengine = \"opensearch\"\nendpoint = \"https://a\"\n";
    let text = format!("{cluster}dynamic = \"on\"\ndynamic_fields = 500\nshards = 3\nreplicas = 0\n");
    let config = Config::parse(&text).unwrap();
    let super::IndexEngine::OpenSearch(found) = &config.index else { panic!("a cluster") };
    let mapping =
        super::Mapping { dynamic: super::Dynamic::On, dynamic_fields: 500, shards: Some(3), replicas: Some(0) };
    assert_eq!((found.mapping, &found.sign), (mapping, &None));
    assert_eq!(Config::parse(&config.describe()).unwrap().describe(), config.describe());

    let role = "role_arn = \"arn:aws:iam::1:role/r\"\n";
    let signed = format!("{cluster}sign = \"aoss\"\nregion = \"eu-central-1\"\n{role}external_id = \"x\"\n");
    if cfg!(feature = "aws") {
        let config = Config::parse(&signed).unwrap();
        assert_eq!(Config::parse(&config.describe()).unwrap().describe(), config.describe());
        let super::IndexEngine::OpenSearch(found) = config.index else { panic!("a cluster") };
        let sign = found.sign.unwrap();
        assert_eq!((sign.service.name(), sign.region.as_deref()), ("aoss", Some("eu-central-1")));
        assert_eq!((sign.role_arn.as_deref(), sign.external_id.as_deref()), (Some("arn:aws:iam::1:role/r"), Some("x")));
    } else {
        let sentence = "line 4: `sign` needs a Hydrant that is built with `cargo build --release --features aws`";
        assert_eq!(problems(&signed), [sentence]);
    }
    for (more, problem) in [
        ("sign = \"s3\"\n", "line 4: `sign`: `s3` is neither `es` nor `aoss`"),
        ("region = \"eu\"\n", "line 4: `region` is of signed requests, and `sign` is not set"),
        ("sign = \"es\"\nexternal_id = \"x\"\n", "line 5: `external_id` belongs to a `role_arn`"),
        (
            "sign = \"es\"\nuser = \"u\"\npassword_file = \"p\"\n",
            "line 4: `sign` and `user` are two ways of signing in: only one is possible",
        ),
        (
            "sign = \"es\"\nrole_arn = \"writer\"\n",
            "line 5: `role_arn`: `writer` is no role: write it as arn:aws:iam::123456789012:role/NAME",
        ),
        ("dynamic = \"yes\"\n", "line 4: `dynamic`: `yes` is none of `auto`, `on`, `off`"),
        ("dynamic_fields = 50\n", "line 4: `dynamic_fields`: a number from 200 to 100000 is expected"),
        ("shards = 0\n", "line 4: `shards`: a number from 1 to 1024 is expected"),
        ("replicas = 21\n", "line 4: `replicas`: a number from 0 to 20 is expected"),
    ] {
        let found = problems(&format!("{cluster}{more}"));
        assert!(found.iter().any(|found| found == problem), "{more}: {found:?}");
    }
    let embedded = problems("[index]\nsign = \"es\"\n");
    assert_eq!(embedded, ["line 2: `sign` is of the engine `opensearch`, and `engine` is not set to it"]);
}

#[test]
fn the_log_is_text_of_warnings_unless_it_is_said_otherwise() {
    use tracing::level_filters::LevelFilter;
    let log = Config::parse("").unwrap().log;
    assert_eq!((log.format.name(), log.level), ("text", LevelFilter::WARN));
    let config = Config::parse("[log]\nformat = \"json\"\nlevel = \"debug\"\n").unwrap();
    assert_eq!((config.log.format.name(), config.log.level), ("json", LevelFilter::DEBUG));
    assert!(config.describe().ends_with("[log]\nformat = \"json\"\nlevel = \"debug\""), "{}", config.describe());
    assert_eq!(Config::parse(&config.describe()).unwrap().describe(), config.describe());
    assert_eq!(
        problems("[log]\nformat = \"xml\"\nlevel = \"loud\"\n"),
        [
            "line 2: `format`: `xml` is neither `text` nor `json`",
            "line 3: `level`: `loud` is none of `off`, `error`, `warn`, `info`, `debug`, `trace`",
        ]
    );
}
