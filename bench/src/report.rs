//! The figures next to their yardsticks, printed and as JSON.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::process::load_average;

/// The measurements of one run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// The settings that the figures depend on.
    settings: Value,
    /// The number of cores of the machine.
    cores: usize,
    /// The machine's load averages before the run.
    load_before: String,
    /// The load averages after the run.
    load_after: String,
    /// The figures.
    figures: Vec<Figure>,
}

/// One figure of the server next to that of a yardstick in the same run, and the goal.
#[derive(Serialize)]
pub(crate) struct Figure {
    name: &'static str,
    server: f64,
    yardstick: Option<Yardstick>,
    echo: Option<f64>,
    ratio: Option<f64>,
    goal: Option<Goal>,
    met: Option<bool>,
}

/// What the server is compared with.
#[derive(Serialize)]
struct Yardstick {
    name: &'static str,
    value: f64,
}

/// The goal for a figure: for its ratio to the yardstick if it has one, otherwise for the figure itself. One run differs
/// from the next, so a goal is met within [`TOLERANCE`].
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

/// The part of a goal by which a figure may miss it.
const TOLERANCE: f64 = 0.1;

impl Goal {
    fn met_by(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most * (1.0 + TOLERANCE),
            Self::AtLeast(least) => figure >= least * (1.0 - TOLERANCE),
        }
    }
}

impl Figure {
    /// A figure of the server alone.
    pub(crate) const fn new(name: &'static str, server: f64) -> Self {
        Self { name, server, yardstick: None, echo: None, ratio: None, goal: None, met: None }
    }

    /// Adds the bare writer's value.
    pub(crate) fn writer(self, value: f64) -> Self {
        self.beside("writer", value)
    }

    /// Adds the value of the server itself for signed requests.
    pub(crate) fn signed_post(self, value: f64) -> Self {
        self.beside("POST", value)
    }

    /// Adds the value of the server itself for messages from one person to another.
    pub(crate) fn version_1(self, value: f64) -> Self {
        self.beside("v1", value)
    }

    /// Adds the bare echo's value.
    pub(crate) const fn echo(mut self, figure: f64) -> Self {
        self.echo = Some(figure);
        self
    }

    /// Adds the goal. The yardstick comes first.
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self.met = Some(goal.met_by(self.ratio.unwrap_or(self.server)));
        self
    }

    /// Adds the goal for the figure itself, even if it has a yardstick.
    pub(crate) fn absolute_goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self.met = Some(goal.met_by(self.server));
        self
    }

    fn beside(mut self, name: &'static str, value: f64) -> Self {
        self.ratio = Some(self.server / value);
        self.yardstick = Some(Yardstick { name, value });
        self
    }

    fn line(&self) -> String {
        let goal = match self.goal {
            Some(Goal::AtMost(most)) => format!("<= {most}"),
            Some(Goal::AtLeast(least)) => format!(">= {least}"),
            None => String::new(),
        };
        let met = self.met.map_or("", |met| if met { "met" } else { "missed" });
        let (of, value) = self.yardstick.as_ref().map_or(("", None), |of| (of.name, Some(of.value)));
        let [server, value, echo] = [Some(self.server), value, self.echo].map(number);
        let ratio = self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let line =
            format!("{:<44} {server:>9} {value:>9} {of:<6} {echo:>9} {ratio:>6} {goal:>8} {met}", self.name);
        line.trim_end().to_owned()
    }
}

impl Report {
    /// A report without figures. Reads the load of the machine.
    pub(crate) fn start(settings: &impl Serialize) -> Result<Self, Failure> {
        let cores = std::thread::available_parallelism()?.get();
        let (load_before, load_after) = (load_average()?, String::new());
        println!("{cores} cores, load {load_before}\n");
        println!(
            "{:<44} {:>9} {:>9} {:<6} {:>9} {:>6} {:>8}",
            "1 KiB messages", "server", "beside", "", "echo", "ratio", "goal"
        );
        let settings = serde_json::to_value(settings)?;
        Ok(Self { settings, cores, load_before, load_after, figures: Vec::new() })
    }

    /// Prints the figures and stores them.
    pub(crate) fn add(&mut self, figures: impl IntoIterator<Item = Figure>) {
        for figure in figures {
            println!("{}", figure.line());
            self.figures.push(figure);
        }
    }

    /// Ends the report, and writes it as JSON if a path is given.
    pub(crate) fn end(mut self, json: Option<&Path>) -> Result<(), Failure> {
        self.load_after = load_average()?;
        println!("\nload {}", self.load_after);
        if let Some(file) = json {
            fs::write(file, serde_json::to_vec_pretty(&self)?)?;
        }
        Ok(())
    }
}

/// Formats a number with about three significant digits.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whether_the_goal_was_met() {
        let absolute = |server| Figure::new("MiB", server).goal(Goal::AtMost(16.0)).line();
        assert!(absolute(17.0).ends_with("<= 16 met"), "{}", absolute(17.0));
        assert!(absolute(18.0).ends_with("<= 16 missed"));
        let ratio = |server, goal| Figure::new("acknowledged/s", server).writer(100.0).goal(goal).line();
        assert!(ratio(80.0, Goal::AtLeast(0.85)).ends_with(">= 0.85 met"));
        assert!(ratio(76.0, Goal::AtLeast(0.85)).ends_with("0.76  >= 0.85 missed"));
        assert!(ratio(111.0, Goal::AtMost(1.0)).ends_with("1.11     <= 1 missed"));
        assert!(Figure::new("RSS MiB", 2.0).writer(1.0).line().ends_with("2.00"));
    }
}
