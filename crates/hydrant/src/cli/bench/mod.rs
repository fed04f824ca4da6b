//! Measurements: the whole program as a user would meet it, the real binary over its own ports; and the transformation
//! on one core.

pub(super) mod chain;

mod child;

mod mixed;

pub(super) mod transform;
