//! Flags for NATS. Without them, NATS is not used.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::InvalidConfig;

/// The address of NATS, this server's credentials there, and the clients that may connect.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "NATS")]
pub struct NatsConfig {
    /// The brokers of one NATS cluster, comma-separated. Through them, nodes and clients learn of new messages quickly.
    #[arg(long = "nats-url", env = "KEZ_CHAT_NATS_URL", value_delimiter = ',', value_name = "URLS")]
    pub urls: Vec<NatsUrl>,

    /// This server's NATS credentials: a creds file, or a file with an nkey seed.
    #[arg(long = "nats-creds", env = "KEZ_CHAT_NATS_CREDS", requires = "urls", value_name = "FILE")]
    pub creds: Option<PathBuf>,

    /// The WebSocket address of NATS for browsers; published to every client.
    #[arg(long = "nats-ws-url", env = "KEZ_CHAT_NATS_WS_URL", value_name = "URL")]
    pub ws_url: Option<WebSocketUrl>,

    /// The file with the seed of the account nkey that vouches for clients; enables this server to answer the brokers'
    /// auth callout.
    #[arg(long = "nats-issuer-seed-file", env = "KEZ_CHAT_NATS_ISSUER_SEED_FILE", value_name = "FILE")]
    pub issuer_seed_file: Option<PathBuf>,

    /// The credentials for answering the auth callout, if they differ from --nats-creds.
    #[arg(
        long = "nats-callout-creds",
        env = "KEZ_CHAT_NATS_CALLOUT_CREDS",
        requires = "urls",
        requires = "issuer_seed_file",
        value_name = "FILE"
    )]
    pub callout_creds: Option<PathBuf>,

    /// The account in the brokers' configuration that clients join.
    #[arg(long = "nats-account", env = "KEZ_CHAT_NATS_ACCOUNT", default_value = "CHAT", value_name = "NAME")]
    pub account: String,

    /// A second address to listen on, for brokers only: POST /internal/nats/auth. Do not expose it to the internet.
    #[arg(long, env = "KEZ_CHAT_INTERNAL_BIND", value_name = "ADDRESS:PORT")]
    pub internal_bind: Option<SocketAddr>,
}

impl NatsConfig {
    pub(super) const fn check(&self) -> Result<(), InvalidConfig> {
        if self.internal_bind.is_some() && self.issuer_seed_file.is_none() {
            return Err(InvalidConfig::InternalWithoutIssuer);
        }
        Ok(())
    }
}

/// The address of a broker, such as `nats://127.0.0.1:4222` or `tls://nats.example`.
#[derive(Clone, Debug)]
pub struct NatsUrl(pub async_nats::ServerAddr);

impl FromStr for NatsUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a broker's address looks like nats://127.0.0.1:4222 or tls://nats.example";
        let address: async_nats::ServerAddr = text.parse().map_err(|_| FORM)?;
        // The parts of a URL on the command line are visible in process lists.
        if address.has_user_pass() {
            return Err("a broker's address holds no password: use --nats-creds");
        }
        // A text without a scheme or host would otherwise be accepted as some address.
        let host = ["nats://", "tls://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        if host.is_some_and(|host| !host.is_empty()) { Ok(Self(address)) } else { Err(FORM) }
    }
}

/// A `ws` or `wss` URL without query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketUrl(String);

impl WebSocketUrl {
    /// Scheme, host and port, as a content security policy names them.
    pub fn origin(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[after_scheme..].find('/').map_or(self.0.len(), |at| after_scheme + at);
        &self.0[..end]
    }
}

impl FromStr for WebSocketUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a WebSocket address looks like wss://kez.lat:8443 or ws://localhost:8443";
        let uri: http::Uri = text.parse().map_err(|_| FORM)?;
        // The value goes into a header, so characters that separate words or directives there are not allowed.
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"#@;,'\"".contains(&byte));
        let fits = matches!(uri.scheme_str(), Some("ws" | "wss"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none();
        if fits && plain { Ok(Self(text.trim_end_matches('/').to_owned())) } else { Err(FORM) }
    }
}

impl fmt::Display for WebSocketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_address_has_an_origin_and_no_spaces() {
        for (url, origin) in [
            ("ws://localhost:8443", "ws://localhost:8443"),
            ("wss://kez.lat/nats/", "wss://kez.lat"),
            ("wss://[::1]:8443/a/b", "wss://[::1]:8443"),
        ] {
            assert_eq!(url.parse::<WebSocketUrl>().unwrap().origin(), origin);
        }
        for hostile in
            ["http://a", "ws://", "ws://a?b", "wss://a#b", "wss://a/;script-src", "wss://a b", "wss://u@a"]
        {
            assert!(hostile.parse::<WebSocketUrl>().is_err(), "{hostile}");
        }
    }

    #[test]
    fn a_broker_address_with_a_password_is_refused() {
        assert!("nats://127.0.0.1:4222".parse::<NatsUrl>().is_ok());
        for refused in ["nats://user:pass@127.0.0.1", "ws://127.0.0.1", "http://127.0.0.1", ""] {
            assert!(refused.parse::<NatsUrl>().is_err(), "{refused}");
        }
    }
}
