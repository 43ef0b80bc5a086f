//! `kez-chat-server audit URL`: replays a server's log and sigchains from outside, and reports disagreements.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use kez_core::log::checkpoint::LogKey;
use serde_json::json;

use super::report::{Code, Failure, Output, Report};
use crate::audit::{Audit, Memory, Source, audit};
use crate::config::HttpUrl;

/// See the module.
#[derive(Debug, Args)]
pub(super) struct AuditCommand {
    /// The server that keeps the sigchains: a chat server with embedded sigchains, or a sigchain server.
    #[arg(value_name = "URL")]
    url: HttpUrl,
    /// A file that remembers the findings of earlier audits, so that the log can neither drop nor change anything;
    /// created on the first run. Without it each audit trusts the first key and the first log it sees.
    #[arg(long, env = "KEZ_CHAT_AUDIT_STATE", value_name = "FILE")]
    state: Option<PathBuf>,
    /// The log's key, as its operator has published it elsewhere; defaults to the remembered key, or else to the key
    /// that the server shows.
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
        let kept = match &self.state {
            Some(file) => keep_evidence(file, &done).map_err(Failure::failed)?,
            None => None,
        };
        Ok(report(&done, kept))
    }
}

/// Writes contradicting checkpoints to a file beside the state. Never overwrites earlier evidence. Returns the file, if
/// there was evidence to keep.
fn keep_evidence(state: &Path, done: &Audit) -> Result<Option<PathBuf>, String> {
    let evidence: Vec<_> = done.findings.iter().filter(|finding| !finding.checkpoints.is_empty()).collect();
    if evidence.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_vec_pretty(&evidence).map_err(|error| error.to_string())?;
    for number in 1_u32.. {
        let mut name = state.as_os_str().to_owned();
        name.push(format!(".evidence-{number}"));
        let file = PathBuf::from(name);
        let created = File::options().write(true).create_new(true).open(&file);
        let written = match created {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            created => created.and_then(|mut new| new.write_all(&json).and_then(|()| new.sync_all())),
        };
        return written.map(|()| Some(file.clone())).map_err(|error| format!("{}: {error}", file.display()));
    }
    Ok(None)
}

fn report(done: &Audit, kept: Option<PathBuf>) -> Report {
    let mut text: String = done.findings.iter().map(|finding| format!("{finding}\n")).collect();
    if let Some(file) = &kept {
        text.push_str(&format!("the signed checkpoints that prove it are in {}\n", file.display()));
    } else {
        done.findings.iter().flat_map(|finding| &finding.checkpoints).for_each(|note| text.push_str(note));
    }
    let (size, chains) = (done.size, done.chains);
    let verdict = match done.findings.len() {
        0 => format!("everything agrees: {size} links of {chains} chains"),
        1 => "1 disagreement".to_owned(),
        many => format!("{many} disagreements"),
    };
    text.push_str(&verdict);
    let json = json!({ "size": size, "chains": chains, "findings": done.findings, "evidence": kept });
    let code = if done.findings.is_empty() { Code::Done } else { Code::No };
    Report::new(text, json).with_code(code)
}
