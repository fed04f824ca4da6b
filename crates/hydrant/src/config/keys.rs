//! Every key of the configuration file as data: what reading checks against, and what the reference is made from.

/// One key. Tables are written with a dot, `tail` and `filter` are arrays of tables.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) path: &'static str,
    /// As it would stand in the file; empty where there is none.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
    /// What it needs that this version lacks, for keys that a later version has.
    pub(super) lacks: Option<&'static str>,
}

const fn key(path: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { path, default, about, lacks: None }
}

const fn later(path: &'static str, lacks: &'static str) -> Key {
    Key { path, default: "", about: "", lacks: Some(lacks) }
}

/// In the order of the reference.
pub(super) const KEYS: &[Key] = &[
    key("data", "\"./hydrant-data\"", "Folder of everything that Hydrant keeps: stream, indices, failed documents."),
    key("owner", "\"000000000000\"", "Account id that stands in envelopes and documents."),
    key("tail.file", "", "A log file to follow. One `[[tail]]` table for each file; `--tail FILE` adds one."),
    key("tail.log_group", "\"/hydrant/tail\"", "Log group of the file's log stream."),
    key("tail.log_stream", "the path of the file", "Name of the file's log stream; `:` and `*` become `_`."),
    key(
        "tail.time_zone",
        "\"local\"",
        "Zone of stamps that name none: `local` (the host's), `UTC`, or an IANA name such as `Asia/Tokyo`.",
    ),
    key(
        "tail.format",
        "the value of `transform.format`",
        "Format of this file's entries: `auto`, `general`, `slow`, `error`, `audit`, `json`, `pattern`, `text`. It says where the tail cuts.",
    ),
    key("stream.engine", "\"embedded\"", "`embedded`, or `kinesis`: a stream of Amazon Kinesis (docs/kinesis.md)."),
    key("stream.shards", "1", "Number of shards, 1 to 64. A stream that holds data keeps the number it was made with."),
    key("stream.retention", "\"24h\"", "How long delivered records are kept. What is not delivered is always kept."),
    key("stream.retention_size", "\"1GiB\"", "How much of what is delivered is kept."),
    key("stream.name", "", "Name or ARN of the stream. This and the following are of the engine `kinesis`."),
    key("stream.region", "that of the environment or the profile", "AWS region."),
    key("stream.endpoint", "", "URL of a server that is not AWS's."),
    key(
        "stream.start",
        "\"TRIM_HORIZON\"",
        "Where the very first start begins: `TRIM_HORIZON` (the oldest record), `LATEST`, or a time in RFC 3339.",
    ),
    key(
        "stream.checkpoints",
        "\"folder\"",
        "`folder` keeps checkpoints in the data folder, for one process; `dynamodb://TABLE` in a table, for several that share the shards.",
    ),
    key("stream.checkpoints_endpoint", "", "URL of a DynamoDB that is not AWS's."),
    key(
        "transform.format",
        "\"auto\"",
        "`auto` goes by the log group's name where RDS made it, else by each entry's own bytes; else `general`, `slow`, `error`, `audit`, `json`, `pattern`, `text`.",
    ),
    key(
        "transform.profile",
        "\"classic\"",
        "Field names: `classic`, `otel` (OpenTelemetry) or `ecs` (Elastic Common Schema); docs/fields.md.",
    ),
    key(
        "transform.redact",
        "\"secrets\"",
        "`secrets` hides passwords in statements and messages; `literals` every literal (docs/formats.md); `off` keeps all as it was logged.",
    ),
    key(
        "transform.noise",
        "\"none\"",
        "`rds` drops what Amazon RDS does by itself (heartbeats, switching of logs), counted as `rds`.",
    ),
    key("transform.pid", "\"number\"", "PID as `number` or as `string`, for people who continue an older index."),
    key(
        "transform.record_size",
        "\"64MiB\"",
        "A record that inflates to more is one failed document; at most 256MiB. One takes some five times as much memory for a moment (docs/operate.md).",
    ),
    key(
        "transform.digest",
        "false",
        "`true` adds to each statement its digest, the digest's hash, its type and its tables (docs/digests.md).",
    ),
    key(
        "join.log_groups",
        "[]",
        "Log groups whose log events are lines or pieces of entries, a string or an array; `*` at the end stands for any ending (docs/delivery.md).",
    ),
    key("join.quiet", "\"5s\"", "A log stream that brought nothing for so long has ended its entry."),
    key("join.age", "\"5m\"", "No entry waits longer for its end."),
    key("join.entry_size", "\"1MiB\"", "A longer entry is cut; at most 16MiB."),
    key("join.waiting_size", "\"64MiB\"", "Of all unfinished entries of a shard together."),
    key("join.streams", "1000", "Log streams of a shard that are remembered, 1 to 2000."),
    key("filter.name", "", "One `[[filter]]` table for each filter: the name under which what it drops is counted."),
    key(
        "filter.action",
        "\"drop\"",
        "`drop`, or `keep`. The first filter whose conditions all hold decides (docs/filters.md).",
    ),
    key("filter.format", "", "Condition: one of these formats. This and the following take a string or an array."),
    key("filter.command", "", "Condition: one of these values of `Perform`."),
    key("filter.user", "", "Condition: one of these users, where the entry names one."),
    key("filter.statement_type", "", "Condition: one of these types: `SELECT`, `CREATE TABLE`."),
    key("filter.digest", "", "Condition: one of these digests, by text or hash."),
    key("filter.statement", "", "Condition: a regular expression that is found in the statement."),
    key(
        "pattern.regex",
        "",
        "Lines of your own: one `[[pattern]]` table for each expression, which matches a whole entry; its named groups are fields (docs/formats.md).",
    ),
    key("pattern.time", "", "The group that holds the entry's time."),
    key(
        "pattern.time_format",
        "\"rfc3339\"",
        "`rfc3339`, `epoch_second`, `epoch_millis`, or the letters of strftime: `%d/%b/%Y:%H:%M:%S %z`.",
    ),
    key("pattern.time_zone", "\"UTC\"", "Zone of times that name none."),
    key("pattern.integers", "[]", "Groups that are whole numbers. This and the following take a string or an array."),
    key("pattern.floats", "[]", "Groups that are numbers with a fraction."),
    key("pattern.booleans", "[]", "Groups that are `true`, `yes`, `1` or `false`, `no`, `0`."),
    key("index.engine", "\"embedded\"", "`embedded`, or `opensearch`: a cluster, which the following keys are of."),
    key("index.endpoint", "", "`https://HOST:PORT` of the cluster, a string or an array of several."),
    key("index.user", "", "User for the sign-in by name and password."),
    key("index.password_file", "", "A file that holds the password and nothing else."),
    key(
        "index.sign",
        "",
        "Requests are signed with AWS credentials: `es` for domains of Amazon OpenSearch Service, `aoss` for Serverless collections (docs/opensearch.md).",
    ),
    key("index.region", "that of the environment", "Region of the signature."),
    key("index.role_arn", "", "A role that is taken on for signing."),
    key("index.external_id", "", "What the role's owner asks for."),
    key("index.ca_file", "", "Certificates in PEM that are trusted beside the system's."),
    key("index.identity_file", "", "A certificate and its key in PEM, for servers that ask for one."),
    key("index.proxy", "`HTTPS_PROXY` and its kin", "Address of a proxy, with `http://` or `https://`."),
    key("index.gzip", "false", "`true` gzips what is sent: a fifth of the bytes, some more work for the server."),
    key("index.timeout", "\"60s\"", "Of a request, 1s to 1h. Afterwards it is sent again, under the same ids."),
    key("index.body_size", "\"5MiB\"", "Of a request, 4KiB to 100MiB. Where the server takes less, less is sent."),
    key("index.connections", "2", "Requests at a time, 1 to 64; fewer where the server is busy."),
    key("index.operation", "\"create\"", "`create` keeps a document that is there; `index` overwrites it."),
    key(
        "index.oversize",
        "\"fail\"",
        "A document too large for a request of its own: `fail`, or `truncate` its longest text.",
    ),
    key(
        "index.ids",
        "\"on\"",
        "`off`: the server makes ids, so that a repeat is a second document (Serverless time series).",
    ),
    key(
        "index.name",
        "\"hydrant-{format}\"",
        "Index name before the rotation's suffix; `{format}`, `{owner}`, `{log_group}` and `{log_stream}` are the entry's own, made legal (docs/delivery.md).",
    ),
    key(
        "index.rotation",
        "\"OneDay\"",
        "`NoRotation`, `OneHour`, `OneDay`, `OneWeek` (ISO 8601) or `OneMonth`, in UTC. Aliases and data streams have none.",
    ),
    key(
        "index.rotate_by",
        "\"event\"",
        "Time that decides the index: the log event's own (`event`), or the record's `arrival` in the stream, with a weaker guarantee (docs/delivery.md).",
    ),
    key(
        "index.target",
        "\"index\"",
        "What names are names of: `index`, or an `alias` or `data_stream` of the cluster, with a weaker guarantee (docs/delivery.md).",
    ),
    key(
        "index.conflicts",
        "\"fail\"",
        "A value of a JSON line that its field does not take: the document fails (`fail`), or the value moves to `<field>_text` (`text`).",
    ),
    key(
        "index.retention",
        "",
        "How old indices become (`30d`). Documents for an older one that is gone, closed or blocked fail, and it is not made again; without it they make it again, or wait.",
    ),
    key(
        "index.template",
        "\"auto\"",
        "`auto` puts an index template for each format where there is none; `off` puts none.",
    ),
    key(
        "index.dynamic",
        "\"auto\"",
        "Fields that templates do not name: `auto` maps those of JSON lines and patterns as they come, `on` those of all formats, `off` none; what is not mapped is kept.",
    ),
    key("index.dynamic_fields", "1000", "Fields of an index at most, where some are mapped as they come; from 200 on."),
    key("index.shards", "by the number of data nodes", "Shards of each index."),
    key("index.replicas", "by the number of data nodes", "Copies of each shard."),
    key(
        "failed.to",
        "\"failed\" in the data folder",
        "Folder of failed documents, readable by its owner only, or `s3://BUCKET/PREFIX` (docs/failed.md).",
    ),
    key("failed.region", "the environment's or the profile's", "Region of the bucket."),
    key(
        "failed.endpoint",
        "Amazon's",
        "Address of a service that speaks as S3 does; else `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` count.",
    ),
    key(
        "backup.to",
        "",
        "A copy of every document, gzipped: a folder or `s3://BUCKET/PREFIX` (docs/failed.md). Nothing unless set.",
    ),
    key("backup.region", "the environment's or the profile's", "Region of the bucket."),
    key(
        "backup.endpoint",
        "Amazon's",
        "Address of a service that speaks as S3 does; else `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` count.",
    ),
    key("listen.rest", "\"127.0.0.1:9200\"", "OpenSearch API. Loopback only; port 0 takes a free one."),
    key("listen.page", "\"127.0.0.1:5601\"", "Page, `/metrics`, `/health` and `/ready`. Loopback only."),
    later("listen.aws", "the AWS doors"),
    key("log.format", "\"text\"", "Lines of the log of `run` on stderr: `text`, or `json`, an object a line."),
    key("log.level", "\"warn\"", "`off`, `error`, `warn`, `info`, `debug` or `trace`; `HYDRANT_LOG` goes before it."),
];

