//! `kez-chat-server check-config`: what would keep the server from starting or from being what was meant, found
//! without starting it.

use std::fmt::Write as _;

use clap::{ArgMatches, Args, CommandFactory};
use serde_json::{Map, Value, json};

use super::report::{Code, Failure, Output, Report};
use super::{CommandLine, environment};
use crate::config::{Config, Database};
use crate::store;

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
        self.config.check().map_err(Failure::usage)?;
        let unknown = environment::unknown_variables("KEZ_CHAT_", &CommandLine::command()).into_iter();
        let mut problems: Vec<_> =
            unknown.map(|name| format!("{name} is set, but there is no such setting")).collect();
        problems.extend(self.web_dir_problem());
        problems.extend(self.database_problem().await?);
        let settings = settings();
        let code = if problems.is_empty() { Code::Done } else { Code::No };
        let text = render(&settings, &problems);
        Ok(Report::new(text, json!({ "settings": settings, "problems": problems })).with_code(code))
    }

    fn web_dir_problem(&self) -> Option<String> {
        let dir = self.config.site()?;
        let built = dir.join("pkg").is_dir();
        (!built).then(|| format!("--web-dir: {} holds no built web app (it has no pkg/)", dir.display()))
    }

    async fn database_problem(&self) -> Result<Option<String>, Failure> {
        let file = match &self.config.database.db {
            Database::Sqlite(file) if !file.exists() => file,
            _ => return Ok(store::pending_migrations(&self.config.database).await.map(|_| None)?),
        };
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
        Ok(folder.map(|folder| format!("--db: there is no directory {}", folder.display())))
    }
}

/// Every flag of serving with its value as given. A flag whose variable is hidden in `--help` holds a secret.
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

fn render(settings: &Map<String, Value>, problems: &[String]) -> String {
    let mut text = String::new();
    for (flag, value) in settings {
        // Writing to a String does not fail.
        let _ = writeln!(text, "--{flag} {}", value.as_str().unwrap_or_default());
    }
    for problem in problems {
        let _ = writeln!(text, "PROBLEM {problem}");
    }
    text + if problems.is_empty() { "no problems found" } else { "" }
}
