//! Reads a document against a mapping: into a tantivy document, the fields it adds, or the reason why it is refused.
//!
//! Reasons are OpenSearch's, to the word; values are quoted where and only where OpenSearch quotes them, at most
//! [`PREVIEW_CHARS`] characters. A document that is refused changes nothing.
//!
//! Strings that are too long for a term or a column are left out there; the document is kept.

use hydrant_transform::document::{Document, Reason};
use hydrant_transform::entry::Format;
use tantivy::schema::OwnedValue;
use tantivy::{DateTime, TantivyDocument};

use super::date;
use super::json::{self, Leaf, Sink, parsing};
use super::mapping::{DateFormat, Mapped, Mapping, TOTAL_FIELDS_MAX};
use super::schema::{Fields, Fixed, IGNORE_ABOVE_CHARS, KEYWORD_BYTES_MAX, Slot, id_key, schema};
use crate::index::FieldType;

/// OpenSearch's limit of an id.
const ID_BYTES_MAX: usize = 512;

/// So much of a refused value stands in a reason.
const PREVIEW_CHARS: usize = 256;

/// Bytes of a prepared document beside its source; only a first guess.
const BYTES_BESIDE_SOURCE: usize = 512;

/// Gives the document as tantivy takes it, and what it adds to the mapping.
pub(super) fn prepare(document: &Document, mapping: &Mapping) -> Result<Prepared, Reason> {
    check_id(document.id.as_str())?;
    let (_, fields) = schema();
    let mut reader = Reader {
        fields,
        document,
        mapping,
        additions: Additions::default(),
        out: TantivyDocument::with_capacity(document.source.len() * 2 + BYTES_BESIDE_SOURCE),
        keyword: Vec::new(),
        value: Vec::new(),
        text: Vec::new(),
        columnless: Vec::new(),
    };
    json::walk(&document.source, &mut reader)?;
    let Reader { additions, mut out, keyword, value, text, columnless, .. } = reader;
    for (field, values) in [(fields.keyword, keyword), (fields.value, value), (fields.text, text)] {
        if !values.is_empty() {
            out.add_field_value(field, &OwnedValue::Object(values));
        }
    }
    for slot in columnless {
        out.add_text(fields.fields, slot.key());
    }
    out.add_text(fields.id, document.id.as_str());
    out.add_bytes(fields.key, &id_key(document.id.as_str()));
    out.add_bytes(fields.source, &document.source);
    Ok(Prepared { document: out, additions: (!additions.is_empty()).then_some(additions) })
}

#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) document: TantivyDocument,
    /// The fields that the document brought, to be applied to the mapping before the next document is read.
    pub(super) additions: Option<Additions>,
}

fn check_id(id: &str) -> Result<(), Reason> {
    if id.is_empty() {
        return Err(Reason::new("illegal_argument_exception", "if _id is specified it must not be empty"));
    }
    if id.len() > ID_BYTES_MAX {
        return Err(Reason::new(
            "action_request_validation_exception",
            format!(
                "Validation Failed: 1: id [{}…] is too long, must be no longer than {ID_BYTES_MAX} bytes but was: {};",
                id.chars().take(32).collect::<String>(),
                id.len()
            ),
        ));
    }
    Ok(())
}

/// What one document adds to a mapping.
#[derive(Debug, Default)]
pub(super) struct Additions {
    fields: Vec<(String, FieldType, Option<Fixed>, DateFormat, Slot)>,
    objects: Vec<String>,
    /// Fields, sub-fields and objects.
    total: usize,
    numbers: u32,
}

impl Additions {
    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.objects.is_empty()
    }

    fn get(&self, name: &str) -> Option<Mapped> {
        let (_, field_type, _, date_format, slot) = self.fields.iter().find(|(own, ..)| own == name)?;
        Some(Mapped { field_type: *field_type, slot: *slot, date_format: *date_format })
    }

    pub(super) fn apply(self, mapping: &mut Mapping) {
        for object in self.objects {
            mapping.add_object(&object);
        }
        for (name, field_type, fixed, date_format, _) in self.fields {
            mapping.add(&name, field_type, fixed, date_format);
        }
    }
}

