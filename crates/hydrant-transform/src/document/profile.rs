//! Field profiles: under which name each field of an entry stands in a document.
//!
//! One table, [`Field::names`], which docs/fields.md shows to readers. `classic` has Hydrant's own names; `otel` those of
//! OpenTelemetry's semantic conventions, `ecs` those of the Elastic Common Schema, which has no names for databases and
//! takes OpenTelemetry's there. What neither names stands below `mysql.`.

use std::borrow::Cow;

/// Which names documents have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    #[default]
    Classic,
    Otel,
    Ecs,
}

impl Profile {
    pub const ALL: [Profile; 3] = [Profile::Classic, Profile::Otel, Profile::Ecs];

    /// As it stands in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Classic => "classic",
            Profile::Otel => "otel",
            Profile::Ecs => "ecs",
        }
    }

    pub fn is_classic(self) -> bool {
        self == Profile::Classic
    }

    /// The name of a field that only the log names: a header of the slow log, a member of the error log's JSON sink.
    pub fn other<'n>(self, log: Log, name: &'n str) -> Cow<'n, str> {
        match self {
            Profile::Classic => Cow::Borrowed(name),
            Profile::Otel | Profile::Ecs => Cow::Owned(format!("{}{}", log.prefix(), name.to_ascii_lowercase())),
        }
    }

    /// Whether documents have a field of this name, so that a field of the log cannot take it.
    pub fn is_ours(self, name: &str) -> bool {
        Field::ALL.iter().any(|field| field.name(self) == name)
    }
}

/// A log whose fields are not all known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Slow,
    Error,
}

impl Log {
    fn prefix(self) -> &'static str {
        match self {
            Log::Slow => "mysql.slowlog.",
            Log::Error => "mysql.error.",
        }
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident: $classic:literal, $otel:literal, $ecs:literal;)*) => {
        /// What a document may say. An empty name: documents of that profile do not have the field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field {
            $($(#[$doc])* $field,)*
        }

        impl Field {
            /// In the order of docs/fields.md.
            pub const ALL: &[Field] = &[$(Field::$field,)*];

            /// The names in the profiles `classic`, `otel` and `ecs`.
            pub const fn names(self) -> [&'static str; 3] {
                match self {
                    $(Field::$field => [$classic, $otel, $ecs],)*
                }
            }
        }
    };
}

