//! Cutting a growing file into entries: where the format begins a new one.
