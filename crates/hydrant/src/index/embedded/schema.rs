//! The tantivy schema, the same in every index, and where a field's values live in it.
//!
//! | tantivy field | holds |
//! |---|---|
//! | `_id` | the id: stored |
//! | `_key` | the id as a term of bytes (see [`id_key`]) |
//! | `_source` | the JSON object as it was written: stored bytes |
//! | `_fields` | keys (see [`Slot::key`]) of the fields of a document whose values stand in no column: texts, and strings too long for one. For `exists` |
//! | `@timestamp`, `Time` | column of dates, microseconds |
//! | `PID` | column of longs |
//! | `Perform`, `owner`, `log_group`, `log_stream`, `event_id` | raw term, and column of strings |
//! | `Statement`, `message` | terms of the analyzer with positions |
//! | `_keyword` | dynamic strings of at most 256 characters: raw terms, and a column of strings for each slot |
//! | `_value` | dynamic longs, floats, booleans and dates (milliseconds): a column for each slot |
//! | `_text` | dynamic strings: terms of the analyzer with positions |
//!
//! The last three are tantivy JSON fields. Their keys are not the users' names but the numbers that the mapping gave
//! to the names (`"17"`), so that no name needs escaping and a name of any length costs the same.
//! Numbers and dates have no terms: columns answer for them.
//!
//! A float column may turn out as one of longs in a segment where every value is whole.
//!
//! A change here needs a new version of the index folder.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use tantivy::Term;
use tantivy::schema::{
    BytesOptions, DateOptions, DateTimePrecision, Field, IndexRecordOption, JsonObjectOptions, NumericOptions, STORED,
    Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
};

use crate::index::FieldType;
use crate::index::analyzer;

/// Strings of a dynamic field that are longer, in characters, have no `.keyword` (OpenSearch's `ignore_above`).
pub(super) const IGNORE_ABOVE_CHARS: usize = 256;

/// A longer value, in bytes, of a keyword field is kept in the source only (Lucene's limit of a term).
pub(super) const KEYWORD_BYTES_MAX: usize = 32_766;

/// Raw terms: the whole value is one token. tantivy knows it without registration.
const RAW: &str = "raw";

/// The tantivy fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) id: Field,
    pub(super) key: Field,
    pub(super) source: Field,
    pub(super) fields: Field,
    pub(super) keyword: Field,
    pub(super) value: Field,
    pub(super) text: Field,
    fixed: [Field; Fixed::ALL.len()],
}

impl Fields {
    pub(super) fn fixed(&self, fixed: Fixed) -> Field {
        // `ALL` lists the variants in their own order.
        *self.fixed.get(fixed as usize).unwrap_or(&self.id)
    }
}

/// The schema and its fields, made once.
pub(super) fn schema() -> &'static (Schema, Fields) {
    static SCHEMA: LazyLock<(Schema, Fields)> = LazyLock::new(build);
    &SCHEMA
}

/// The term of an id in `_key`. Ids of our own, 32 lower-case hexadecimal digits, are packed behind a 1; others stand
/// as they are behind a 0. Half as many bytes make a dictionary of random ids cost half as much to build.
pub(super) fn id_key(id: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut key = Vec::with_capacity(id.len() + 1);
    key.push(1);
    let (pairs, odd) = id.as_bytes().as_chunks::<2>();
    if pairs.len() == 16 && odd.is_empty() {
        key.extend(pairs.iter().map_while(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)));
    }
    if key.len() < 17 {
        key.clear();
        key.push(0);
        key.extend_from_slice(id.as_bytes());
    }
    key
}

pub(super) fn id_term(id: &str) -> Term {
    Term::from_field_bytes(schema().1.key, &id_key(id))
}

/// Our own fields, which have a tantivy field each.
/// The names stand in stored mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Fixed {
    #[serde(rename = "@timestamp")]
    Timestamp,
    Time,
    #[serde(rename = "PID")]
    Pid,
    Perform,
    Statement,
    #[serde(rename = "message")]
    Message,
    #[serde(rename = "owner")]
    Owner,
    #[serde(rename = "log_group")]
    LogGroup,
    #[serde(rename = "log_stream")]
    LogStream,
    #[serde(rename = "event_id")]
    EventId,
}

impl Fixed {
    pub(super) const ALL: [Fixed; 10] = [
        Fixed::Timestamp,
        Fixed::Time,
        Fixed::Pid,
        Fixed::Perform,
        Fixed::Statement,
        Fixed::Message,
        Fixed::Owner,
        Fixed::LogGroup,
        Fixed::LogStream,
        Fixed::EventId,
    ];

