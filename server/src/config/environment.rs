//! Environment variables beyond what clap reads: secrets in files, and mistyped names.
//!
//! A flag holds a secret when `--help` hides the value of its variable. For each such variable `NAME` there is
//! `NAME_FILE`, the path of a file with the value. Setting both variables is an error, because one of them would be
//! ignored.

use std::collections::HashSet;

use clap::{Arg, Command};

/// The variables that start like settings of a program but are not: mistyped, or of another version.
pub fn unknown_variables(prefix: &str, command: &Command) -> Vec<String> {
    let mut known = HashSet::new();
    collect(command, &mut known);
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<_> = set.filter(|name| name.starts_with(prefix) && !known.contains(name)).collect();
    unknown.sort();
    unknown
}

fn collect(command: &Command, known: &mut HashSet<String>) {
    for argument in command.get_arguments() {
        known.extend(argument.get_env().and_then(|name| name.to_str()).map(str::to_owned));
        known.extend(file_variable(argument));
    }
    command.get_subcommands().for_each(|command| collect(command, known));
}

/// Reads the files with secrets, and sets their content as the default of the flags.
///
/// # Errors
/// A sentence that names the variable whose file cannot be read.
pub fn with_secrets_from_files(command: Command) -> Result<Command, String> {
    let mut failure = None;
    let command = fill(command, &mut failure);
    failure.map_or(Ok(command), Err)
}

fn fill(command: Command, failure: &mut Option<String>) -> Command {
    let mut filled = command.mut_args(|argument| match secret_in_file(&argument) {
        Ok(Some(secret)) => argument.default_value(secret).hide_default_value(true),
        Ok(None) => argument,
        Err(error) => {
            *failure = Some(error);
            argument
        }
    });
    let names: Vec<_> = filled.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        filled = filled.mut_subcommand(name, |subcommand| fill(subcommand, failure));
    }
    filled
}

fn secret_in_file(argument: &Arg) -> Result<Option<String>, String> {
    let Some(variable) = file_variable(argument) else { return Ok(None) };
    let Some(file) = std::env::var_os(&variable) else { return Ok(None) };
    if let Some(name) = argument.get_env().filter(|name| std::env::var_os(name).is_some()) {
        let name = name.to_string_lossy();
        return Err(format!("{name} and {variable} are both set; unset one of them"));
    }
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("{variable}: {}: {error}", file.display()))?;
    Ok(Some(text.trim().to_owned()))
}

/// The variable that names a file with the argument's secret, if the argument is a secret.
fn file_variable(argument: &Arg) -> Option<String> {
    let name = argument.get_env().filter(|_| argument.is_hide_env_values_set())?;
    Some(format!("{}_FILE", name.to_str()?))
}
