//! Single values of JSON through serde, borrowed where they have no escapes, whatever their type: for readers that want to
//! say themselves what is wrong with one.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// 2^53: up to here a float holds whole numbers exactly.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The name of a member, borrowed where it has no escapes.
pub(crate) struct Name<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Name<'de>, D::Error> {
        json.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

/// Any JSON value, the inside of arrays and objects passed over.
pub(crate) enum Scalar<'de> {
    Text(Cow<'de, str>),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Null,
    Container,
}

impl<'de> Scalar<'de> {
    /// Null counts as absent, for every key.
    pub(crate) fn text(self) -> Result<Option<Cow<'de, str>>, &'static str> {
        match self {
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::Null => Ok(None),
            Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_) | Scalar::Bool(_) | Scalar::Container => {
                Err("is not a string")
            }
        }
    }

    /// The text of a string; what is none counts as absent.
    pub(crate) fn text_or_none(self) -> Option<Cow<'de, str>> {
        self.text().ok().flatten()
    }

    /// The text of a string, or of a whole number; `None` of anything else.
    pub(crate) fn text_or_number(self) -> Option<Cow<'de, str>> {
        match self {
            Scalar::Text(text) => Some(text),
            Scalar::Unsigned(number) => Some(Cow::Owned(number.to_string())),
            Scalar::Signed(number) => Some(Cow::Owned(number.to_string())),
            Scalar::Float(_) | Scalar::Bool(_) | Scalar::Null | Scalar::Container => None,
        }
    }

    pub(crate) fn boolean(self) -> Result<bool, &'static str> {
        match self {
            Scalar::Bool(flag) => Ok(flag),
            Scalar::Null => Ok(false),
            Scalar::Text(_) | Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_) | Scalar::Container => {
                Err("is not true or false")
            }
        }
    }

    /// A whole number; JavaScript's and Python's emulators write some as floats.
    pub(crate) fn integer(self) -> Result<i64, &'static str> {
        match self {
            Scalar::Signed(number) => Ok(number),
            Scalar::Unsigned(number) => i64::try_from(number).map_err(|_| "is out of range"),
            Scalar::Float(number) if number.fract() == 0.0 && number.abs() <= FLOAT_EXACT_MAX => {
                format!("{number:.0}").parse().map_err(|_| "is out of range")
            }
            Scalar::Float(_) | Scalar::Text(_) | Scalar::Bool(_) | Scalar::Null | Scalar::Container => {
                Err("is not a whole number")
            }
        }
    }

    pub(crate) fn length(self) -> Result<Option<u64>, &'static str> {
        match self {
            Scalar::Unsigned(number) => Ok(Some(number)),
            Scalar::Null => Ok(None),
            Scalar::Signed(_) | Scalar::Float(_) | Scalar::Text(_) | Scalar::Bool(_) | Scalar::Container => {
                Err("is not a length")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Scalar<'de>, D::Error> {
        json.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Float(number))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bool(flag))
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Container)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Container)
    }
}
