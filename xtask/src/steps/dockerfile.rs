//! Parses Dockerfiles, to the extent that this project uses them: stages and their instructions.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::entries;
use crate::failure::Failure;

/// A build stage, which starts with `FROM`.
pub(super) struct Stage {
    /// Its name, if it has one.
    pub(super) name: Option<String>,
    /// Its instructions, in order: the keyword and its text.
    pub(super) instructions: Vec<(String, String)>,
}

impl Stage {
    /// The text of the last instruction of a kind.
    ///
    /// # Errors
    /// When there is no such instruction.
    pub(super) fn last(&self, kind: &str) -> Result<&str, Failure> {
        let found = self.instructions.iter().rev().find(|(name, _)| name == kind);
        found
            .map(|(_, text)| text.as_str())
            .ok_or_else(|| Failure::Broken(format!("the last stage has no {kind}")))
    }
}

/// The stages of a Dockerfile.
///
/// # Errors
/// When the file cannot be read, or does not start with a stage.
pub(super) fn stages(file: &Path) -> Result<Vec<Stage>, Failure> {
    parse(&fs::read_to_string(file).map_err(Failure::file(file))?)
}

fn parse(text: &str) -> Result<Vec<Stage>, Failure> {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let mut stages: Vec<Stage> = Vec::new();
    for line in lines.join("\n").replace("\\\n", " ").lines().filter(|line| !line.trim().is_empty()) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        if kind == "FROM" {
            let name = rest.split_once(" AS ").map(|(_, name)| name.to_owned());
            stages.push(Stage { name, instructions: Vec::new() });
        } else {
            let stage = stages.last_mut();
            let stage = stage.ok_or_else(|| Failure::Broken(format!("{kind} stands before FROM")))?;
            stage.instructions.push((kind.to_owned(), rest));
        }
    }
    Ok(stages)
}

/// The files of the build context: all files below `root` except those in `.dockerignore`. Its patterns may be a path
/// from the root, `**/name` for a name anywhere, or `*.ending` for an extension directly in the root.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn context(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let file = root.join(".dockerignore");
    let patterns = fs::read_to_string(&file).map_err(Failure::file(&file))?;
    let patterns: Vec<_> = patterns.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            if patterns.iter().any(|pattern| ignores(pattern, relative)) {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(relative.to_owned());
            }
        }
    }
    Ok(found)
}

fn ignores(pattern: &str, path: &Path) -> bool {
    if let Some(name) = pattern.strip_prefix("**/") {
        return path.file_name().is_some_and(|last| last == name);
    }
    match pattern.strip_prefix('*') {
        Some(ending) => path.parent() == Some(Path::new("")) && path.to_string_lossy().ends_with(ending),
        None => path == Path::new(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_lines_that_go_on() {
        let text =
            "# a\nFROM x AS build\nRUN a \\\n    && b\n\nFROM y\nCOPY --from=build /a /b\nUSER 1\nUSER 2\n";
        let stages = parse(text).unwrap();
        assert_eq!(stages[0].name.as_deref(), Some("build"));
        assert_eq!(stages[0].instructions, [("RUN".to_owned(), "a && b".to_owned())]);
        assert_eq!((stages[1].name.as_deref(), stages[1].last("USER").unwrap()), (None, "2"));
        assert!(stages[1].last("ENTRYPOINT").is_err() && parse("RUN a").is_err());
    }

    #[test]
    fn what_is_left_out_of_the_context() {
        let ignored = |pattern, path| ignores(pattern, Path::new(path));
        assert!(ignored("**/target", "target") && ignored("**/target", "a/b/target"));
        assert!(!ignored("**/target", "a/targets"));
        assert!(ignored("*.db", "kez.db") && !ignored("*.db", "server/tests/fixtures/first.db"));
        assert!(ignored("end2end/.run", "end2end/.run") && !ignored(".git", ".gitignore"));
    }
}
