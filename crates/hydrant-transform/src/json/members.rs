//! Objects through serde of which only some members count: what the others hold may be anything, and is passed over.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::scalar::Name;

/// An object of any members, of which `T` takes each that it knows.
pub(crate) struct Object<T>(pub(crate) T);

/// Takes the members of an object.
pub(crate) trait TakeMembers<'de>: Default {
    /// Takes the value of a member, whatever it is. `false`: it was not taken.
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

impl<'de, T: TakeMembers<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Object<T>, D::Error> {
        json.deserialize_map(Object(T::default()))
    }
}

impl<'de, T: TakeMembers<'de>> Visitor<'de> for Object<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Object<T>, A::Error> {
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            if !self.0.take(&name, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(self)
    }
}
