//! How a field of the user's is found in one index: its type, its terms, its column.
//!
//! The only file here that knows how the mapping and the tantivy schema name things.

use std::sync::Arc;

use tantivy::Term;
use tantivy::query::{Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::super::mapping::{DateFormat, Mapping, Resolved};
use super::super::schema::{Slot, schema};
use crate::index::FieldType;

/// A field of an index as a query sees it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// As the user wrote it.
    pub(super) name: String,
    pub(super) kind: FieldType,
    pub(super) date_format: DateFormat,
    slot: Slot,
}

/// The field of this name. `None`: no document brought it.
pub(super) fn target(mapping: &Mapping, name: &str) -> Option<Arc<Target>> {
    let Resolved { field_type, slot, date_format } = mapping.resolve(name)?;
    Some(Arc::new(Target { name: name.to_owned(), kind: field_type, date_format, slot }))
}

/// All fields and their `.keyword` sub-fields.
pub(super) fn targets(mapping: &Mapping) -> Vec<Arc<Target>> {
    let mut targets = Vec::new();
    for (name, mapped) in mapping.iter() {
        targets.extend(target(mapping, name));
        if mapped.field_type == FieldType::TextWithKeyword {
            targets.extend(target(mapping, &format!("{name}.keyword")));
        }
    }
    targets
}

impl Target {
    pub(super) const fn is_text(&self) -> bool {
        matches!(self.kind, FieldType::Text | FieldType::TextWithKeyword)
    }

    /// Whether its values are found by terms; the others are found by their column.
    pub(super) const fn has_terms(&self) -> bool {
        self.is_text() || matches!(self.kind, FieldType::Keyword)
    }

    /// The tantivy field of its terms.
    pub(super) fn field(&self) -> Field {
        let fields = &schema().1;
        match self.slot {
            Slot::Fixed(fixed) => fields.fixed(fixed),
            Slot::Dynamic(_) if self.is_text() => fields.text,
            Slot::Dynamic(_) => fields.keyword,
        }
    }

    pub(super) fn term(&self, text: &str) -> Term {
        match self.slot {
            Slot::Fixed(_) => Term::from_field_text(self.field(), text),
            Slot::Dynamic(_) => {
                let mut term = Term::from_field_json_path(self.field(), &self.slot.key(), false);
                term.append_type_and_str(text);
                term
            }
        }
    }

    /// The name of its column; `None` for a text.
    pub(super) fn column(&self) -> Option<String> {
        if self.is_text() { None } else { self.slot.column(self.kind) }
    }

    /// For a text: its strings that are short enough for a column.
    pub(super) fn keyword(&self) -> Option<Target> {
        let kind = FieldType::Keyword;
        (self.kind == FieldType::TextWithKeyword).then(|| Target { kind, ..self.clone() })
    }

    /// For a text: the documents whose values stand in no column.
    pub(super) fn without_column(&self) -> Option<Box<dyn Query>> {
        if !self.is_text() {
            return None;
        }
        let term = Term::from_field_text(schema().1.fields, &self.slot.key());
        Some(Box::new(TermQuery::new(term, IndexRecordOption::Basic)))
    }
}
