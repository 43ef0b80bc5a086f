//! What both servers know about the world between them and their callers.

use std::net::IpAddr;

use crate::config::Network;

/// Who stands in front of a server, and how people reach it.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// The proxies in front. Only from these are X-Forwarded-For and X-Request-Id believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether people reach the server under https.
    pub https: bool,
    /// How many connections a client network may have that calls by itself; any number under `--limits off`.
    pub connections_per_network: Option<usize>,
}

impl Edge {
    /// Whether connections from this address may speak for others.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|Network(network)| network.contains(&peer))
    }
}
