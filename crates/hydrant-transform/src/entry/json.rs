//! JSON lines: objects that keep their own fields.
