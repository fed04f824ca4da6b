//! The logs of the MySQL family.

pub mod audit;

pub mod general;

pub mod slow;
