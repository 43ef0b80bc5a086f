//! What both servers know about the network between them and their callers.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The proxies in front of a server, and its public scheme.
#[derive(Clone, Debug, Default)]
pub struct ProxyTrust {
    /// The trusted proxies. X-Forwarded-For and X-Request-Id are trusted only from these.
    pub trusted_proxies: Vec<Network>,
    /// Whether the public address of the server is https.
    pub https: bool,
    /// The connection limit of a client network that calls directly; no limit under `--limits off`.
    pub connections_per_network: Option<usize>,
}

/// A network, or one address written without a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl ProxyTrust {
    /// Whether connections from this address may name another client.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|Network(network)| network.contains(&peer))
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| "a network looks like 10.0.0.0/8, fd00::/8 or 127.0.0.1")
    }
}
