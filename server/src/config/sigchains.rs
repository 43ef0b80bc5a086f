//! Flags for the sigchains that the chat server keeps itself, under `--sig-server-url embedded`.

use std::path::PathBuf;

use clap::Args;

/// See the module.
#[derive(Clone, Debug, Args)]
pub struct SigchainFlags {
    /// A file with the seed of the key that signs the log of chain heads, 64 hexadecimal digits; without it the key is
    /// generated at the first start and kept in the database.
    #[arg(long, env = "KEZ_CHAT_LOG_SEED_FILE", value_name = "FILE")]
    pub log_seed_file: Option<PathBuf>,
}
