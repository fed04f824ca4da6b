//! The file tail: every line of a growing, rotating file, each entry once.
