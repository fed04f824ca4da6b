//! What groups statements, remembered by their shape: a log has many statements of few shapes.

use std::collections::HashMap;

use super::write::write_statement_fields;
use crate::document::Profile;
use crate::sql::shape::write_shape;
use crate::sql::token::{Dialect, Token, Tokens};

/// What is remembered has so many bytes at most; then all is forgotten.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// A longer statement is not remembered.
const STATEMENT_BYTES_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct StatementFields {
    by_shape: HashMap<Box<[u8]>, Box<[u8]>>,
    /// Of all shapes and members.
    bytes: usize,
    tokens: Vec<Token>,
    shape: Vec<u8>,
}

impl StatementFields {
    /// Writes the members that [`write_statement_fields`] writes, behind what stands in `out`, which is not the brace of an
    /// object.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, profile: Profile, statement: &str) {
        let (bytes, tokens) = (statement.as_bytes(), Tokens::new(statement.as_bytes(), Dialect::DEFAULT));
        if statement.len() > STATEMENT_BYTES_MAX {
            return write_statement_fields(out, profile, bytes, tokens);
        }
        self.tokens.clear();
        self.tokens.extend(tokens);
        self.shape.clear();
        write_shape(statement, &self.tokens, &mut self.shape);
        if let Some(members) = self.by_shape.get(&*self.shape) {
            return out.extend_from_slice(members);
        }
        let from = out.len();
        write_statement_fields(out, profile, bytes, self.tokens.drain(..));
        self.remember(out.get(from..).unwrap_or_default());
    }

    fn remember(&mut self, members: &[u8]) {
        let bytes = self.shape.len() + members.len();
        if self.bytes + bytes > BYTES_MAX {
            self.by_shape.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.by_shape.insert(self.shape.as_slice().into(), members.into());
    }
}
