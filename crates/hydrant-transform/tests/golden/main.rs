//! Golden files: real bytes in, and an expected side that an independent script or a hand made.

#[cfg(test)]
mod audit;

#[cfg(test)]
mod captures;

#[cfg(test)]
mod digest;

#[cfg(test)]
mod error;

#[cfg(test)]
mod general;

#[cfg(test)]
mod slow;
