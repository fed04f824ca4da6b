//! Entries of the general log.

use std::borrow::Cow;

use super::Writer;
use super::conventions::Happened;
use crate::document::Field;
use crate::entry::Format;
use crate::entry::mysql::general::{Account, GeneralEntry};
use crate::record::event::{EntryOutcome, has_statement};
use crate::sql::redact::{LITERAL, Redact};

impl Writer<'_> {
    pub(in crate::record) fn general(mut self, entry: &GeneralEntry<'_>) -> EntryOutcome {
        self.times(entry.stamp);
        self.system();
        self.pid(entry.thread_id);
        self.text(Field::Perform, entry.command.as_bytes());
        let is_statement = has_statement(entry.command);
        // Where an entry does not begin or end for sure, its argument may be a piece of a statement.
        let in_doubt = self.in_doubt();
        let statement = if is_statement || in_doubt { self.shown(entry.argument) } else { self.shown_argument(entry) };
        if is_statement {
            self.text(Field::Statement, &statement);
            self.statement_fields(entry.argument, &statement);
        } else {
            self.argument(&statement);
        }
        let is_shown = !in_doubt && *statement == *entry.argument;
        let account = Account::of(entry.command, entry.argument).filter(|_| is_shown).unwrap_or_default();
        self.account(&account);
        // The name of a database that was chosen.
        if entry.command == "Init DB"
            && is_shown
            && !account.denied
            && !entry.argument.is_empty()
            && !self.profile().is_classic()
        {
            self.text(Field::Database, entry.argument);
        }
        let happened = match entry.command {
            "Connect" | "Change user" => Happened::Start,
            "Quit" => Happened::End,
            _ => Happened::Access,
        };
        self.event(Format::General, happened, account.denied.then_some(false));
        self.metadata(|_| false);
        self.exact_bytes_around(entry.argument, &statement);
        self.end(Format::General)
    }

    /// The argument of a command that is no statement. With literals hidden it is one where a quote stands in it, which
    /// no name needs, or where the command has none: the header may have been planted in a string.
    fn shown_argument<'s>(&self, entry: &GeneralEntry<'s>) -> Cow<'s, [u8]> {
        let redact = self.options.redact;
        let is_known = match entry.command {
            "Connect" | "Change user" | "Init DB" => {
                Account::of(entry.command, entry.argument).is_some_and(|account| account.denied)
            }
            "Create DB" | "Drop DB" | "Field List" | "Connect Out" | "Table Dump" => false,
            _ if redact == Redact::Literals && !entry.argument.is_empty() => return Cow::Borrowed(LITERAL),
            _ => false,
        };
        if is_known { redact.hide_argument(entry.argument) } else { redact.hide_quoted(entry.argument) }
    }

    /// Of a command that has no statement. `Statement` is there even where it is empty.
    fn argument(&mut self, argument: &[u8]) {
        if self.profile().is_classic() || !argument.is_empty() {
            self.text(Field::Argument, argument);
        }
    }

    fn account(&mut self, account: &Account<'_>) {
        self.texts([(Field::User, account.user), (Field::Account, account.privileged)]);
        self.client(account.host, None);
        self.texts([(Field::Database, account.database)]);
        if let Some(transport) = account.transport {
            self.text(Field::Transport, transport.as_bytes());
            self.transport(transport);
        }
        if account.denied {
            self.yes(Field::AccessDenied);
            self.text(Field::ErrorType, b"access_denied");
        }
        self.related(account.user, account.host);
    }
}
