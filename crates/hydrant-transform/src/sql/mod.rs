//! SQL as bytes: what is open at a place ([`lexer`]), its tokens ([`token`]), hiding what must not be seen ([`redact`]),
//! the shape
//! that statements share ([`digest`]), and what they do to which tables ([`summary`]).

pub mod lexer;

pub mod token;

pub mod redact;

pub mod digest;

pub mod summary;
