//! The values of one field in one segment.
//!
//! A column holds 64-bit raw values that order as the values do: numbers, dates and booleans mapped to `u64`, strings
//! as their place in the segment's dictionary. [`Column::decode`] turns them back.

use tantivy::columnar::{self, ColumnType, DynamicColumn, StrColumn};
use tantivy::{SegmentReader, u64_to_f64, u64_to_i64};

use super::field::Target;
use crate::index::FieldType;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// Nanoseconds since 1970.
    Date(i64),
    String(String),
}

/// A column that may be absent from its segment: then no document has a value.
pub(super) struct Column {
    present: Option<Present>,
}

struct Present {
    raw: columnar::Column<u64>,
    kind: ColumnType,
    strings: Option<StrColumn>,
    /// Longs of a float field are floats.
    as_float: bool,
}

const fn fits(field: FieldType, column: ColumnType) -> bool {
    match field {
        FieldType::Keyword => matches!(column, ColumnType::Str),
        FieldType::Long | FieldType::Float => {
            matches!(column, ColumnType::I64 | ColumnType::U64 | ColumnType::F64)
        }
        FieldType::Boolean => matches!(column, ColumnType::Bool),
        FieldType::Date | FieldType::DateNanos => matches!(column, ColumnType::DateTime),
        FieldType::Text | FieldType::TextWithKeyword | FieldType::Unindexed => false,
    }
}

impl Column {
    pub(super) const ABSENT: Column = Column { present: None };

    pub(super) fn open(target: &Target, segment: &SegmentReader) -> tantivy::Result<Column> {
        let Some(name) = target.column() else { return Ok(Column::ABSENT) };
        for handle in segment.fast_fields().dynamic_column_handles(&name)? {
            let kind = handle.column_type();
            if !fits(target.kind, kind) {
                continue;
            }
            let strings = match handle.open()? {
                DynamicColumn::Str(strings) => Some(strings),
                DynamicColumn::Bool(_)
                | DynamicColumn::I64(_)
                | DynamicColumn::U64(_)
                | DynamicColumn::F64(_)
                | DynamicColumn::IpAddr(_)
                | DynamicColumn::DateTime(_)
                | DynamicColumn::Bytes(_) => None,
            };
            let raw = match &strings {
                Some(strings) => Some(strings.ords().clone()),
                None => handle.open_u64_lenient()?,
            };
            let as_float = target.kind == FieldType::Float;
            return Ok(Column { present: raw.map(|raw| Present { raw, kind, strings, as_float }) });
        }
        Ok(Column::ABSENT)
    }

    /// The raw column and its type.
    pub(super) fn raw(&self) -> Option<(&columnar::Column<u64>, ColumnType)> {
        self.present.as_ref().map(|present| (&present.raw, present.kind))
    }

    /// The raw values of one document, empty where it has none.
    #[inline]
    pub(super) fn values(&self, document: u32) -> impl Iterator<Item = u64> + '_ {
        self.present.iter().flat_map(move |present| present.raw.values_for_doc(document))
    }

    pub(super) fn strings(&self) -> Option<&StrColumn> {
        self.present.as_ref().and_then(|present| present.strings.as_ref())
    }

    /// How many different strings the segment has in this field; 0 for other types.
    pub(super) fn terms(&self) -> usize {
        self.strings().map_or(0, |strings| strings.dictionary().num_terms())
    }

    pub(super) fn is_date(&self) -> bool {
        self.present.as_ref().is_some_and(|present| matches!(present.kind, ColumnType::DateTime))
    }

    pub(super) fn decode(&self, raw: u64) -> tantivy::Result<Option<Scalar>> {
        let Some(present) = &self.present else { return Ok(None) };
        if let Some(strings) = &present.strings {
            let mut text = String::new();
            return Ok(strings.ord_to_str(raw, &mut text)?.then_some(Scalar::String(text)));
        }
        Ok(match present.kind {
            ColumnType::Bool => Some(Scalar::Boolean(raw != 0)),
            ColumnType::DateTime => Some(Scalar::Date(u64_to_i64(raw))),
            ColumnType::I64 if !present.as_float => Some(Scalar::Integer(u64_to_i64(raw))),
            ColumnType::U64 if !present.as_float => Some(Scalar::Integer(i64::try_from(raw).unwrap_or(i64::MAX))),
            ColumnType::I64 | ColumnType::U64 | ColumnType::F64 => present.number(raw).map(Scalar::Float),
            ColumnType::Str | ColumnType::Bytes | ColumnType::IpAddr => None,
        })
    }

    /// The value as a number: dates in milliseconds, booleans as 0 and 1, no strings.
    pub(super) fn number(&self, raw: u64) -> Option<f64> {
        self.present.as_ref().and_then(|present| present.number(raw))
    }

    /// The value in whole milliseconds, as a date histogram takes it.
    pub(super) fn milliseconds(&self, raw: u64) -> Option<i64> {
        let present = self.present.as_ref()?;
        match present.kind {
            ColumnType::DateTime => Some(u64_to_i64(raw).div_euclid(1_000_000)),
            ColumnType::I64 => Some(u64_to_i64(raw)),
            ColumnType::U64 | ColumnType::Bool => i64::try_from(raw).ok(),
            #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
            ColumnType::F64 => Some(u64_to_f64(raw).floor() as i64),
            ColumnType::Str | ColumnType::Bytes | ColumnType::IpAddr => None,
        }
    }
}

impl Present {
    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles, as OpenSearch's are")]
    fn number(&self, raw: u64) -> Option<f64> {
        match self.kind {
            ColumnType::I64 => Some(u64_to_i64(raw) as f64),
            ColumnType::U64 | ColumnType::Bool => Some(raw as f64),
            ColumnType::F64 => Some(u64_to_f64(raw)),
            ColumnType::DateTime => Some(u64_to_i64(raw).div_euclid(1_000_000) as f64),
            ColumnType::Str | ColumnType::Bytes | ColumnType::IpAddr => None,
        }
    }
}
