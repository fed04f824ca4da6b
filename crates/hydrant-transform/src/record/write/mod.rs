//! The JSON of a document, under the names of its field profile.
//!
//! Fields stand in a fixed order: what the format gives, then where the event came from, then flags, and only those
//! that say something. Every document is one line of UTF-8. One file for each kind of log; what only a profile's
//! conventions ask for (`event.category`, `client.domain`) is in [`conventions`].

mod audit;

mod conventions;

mod error;

mod extra;

mod general;

mod lines;

mod slow;

use std::borrow::Cow;

use base64_simd::STANDARD;
use jiff::tz::TimeZone;

use super::Options;
use super::event::{EntryOutcome, Metadata};
use crate::document::timestamp::{RFC3339_BYTES, instant_micros, write_rfc3339};
use crate::document::{Field, Profile};
use crate::entry::Format;
use crate::entry::mysql::general::Stamp;
use crate::envelope::LogEvent;
use crate::json;
use crate::sql::digest_and_summary;
use crate::sql::redact::{LITERAL, Redact, digest_hides_literals};
use crate::sql::token::{Dialect, Token, Tokens};

/// Room for the keys and short values of a document, beside its message and its metadata.
const FRAME_BYTES: usize = 256;

/// Writes one document.
pub(super) struct Writer<'a> {
    event: &'a LogEvent,
    ordinal: u32,
    metadata: &'a Metadata,
    options: &'a Options,
    /// The event's own time in RFC 3339.
    time: &'a [u8],
    /// The server itself has cut what it logged.
    truncated: bool,
    /// Takes the document; what stands in it already is none of it.
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        event: &'a LogEvent,
        ordinal: u32,
        metadata: &'a Metadata,
        time: &'a [u8],
        options: &'a Options,
        out: &'a mut Vec<u8>,
    ) -> Writer<'a> {
        // Escapes add an eighth at most in ordinary statements; more only costs one growth.
        let message_bytes = event.message.len() + event.message.len() / 8;
        out.reserve(message_bytes + metadata.bytes() + event.id.len() + FRAME_BYTES);
        Writer { event, ordinal, metadata, options, time, truncated: false, out }
    }

    fn profile(&self) -> Profile {
        self.options.profile
    }

    /// Begins a member. Tells whether documents of the profile have it: if not, nothing was written.
    fn key(&mut self, field: Field) -> bool {
        write_key(self.out, self.options.profile, field)
    }

    fn text(&mut self, field: Field, value: &[u8]) {
        write_text(self.out, self.options.profile, field, value);
    }

    fn texts<const N: usize>(&mut self, fields: [(Field, Option<&[u8]>); N]) {
        for (field, value) in fields {
            if let Some(value) = value {
                self.text(field, value);
            }
        }
    }

    fn number(&mut self, field: Field, number: u64) {
        if self.key(field) {
            json::write_u64(self.out, number);
        }
    }

    fn yes(&mut self, field: Field) {
        if self.key(field) {
            self.out.extend_from_slice(b"true");
        }
    }

    /// A statement, as it may be shown. Where its beginning or end is in doubt, nobody can tell what of it is a literal.
    fn shown<'s>(&self, statement: &'s [u8]) -> Cow<'s, [u8]> {
        if self.in_doubt() {
            return Cow::Borrowed(LITERAL);
        }
        self.options.redact.hide(statement)
    }

    /// A name that a client may have chosen.
    fn name(&mut self, field: Field, name: Option<&[u8]>) {
        if let Some(name) = name {
            self.text(field, &self.options.redact.hide_quoted(name));
        }
    }

    /// The name of a database, as far as it may be shown.
    fn database(&mut self, name: Option<&[u8]>) {
        if let Some(name) = name {
            self.text(Field::Database, &self.options.redact.hide_name(name));
        }
    }

    /// Whether no literal may be shown and nobody can tell what is one.
    fn in_doubt(&self) -> bool {
        let flags = self.event.flags;
        self.options.redact == Redact::Literals && (flags.suspect || flags.partial)
    }

    /// Writes a text that is no statement, if it may be shown.
    fn message<'m>(&mut self, text: &'m [u8]) -> Option<Cow<'m, [u8]>> {
        let shown = self.options.redact.hide_text(text)?;
        self.text(Field::Message, &shown);
        Some(shown)
    }

    /// What groups statements, on request: of the statement as it is shown, so that nothing hidden comes back.
    fn statement_fields(&mut self, statement: &[u8], shown: &[u8]) {
        if !self.options.digest {
            return;
        }
        // Where literals are hidden a sign before one stays, so the digest is that of the statement itself, if no
        // literal can be in it.
        let whole = self.options.redact == Redact::Literals && !self.in_doubt() && digest_hides_literals(statement);
        let statement = if whole { statement } else { shown };
        let tokens = Tokens::new(statement, Dialect::DEFAULT);
        write_statement_fields(self.out, self.options.profile, statement, tokens);
    }

    /// Opens the object with the times: the entry's own stamp where it says its zone. A legacy stamp is in a zone that
    /// only the source of the event knew; it is in the event's time.
    fn times(&mut self, stamp: Option<Stamp<'_>>) {
        let rfc3339 = stamp.and_then(own_instant);
        self.timestamp(rfc3339.map(|(_, micros)| micros));
        if self.key(Field::Time) {
            match rfc3339 {
                Some((text, _)) => json::write_str(self.out, text),
                None => self.quoted_time(),
            }
        }
    }

    /// Opens the object with the times of an instant that the entry itself tells, else with those of its event.
    fn times_of(&mut self, micros: Option<i64>) {
        let mut time = Vec::with_capacity(RFC3339_BYTES);
        let own = micros.filter(|micros| write_rfc3339(&mut time, *micros));
        self.timestamp(own);
        if self.key(Field::Time) {
            match own {
                Some(_) => drop(json::write_lossy(self.out, &time)),
                None => self.quoted_time(),
            }
        }
    }

    /// Opens the object with its instant.
    fn timestamp(&mut self, micros: Option<i64>) {
        self.out.push(b'{');
        self.key(Field::Timestamp);
        let from = self.out.len();
        self.out.push(b'"');
        if micros.is_some_and(|micros| write_rfc3339(self.out, micros)) {
            self.out.push(b'"');
        } else {
            self.out.truncate(from);
            self.quoted_time();
        }
    }

    fn quoted_time(&mut self) {
        self.out.push(b'"');
        self.out.extend_from_slice(self.time);
        self.out.push(b'"');
    }

    fn pid(&mut self, id: u64) {
        if !self.key(Field::Pid) {
            return;
        }
        if self.options.pid_as_string {
            json::write_str(self.out, &id.to_string());
        } else {
            json::write_u64(self.out, id);
        }
    }

    /// Where the event came from, and what is to be said of it, except under names that are `taken`.
    fn metadata(&mut self, taken: impl Fn(&str) -> bool) {
        let metadata = self.metadata;
        for (key, member) in metadata.members() {
            if !member.is_empty() && !taken(key) {
                json::write_separator(self.out);
                self.out.extend_from_slice(member);
            }
        }
        let profile = self.profile();
        let free = |field: Field| !taken(field.name(profile));
        let event = self.event;
        if !(metadata.extra().is_empty() && event.extra.is_empty()) {
            self.extra(&free);
        }
        if !event.id.is_empty() && free(Field::EventId) {
            self.text(Field::EventId, event.id.as_bytes());
        }
        if self.ordinal != 0 && free(Field::Ordinal) {
            self.number(Field::Ordinal, u64::from(self.ordinal));
        }
        let flags = event.flags;
        let set = [
            (Field::Partial, flags.partial),
            (Field::Suspect, flags.suspect),
            (Field::Truncated, flags.truncated || self.truncated),
        ];
        for (field, _) in set.into_iter().filter(|(field, set)| *set && free(*field)) {
            self.yes(field);
        }
        if let Some(bytes) = flags.bytes.filter(|_| free(Field::Bytes)) {
            self.number(Field::Bytes, bytes);
        }
    }

    /// What is not UTF-8 stands in the other fields with replacement characters; here the message is whole, but for the
    /// part of it that may only be `shown` otherwise.
    fn exact_bytes_around(&mut self, part: &[u8], shown: &[u8]) {
        let message = &self.event.message;
        if self.options.redact == Redact::Literals || simdutf8::basic::from_utf8(message).is_ok() {
            return;
        }
        let start = (part.as_ptr().addr()).saturating_sub(message.as_ptr().addr());
        let before = message.get(..start).unwrap_or_default();
        let after = message.get(start + part.len()..).unwrap_or_default();
        let exact = STANDARD.encode_to_string([before, shown, after].concat());
        self.text(Field::MessageBase64, exact.as_bytes());
    }

    fn end(self, format: Format) -> EntryOutcome {
        self.out.push(b'}');
        EntryOutcome::Document(format)
    }
}