/// The key that the user most likely meant.
pub(super) fn nearest(unknown: &str) -> Option<&'static str> {
    let known = KEYS.iter().map(|key| key.path).chain([
        "tail",
        "stream",
        "transform",
        "filter",
        "pattern",
        "join",
        "index",
        "failed",
        "backup",
        "listen",
    ]);
    known
        // The table that a key stands in is right already.
        .filter(|path| unknown.strip_prefix(path).is_none_or(|key| !key.starts_with('.')))
        .map(|path| (strsim::damerau_levenshtein(unknown, path), path))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, path)| path)
}

/// The reference that `docs/config.md` holds.
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\nMade by `hydrant config reference`; a test compares it with the program. The file is TOML; no file at all is \
         valid. A key on the command line wins over the file, the file over the default. Sizes take `B`, `KiB`, `MiB`, `GiB`; durations `ms`, \
         `s`, `m`, `h`, `d`.\n\n| key | default | what it does |\n|---|---|---|\n",
    );
    for key in KEYS.iter().filter(|key| key.lacks.is_none()) {
        let default = match key.default {
            "" => String::new(),
            value if value.starts_with(['"', '1']) && !value.contains(' ') => format!("`{value}`"),
            prose => prose.to_owned(),
        };
        text.push_str(&format!("| `{}` | {default} | {} |\n", key.path, key.about));
    }
    text.push_str("\nKnown to later versions, refused by this one with a sentence that says so:");
    for key in KEYS.iter().filter(|key| key.lacks.is_some()) {
        text.push_str(&format!(" `{}`", key.path));
    }
    text.push_str(".\n");
    text
}
