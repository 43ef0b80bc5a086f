//! The origin of a request: the peer of the connection or, behind a trusted proxy, the address that the proxy names.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Once};

use axum::extract::{FromRef, FromRequestParts, Request};
use axum::http::{Extensions, HeaderMap, HeaderValue, header::HeaderName, request::Parts};

use crate::edge::proxy_trust::ProxyTrust;

/// A proxy appends the address of its caller at the right end.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const UNKNOWN_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The peer address of the connection, added to every request by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The network by which rates are counted: one IPv4 address, or the /64 of one IPv6 subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// The network of a request.
    pub fn of(trust: &ProxyTrust, request: &Request) -> Self {
        Self::of_request(trust, peer(request.extensions()), request.headers())
    }

    /// The network of an address.
    pub fn of_address(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// Forwarding headers count from trusted proxies only. Of their addresses, the right-most one that is not a trusted
    /// proxy counts: the caller controls everything further left.
    fn of_request(trust: &ProxyTrust, peer: SocketAddr, headers: &HeaderMap) -> Self {
        let mut address = peer.ip().to_canonical();
        // Reads the header as bytes: the caller's part need not be valid text, and must not hide what the proxy added.
        let forwarded = headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
        let mut hops: Vec<&[u8]> = forwarded.flat_map(|value| value.split(|byte| *byte == b',')).collect();
        while trust.trusts(address) {
            let Some(hop) = hops.pop() else { break };
            let Some(named) = parse_hop(hop) else {
                warn_once(hop);
                break;
            };
            address = named.to_canonical();
        }
        Self::of_address(address)
    }
}

/// Parses an address as proxies write it: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:443`.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port).or_else(in_brackets)
}

/// Warns the operator, once, that a trusted proxy names no client, so that all of its clients share one allowance.
fn warn_once(hop: &[u8]) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        let hop = String::from_utf8_lossy(hop.get(..100).unwrap_or(hop)).into_owned();
        tracing::warn!(
            x_forwarded_for = hop,
            "a trusted proxy sent a client address that is malformed; its clients share one allowance"
        );
    });
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Every connection has a peer address, and the listener has added it.
fn peer(extensions: &Extensions) -> SocketAddr {
    extensions.get::<Peer>().map_or(UNKNOWN_PEER, |Peer(peer)| *peer)
}

impl<S: Sync> FromRequestParts<S> for ClientNetwork
where
    Arc<ProxyTrust>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let trust: Arc<ProxyTrust> = FromRef::from_ref(state);
        Ok(Self::of_request(&trust, peer(&parts.extensions), &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(peer: &str, forwarded: &[&str]) -> ClientNetwork {
        let trust =
            ProxyTrust { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..ProxyTrust::default() };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        ClientNetwork::of_request(&trust, SocketAddr::new(peer.parse().unwrap(), 1), &headers)
    }

    fn of(address: &str) -> ClientNetwork {
        ClientNetwork::of_address(address.parse().unwrap())
    }

    #[test]
    fn only_trusted_proxies_set_the_client_address() {
        assert_eq!(network("192.0.2.1", &["203.0.113.9"]), of("192.0.2.1"));
        assert_eq!(network("10.0.0.1", &["203.0.113.9"]), of("203.0.113.9"));
        assert_eq!(network("::ffff:10.0.0.1", &["203.0.113.9"]), of("203.0.113.9"));
    }

    #[test]
    fn addresses_written_by_the_caller_are_ignored() {
        assert_eq!(network("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"]), of("203.0.113.9"));
        assert_eq!(network("10.0.0.1", &["1.1.1.1", "203.0.113.9"]), of("203.0.113.9"));
        assert_eq!(network("10.0.0.1", &["1.1.1.1, nonsense"]), of("10.0.0.1"));
        assert_eq!(network("10.0.0.1", &[]), of("10.0.0.1"));
    }

    #[test]
    fn invalid_bytes_further_left_do_not_hide_the_address() {
        let trust =
            ProxyTrust { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..ProxyTrust::default() };
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(b"\xff, 203.0.113.9").unwrap());
        let peer = SocketAddr::new("10.0.0.1".parse().unwrap(), 1);
        assert_eq!(ClientNetwork::of_request(&trust, peer, &headers), of("203.0.113.9"));
    }

    #[test]
    fn ports_are_stripped_from_addresses() {
        for (written, meant) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            (" 203.0.113.9:4712 ", "203.0.113.9"),
            ("1.1.1.1:5, 203.0.113.9:6", "203.0.113.9"),
            ("[2001:db8:1:2::1]:443", "2001:db8:1:2::1"),
            ("[2001:db8:1:2::1]", "2001:db8:1:2::1"),
            ("2001:db8:1:2::1", "2001:db8:1:2::1"),
            ("203.0.113.9, 10.0.0.2:80", "203.0.113.9"),
        ] {
            assert_eq!(network("10.0.0.1", &[written]), of(meant), "{written}");
        }
        for nonsense in
            ["", "unknown", "203.0.113.9:", "203.0.113.9:x", "[203.0.113.9]", "[::1", "1.2.3.4, _hidden"]
        {
            assert_eq!(network("10.0.0.1", &[nonsense]), of("10.0.0.1"), "{nonsense}");
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_one_client() {
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
