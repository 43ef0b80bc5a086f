//! The commands of a document.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

/// The documents that explain how to set up a server.
pub(super) const DOCUMENTS: [&str; 2] = ["README.md", "deploy/README.md"];

/// One `sh` block of a Markdown file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The heading above it.
    pub(super) heading: String,
    /// Its number among the blocks under that heading, counted from 1.
    pub(super) number: usize,
    /// The commands.
    pub(super) text: String,
}

/// The `sh` blocks of a Markdown file.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn blocks(file: &Path) -> Result<Vec<Block>, Failure> {
    fs::read_to_string(file).map(|text| blocks_in(&text)).map_err(Failure::file(file))
}

fn blocks_in(text: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut heading, mut number) = (Vec::new(), None::<Block>, "", 0);
    for line in text.lines() {
        match (&mut open, line) {
            (None, "```sh") => {
                number += 1;
                open = Some(Block { heading: heading.to_owned(), number, text: String::new() });
            }
            (None, line) => {
                if let Some(title) = line.strip_prefix("## ") {
                    (heading, number) = (title, 0);
                }
            }
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
    }
    blocks
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::{Block, blocks_in};

    #[test]
    fn the_readme_installs_the_wasm_bindgen_of_the_lock_file() {
        let read = |file| {
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
        };
        let (readme, lock) = (read("README.md"), read("Cargo.lock"));
        let (_, after) = readme.split_once("wasm-bindgen-cli@").unwrap();
        let version = after.split_whitespace().next().unwrap();
        assert!(lock.contains(&format!("name = \"wasm-bindgen\"\nversion = \"{version}\"\n")), "{version}");
    }

    #[test]
    fn blocks_are_grouped_by_heading() {
        let text =
            "## One\n```sh\nx\n```\n## Two\ntext\n```sh\na\n## b\n```\n```json\n{}\n```\n```sh\nc\n```\n";
        let block = |heading: &str, number, text: &str| Block {
            heading: heading.to_owned(),
            number,
            text: text.to_owned(),
        };
        assert_eq!(
            blocks_in(text),
            [block("One", 1, "x\n"), block("Two", 1, "a\n## b\n"), block("Two", 2, "c\n")]
        );
    }
}