struct Reader<'a, 'm> {
    fields: &'static Fields,
    document: &'a Document,
    mapping: &'m Mapping,
    additions: Additions,
    out: TantivyDocument,
    keyword: Vec<(String, OwnedValue)>,
    value: Vec<(String, OwnedValue)>,
    text: Vec<(String, OwnedValue)>,
    /// Fields with a value that stands in no column, each once.
    columnless: Vec<Slot>,
}

impl<'a> Sink<'a> for Reader<'a, '_> {
    fn leaf(&mut self, name: &str, leaf: Leaf<'a>) -> Result<(), Reason> {
        if self.is_object(name) {
            return Err(parsing(format!(
                "object mapping for [{name}] tried to parse field [{name}] as object, but found a concrete value"
            )));
        }
        let mapped = match self.mapping.get(name) {
            Some(mapped) => mapped,
            None => self.map(name, &leaf)?,
        };
        self.put(name, mapped, leaf)
    }

    fn object(&mut self, name: &str, text: &str) -> Result<(), Reason> {
        if let Some(mapped) = self.mapping.get(name) {
            return Err(self.unparsable(name, mapped.field_type, text));
        }
        self.new_object(name)
    }

    fn parent(&mut self, name: &str, whole: &str) -> Result<(), Reason> {
        if let Some(mapped) = self.mapping.get(name) {
            return Err(parsing(format!(
                "Could not dynamically add mapping for field [{whole}]. Existing mapping for [{name}] must be of type \
                 object but found [{}].",
                type_name(mapped.field_type)
            )));
        }
        self.new_object(name)
    }
}

impl Reader<'_, '_> {
    fn is_object(&self, name: &str) -> bool {
        self.mapping.is_object(name) || self.additions.objects.iter().any(|object| object == name)
    }

    fn new_object(&mut self, name: &str) -> Result<(), Reason> {
        if self.is_object(name) {
            return Ok(());
        }
        if self.additions.get(name).is_some() {
            return Err(Reason::new(
                "illegal_argument_exception",
                format!("can't merge a non object mapping [{name}] with an object mapping"),
            ));
        }
        self.grow(1)?;
        self.additions.objects.push(name.to_owned());
        Ok(())
    }

    /// The type that this document gives to a field.
    fn map(&mut self, name: &str, leaf: &Leaf<'_>) -> Result<Mapped, Reason> {
        let (field_type, date_format) = self.detect(name, leaf)?;
        if let Some(mapped) = self.additions.get(name) {
            // Each value of a new field is mapped by itself; one document must give it one type.
            let (first, now) = (dynamic_name(mapped.field_type), dynamic_name(field_type));
            if first == now {
                return Ok(mapped);
            }
            return Err(Reason::new(
                "illegal_argument_exception",
                format!("mapper [{name}] cannot be changed from type [{first}] to [{now}]"),
            ));
        }
        let fixed = self.fixed(name, leaf);
        let field_type = fixed.map_or(field_type, Fixed::field_type);
        self.grow(if field_type == FieldType::TextWithKeyword { 2 } else { 1 })?;
        let slot = match fixed {
            Some(fixed) => Slot::Fixed(fixed),
            None => {
                self.additions.numbers += 1;
                Slot::Dynamic(self.mapping.next_number() + self.additions.numbers - 1)
            }
        };
        self.additions.fields.push((name.to_owned(), field_type, fixed, date_format, slot));
        Ok(Mapped { field_type, slot, date_format })
    }

    /// OpenSearch's dynamic mapping.
    fn detect(&self, name: &str, leaf: &Leaf<'_>) -> Result<(FieldType, DateFormat), Reason> {
        let field_type = match leaf {
            Leaf::Boolean(_) => FieldType::Boolean,
            Leaf::Number(text) if !is_whole(text) => FieldType::Float,
            Leaf::Number(text) if text.parse::<i64>().is_ok() => FieldType::Long,
            Leaf::Number(text) => return Err(self.unparsable(name, FieldType::Long, text)),
            Leaf::String(text) => match date::detect(text) {
                Some(format) if self.may_be_date(name) => return Ok((FieldType::Date, format)),
                _ => FieldType::TextWithKeyword,
            },
        };
        Ok((field_type, DateFormat::Iso))
    }

