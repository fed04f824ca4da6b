//! Instants from the stamps of log entries, and RFC 3339 in UTC with microseconds from instants.
