//! How many files, and so connections, the process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files to what an unprivileged process may set: shells start programs with 1,024, which a
/// thousand live streams use up.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, allowed = ?before, "the limit of open files cannot be raised");
    }
}