    /// Our formats know which of their fields are dates: a user or a database whose name looks like one is none.
    fn may_be_date(&self, name: &str) -> bool {
        match self.document.format {
            Format::Json | Format::Pattern => true,
            Format::General | Format::Slow | Format::Error | Format::Audit | Format::Text => {
                matches!(name, "Start" | "End")
            }
        }
    }

    /// Our own field of this name, if the value is what our own documents hold there. JSON lines have an envelope's
    /// fields from us; the others are theirs.
    fn fixed(&self, name: &str, leaf: &Leaf<'_>) -> Option<Fixed> {
        let fixed = Fixed::by_name(name)?;
        let ours = match self.document.format {
            Format::Json | Format::Pattern => fixed.is_envelope(),
            Format::General | Format::Slow | Format::Error | Format::Audit | Format::Text => true,
        };
        let fits = match (fixed.field_type(), leaf) {
            (FieldType::DateNanos, Leaf::String(text)) => date::detect(text) == Some(DateFormat::Iso),
            (FieldType::Long, Leaf::Number(text)) => is_whole(text),
            (FieldType::Text | FieldType::Keyword, Leaf::String(_)) => true,
            (
                FieldType::Text
                | FieldType::TextWithKeyword
                | FieldType::Keyword
                | FieldType::Long
                | FieldType::Float
                | FieldType::Boolean
                | FieldType::Date
                | FieldType::DateNanos
                | FieldType::Unindexed,
                Leaf::Boolean(_) | Leaf::Number(_) | Leaf::String(_),
            ) => false,
        };
        (ours && fits).then_some(fixed)
    }

    fn grow(&mut self, by: usize) -> Result<(), Reason> {
        self.additions.total += by;
        if self.mapping.total_fields() + self.additions.total > TOTAL_FIELDS_MAX {
            return Err(Reason::new(
                "illegal_argument_exception",
                format!("Limit of total fields [{TOTAL_FIELDS_MAX}] has been exceeded"),
            ));
        }
        Ok(())
    }

    fn unparsable(&self, name: &str, field_type: FieldType, value: &str) -> Reason {
        let preview: String = value.chars().take(PREVIEW_CHARS).collect();
        parsing(format!(
            "failed to parse field [{name}] of type [{}] in document with id '{}'. Preview of field's value: '{preview}'",
            type_name(field_type),
            self.document.id
        ))
    }

    /// Puts a value where its field lives.
    fn put(&mut self, name: &str, mapped: Mapped, leaf: Leaf<'_>) -> Result<(), Reason> {
        let value = match mapped.field_type {
            FieldType::Text | FieldType::TextWithKeyword | FieldType::Keyword => {
                self.put_string(mapped, as_text(&leaf));
                return Ok(());
            }
            FieldType::Long => long(&leaf).map(|number| number.map(OwnedValue::I64)),
            FieldType::Float => float(&leaf).map(|number| number.map(OwnedValue::F64)),
            FieldType::Boolean => boolean(&leaf).map(|value| Some(OwnedValue::Bool(value))),
            FieldType::Date | FieldType::DateNanos => instant(&leaf, mapped.date_format)
                .map(|nanos| Some(OwnedValue::Date(DateTime::from_timestamp_nanos(in_slot(nanos, mapped.slot))))),
            FieldType::Unindexed => Some(None),
        };
        let value = value.ok_or_else(|| self.unparsable(name, mapped.field_type, as_text(&leaf)))?;
        match (value, mapped.slot) {
            (Some(value), Slot::Fixed(fixed)) => self.out.add_field_value(self.fields.fixed(fixed), &value),
            (Some(value), Slot::Dynamic(number)) => self.value.push((number.to_string(), value)),
            (None, Slot::Fixed(_) | Slot::Dynamic(_)) => {}
        }
        Ok(())
    }

