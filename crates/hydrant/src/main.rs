//! The `hydrant` program: arguments in, exit code out.

fn main() {}
