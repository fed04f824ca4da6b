//! Measurements of the whole program, as a user would meet them: the real binary, over its own ports.

pub(super) mod chain;

mod child;

mod mixed;
