//! What the environment says, beyond what clap reads from it.

use std::collections::HashSet;

/// The variables that look like settings of a program, by the beginning of their names, and are none: mistyped, or of
/// another version.
pub(crate) fn unknown_variables(prefix: &str, command: &clap::Command) -> Vec<String> {
    let mut known = HashSet::new();
    collect(command, &mut known);
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<_> = set.filter(|name| name.starts_with(prefix) && !known.contains(name)).collect();
    unknown.sort();
    unknown
}

fn collect(command: &clap::Command, known: &mut HashSet<String>) {
    let names = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    known.extend(names.map(str::to_owned));
    command.get_subcommands().for_each(|command| collect(command, known));
}
