//! Values of a request read as the type of a field: numbers, booleans and dates become spans of a column.

use std::ops::RangeInclusive;

use tantivy::columnar::ColumnType;
use tantivy::{f64_to_u64, i64_to_u64};

use super::super::mapping::DateFormat;
use super::date;
use super::field::Target;
use crate::index::query::{Bound, Value};
use crate::index::{Error, FieldType};

/// What a query on a number, a boolean or a date asks for, both ends included. An empty span has `lower > upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Span {
    /// Longs, booleans as 0 and 1, dates in nanoseconds.
    Integers(i64, i64),
    Floats(f64, f64),
}

const EVERY_INTEGER: Span = Span::Integers(i64::MIN, i64::MAX);
const NO_INTEGER: Span = Span::Integers(1, 0);

/// The span that equals `value`.
pub(super) fn term(target: &Target, value: &Value) -> Result<Span, Error> {
    Reading::of(target).term(value)
}

/// The span between two ends.
pub(super) fn range(target: &Target, lower: &Bound, upper: &Bound) -> Result<Span, Error> {
    Reading::of(target).range(lower, upper)
}

/// What decides how a value is read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    kind: FieldType,
    field: &'a str,
    format: DateFormat,
}

impl<'a> Reading<'a> {
    fn of(target: &'a Target) -> Reading<'a> {
        Reading { kind: target.kind, field: &target.name, format: target.date_format }
    }

    fn term(self, value: &Value) -> Result<Span, Error> {
        match self.kind {
            FieldType::Long => Ok(match long(value)? {
                Number::Whole(number) => Span::Integers(number, number),
                Number::Between(..) => NO_INTEGER,
            }),
            FieldType::Float => float(value).map(|number| Span::Floats(number, number)),
            FieldType::Boolean => boolean(value).map(|value| Span::Integers(i64::from(value), i64::from(value))),
            FieldType::Date | FieldType::DateNanos => {
                let (first, last) = self.instant(value)?;
                Ok(Span::Integers(first, last))
            }
            FieldType::Text | FieldType::TextWithKeyword | FieldType::Keyword | FieldType::Unindexed => Ok(NO_INTEGER),
        }
    }

    fn range(self, lower: &Bound, upper: &Bound) -> Result<Span, Error> {
        match self.kind {
            FieldType::Long => long_range(lower, upper),
            FieldType::Float => float_range(lower, upper),
            FieldType::Boolean => {
                let lower =
                    integer_end(lower, boolean, i64::MIN, |value, excluded| i64::from(value) + i64::from(excluded));
                let upper =
                    integer_end(upper, boolean, i64::MAX, |value, excluded| i64::from(value) - i64::from(excluded));
                Ok(Span::Integers(lower?, upper?))
            }
            FieldType::Date | FieldType::DateNanos => {
                let read = |value: &Value| self.instant(value);
                // A lower end that is excluded begins behind its whole span, an upper end that is excluded before it.
                let lower = integer_end(
                    lower,
                    read,
                    i64::MIN,
                    |(first, last), excluded| {
                        if excluded { last.saturating_add(1) } else { first }
                    },
                );
                let upper = integer_end(
                    upper,
                    read,
                    i64::MAX,
                    |(first, last), excluded| {
                        if excluded { first.saturating_sub(1) } else { last }
                    },
                );
                Ok(Span::Integers(lower?, upper?))
            }
            FieldType::Text | FieldType::TextWithKeyword | FieldType::Keyword | FieldType::Unindexed => Ok(NO_INTEGER),
        }
    }

    fn instant(self, value: &Value) -> Result<(i64, i64), Error> {
        let (parsed, text) = match value {
            Value::String(text) => (date::parse(text, self.format), text.clone()),
            Value::Integer(ms) => (Some(date::from_ms(*ms)), ms.to_string()),
            Value::Float(ms) => (whole(ms.floor()).map(date::from_ms), ms.to_string()),
            Value::Boolean(value) => (None, value.to_string()),
        };
        match parsed {
            // What a date field of milliseconds keeps of its values is also all that counts of the question.
            Some((first, last)) if self.kind == FieldType::Date => {
                Ok((first.saturating_sub(first.rem_euclid(1_000_000)), last))
            }
            Some(span) => Ok(span),
            None => {
                let format = match self.format {
                    DateFormat::Iso => "strict_date_optional_time||epoch_millis",
                    DateFormat::Slashes => "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis",
                };
                let message = format!("failed to parse date field [{text}] with format [{format}] in [{}]", self.field);
                Err(Error::BadRequest { code: "parse_exception", message })
            }
        }
    }
}

fn integer_end<T>(
    bound: &Bound,
    read: impl Fn(&Value) -> Result<T, Error>,
    open: i64,
    end: impl Fn(T, bool) -> i64,
) -> Result<i64, Error> {
    match bound {
        Bound::Unbounded => Ok(open),
        Bound::Included(value) => read(value).map(|value| end(value, false)),
        Bound::Excluded(value) => read(value).map(|value| end(value, true)),
    }
}

fn long_range(lower: &Bound, upper: &Bound) -> Result<Span, Error> {
    let Span::Integers(mut first, mut last) = EVERY_INTEGER else { return Ok(NO_INTEGER) };
    match lower {
        Bound::Unbounded => {}
        Bound::Included(value) | Bound::Excluded(value) => match (long(value)?, lower) {
            (Number::Whole(i64::MAX), Bound::Excluded(_)) => return Ok(NO_INTEGER),
            (Number::Whole(number), Bound::Excluded(_)) => first = number + 1,
            (Number::Whole(number), Bound::Included(_) | Bound::Unbounded) => first = number,
            (Number::Between(_, Some(above)), _) => first = above,
            (Number::Between(_, None), _) => return Ok(NO_INTEGER),
        },
    }
    match upper {
        Bound::Unbounded => {}
        Bound::Included(value) | Bound::Excluded(value) => match (long(value)?, upper) {
            (Number::Whole(i64::MIN), Bound::Excluded(_)) => return Ok(NO_INTEGER),
            (Number::Whole(number), Bound::Excluded(_)) => last = number - 1,
            (Number::Whole(number), Bound::Included(_) | Bound::Unbounded) => last = number,
            (Number::Between(Some(below), _), _) => last = below,
            (Number::Between(None, _), _) => return Ok(NO_INTEGER),
        },
    }
    Ok(Span::Integers(first, last))
}

fn float_range(lower: &Bound, upper: &Bound) -> Result<Span, Error> {
    let first = match lower {
        Bound::Unbounded => f64::NEG_INFINITY,
        Bound::Included(value) => float(value)?,
        Bound::Excluded(value) => float(value)?.next_up(),
    };
    let last = match upper {
        Bound::Unbounded => f64::INFINITY,
        Bound::Included(value) => float(value)?,
        Bound::Excluded(value) => float(value)?.next_down(),
    };
    Ok(Span::Floats(first, last))
}

/// A number against longs.
enum Number {
    Whole(i64),
    /// No long: the longs below and above it, `None` beyond their range.
    Between(Option<i64>, Option<i64>),
}

fn long(value: &Value) -> Result<Number, Error> {
    match value {
        Value::Integer(number) => Ok(Number::Whole(*number)),
        Value::Float(number) => Ok(between(*number)),
        Value::Boolean(value) => Err(bad_number(&value.to_string())),
        Value::String(text) => match text.parse::<i64>() {
            Ok(number) => Ok(Number::Whole(number)),
            Err(_) => finite(text).map(between),
        },
    }
}

fn between(number: f64) -> Number {
    let (floor, ceiling) = (number.floor(), number.ceil());
    match (whole(floor), whole(ceiling)) {
        (Some(below), Some(above)) if below == above => Number::Whole(below),
        (below, above) => Number::Between(
            // Beyond the longs all of them are on one side.
            below.or((number > 0.0).then_some(i64::MAX)),
            above.or((number < 0.0).then_some(i64::MIN)),
        ),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the number has no fraction")]
fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&number).then_some(number as i64)
}

fn finite(text: &str) -> Result<f64, Error> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) | Err(_) => Err(bad_number(text)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a float field computes as a double")]
fn float(value: &Value) -> Result<f64, Error> {
    match value {
        Value::Integer(number) => Ok(*number as f64),
        Value::Float(number) => Ok(*number),
        Value::Boolean(value) => Err(bad_number(&value.to_string())),
        Value::String(text) => finite(text),
    }
}

fn boolean(value: &Value) -> Result<bool, Error> {
    let text = match value {
        Value::Boolean(value) => return Ok(*value),
        Value::String(text) if text == "true" => return Ok(true),
        Value::String(text) if text == "false" || text.is_empty() => return Ok(false),
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
    };
    Err(query_shard(format!("failed to create query: Can't parse boolean value [{text}], expected [true] or [false]")))
}

fn bad_number(text: &str) -> Error {
    query_shard(format!("failed to create query: For input string: \"{text}\""))
}

pub(super) const fn query_shard(message: String) -> Error {
    Error::BadRequest { code: "query_shard_exception", message }
}

/// The raw values of a column (see [`super::column`]) that lie in the span; `None` if none can.
pub(super) fn raw_range(span: Span, column: ColumnType) -> Option<RangeInclusive<u64>> {
    let (lower, upper) = match (span, column) {
        (Span::Integers(lower, upper), ColumnType::I64 | ColumnType::DateTime) => {
            (i64_to_u64(lower), i64_to_u64(upper))
        }
        (Span::Integers(lower, upper), ColumnType::U64 | ColumnType::Bool) => {
            (u64::try_from(lower.max(0)).ok()?, u64::try_from(upper).ok()?)
        }
        (Span::Integers(lower, upper), ColumnType::F64) => {
            (f64_to_u64(float(&Value::Integer(lower)).ok()?), f64_to_u64(float(&Value::Integer(upper)).ok()?))
        }
        (Span::Floats(lower, upper), ColumnType::F64) => (f64_to_u64(lower), f64_to_u64(upper)),
        (Span::Floats(lower, upper), ColumnType::I64) => {
            (i64_to_u64(whole_within(lower.ceil())), i64_to_u64(whole_within(upper.floor())))
        }
        (Span::Floats(lower, upper), ColumnType::U64) => {
            let (lower, upper) = (whole_within(lower.ceil()), whole_within(upper.floor()));
            (u64::try_from(lower.max(0)).ok()?, u64::try_from(upper).ok()?)
        }
        (Span::Integers(..) | Span::Floats(..), ColumnType::Str | ColumnType::Bytes | ColumnType::IpAddr)
        | (Span::Floats(..), ColumnType::Bool | ColumnType::DateTime) => return None,
    };
    (lower <= upper).then_some(lower..=upper)
}

fn whole_within(number: f64) -> i64 {
    whole(number).unwrap_or(if number < 0.0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn reading(kind: FieldType) -> Reading<'static> {
        Reading { kind, field: "f", format: DateFormat::Iso }
    }

    fn message(result: Result<Span, Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_term_is_read_as_the_type_of_its_field() {
        let term = |kind, value| reading(kind).term(&value);
        assert_eq!(term(FieldType::Long, text("12")).unwrap(), Span::Integers(12, 12));
        assert_eq!(term(FieldType::Long, text("12.0")).unwrap(), Span::Integers(12, 12));
        assert_eq!(term(FieldType::Long, Value::Float(12.5)).unwrap(), NO_INTEGER);
        assert_eq!(term(FieldType::Float, text("1.5")).unwrap(), Span::Floats(1.5, 1.5));
        assert_eq!(term(FieldType::Boolean, text("true")).unwrap(), Span::Integers(1, 1));
        assert_eq!(term(FieldType::Boolean, Value::Boolean(false)).unwrap(), Span::Integers(0, 0));
        assert_eq!(term(FieldType::Date, Value::Integer(5)).unwrap(), Span::Integers(5_000_000, 5_999_999));
        assert_eq!(message(term(FieldType::Long, text("abc"))), "failed to create query: For input string: \"abc\"");
        assert_eq!(
            message(term(FieldType::Boolean, text("yes"))),
            "failed to create query: Can't parse boolean value [yes], expected [true] or [false]"
        );
        assert_eq!(
            message(term(FieldType::Date, text("foo"))),
            "failed to parse date field [foo] with format [strict_date_optional_time||epoch_millis] in [f]"
        );
    }

    #[test]
    fn the_ends_of_a_range_are_rounded_inwards() {
        let longs = |lower, upper| reading(FieldType::Long).range(&lower, &upper).unwrap();
        use Bound::{Excluded, Included, Unbounded};
        assert_eq!(longs(Included(text("1")), Excluded(text("5"))), Span::Integers(1, 4));
        assert_eq!(longs(Excluded(Value::Float(1.5)), Included(Value::Float(4.5))), Span::Integers(2, 4));
        assert_eq!(longs(Unbounded, Unbounded), EVERY_INTEGER);
        assert_eq!(longs(Excluded(Value::Integer(i64::MAX)), Unbounded), NO_INTEGER);
        assert_eq!(longs(Included(Value::Float(1e30)), Unbounded), NO_INTEGER);
        assert_eq!(longs(Unbounded, Included(Value::Float(1e30))), EVERY_INTEGER);
        let day = 1_642_204_800_000_000_000;
        let next = day + 86_400_000_000_000;
        let dates = |lower, upper| reading(FieldType::DateNanos).range(&lower, &upper).unwrap();
        assert_eq!(dates(Included(text("2022-01-15")), Included(text("2022-01-15"))), Span::Integers(day, next - 1));
        assert_eq!(dates(Excluded(text("2022-01-15")), Unbounded), Span::Integers(next, i64::MAX));
        assert_eq!(dates(Unbounded, Excluded(text("2022-01-15"))), Span::Integers(i64::MIN, day - 1));
        assert_eq!(
            reading(FieldType::Date).range(&Included(text("1970-01-01T00:00:00.0015Z")), &Unbounded).unwrap(),
            Span::Integers(1_000_000, i64::MAX)
        );
    }

    #[test]
    fn a_span_finds_raw_values_of_each_column_type() {
        assert_eq!(raw_range(Span::Integers(-1, 5), ColumnType::U64), Some(0..=5));
        assert_eq!(raw_range(Span::Integers(-5, -1), ColumnType::U64), None);
        assert_eq!(raw_range(NO_INTEGER, ColumnType::I64), None);
        assert_eq!(raw_range(Span::Floats(0.5, 2.5), ColumnType::I64), Some(i64_to_u64(1)..=i64_to_u64(2)));
        assert_eq!(raw_range(Span::Floats(0.1, 0.9), ColumnType::I64), None);
    }
}
