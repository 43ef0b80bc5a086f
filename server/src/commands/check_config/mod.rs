//! `kez-chat-server check-config`: finds what would keep the server from starting or from running as intended, without
//! starting it. Run it as the service account of the server: it reads every file that a setting names.

mod findings;

use std::fmt::Write as _;

use clap::{ArgMatches, Args, CommandFactory};
use serde_json::{Map, Value, json};

use super::CommandLine;
use super::report::{Code, Failure, Output, Report};
use crate::config::Config;
use crate::config::environment::unknown_variables;
use findings::Findings;

/// See the module.
#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    pub(super) output: Output,
}

impl CheckConfig {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        let config = &self.config;
        config.check().map_err(Failure::usage)?;
        let mut found = Findings::default();
        for name in unknown_variables("KEZ_CHAT_", &CommandLine::command()) {
            found.problem(format!("{name} is set, but there is no such setting"));
        }
        findings::web_dir(config, &mut found);
        findings::files(config, &mut found);
        findings::addresses(config, &mut found).await;
        findings::database(config, &mut found).await;
        findings::sigchain_server(config, &mut found).await;
        let settings = settings();
        let code = if found.problems.is_empty() { Code::Done } else { Code::No };
        let text = render(&settings, &found);
        Ok(Report::new(
            text,
            json!({ "settings": settings, "problems": found.problems, "warnings": found.warnings }),
        )
        .with_code(code))
    }
}

/// Every flag of `serve` with its given value. A flag whose variable is hidden in `--help` holds a secret.
fn settings() -> Map<String, Value> {
    let matches = CommandLine::command().get_matches();
    let Some((_, matches)) = matches.subcommand() else { return Map::new() };
    let command = Config::command();
    let flags = command.get_arguments().filter(|flag| !flag.is_hide_set());
    flags
        .filter_map(|flag| {
            let value =
                if flag.is_hide_env_values_set() { "(not shown)".into() } else { value(matches, flag)? };
            Some((flag.get_long()?.to_owned(), value))
        })
        .collect()
}

fn value(matches: &ArgMatches, flag: &clap::Arg) -> Option<Value> {
    let raw = matches.try_get_raw(flag.get_id().as_str()).ok()??;
    let texts: Vec<_> = raw.map(|text| text.to_string_lossy()).collect();
    Some(texts.join(",").into())
}

fn render(settings: &Map<String, Value>, found: &Findings) -> String {
    let mut text = String::new();
    for (flag, value) in settings {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "--{flag} {}", value.as_str().unwrap_or_default());
    }
    for warning in &found.warnings {
        let _ = writeln!(text, "WARNING {warning}");
    }
    for problem in &found.problems {
        let _ = writeln!(text, "PROBLEM {problem}");
    }
    text + if found.problems.is_empty() { "no problems found" } else { "" }
}
