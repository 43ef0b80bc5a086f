//! Where a connection comes from, as the server sees it: a source address in the loopback network, and the client for
//! which a proxy at that address speaks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

use crate::failure::Failure;

/// The proxies that the server under test trusts: `--trusted-proxies`.
pub(crate) const PROXIES: &str = "127.9.0.0/16";

/// The origin of a connection; see the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The source address of the connection.
    pub(crate) source: Ipv4Addr,
    /// The client that the connection speaks for. The server believes it only from one of the [`PROXIES`].
    pub(crate) forwarded: Option<IpAddr>,
}

impl Origin {
    /// A client that connects directly, from the `n`-th address.
    pub(crate) fn direct(n: usize) -> Self {
        let [high, low] = low_bytes(n);
        Self { source: Ipv4Addr::new(127, 1, high, low), forwarded: None }
    }

    /// The `n`-th client of a proxy. Every second one has an IPv6 network, and a new address in it each time.
    pub(crate) fn proxied(n: usize) -> Self {
        let [high, low] = low_bytes(n);
        let forwarded = if n.is_multiple_of(2) {
            IpAddr::V4(Ipv4Addr::new(198, 18, high, low))
        } else {
            let [a, b] = low_bytes(getrandom::u32().unwrap_or_default() as usize);
            let network = u16::from_be_bytes([high, low]);
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, a.into(), b.into()))
        };
        // One address has 28,000 ports, and a closed connection occupies its port for a while.
        let proxy = Ipv4Addr::new(127, 9, 0, 1 + (n % 8) as u8);
        Self { source: proxy, forwarded: Some(forwarded) }
    }

    /// Connects.
    pub(crate) async fn connect(self, address: SocketAddr) -> Result<TcpStream, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.source, 0).into())?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The low two bytes, which distinguish 65,536 values.
fn low_bytes(n: usize) -> [u8; 2] {
    (n as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_behind_a_proxy_have_separate_networks() {
        let of = |n: usize| Origin::proxied(n).forwarded.unwrap();
        assert_ne!(of(0), of(2));
        assert_eq!(of(256), IpAddr::V4(Ipv4Addr::new(198, 18, 1, 0)));
        let IpAddr::V6(third) = of(3) else { panic!() };
        assert_eq!(third.segments()[..4], [0x2001, 0xdb8, 0, 3]);
        assert_ne!(Origin::direct(1).source, Origin::direct(257).source);
    }
}
