//! `kez-chat-server audit URL`: replays a server's log and sigchains from outside, and says what disagrees.

use std::path::PathBuf;

use clap::Args;
use kez_core::log::checkpoint::LogKey;
use serde_json::json;

use super::report::{Code, Failure, Output, Report};
use crate::audit::{Audit, Memory, Source, audit};
use crate::config::HttpUrl;

/// See the module.
#[derive(Debug, Args)]
pub(super) struct AuditCommand {
    /// The server that keeps the sigchains: a chat server with embedded ones, or a sigchain server.
    #[arg(value_name = "URL")]
    url: HttpUrl,
    /// What earlier audits found is remembered here, so that the log can neither forget nor change it; made the first
    /// time. Without it each audit believes the first key and the first log it sees.
    #[arg(long, env = "KEZ_CHAT_AUDIT_STATE", value_name = "FILE")]
    state: Option<PathBuf>,
    /// The log's key, as its operator has published it elsewhere; without it the remembered one, and without that the
    /// one that the server shows.
    #[arg(long, env = "KEZ_CHAT_AUDIT_LOG_KEY", value_name = "KEY")]
    log_key: Option<LogKey>,
    #[command(flatten)]
    pub(super) output: Output,
}

impl AuditCommand {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        let remembered = match &self.state {
            Some(file) => Memory::read(file)
                .map_err(|error| Failure::usage(format!("--state {}: {error}", file.display())))?,
            None => None,
        };
        let source = Source::new(&self.url.to_string()).map_err(Failure::failed)?;
        let done = audit(&source, self.log_key, remembered.as_ref()).await.map_err(Failure::failed)?;
        if let (Some(file), Some(memory)) = (&self.state, &done.memory) {
            memory
                .write(file)
                .map_err(|error| Failure::failed(format!("--state {}: {error}", file.display())))?;
        }
        Ok(report(&done))
    }
}

fn report(done: &Audit) -> Report {
    let mut text: String = done.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let (size, chains) = (done.size, done.chains);
    let verdict = match done.findings.len() {
        0 => format!("everything agrees: {size} links of {chains} chains"),
        1 => "1 disagreement".to_owned(),
        many => format!("{many} disagreements"),
    };
    text.push_str(&verdict);
    let json = json!({ "size": size, "chains": chains, "findings": done.findings });
    let code = if done.findings.is_empty() { Code::Done } else { Code::No };
    Report::new(text, json).with_code(code)
}
