//! Records of the audit log.

use std::borrow::Cow;

use super::Writer;
use super::conventions::Happened;
use crate::document::{Field, Profile};
use crate::entry::Format;
use crate::entry::mysql::audit::{AuditEntry, AuditStamp, JsonAuditEntry};
use crate::record::event::EntryOutcome;
use crate::sql::redact::LITERAL;

impl Writer<'_> {
    /// `Time`, `PID`, `Perform`, `Statement` as in the general log; what the record has beside them by names of ours.
    pub(in crate::record) fn audit(mut self, entry: &AuditEntry<'_>) -> EntryOutcome {
        let micros = match entry.stamp {
            AuditStamp::Micros(micros) => Some(micros),
            AuditStamp::Local(_) => None,
        };
        self.times_of(micros);
        self.system();
        self.pid(entry.connection_id);
        self.number(Field::QueryId, entry.query_id);
        self.text(Field::Perform, entry.operation.as_bytes());
        self.texts([(Field::User, entry.user)]);
        self.client(entry.host, None);
        self.port(entry.port);
        let is_table =
            !matches!(entry.operation, "PROXY_CONNECT" | "CONNECT" | "DISCONNECT" | "FAILED_CONNECT" | "QUERY");
        let object = if is_table { Field::Collection } else { Field::Object };
        self.texts([(Field::ServerHost, entry.server_host)]);
        self.database(entry.database);
        for (field, text) in [(object, entry.object), (Field::ConnectionType, entry.connection_type)] {
            if let Some(text) = text {
                // A query without its quotes is cut like other records.
                let is_query = entry.operation == "QUERY";
                let redact = self.options.redact;
                let shown = if is_query { redact.hide_text(text) } else { Some(redact.hide_quoted(text)) };
                let shown = shown.unwrap_or(Cow::Borrowed(LITERAL));
                self.text(field, &shown);
            }
        }
        if let Some(code) = entry.return_code {
            self.return_code(code);
        }
        if let Some(rest) = entry.rest.and_then(|rest| self.options.redact.hide_text(rest)) {
            self.text(Field::Record, &rest);
        }
        let query = entry.query().unwrap_or_default();
        let statement = self.shown(&query);
        if entry.escaped_query.is_some() || self.profile() == Profile::Classic {
            self.text(Field::Statement, &statement);
        }
        if entry.operation == "QUERY" {
            self.statement_fields(&query, &statement);
        }
        let happened = match entry.operation {
            "CONNECT" | "FAILED_CONNECT" | "CHANGEUSER" | "PROXY_CONNECT" => Happened::Start,
            "DISCONNECT" => Happened::End,
            _ => Happened::Access,
        };
        let succeeded = entry.return_code.map(|code| code == 0);
        self.event(Format::Audit, happened, if entry.operation == "FAILED_CONNECT" { Some(false) } else { succeeded });
        self.related(entry.user, entry.host);
        self.truncated |= entry.truncated;
        self.metadata(|_| false);
        let escaped = entry.escaped_query.unwrap_or_default();
        let shown = if matches!(statement, Cow::Owned(_)) { &statement } else { escaped };
        self.exact_bytes_around(escaped, shown);
        self.end(Format::Audit)
    }

    /// A record of the JSON audit logs, under the same names.
    pub(in crate::record) fn audit_json(mut self, entry: &JsonAuditEntry) -> EntryOutcome {
        self.times_of(entry.micros);
        self.system();
        if let Some(id) = entry.connection_id.filter(|id| i64::try_from(*id).is_ok()) {
            self.pid(id);
        }
        self.text(Field::Perform, entry.operation.as_bytes());
        let (user, host, ip) = (bytes(&entry.user), bytes(&entry.host), bytes(&entry.ip));
        self.texts([(Field::User, user), (Field::Account, bytes(&entry.account))]);
        self.client(host, ip);
        self.database(bytes(&entry.database));
        self.texts([
            (Field::Collection, bytes(&entry.table)),
            (Field::ConnectionType, bytes(&entry.connection_type)),
            (Field::CommandClass, bytes(&entry.command_class)),
        ]);
        if let Some(status) = entry.status {
            self.return_code(status);
        }
        let query = entry.query.as_deref().unwrap_or_default().as_bytes();
        let statement = self.shown(query);
        if entry.query.is_some() || self.profile() == Profile::Classic {
            self.text(Field::Statement, &statement);
        }
        if entry.query.is_some() {
            self.statement_fields(query, &statement);
        }
        if !entry.rest.is_empty() {
            let rest = serde_json::Value::Object(entry.rest.clone()).to_string();
            // It may quote what a statement said.
            if let Some(shown) = self.options.redact.hide_text(rest.as_bytes()) {
                self.text(Field::Record, &shown);
            }
        }
        let happened = match entry.operation.as_str() {
            "Connect" | "Change user" | "connection connect" | "connection change_user" => Happened::Start,
            "Quit" | "connection disconnect" => Happened::End,
            _ => Happened::Access,
        };
        self.event(Format::Audit, happened, entry.status.map(|status| status == 0));
        self.related(user, ip.or(host));
        self.metadata(|_| false);
        self.end(Format::Audit)
    }

    /// A number in `classic`; elsewhere a text, and an error's only where it is one.
    fn return_code(&mut self, code: i64) {
        match self.profile() {
            Profile::Classic => {
                self.key(Field::ReturnCode);
                self.out.extend_from_slice(code.to_string().as_bytes());
            }
            Profile::Otel => {
                self.text(Field::ReturnCode, code.to_string().as_bytes());
                if code != 0 {
                    self.text(Field::ErrorType, code.to_string().as_bytes());
                }
            }
            Profile::Ecs if code != 0 => self.text(Field::ReturnCode, code.to_string().as_bytes()),
            Profile::Ecs => {}
        }
    }
}

fn bytes(text: &Option<String>) -> Option<&[u8]> {
    text.as_deref().map(str::as_bytes)
}
