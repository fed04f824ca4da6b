//! One log event to its document: which format it is of, whether a filter drops it.
//!
//! The order in which formats are tried is that of [`crate::entry::detect`], unless the configuration or the log group's
//! name says one. The JSON itself is written by [`super::write`].

use super::write::Writer;
use super::{DropReason, MESSAGE_BYTES_MAX, Options, Origin, filter, reason_code};
use crate::document::timestamp::{RFC3339_BYTES, write_rfc3339};
use crate::document::{Field, Profile, Reason};
use crate::entry::json as json_line;
use crate::entry::mysql::audit::JsonAuditEntry;
use crate::entry::mysql::general::{self, Account};
use crate::entry::mysql::{audit, error, slow};
use crate::entry::{Format, of_log_group};
use crate::envelope::{Extra, LogEvent};
use crate::json;

/// Fraction digits of the event's own time beyond its milliseconds.
const MICROS_PER_MS: i64 = 1000;

/// What one entry becomes.
pub(super) enum EntryOutcome {
    /// The document was written.
    Document(Format),
    Dropped(DropReason),
    Failed(Reason),
}

/// Names and values that every document of an origin has, as JSON already. Absent where they are empty.
#[derive(Debug)]
pub(super) struct Metadata {
    members: [(&'static str, Vec<u8>); 3],
    /// As the log group's name says.
    format: Option<Format>,
    extra: Extra,
}

impl Metadata {
    pub(super) fn new(origin: &Origin, profile: Profile) -> Metadata {
        let values = [
            (Field::Owner, &origin.owner),
            (Field::LogGroup, &origin.log_group),
            (Field::LogStream, &origin.log_stream),
        ];
        let members = values.map(|(field, value)| {
            let key = field.name(profile);
            let mut member = Vec::new();
            if !value.is_empty() {
                json::write_key(&mut member, key);
                // OpenTelemetry has a list of names: a program may write to several groups.
                let is_list = profile == Profile::Otel && field != Field::Owner;
                member.extend_from_slice(if is_list { b"[" } else { b"" });
                json::write_str(&mut member, value);
                member.extend_from_slice(if is_list { b"]" } else { b"" });
            }
            (key, member)
        });
        Metadata { members, format: of_log_group(&origin.log_group), extra: origin.extra.clone() }
    }

    /// Each with its key alone before it.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.members.iter().map(|(key, member)| (*key, member.as_slice()))
    }

    /// Whether an entry may be of a format, as far as the configuration and the log group's name tell.
    pub(super) fn may_be(&self, format: Format, options: &Options) -> bool {
        options.format.or(self.format).is_none_or(|only| only == format)
    }

    /// Members of the envelope that are none of the known.
    pub(super) fn extra(&self) -> &Extra {
        &self.extra
    }

    pub(super) fn bytes(&self) -> usize {
        self.members.iter().map(|(_, member)| member.len()).sum()
    }
}

/// Turns the entry at `ordinal` of a log event into a document, which is written behind what stands in `out`.
pub(super) fn entry(
    event: &LogEvent,
    ordinal: u32,
    metadata: &Metadata,
    options: &Options,
    out: &mut Vec<u8>,
) -> EntryOutcome {
    if event.message.is_empty() {
        return EntryOutcome::Dropped(DropReason::Empty);
    }
    if event.message.len() > MESSAGE_BYTES_MAX {
        let message = format!("a message of {} bytes is longer than {MESSAGE_BYTES_MAX}", event.message.len());
        return EntryOutcome::Failed(Reason::new(reason_code::TOO_LARGE, message));
    }
    let mut time = Vec::with_capacity(RFC3339_BYTES);
    let in_range = event.timestamp_ms.checked_mul(MICROS_PER_MS).is_some_and(|micros| write_rfc3339(&mut time, micros));
    if !in_range {
        return EntryOutcome::Failed(Reason::new(
            reason_code::TIMESTAMP_INVALID,
            format!("timestamp {} is not a time of the years 1970 to 2100 in milliseconds", event.timestamp_ms),
        ));
    }
    let may_be = |format| metadata.may_be(format, options);
    let (general, slow) = (may_be(Format::General), may_be(Format::Slow));
    let (error, audit, json) = (may_be(Format::Error), may_be(Format::Audit), may_be(Format::Json));
    let writer = Writer::new(event, ordinal, metadata, &time, options, out);
    let message = &event.message;
    if let Some(entry) =
        general.then(|| general::parse(message)).flatten().filter(|entry| fits(entry.thread_id, options))
    {
        let facts = || {
            filter::Entry::of(Format::General)
                .command(Some(entry.command.as_bytes()))
                .user(Account::of(entry.command, entry.argument).and_then(|account| account.user))
                .statement(has_statement(entry.command).then_some(entry.argument))
        };
        return kept(options, facts).unwrap_or_else(|| writer.general(&entry));
    }
    if let Some(entry) = slow.then(|| slow::parse(message)).flatten() {
        let command = entry.administrator_command;
        let statement = (command.is_none() && !entry.is_throttle_summary()).then_some(entry.statement);
        let facts = || filter::Entry::of(Format::Slow).command(command).user(entry.user).statement(statement);
        return kept(options, facts).unwrap_or_else(|| writer.slow(&entry));
    }
    if let Some(entry) = error.then(|| error::parse(message)).flatten() {
        return kept(options, || filter::Entry::of(Format::Error)).unwrap_or_else(|| writer.error(&entry));
    }
    if let Some(entry) = error.then(|| error::parse_sink(message)).flatten() {
        return kept(options, || filter::Entry::of(Format::Error)).unwrap_or_else(|| writer.error_sink(&entry));
    }
    if let Some(entry) = audit.then(|| audit::parse(message)).flatten() {
        let query = if options.filters.is_empty() { None } else { entry.query() };
        let facts = || {
            filter::Entry::of(Format::Audit)
                .command(Some(entry.operation.as_bytes()))
                .user(entry.user)
                .statement(query.as_deref())
        };
        return kept(options, facts).unwrap_or_else(|| writer.audit(&entry));
    }
    if let Some(entry) = audit.then(|| audit::parse_json(message)).flatten() {
        return kept(options, || json_audit_facts(&entry)).unwrap_or_else(|| writer.audit_json(&entry));
    }
    if let Some(object) = json.then(|| json_line::object(message)).flatten() {
        return kept(options, || filter::Entry::of(Format::Json)).unwrap_or_else(|| writer.json(&object));
    }
    let patterns = if may_be(Format::Pattern) { &options.patterns[..] } else { &[] };
    if let Some(found) = patterns.iter().find_map(|pattern| pattern.parse(message)) {
        return kept(options, || filter::Entry::of(Format::Pattern)).unwrap_or_else(|| writer.pattern(&found));
    }
    if (general || slow) && general::is_banner(message) {
        return EntryOutcome::Dropped(DropReason::Banner);
    }
    kept(options, || filter::Entry::of(Format::Text)).unwrap_or_else(|| writer.plain_text())
}

/// What stands before a banner that ends an entry's message, or behind one that opens it; the banner is none of the entry.
pub(super) fn beside_banner<'m>(message: &'m [u8], metadata: &Metadata, options: &Options) -> Option<&'m [u8]> {
    let is_entry = |text: &&[u8]| {
        metadata.may_be(Format::General, options) && general::parse(text).is_some()
            || metadata.may_be(Format::Slow, options) && slow::parse(text).is_some()
    };
    let before = || message.get(..general::banner_behind(message)?).filter(is_entry);
    let behind = || message.get(general::behind_banner(message)?..).filter(is_entry);
    before().or_else(behind)
}

fn json_audit_facts(entry: &JsonAuditEntry) -> filter::Entry<'_> {
    filter::Entry::of(Format::Audit)
        .command(Some(entry.operation.as_bytes()))
        .user(entry.user.as_deref().map(str::as_bytes))
        .statement(entry.query.as_deref().map(str::as_bytes))
}

/// `None` where no filter drops the entry.
fn kept<'a>(options: &Options, facts: impl FnOnce() -> filter::Entry<'a>) -> Option<EntryOutcome> {
    if options.filters.is_empty() {
        return None;
    }
    options.filters.drop(&facts().redact(options.redact)).map(EntryOutcome::Dropped)
}

/// Commands of the general log whose argument is a statement.
pub(super) fn has_statement(command: &str) -> bool {
    matches!(command, "Query" | "Execute" | "Prepare" | "Bulk_execute")
}

/// `PID` is mapped as a 64-bit signed number: no server counts beyond, so an entry that does is text.
pub(super) fn fits(thread_id: u64, options: &Options) -> bool {
    options.pid_as_string || i64::try_from(thread_id).is_ok()
}
