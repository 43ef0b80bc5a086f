//! The version of the programs.

/// What `--version` prints after the program's name: `0.1.0 (628e71c33a51)`, or the version alone unless
/// `KEZ_BUILD_COMMIT` was set during the build.
pub fn version_with_commit() -> String {
    with_commit(env!("CARGO_PKG_VERSION"), option_env!("KEZ_BUILD_COMMIT"))
}

fn with_commit(version: &str, commit: Option<&str>) -> String {
    match commit {
        None | Some("") => version.to_owned(),
        Some(commit) => format!("{version} ({commit})"),
    }
}

#[cfg(test)]
mod tests {
    use super::with_commit;

    #[test]
    fn the_commit_follows_the_version() {
        assert_eq!(with_commit("0.1.0", Some("628e71c33a51")), "0.1.0 (628e71c33a51)");
        assert_eq!(
            with_commit("0.1.0", Some("")),
            "0.1.0",
            "an argument of a container build that was left out"
        );
        assert_eq!(with_commit("0.1.0", None), "0.1.0");
    }
}
