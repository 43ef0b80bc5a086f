//! Starts the NATS tasks beside the server, according to its flags.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::callout::service::Service;
use super::callout::{Callout, internal};
use super::credentials::Credentials;
use super::{Bus, NatsError};
use crate::clock::Clock;
use crate::config::nats::NatsConfig;
use crate::edge::proxy_trust::ProxyTrust;
use crate::edge::{listener, request_layer};
use crate::store::Store;

/// The bus, if brokers are configured.
///
/// # Errors
/// [`NatsError`] when the configuration is invalid. Brokers that do not answer are not an error.
pub async fn bus(config: &NatsConfig) -> Result<Option<Arc<Bus>>, NatsError> {
    if config.urls.is_empty() {
        return Ok(None);
    }
    let credentials = config.creds.as_deref().map(Credentials::read).transpose()?;
    Ok(Some(Arc::new(Bus::start(&config.urls, credentials).await?)))
}

/// Answers the brokers' auth callout, inside NATS and on the second listener, if configured. The tasks end with the
/// set.
///
/// # Errors
/// [`NatsError`] when a file, an address or a port cannot be used.
pub async fn callout(
    config: &NatsConfig,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    trust: Arc<ProxyTrust>,
    stop: &CancellationToken,
    connections: &TaskTracker,
) -> Result<JoinSet<()>, NatsError> {
    let mut tasks = JoinSet::new();
    let Some(seed) = &config.issuer_seed_file else { return Ok(tasks) };
    let callout = Arc::new(Callout::new(seed, config.account.clone(), store, clock)?);
    if !config.urls.is_empty() {
        let file = config.callout_creds.as_deref().or(config.creds.as_deref());
        let credentials = file.map(Credentials::read).transpose()?;
        let service = Service::start(&config.urls, credentials).await?;
        tasks.spawn(service.serve(Arc::clone(&callout)));
    }
    if let Some(address) = config.internal_bind {
        let listener = listener::bind(address).map_err(NatsError::Internal)?;
        let address = listener.local_addr().map_err(NatsError::Internal)?;
        tracing::info!(%address, "listening for brokers");
        let router = request_layer::wrap(internal::router(callout), Arc::clone(&trust));
        tasks.spawn(listener::serve(listener, router, trust, stop.clone(), connections.clone()));
    }
    Ok(tasks)
}
