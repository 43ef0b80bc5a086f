//! `kez-chat-server healthcheck`: requests `/v1/readyz` from a running server. For containers, which have no other
//! client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use super::report::{Failure, Output, Report};

/// The time limit for the answer. It is shorter than the time-out of container health checks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// See the module.
#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// The address that the server listens on; for a wildcard address, loopback is used.
    #[arg(long, env = "KEZ_CHAT_BIND", default_value = "127.0.0.1:6969", value_name = "ADDRESS:PORT")]
    bind: SocketAddr,
    #[command(flatten)]
    pub(super) output: Output,
}

impl Healthcheck {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        let address = reachable(self.bind);
        let status = tokio::time::timeout(ANSWER_TIMEOUT, request_status(address))
            .await
            .map_err(|_| {
                Failure::failed(format!("{address} did not answer within {} s", ANSWER_TIMEOUT.as_secs()))
            })?
            .map_err(|error| Failure::failed(format!("{address} does not answer: {error}")))?;
        if status != StatusCode::OK {
            return Err(Failure::failed(format!("{address} is not ready: {status}")));
        }
        Ok(Report::new("ready", json!({ "ready": true })))
    }
}

/// Whether a KEZ Chat server answers on the address that this one would listen on.
pub(super) async fn answers(bind: SocketAddr) -> bool {
    let answered = tokio::time::timeout(ANSWER_TIMEOUT, request_status(reachable(bind))).await;
    matches!(answered, Ok(Ok(StatusCode::OK)))
}

async fn request_status(address: SocketAddr) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/v1/readyz").header(header::HOST, address.to_string());
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await;
    connection.abort();
    Ok(answer?.status())
}

fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wildcard_address_is_checked_on_loopback() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:6969"), "127.0.0.1:6969");
        assert_eq!(at("[::]:1"), "[::1]:1");
        assert_eq!(at("192.0.2.1:80"), "192.0.2.1:80");
    }
}
