//! What the person at the terminal reads when the command line is refused.

use clap::error::{ContextKind, ContextValue};

/// The first paragraph of clap's message says which flag is wrong and why; the rest is advice. It never repeats a value
/// that may hold a secret.
pub fn one_sentence(error: &clap::Error, command: &clap::Command) -> String {
    let mut text = error.to_string();
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && (holds_password(value) || is_about_secret(error, command))
    {
        text = text.replace(value.as_str(), "(not shown)");
    }
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}

/// Whether a text looks like a URL with a user name or a password.
fn holds_password(value: &str) -> bool {
    value.contains('@')
}

/// Whether the rejected flag is one whose value `--help` hides.
fn is_about_secret(error: &clap::Error, command: &clap::Command) -> bool {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return false };
    let long = flag.split_whitespace().next().unwrap_or_default().trim_start_matches("--");
    let here = command.get_arguments().any(|argument| {
        argument.is_hide_env_values_set() && argument.get_long().is_some_and(|name| name == long)
    });
    here || command.get_subcommands().any(|subcommand| is_about_secret(error, subcommand))
}
