//! Gzip, capped: every member of a record, and never more than the caller allows.
