//! The embedded index on tantivy: one folder per index name.