fields! {
    /// The instant, in UTC.
    Timestamp: "@timestamp", "@timestamp", "@timestamp";
    /// The entry's own stamp as it stands.
    Time: "Time", "", "";
    /// `mysql`; the format cannot tell MariaDB's and Percona's servers from MySQL's.
    System: "", "db.system.name", "";
    /// The connection's id.
    Pid: "PID", "thread.id", "mysql.thread_id";
    /// A thread's id that is no decimal number.
    Thread: "Thread", "mysql.thread", "mysql.thread";
    /// The command or operation, as the log names it.
    Perform: "Perform", "mysql.command", "event.action";
    /// A statement.
    Statement: "Statement", "db.query.text", "db.query.text";
    /// What stands behind a command that has no statement.
    Argument: "Statement", "mysql.argument", "mysql.argument";
    User: "User", "user.name", "user.name";
    /// The user of the account whose privileges count.
    Account: "Account", "mysql.account", "user.effective.name";
    /// Where the client is, by name or address.
    Host: "Host", "client.address", "client.address";
    /// Its address, where the log tells one beside the name.
    Ip: "Ip", "network.peer.address", "client.ip";
    /// The host, where it is no address.
    Domain: "", "", "client.domain";
    Port: "Port", "client.port", "client.port";
    /// The schema.
    Database: "Database", "db.namespace", "db.namespace";
    /// How the client is connected, as the log names it.
    Transport: "Transport", "mysql.transport", "mysql.transport";
    /// `tcp`, `unix` or `pipe`.
    NetworkTransport: "", "network.transport", "network.transport";
    /// `true`: over SSL or TLS.
    Tls: "", "tls.established", "tls.established";
    /// `true`: the server refused.
    AccessDenied: "Access_denied", "", "";
    ErrorType: "", "error.type", "";
    /// How the server classes a statement (JSON audit logs).
    CommandClass: "Command_class", "mysql.command_class", "mysql.command_class";
    /// Members of a JSON audit record that are none of these, as JSON text.
    Record: "Record", "mysql.audit.record", "mysql.audit.record";
    /// What an audit record is about, where that is no table.
    Object: "Object", "mysql.object", "mysql.object";
    /// The table of an audit record.
    Collection: "Object", "db.collection.name", "db.collection.name";
    /// How a client is connected, as Amazon's audit plug-in names it.
    ConnectionType: "Connection_type", "mysql.connection_type", "mysql.connection_type";
    ServerHost: "Server_host", "server.address", "server.address";
    QueryId: "Query_id", "mysql.query_id", "mysql.query_id";
    /// What the server answered: 0, or an error's number.
    ReturnCode: "Return_code", "db.response.status_code", "error.code";
    /// How long it took: seconds; nanoseconds as `event.duration`.
    QueryTime: "Query_time", "mysql.slowlog.query_time", "event.duration";
    Explain: "Explain", "mysql.slowlog.explain", "mysql.slowlog.explain";
    Warnings: "Warnings", "mysql.slowlog.warnings", "mysql.slowlog.warnings";
    /// Lines of the slow log's header that are no fields.
    Header: "Header", "mysql.slowlog.header", "mysql.slowlog.header";
    SetTimestamp: "Set_timestamp", "mysql.slowlog.set_timestamp", "mysql.slowlog.set_timestamp";
    SetInsertId: "Set_insert_id", "mysql.slowlog.set_insert_id", "mysql.slowlog.set_insert_id";
    SetLastInsertId: "Set_last_insert_id", "mysql.slowlog.set_last_insert_id", "mysql.slowlog.set_last_insert_id";
    Label: "Label", "severity.text", "log.level";
    ErrorCode: "Error_code", "db.response.status_code", "event.code";
    Subsystem: "Subsystem", "mysql.error.subsystem", "event.provider";
    Signal: "Signal", "mysql.error.signal", "mysql.error.signal";
    Deadlock: "Deadlock", "mysql.error.deadlock", "mysql.error.deadlock";
    /// Members of the JSON sink whose names are ours, as JSON text.
    Sink: "Sink", "mysql.error.sink", "mysql.error.sink";
    /// A text that is no statement.
    Message: "message", "body", "message";
    Digest: "digest", "mysql.digest.text", "mysql.digest.text";
    DigestHash: "digest_hash", "mysql.digest.hash", "mysql.digest.hash";
    /// `true`: a string, a name or a comment of the statement has no end.
    DigestOpen: "digest_open", "mysql.digest.open", "mysql.digest.open";
    StatementType: "statement_type", "db.operation.name", "db.operation.name";
    Tables: "tables", "mysql.tables", "mysql.tables";
    Summary: "summary", "db.query.summary", "db.query.summary";
    EcsVersion: "", "", "ecs.version";
    EventKind: "", "", "event.kind";
    EventCategory: "", "", "event.category";
    EventType: "", "", "event.type";
    EventDataset: "", "", "event.dataset";
    EventOutcome: "", "", "event.outcome";
    RelatedUser: "", "", "related.user";
    RelatedIp: "", "", "related.ip";
    /// The account.
    Owner: "owner", "cloud.account.id", "cloud.account.id";
    LogGroup: "log_group", "aws.log.group.names", "aws.cloudwatch.log_group";
    LogStream: "log_stream", "aws.log.stream.names", "aws.cloudwatch.log_stream";
    /// Of a subscription filter: that of the account.
    PolicyLevel: "policy_level", "aws.log.policy_level", "aws.cloudwatch.policy_level";
    /// The account that the log event was born in.
    SourceAccount: "aws_account", "aws.source.account", "aws.source.account";
    Region: "aws_region", "cloud.region", "cloud.region";
    /// What the filter pattern extracted, each value a text.
    ExtractedFields: "extracted_fields", "aws.log.extracted_fields", "aws.cloudwatch.extracted_fields";
    /// Members of the envelope and the log event that nobody has listed, as JSON text.
    Envelope: "envelope", "aws.log.envelope", "aws.cloudwatch.envelope";
    EventId: "event_id", "event_id", "event_id";
    Ordinal: "ordinal", "ordinal", "ordinal";
    Partial: "partial", "partial", "partial";
    Suspect: "suspect", "suspect", "suspect";
    Truncated: "truncated", "truncated", "truncated";
    Bytes: "bytes", "bytes", "bytes";
    MessageBase64: "message_base64", "message_base64", "message_base64";
}

impl Field {
    /// The name in a profile; empty where documents do not have the field.
    pub const fn name(self, profile: Profile) -> &'static str {
        let [classic, otel, ecs] = self.names();
        match profile {
            Profile::Classic => classic,
            Profile::Otel => otel,
            Profile::Ecs => ecs,
        }
    }

    /// This field's value in a document, whichever profile the document has.
    pub fn find<'a, V>(self, get: impl Fn(&'static str) -> Option<&'a V>) -> Option<&'a V> {
        self.names().into_iter().filter(|name| !name.is_empty()).find_map(get)
    }
}
