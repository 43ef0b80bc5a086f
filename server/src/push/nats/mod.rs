//! NATS: hints to other nodes and to clients about new items in an inbox, and the authentication of those clients.
//!
//! The database is the one source of truth. A lost hint only causes delay: streams and clients read their inbox every
//! 30 s in any case (docs/SPEC.md, section 11). So no request ever waits for NATS.

pub mod callout;
pub mod credentials;
pub mod gen_keys;
pub mod hints;
pub mod start;

mod bus;
mod jwt;

pub use bus::Bus;

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};

use crate::config::nats::NatsUrl;
use credentials::Credentials;

/// The longest pause between two attempts to reach a broker.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// The interval between keep-alive pings. The third ping without an answer ends the connection, so a silent broker is
/// noticed within 12 s.
const PING_EVERY: Duration = Duration::from_secs(3);

/// Why NATS cannot be used. A broker that is down is not an error: the server keeps trying.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A file with a secret cannot be used.
    #[error(transparent)]
    Credentials(#[from] credentials::CredentialsError),
    /// The client rejects the addresses.
    #[error("NATS cannot be used: {0}")]
    Connect(#[from] async_nats::ConnectError),
    /// The client rejects a subscription.
    #[error("NATS cannot be used: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
    /// The address for brokers is in use.
    #[error("cannot listen on --internal-bind: {0}")]
    Internal(#[source] std::io::Error),
}

/// A connection that is opened, lost and reopened in the background, for ever.
async fn connect(
    urls: &[NatsUrl],
    credentials: Option<Credentials>,
    name: &'static str,
) -> Result<Client, NatsError> {
    let options = match credentials {
        Some(credentials) => credentials.into_options()?,
        None => ConnectOptions::new(),
    };
    let addresses: Vec<_> = urls.iter().map(|NatsUrl(address)| address.clone()).collect();
    Ok(options
        .name(name)
        .no_echo()
        .ping_interval(PING_EVERY)
        .retry_on_initial_connect()
        .reconnect_delay_callback(pause)
        .event_callback(|event| async move { report(&event) })
        .connect(addresses)
        .await?)
}

/// The pause grows with each attempt, with a random factor of up to two, so that nodes do not reconnect all at once.
fn pause(attempts: usize) -> Duration {
    let doubled = Duration::from_millis(50 << attempts.min(6));
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    doubled.mul_f64(1.0 + random).min(LONGEST_PAUSE)
}

fn report(event: &Event) {
    match event {
        Event::Connected => tracing::info!("NATS is connected"),
        Event::Disconnected => tracing::warn!("NATS is not reachable; messages are delivered without it"),
        // A stream that has too many queued hints loses nothing.
        Event::SlowConsumer(_) => {}
        other => tracing::warn!(event = %other, "NATS"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert!(pause(0) < Duration::from_millis(101));
        assert!((0..1000).all(|attempts| pause(attempts) <= LONGEST_PAUSE));
    }
}
