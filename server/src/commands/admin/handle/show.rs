//! `kez-chat-server admin handle show HANDLE`.

use clap::Args;
use serde_json::{Value, json};

use super::one_handle::OneHandle;
use crate::commands::{Code, Failure, Report};
use crate::store::moderation::{HandleState, ListedAccount};

/// See the module.
#[derive(Debug, Args)]
pub(in crate::commands) struct Show {
    #[command(flatten)]
    pub(super) handle: OneHandle,
}

impl Show {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let store = self.handle.database.open_read_only().await?;
        let state = store.handle_state(self.handle.handle.clone()).await;
        store.close().await;
        let state = state.map_err(Failure::failed)?;
        let handle = self.handle.handle;
        Ok(match state {
            HandleState::Free => {
                let text = format!("{handle} is free");
                Report::new(text, json!({ "handle": handle, "state": "free" })).with_code(Code::No)
            }
            HandleState::Reserved { at, until } => {
                let end = until.map_or_else(|| "it is released".to_owned(), |until| until.to_string());
                let json = json!({ "handle": handle, "state": "reserved", "reserved_at": at, "reserved_until": until });
                Report::new(format!("{handle} is reserved since {at} until {end}"), json)
            }
            HandleState::Held(listed) => Report::new(text(&listed), describe(&listed)),
        })
    }
}

fn text(listed: &ListedAccount) -> String {
    let account = &listed.account;
    let held = format!("{} is held by {} since {}", account.handle, account.primary, account.registered_at);
    match &listed.ban {
        None => held,
        Some(ban) => format!("{held}\nbanned since {}: {}", ban.at, ban.reason),
    }
}

/// The JSON form of an account.
pub(super) fn describe(listed: &ListedAccount) -> Value {
    let account = &listed.account;
    json!({
        "handle": account.handle,
        "state": if listed.ban.is_some() { "banned" } else { "held" },
        "primary": account.primary,
        "registered_at": account.registered_at,
        "banned_at": listed.ban.as_ref().map(|ban| ban.at),
        "ban_reason": listed.ban.as_ref().map(|ban| &ban.reason),
    })
}
