//! The mapping of one index: the type of each field and where its values live.
//!
//! Types are given by the first document that brings a field, and never change. Names are full: `user.name` is the
//! field `name` of the object `user`. Values are read against the mapping in [`super::parse`].

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::schema::{Fixed, Slot};
use crate::index::FieldType;

/// OpenSearch's `index.mapping.total_fields.limit`: fields, their sub-fields, and objects.
pub(super) const TOTAL_FIELDS_MAX: usize = 1000;

/// What the index knows of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mapped {
    #[serde(rename = "type")]
    pub(super) field_type: FieldType,
    pub(super) slot: Slot,
    /// How strings of a date are read; of no meaning for other types.
    #[serde(default, skip_serializing_if = "DateFormat::is_default")]
    pub(super) date_format: DateFormat,
}

/// The two formats that OpenSearch's date detection gives to a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DateFormat {
    /// `strict_date_optional_time||epoch_millis`
    #[default]
    Iso,
    /// `yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis`
    Slashes,
}

impl DateFormat {
    fn is_default(&self) -> bool {
        *self == DateFormat::Iso
    }
}

/// What a name in a query stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    /// As a query sees it: `Keyword` for `user.name.keyword`, `TextWithKeyword` for `user.name`.
    pub(super) field_type: FieldType,
    pub(super) slot: Slot,
    pub(super) date_format: DateFormat,
}

/// Stored in `hydrant-index.json` as it stands here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mapping {
    fields: BTreeMap<String, Mapped>,
    /// Every object, also those without a field.
    objects: BTreeSet<String>,
    next_number: u32,
}

impl Mapping {
    /// Whether no two fields share a place and no new one will: what a file must hold to be believed.
    pub(super) fn is_sound(&self) -> bool {
        let slots: HashSet<Slot> = self.fields.values().map(|field| field.slot).collect();
        slots.len() == self.fields.len()
            && self.fields.values().all(|field| match field.slot {
                Slot::Fixed(fixed) => field.field_type == fixed.field_type(),
                Slot::Dynamic(number) => number < self.next_number,
            })
    }

    /// The field of exactly this name.
    pub(super) fn get(&self, name: &str) -> Option<Mapped> {
        self.fields.get(name).copied()
    }

    /// The field that a query means: one of this name, or the `.keyword` of a string field. Keyword fields have a
    /// `.keyword` too, since OpenSearch's dynamic mapping would have given them one.
    pub(super) fn resolve(&self, name: &str) -> Option<Resolved> {
        if let Some(Mapped { field_type, slot, date_format }) = self.get(name) {
            return Some(Resolved { field_type, slot, date_format });
        }
        let Mapped { field_type, slot, date_format } = self.get(name.strip_suffix(".keyword")?)?;
        match field_type {
            FieldType::TextWithKeyword | FieldType::Keyword => {
                Some(Resolved { field_type: FieldType::Keyword, slot, date_format })
            }
            FieldType::Text
            | FieldType::Long
            | FieldType::Float
            | FieldType::Boolean
            | FieldType::Date
            | FieldType::DateNanos
            | FieldType::Unindexed => None,
        }
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Mapped)> {
        self.fields.iter().map(|(name, mapped)| (name.as_str(), *mapped))
    }

    pub(super) fn is_object(&self, name: &str) -> bool {
        self.objects.contains(name)
    }

    /// As OpenSearch counts: fields, `.keyword` sub-fields and objects.
    pub(super) fn total_fields(&self) -> usize {
        let sub_fields = self.fields.values().filter(|field| field.field_type == FieldType::TextWithKeyword).count();
        self.fields.len() + sub_fields + self.objects.len()
    }

    /// Gives a new field its type and its place. Its name must be new.
    pub(super) fn add(&mut self, name: &str, field_type: FieldType, fixed: Option<Fixed>, date_format: DateFormat) {
        let slot = match fixed {
            Some(fixed) => Slot::Fixed(fixed),
            None => {
                let number = self.next_number;
                self.next_number += 1;
                Slot::Dynamic(number)
            }
        };
        self.fields.insert(name.to_owned(), Mapped { field_type, slot, date_format });
    }

    /// The number that the next dynamic field gets.
    pub(super) fn next_number(&self) -> u32 {
        self.next_number
    }

    pub(super) fn add_object(&mut self, name: &str) {
        self.objects.insert(name.to_owned());
    }
}
