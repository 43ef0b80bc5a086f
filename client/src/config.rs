//! What the server says of itself: its name, without which nothing can be signed or proven before there is an account, and
//! where key histories are.

use kez_core::api::ServerConfig;
use kez_core::handle::ServerName;

use crate::backoff::Backoff;
use crate::context::Context;
use crate::requests::{Answer, Purpose, retry_after};

/// The server's name, or the attempts to learn it.
pub(crate) struct Config {
    pub(crate) server: Option<ServerName>,
    /// Where sigchains are.
    pub(crate) sigchains: Option<String>,
    ask_at: Option<u64>,
    backoff: Backoff,
}

impl Default for Config {
    fn default() -> Self {
        Self { server: None, sigchains: None, ask_at: None, backoff: Backoff::new(500, 30_000) }
    }
}

impl Config {
    /// Asks, unless it is known.
    pub(crate) fn ask(&mut self, cx: &mut Context<'_>) {
        if self.server.is_none() && !cx.shared.requests.awaits(&Purpose::Config) {
            self.ask_at = None;
            cx.get("/v1/config".to_owned(), Purpose::Config);
        }
    }

    /// The server has answered, or not.
    pub(crate) fn answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let config: Option<ServerConfig> = match answer {
            Ok(response) if response.status == 200 => serde_json::from_slice(&response.body).ok(),
            _ => None,
        };
        match config {
            Some(config) => {
                self.server = Some(config.server);
                self.sigchains = config.sigchains_url;
            }
            None => {
                let wait = self.backoff.next_after(retry_after(answer), cx.rng);
                self.ask_at = Some(cx.now.saturating_add(wait));
            }
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        if self.ask_at.is_some_and(|at| at <= cx.now) {
            self.ask(cx);
        }
    }

    /// When to ask again.
    pub(crate) const fn wake(&self) -> Option<u64> {
        self.ask_at
    }
}
