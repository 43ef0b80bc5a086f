//! `kez-chat-server gen-keys`: generates the nkeys of an installation with NATS, and says where each one goes.

use std::path::PathBuf;

use clap::Args;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde_json::{Map, json};

use super::report::{Failure, Output, Report};
use crate::push::nats::gen_keys::{generate, is_complete};

/// See the module.
#[derive(Debug, Args)]
pub(super) struct GenKeys {
    /// The directory to write to. Existing files are not changed.
    #[arg(long, default_value = ".", value_name = "DIRECTORY")]
    to: PathBuf,
    /// Do nothing when the keys already exist, instead of failing.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

impl GenKeys {
    #[expect(clippy::unused_async, reason = "all commands are run alike")]
    pub(super) async fn run(self) -> Result<Report, Failure> {
        if self.keep && is_complete(&self.to) {
            let text = format!("the keys in {} stay as they are", self.to.display());
            return Ok(Report::new(text, json!({ "kept": self.to })));
        }
        let keys = generate(&self.to, &mut UnwrapErr(SysRng)).map_err(Failure::failed)?;
        let flags: Map<_, _> = keys
            .flags()
            .into_iter()
            .map(|(flag, file)| (flag.to_owned(), file.display().to_string().into()))
            .collect();
        let public = json!({ "issuer": keys.issuer, "callout": keys.callout, "server": keys.server });
        Ok(Report::new(keys.to_string(), json!({ "conf": keys.conf(), "flags": flags, "nkeys": public })))
    }
}
