//! The embedded stream: a segmented append-only log per shard.
