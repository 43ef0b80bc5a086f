//! The server's configuration: its name, which every signature and proof needs before there is an account; who may
//! register; and the URLs of key histories and NATS.

use kez_core::api::{RegistrationMode, ServerConfig};
use kez_core::handle::ServerName;
use kez_core::problem::ProblemCode;

use crate::kernel::answer::{Answer, problem, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::requests::Purpose;

/// The server's name, or the attempts to fetch it.
pub(crate) struct Config {
    pub(crate) server: Option<ServerName>,
    /// Who may register.
    pub(crate) registration: Option<RegistrationMode>,
    /// The base URL of the sigchains.
    pub(crate) sigchains: Option<String>,
    /// The URL of NATS, if the server offers it.
    pub(crate) broker: Option<String>,
    ask_at: Option<u64>,
    backoff: Backoff,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: None,
            registration: None,
            sigchains: None,
            broker: None,
            ask_at: None,
            backoff: Backoff::new(500, 30_000),
        }
    }
}

impl Config {
    /// Requests the configuration, unless it is known.
    pub(crate) fn ask(&mut self, cx: &mut Context<'_>) {
        if self.server.is_none() {
            ask_now(cx);
        }
    }

    /// Handles the answer. The request is repeated for as long as the user is waiting for it.
    pub(crate) fn answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        self.ask_at = None;
        let config: Option<ServerConfig> = match answer {
            Ok(response) if response.status == 200 => serde_json::from_slice(&response.body).ok(),
            _ => None,
        };
        match config {
            Some(config) => {
                self.server = Some(config.server);
                self.registration = Some(config.registration);
                self.sigchains = config.sigchains_url;
                self.broker = config.nats_ws_url;
            }
            None => {
                let wait = self.backoff.next_after(retry_after(answer), cx.rng);
                self.ask_at = Some(cx.now.saturating_add(wait));
            }
        }
    }

    /// Handles a refused registration: the refusal may mean that the registration mode has changed.
    pub(crate) fn refused(&mut self, answer: &Answer) {
        self.registration = match answer.as_ref().ok().and_then(problem).map(|problem| problem.code) {
            Some(ProblemCode::InviteRefused) => Some(RegistrationMode::Invite),
            Some(ProblemCode::RegistrationClosed) => Some(RegistrationMode::Closed),
            _ => self.registration,
        };
    }

    /// Handles the timer.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        if self.ask_at.is_some_and(|at| at <= cx.now) {
            self.ask_at = None;
            ask_now(cx);
        }
    }

    /// When to send the next request.
    pub(crate) const fn wake(&self) -> Option<u64> {
        self.ask_at
    }
}

/// Requests the configuration, unless a request is in flight.
pub(crate) fn ask_now(cx: &mut Context<'_>) {
    if !cx.shared.requests.awaits(&Purpose::Config) {
        cx.get("/v1/config".to_owned(), Purpose::Config);
    }
}
