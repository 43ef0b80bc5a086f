//! What both servers know about the network between them and their callers.

use std::net::IpAddr;

use crate::config::Network;

/// The proxies in front of a server, and its public scheme.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// The trusted proxies. X-Forwarded-For and X-Request-Id are trusted only from these.
    pub trusted_proxies: Vec<Network>,
    /// Whether the public address of the server is https.
    pub https: bool,
    /// The connection limit of a client network that calls directly; no limit under `--limits off`.
    pub connections_per_network: Option<usize>,
}

impl Edge {
    /// Whether connections from this address may name another client.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|Network(network)| network.contains(&peer))
    }
}
