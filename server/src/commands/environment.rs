//! What the environment says, beyond what clap reads from it.

use std::collections::HashSet;

use clap::CommandFactory;

use super::CommandLine;

/// What the names of all settings begin with.
const PREFIX: &str = "KEZ_CHAT_";

/// The variables that look like settings and are none: mistyped, or of another version.
pub(super) fn unknown_variables() -> Vec<String> {
    let mut known = HashSet::new();
    collect(&CommandLine::command(), &mut known);
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<_> = set.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect();
    unknown.sort();
    unknown
}

fn collect(command: &clap::Command, known: &mut HashSet<String>) {
    let names = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    known.extend(names.map(str::to_owned));
    command.get_subcommands().for_each(|command| collect(command, known));
}