    fn put_string(&mut self, Mapped { field_type, slot, .. }: Mapped, text: &str) {
        let in_column = match field_type {
            FieldType::Keyword => text.len() <= KEYWORD_BYTES_MAX,
            // A character has four bytes at most, so most strings need no counting.
            FieldType::TextWithKeyword => {
                text.len() <= IGNORE_ABOVE_CHARS
                    || text.len() <= 4 * IGNORE_ABOVE_CHARS && text.chars().count() <= IGNORE_ABOVE_CHARS
            }
            FieldType::Text
            | FieldType::Long
            | FieldType::Float
            | FieldType::Boolean
            | FieldType::Date
            | FieldType::DateNanos
            | FieldType::Unindexed => false,
        };
        match slot {
            Slot::Fixed(fixed) if in_column || field_type == FieldType::Text => {
                self.out.add_text(self.fields.fixed(fixed), text);
            }
            Slot::Fixed(_) => {}
            Slot::Dynamic(number) => {
                if field_type != FieldType::Keyword {
                    self.text.push((number.to_string(), OwnedValue::Str(text.to_owned())));
                }
                if in_column {
                    self.keyword.push((number.to_string(), OwnedValue::Str(text.to_owned())));
                }
            }
        }
        if !in_column && !self.columnless.contains(&slot) {
            self.columnless.push(slot);
        }
    }
}

/// `Time` and `@timestamp` keep microseconds (their column cuts the rest), dates of dynamic fields milliseconds.
fn in_slot(nanos: i64, slot: Slot) -> i64 {
    match slot {
        Slot::Fixed(_) => nanos,
        Slot::Dynamic(_) => nanos.saturating_sub(nanos.rem_euclid(1_000_000)),
    }
}

/// As OpenSearch calls it.
fn type_name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text | FieldType::TextWithKeyword => "text",
        FieldType::Keyword => "keyword",
        FieldType::Long => "long",
        FieldType::Float => "float",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::DateNanos => "date_nanos",
        FieldType::Unindexed => "binary",
    }
}

/// The dynamic type that the values of a field have, whatever place we gave it.
fn dynamic_name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text | FieldType::TextWithKeyword | FieldType::Keyword => "text",
        FieldType::Date | FieldType::DateNanos => "date",
        FieldType::Long => "long",
        FieldType::Float => "float",
        FieldType::Boolean => "boolean",
        FieldType::Unindexed => "binary",
    }
}

fn as_text<'l>(leaf: &'l Leaf<'_>) -> &'l str {
    match leaf {
        Leaf::Boolean(true) => "true",
        Leaf::Boolean(false) => "false",
        Leaf::Number(text) => text,
        Leaf::String(text) => text,
    }
}

/// A JSON number without fraction and exponent.
fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// A value read as a type: `None` if it is none of this type, `Some(None)` if it counts as null, as an empty string in
/// a number field does.
type Read<T> = Option<Option<T>>;

fn long(leaf: &Leaf<'_>) -> Read<i64> {
    let text = match leaf {
        Leaf::Boolean(_) => return None,
        Leaf::Number(text) => text,
        Leaf::String(text) if text.is_empty() => return Some(None),
        Leaf::String(text) => text.as_ref(),
    };
    if let Ok(number) = text.parse::<i64>() {
        return Some(Some(number));
    }
    // A fraction is cut off. What has none was out of range, or no number.
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) || is_whole(text) {
        return None;
    }
    match text.parse::<f64>() {
        Ok(number) if (-MAX_LONG..MAX_LONG).contains(&number) => number.trunc().to_string().parse().ok().map(Some),
        Ok(_) | Err(_) => None,
    }
}

/// 2^63.
const MAX_LONG: f64 = 9_223_372_036_854_775_808.0;

fn float(leaf: &Leaf<'_>) -> Read<f64> {
    let text = match leaf {
        Leaf::Boolean(_) => return None,
        Leaf::Number(text) => text,
        Leaf::String(text) if text.is_empty() => return Some(None),
        Leaf::String(text) => text.as_ref(),
    };
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number.abs() <= f64::from(f32::MAX) => Some(Some(number)),
        Ok(_) | Err(_) => None,
    }
}

fn boolean(leaf: &Leaf<'_>) -> Option<bool> {
    match leaf {
        Leaf::Boolean(value) => Some(*value),
        Leaf::String(text) => match text.as_ref() {
            "true" => Some(true),
            "false" | "" => Some(false),
            _ => None,
        },
        Leaf::Number(_) => None,
    }
}

/// Numbers are epoch milliseconds.
fn instant(leaf: &Leaf<'_>, format: DateFormat) -> Option<i64> {
    match leaf {
        Leaf::Boolean(_) => None,
        Leaf::Number(text) => text.split('.').next()?.parse().ok().map(date::from_ms),
        Leaf::String(text) => date::parse(text, format),
    }
}

#[cfg(test)]
mod tests;
