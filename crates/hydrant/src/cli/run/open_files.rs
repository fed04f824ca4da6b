//! How many files the process may have open: the stream keeps one for each segment of 32 MiB, an index several.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit to what the system allows; many systems begin with 1,024, which a backlog of 32 GiB would need alone.
/// Where that is refused the limit stays.
pub(super) fn allow_all() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
}
