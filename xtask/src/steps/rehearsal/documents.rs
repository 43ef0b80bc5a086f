//! The commands of a document.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

/// The `sh` blocks under a heading of a Markdown file, up to the next heading of the same or a higher level.
///
/// # Errors
/// When the file cannot be read, or has no such block.
pub(super) fn blocks(file: &Path, heading: &str) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(file).map_err(Failure::file(file))?;
    let found = blocks_in(&text, heading);
    if found.is_empty() {
        return Err(Failure::Broken(format!("{} has no commands under \"{heading}\"", file.display())));
    }
    Ok(found)
}

fn blocks_in(text: &str, heading: &str) -> Vec<String> {
    let lines = text
        .lines()
        .skip_while(|line| line.trim_start_matches('#').trim() != heading || !line.starts_with('#'));
    let (mut blocks, mut block) = (Vec::new(), None::<String>);
    for line in lines.skip(1) {
        match (&mut block, line) {
            (None, line) if line.starts_with("## ") => break,
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(open), line) => {
                open.push_str(line);
                open.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::blocks_in;

    #[test]
    fn blocks_stand_under_their_heading() {
        let text = "## One\n```sh\nfalse\n```\n## Two\ntext\n```sh\na\nb\n```\n```json\n{}\n```\n```sh\nc\n```\n## Three\n```sh\nfalse\n```\n";
        assert_eq!(blocks_in(text, "Two"), ["a\nb\n", "c\n"]);
        assert!(blocks_in(text, "Four").is_empty());
    }
}
