//! Entries that are no log of a database server: JSON lines, the user's own lines, text.

use super::Writer;
use crate::document::{Field, Profile};
use crate::entry::Format;
use crate::entry::json::JsonObject;
use crate::entry::pattern::Found;
use crate::json;
use crate::record::event::EntryOutcome;
use crate::sql::redact::Redact;

/// The same in all profiles.
const MESSAGE_BASE64: &str = Field::MessageBase64.name(Profile::Classic);

impl Writer<'_> {
    pub(in crate::record) fn plain_text(mut self) -> EntryOutcome {
        self.timestamp(None);
        // The rest of a statement that came in pieces is text too.
        let event = self.event;
        let message = self.message(&event.message);
        self.metadata(|_| false);
        if let Some(message) = message {
            self.exact_bytes_around(&event.message, &message);
        }
        self.end(Format::Text)
    }

    /// The line's own members as they stand; ours only under names that it does not use.
    pub(in crate::record) fn json(mut self, object: &JsonObject<'_>) -> EntryOutcome {
        // Its values are literals, all of them.
        if self.options.redact == Redact::Literals {
            self.timestamp(None);
            self.metadata(|_| false);
            return self.end(Format::Json);
        }
        if object.has("@timestamp") {
            self.out.push(b'{');
        } else {
            self.timestamp(None);
        }
        if !object.is_empty() {
            json::write_separator(self.out);
            self.out.extend_from_slice(object.inner.as_bytes());
        }
        // A dotted name is a path: the line may have an object, or a value, on its way.
        self.metadata(|key| {
            let ends = key.match_indices('.').map(|(at, _)| at).chain([key.len()]);
            ends.filter_map(|end| key.get(..end)).any(|path| object.has(path))
        });
        self.end(Format::Json)
    }

    /// The groups of the user's expression, in its order; ours only under names that it does not use.
    pub(in crate::record) fn pattern(mut self, found: &Found<'_>) -> EntryOutcome {
        self.timestamp(found.micros);
        let redact = self.options.redact;
        // A text is a literal, and so is every number.
        for field in found.fields.iter().filter(|_| redact != Redact::Literals) {
            json::write_separator(self.out);
            json::write_str(self.out, field.name);
            self.out.push(b':');
            match &field.plain {
                Some(plain) => self.out.extend_from_slice(plain.as_bytes()),
                None => drop(json::write_lossy(self.out, &redact.hide_text(field.text).unwrap_or_default())),
            }
        }
        self.metadata(|key| redact != Redact::Literals && found.has(key));
        let event = self.event;
        if let Some(shown) = redact.hide_text(&event.message).filter(|_| !found.has(MESSAGE_BASE64)) {
            self.exact_bytes_around(&event.message, &shown);
        }
        self.end(Format::Pattern)
    }
}
