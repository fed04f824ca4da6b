//! The logs of the MySQL family.

pub mod general;

pub mod slow;