    /// The name in documents, and of the tantivy field.
    pub(super) fn name(self) -> &'static str {
        match self {
            Fixed::Timestamp => "@timestamp",
            Fixed::Time => "Time",
            Fixed::Pid => "PID",
            Fixed::Perform => "Perform",
            Fixed::Statement => "Statement",
            Fixed::Message => "message",
            Fixed::Owner => "owner",
            Fixed::LogGroup => "log_group",
            Fixed::LogStream => "log_stream",
            Fixed::EventId => "event_id",
        }
    }

    pub(super) fn by_name(name: &str) -> Option<Fixed> {
        Fixed::ALL.into_iter().find(|fixed| fixed.name() == name)
    }

    pub(super) fn field_type(self) -> FieldType {
        match self {
            Fixed::Timestamp | Fixed::Time => FieldType::DateNanos,
            Fixed::Pid => FieldType::Long,
            Fixed::Statement | Fixed::Message => FieldType::Text,
            Fixed::Perform | Fixed::Owner | Fixed::LogGroup | Fixed::LogStream | Fixed::EventId => FieldType::Keyword,
        }
    }

    /// Fields that every document of the chain has, whatever its format. The others are an entry's own.
    pub(super) fn is_envelope(self) -> bool {
        match self {
            Fixed::Timestamp | Fixed::Owner | Fixed::LogGroup | Fixed::LogStream | Fixed::EventId => true,
            Fixed::Time | Fixed::Pid | Fixed::Perform | Fixed::Statement | Fixed::Message => false,
        }
    }
}

/// Where the values of a field live in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Slot {
    /// In a tantivy field of its own.
    Fixed(Fixed),
    /// In the JSON fields, under this number.
    Dynamic(u32),
}

impl Slot {
    /// The term of the field in `_fields`, and its key in the JSON fields.
    pub(super) fn key(self) -> Cow<'static, str> {
        match self {
            Slot::Fixed(fixed) => Cow::Borrowed(fixed.name()),
            Slot::Dynamic(number) => Cow::Owned(number.to_string()),
        }
    }

    /// The name of the column as `FastFieldReaders::dynamic_column_handles` takes it. `None`: texts have none.
    pub(super) fn column(self, field_type: FieldType) -> Option<String> {
        match (self, field_type) {
            (_, FieldType::Text | FieldType::Unindexed) => None,
            (Slot::Fixed(fixed), _) => Some(fixed.name().to_owned()),
            (Slot::Dynamic(number), FieldType::TextWithKeyword | FieldType::Keyword) => {
                Some(format!("_keyword.{number}"))
            }
            (
                Slot::Dynamic(number),
                FieldType::Long | FieldType::Float | FieldType::Boolean | FieldType::Date | FieldType::DateNanos,
            ) => Some(format!("_value.{number}")),
        }
    }
}

fn build() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let raw = || {
        TextFieldIndexing::default().set_tokenizer(RAW).set_fieldnorms(false).set_index_option(IndexRecordOption::Basic)
    };
    let analysed = || {
        TextFieldIndexing::default()
            .set_tokenizer(analyzer::NAME)
            .set_fieldnorms(true)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions)
    };
    let term = || TextOptions::default().set_indexing_options(raw());
    let id = builder.add_text_field("_id", STORED);
    let key = builder.add_bytes_field("_key", BytesOptions::default().set_indexed());
    let source = builder.add_bytes_field("_source", STORED);
    let fields = builder.add_text_field("_fields", term());
    let keyword =
        builder.add_json_field("_keyword", JsonObjectOptions::default().set_indexing_options(raw()).set_fast(RAW));
    let value = builder.add_json_field("_value", JsonObjectOptions::default().set_fast(RAW));
    let text = builder.add_json_field("_text", JsonObjectOptions::default().set_indexing_options(analysed()));
    let fixed = Fixed::ALL.map(|fixed| add_fixed(&mut builder, fixed, term(), analysed()));
    (builder.build(), Fields { id, key, source, fields, keyword, value, text, fixed })
}

fn add_fixed(builder: &mut SchemaBuilder, fixed: Fixed, term: TextOptions, analysed: TextFieldIndexing) -> Field {
    match fixed.field_type() {
        FieldType::DateNanos | FieldType::Date => builder.add_date_field(
            fixed.name(),
            DateOptions::default().set_fast().set_precision(DateTimePrecision::Microseconds),
        ),
        FieldType::Long | FieldType::Float | FieldType::Boolean => {
            builder.add_i64_field(fixed.name(), NumericOptions::default().set_fast())
        }
        FieldType::Text | FieldType::TextWithKeyword => {
            builder.add_text_field(fixed.name(), TextOptions::default().set_indexing_options(analysed))
        }
        FieldType::Keyword | FieldType::Unindexed => builder.add_text_field(fixed.name(), term.set_fast(RAW)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_ids_are_as_different_as_the_ids() {
        assert_eq!(
            id_key("00ff0102030405060708090a0b0c0d0e"),
            b"\x01\x00\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
        );
        for id in [
            "x",
            "",
            "00FF0102030405060708090a0b0c0d0e",
            "00ff0102030405060708090a0b0c0d0",
            "00ff0102030405060708090a0b0c0d0e1",
        ] {
            assert_eq!(id_key(id), [b"\0", id.as_bytes()].concat());
        }
    }

    #[test]
    fn fixed_fields_are_found_by_their_names() {
        for fixed in Fixed::ALL {
            assert_eq!(Fixed::by_name(fixed.name()), Some(fixed));
            assert_eq!(schema().0.get_field_name(schema().1.fixed(fixed)), fixed.name());
        }
    }
}
