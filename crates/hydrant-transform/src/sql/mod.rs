//! SQL as bytes: what is open at a place ([`lexer`]), its tokens ([`token`]), and hiding what must not be seen
//! ([`redact`]).

pub mod lexer;

pub mod token;

pub mod redact;
