//! The figures next to their yardsticks, printed and as JSON.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;
use crate::process::load_average;
use crate::server::Options;

/// The measurements of one run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// The settings that the figures depend on.
    settings: Options,
    /// The number of cores of the machine.
    cores: usize,
    /// The machine's load averages before the run.
    load_before: String,
    /// The load averages after the run.
    load_after: String,
    /// The figures.
    figures: Vec<Figure>,
}

/// One figure of the server, the value that the bare handlers reach in the same run, and the goal.
#[derive(Serialize)]
pub(crate) struct Figure {
    name: &'static str,
    server: f64,
    writer: Option<f64>,
    echo: Option<f64>,
    goal: Option<Goal>,
}

/// The goal for a figure.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Goal {
    fn met_by(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

impl Figure {
    /// A figure of the server alone.
    pub(crate) const fn new(name: &'static str, server: f64) -> Self {
        Self { name, server, writer: None, echo: None, goal: None }
    }

    /// Adds the bare writer's value.
    pub(crate) const fn writer(mut self, figure: f64) -> Self {
        self.writer = Some(figure);
        self
    }

    /// Adds the bare echo's value.
    pub(crate) const fn echo(mut self, figure: f64) -> Self {
        self.echo = Some(figure);
        self
    }

    /// Adds the goal.
    pub(crate) const fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    fn line(&self) -> String {
        let (goal, met) = match self.goal {
            Some(Goal::AtMost(most)) => (format!("<= {most}"), self.goal),
            Some(Goal::AtLeast(least)) => (format!(">= {least}"), self.goal),
            None => (String::new(), None),
        };
        let met = met.map_or("", |goal| if goal.met_by(self.server) { "met" } else { "missed" });
        let [server, writer, echo] = [Some(self.server), self.writer, self.echo].map(number);
        format!("{:<42} {server:>9} {writer:>9} {echo:>9} {goal:>9} {met}", self.name)
    }
}

impl Report {
    /// A report without figures. Reads the load of the machine.
    pub(crate) fn start(settings: &Options) -> Result<Self, Failure> {
        let cores = std::thread::available_parallelism()?.get();
        let (load_before, load_after) = (load_average()?, String::new());
        println!("{cores} cores, load {load_before}\n");
        println!("{:<42} {:>9} {:>9} {:>9} {:>9}", "1 KiB messages", "server", "writer", "echo", "goal");
        let settings = settings.clone();
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
        let figure = |server| Figure::new("ack p50 ms", server).writer(1.25).goal(Goal::AtMost(1.0));
        assert!(figure(0.5).line().ends_with("<= 1 met"), "{}", figure(0.5).line());
        assert!(figure(1.5).line().ends_with("<= 1 missed"));
        let ratio = Figure::new("ratio", 0.9).goal(Goal::AtLeast(1.0));
        assert!(ratio.line().ends_with(">= 1 missed"));
    }
}
