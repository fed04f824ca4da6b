//! Golden files: real bytes in, and an expected side that an independent script or a hand made.

#[cfg(test)]
mod general;
