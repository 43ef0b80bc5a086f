//! The results of a run of the checks.

use std::fmt;
use std::time::Duration;

/// The result of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The step passed.
    Passed,
    /// The step found a fault, or could not be run.
    Failed,
    /// The step was not run: an earlier one failed, or something that it needs is missing.
    Skipped,
}

/// One step of a run.
pub(crate) struct Line {
    /// The step's name.
    pub(crate) name: &'static str,
    /// The result.
    pub(crate) outcome: Outcome,
    /// The duration.
    pub(crate) took: Duration,
}

impl Line {
    /// A step that was not run.
    pub(crate) fn skipped(name: &'static str) -> Self {
        Self { name, outcome: Outcome::Skipped, took: Duration::ZERO }
    }
}

/// All steps of a run so far. The text form is a table, with only the counts on the last line.
#[derive(Default)]
pub(crate) struct Summary(Vec<Line>);

impl Summary {
    /// Adds the next step.
    pub(crate) fn add(&mut self, line: Line) {
        self.0.push(line);
    }

    /// Whether any step failed.
    pub(crate) fn failed(&self) -> bool {
        self.count(Outcome::Failed) > 0
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.0.iter().filter(|line| line.outcome == outcome).count()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { name, outcome, took } in &self.0 {
            writeln!(f, "{name:<12} {outcome:<8} {:>7.1} s", took.as_secs_f64())?;
        }
        write!(f, "{} passed, {} failed", self.count(Outcome::Passed), self.count(Outcome::Failed))?;
        match self.count(Outcome::Skipped) {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &'static str, outcome: Outcome) -> Line {
        Line { name, outcome, took: Duration::from_millis(1500) }
    }

    #[test]
    fn the_summary_ends_with_the_counts() {
        let mut summary = Summary::default();
        summary.add(line("format", Outcome::Passed));
        summary.add(line("clippy", Outcome::Passed));
        assert!(!summary.failed());
        assert_eq!(summary.to_string().lines().last(), Some("2 passed, 0 failed"));

        summary.add(line("tests", Outcome::Failed));
        summary.add(Line::skipped("browser"));
        assert!(summary.failed());
        assert_eq!(summary.to_string().lines().last(), Some("2 passed, 1 failed, 1 skipped"));
    }

    #[test]
    fn each_step_has_its_row() {
        let mut summary = Summary::default();
        summary.add(line("format", Outcome::Passed));
        assert_eq!(summary.to_string().lines().next(), Some("format       passed       1.5 s"));
    }
}
