//! SQL as bytes.

pub mod lexer;
