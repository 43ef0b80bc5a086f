//! `kez-chat-server admin handle export HANDLE --to FILE`: also works for a banned account, whose owner cannot request
//! an export.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use futures::TryStreamExt;
use kez_core::handle::ServerName;
use serde_json::json;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;

use super::one_handle::OneHandle;
use crate::clock::{Clock as _, SystemClock};
use crate::commands::{Failure, Report};
use crate::files::give_to_owner_of_folder;
use crate::relay::export;
use crate::store::Store;
use crate::store::moderation::HandleState;

/// See the module.
#[derive(Debug, Args)]
pub(in crate::commands) struct Export {
    #[command(flatten)]
    pub(super) handle: OneHandle,
    /// The name of the server, which is written to the file.
    #[arg(long, env = "KEZ_CHAT_SERVER", default_value = "kez.lat", value_name = "NAME")]
    server: ServerName,
    /// The file to create, which must not exist.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

impl Export {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let store = Arc::new(self.handle.database.open_read_only().await?);
        let written = self.write(&store).await;
        store.close().await;
        let (bytes, file) = (written?, self.to.display().to_string());
        Ok(Report::new(format!("{file}: {bytes} bytes"), json!({ "file": file, "bytes": bytes })))
    }

    async fn write(&self, store: &Arc<Store>) -> Result<u64, Failure> {
        let state = store.handle_state(self.handle.handle.clone()).await.map_err(Failure::failed)?;
        let HandleState::Held(listed) = state else { return Err(self.handle.not_held()) };
        let refused = |error| Failure::failed(format!("{}: {error}", self.to.display()));
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        let mut file = options.open(&self.to).await.map_err(refused)?;
        let parts = export::stream(Arc::clone(store), &self.server, &listed.account, SystemClock.now());
        let (mut parts, mut bytes) = (std::pin::pin!(parts), 0);
        while let Some(part) = parts.try_next().await.map_err(Failure::failed)? {
            bytes += part.len() as u64;
            file.write_all(&part).await.map_err(refused)?;
        }
        file.sync_all().await.map_err(refused)?;
        give_to_owner_of_folder(&self.to).map_err(refused)?;
        Ok(bytes)
    }
}
