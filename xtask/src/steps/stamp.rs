//! A record of the inputs of an output, so that the output is rebuilt only when the inputs or the output have changed.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;

use crate::failure::Failure;

/// The stamp of an output.
pub(crate) struct Stamp {
    /// The file of the stamp.
    pub(crate) note: PathBuf,
    /// The input files.
    pub(crate) inputs: Vec<PathBuf>,
    /// The output files.
    pub(crate) outputs: Vec<PathBuf>,
    /// The build options.
    pub(crate) recipe: String,
}

impl Stamp {
    /// Whether the outputs are up to date.
    pub(crate) fn holds(&self) -> bool {
        match (fs::read_to_string(&self.note), self.state()) {
            (Ok(noted), Ok(state)) => noted == state,
            _ => false,
        }
    }

    /// Records that the outputs were just built.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(crate) fn set(&self) -> Result<(), Failure> {
        fs::write(&self.note, self.state()?).map_err(Failure::file(&self.note))
    }

    fn state(&self) -> Result<String, Failure> {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.recipe.as_bytes());
        for path in self.inputs.iter().chain(&self.outputs) {
            let content = fs::read(path).map_err(Failure::file(path))?;
            hasher.write_usize(content.len());
            hasher.write(&content);
        }
        Ok(format!("{:016x}\n", hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_stamp_holds_until_an_input_an_output_or_the_recipe_changes() {
        let folder = Scratch::new("stamp");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("in"), "in").unwrap();
        fs::write(at("out"), "out").unwrap();
        let mut stamp = Stamp {
            note: at("note"),
            inputs: vec![at("in")],
            outputs: vec![at("out")],
            recipe: "-Oz".into(),
        };
        assert!(!stamp.holds(), "before it was set");
        stamp.set().unwrap();
        assert!(stamp.holds());

        fs::write(at("out"), "other").unwrap();
        assert!(!stamp.holds(), "the output was overwritten");
        fs::write(at("out"), "out").unwrap();
        fs::write(at("in"), "other").unwrap();
        assert!(!stamp.holds(), "the input changed");
        fs::write(at("in"), "in").unwrap();
        assert!(stamp.holds());
        stamp.recipe = "-O3".into();
        assert!(!stamp.holds(), "the recipe changed");
        stamp.recipe = "-Oz".into();
        fs::remove_file(at("out")).unwrap();
        assert!(!stamp.holds(), "the output is gone");
    }
}
