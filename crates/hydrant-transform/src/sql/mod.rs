//! SQL as bytes: what is open at a place ([`lexer`]), its tokens ([`token`]), hiding what must not be seen ([`redact`]),
//! and the shape that statements share ([`digest`]).

pub mod lexer;

pub mod token;

pub mod redact;

pub mod digest;
