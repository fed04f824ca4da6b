//! The logs of the MySQL family.

pub mod audit;

pub mod error;

pub mod general;

mod shape;

pub mod slow;
