//! The limit of open files, and so of connections, of the process.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files to the largest value that an unprivileged process may set. Shells start programs with
/// 1,024, which a thousand live streams use up.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, allowed = ?before, "the limit of open files cannot be raised");
    }
}