/// The stamp's text and instant, where it says its zone.
pub(super) fn own_instant(stamp: Stamp<'_>) -> Option<(&str, i64)> {
    match stamp {
        Stamp::Rfc3339(text) => Some((text, instant_micros(&stamp, &TimeZone::UTC, None)?)),
        Stamp::Legacy(_) => None,
    }
}

/// Begins a member. Tells whether documents of the profile have it: if not, nothing was written.
fn write_key(out: &mut Vec<u8>, profile: Profile, field: Field) -> bool {
    let name = field.name(profile);
    if !name.is_empty() {
        json::write_key(out, name);
    }
    !name.is_empty()
}

fn write_text(out: &mut Vec<u8>, profile: Profile, field: Field, value: &[u8]) {
    if write_key(out, profile, field) {
        json::write_lossy(out, value);
    }
}

fn write_array<'t>(out: &mut Vec<u8>, texts: impl IntoIterator<Item = &'t str>) {
    out.push(b'[');
    for (idx, text) in texts.into_iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        json::write_str(out, text);
    }
    out.push(b']');
}

/// Writes the members that group statements, of a statement with these tokens.
pub(super) fn write_statement_fields(
    out: &mut Vec<u8>,
    profile: Profile,
    statement: &[u8],
    tokens: impl Iterator<Item = Token>,
) {
    let (digest, summary) = digest_and_summary(statement, tokens);
    write_text(out, profile, Field::Digest, digest.text.as_bytes());
    write_text(out, profile, Field::DigestHash, digest.hash().as_bytes());
    if !digest.closed && write_key(out, profile, Field::DigestOpen) {
        out.extend_from_slice(b"true");
    }
    if !summary.operation.is_empty() {
        write_text(out, profile, Field::StatementType, summary.operation.as_bytes());
    }
    if !summary.text.is_empty() {
        write_text(out, profile, Field::Summary, summary.text.as_bytes());
    }
    if !summary.tables.is_empty() && write_key(out, profile, Field::Tables) {
        write_array(out, summary.tables.iter().map(String::as_str));
    }
}
