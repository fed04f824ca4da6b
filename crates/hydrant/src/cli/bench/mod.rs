//! Measurements: the whole program as a user would meet it, the real binary over its own ports; delivery to a cluster
//! beside a bare replay; the transformation on one core; and the reconciler.

pub(super) mod chain;

mod child;

pub(super) mod deliver;

mod mixed;

mod progress;

pub(super) mod transform;

pub(super) mod verify;
