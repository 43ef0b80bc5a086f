//! Flags and environment variables: one struct, read once at startup.

mod abuse;
pub mod environment;
pub mod groups;
pub mod nats;
pub mod operations;
pub mod refusal;
pub mod sig_server;
mod sigchains;
mod size;
pub mod timings;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};
use kez_core::handle::ServerName;
use kez_core::identity::Primary;

use crate::edge::proxy_trust::{Network, ProxyTrust};
use crate::operations::log::LogFormat;
use crate::version::version_with_commit;
use operations::OperationsConfig;
pub use sigchains::SigchainFlags;
use timings::Timings;

pub use crate::store::database::{Database, DatabaseConfig, PostgresUrl};
pub use abuse::{AbuseConfig, Registration};

/// The flags of `serve`.
#[derive(Clone, Debug, Parser)]
#[command(name = "kez-chat-server", version = version_with_commit())]
pub struct Config {
    /// The address and port to listen on.
    #[arg(long, env = "KEZ_CHAT_BIND", default_value = "0.0.0.0:6969", value_name = "ADDRESS:PORT")]
    pub bind: SocketAddr,

    /// Where everything is kept.
    #[command(flatten)]
    pub database: DatabaseConfig,

    /// The server's name: the part after the @ of its handles.
    #[arg(long, env = "KEZ_CHAT_SERVER", default_value = "kez.lat", value_name = "NAME")]
    pub server: ServerName,

    /// Where sigchains are kept: "embedded" for this server, or the URL of a sigchain server.
    #[arg(long, env = "KEZ_CHAT_SIG_SERVER_URL", default_value = "embedded", value_name = "URL|embedded")]
    pub sig_server_url: SigServer,

    /// The sigchains that this server keeps itself.
    #[command(flatten)]
    pub sigchains: SigchainFlags,

    /// The directory of the built web app; without it the server shows a plain placeholder page, and the API works.
    #[arg(long, env = "KEZ_CHAT_WEB_DIR", value_name = "DIRECTORY")]
    pub web_dir: Option<PathBuf>,

    /// The site directory as cargo-leptos names it; used when --web-dir is unset.
    #[arg(long, env = "LEPTOS_SITE_ROOT", hide = true)]
    pub leptos_site_root: Option<PathBuf>,

    /// The format of log lines.
    #[arg(long, env = "KEZ_CHAT_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,

    /// The trusted reverse proxies, as comma-separated networks (10.0.0.0/8,::1): X-Forwarded-For and X-Request-Id are
    /// trusted only from these.
    #[arg(long, env = "KEZ_CHAT_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORKS")]
    pub trusted_proxies: Vec<Network>,

    /// The public address of this server; defaults to https:// and the name of the server.
    #[arg(long, env = "KEZ_CHAT_PUBLIC_URL", value_parser = origin, value_name = "URL")]
    pub public_url: Option<HttpUrl>,

    /// NATS.
    #[command(flatten)]
    pub nats: nats::NatsConfig,

    /// Rates and quotas; "off" is for load tests and requires a loopback --bind.
    #[arg(long, env = "KEZ_CHAT_LIMITS", default_value = "on", value_name = "on|off")]
    pub limits: Switch,

    /// Metrics, retention, logs.
    #[command(flatten)]
    pub operations: OperationsConfig,
    /// Limits that keep the server usable under abuse.
    #[command(flatten)]
    pub abuse: AbuseConfig,
    /// Limits of devices and groups.
    #[command(flatten)]
    pub groups: groups::GroupConfig,
    /// The time-outs of live streams, which have no flag.
    #[arg(skip)]
    pub live: Timings,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Where the signed histories of keys are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigServer {
    /// On this server, under its public address.
    Embedded,
    /// On a separate sigchain server.
    At(HttpUrl),
}

/// An `http` or `https` URL without query, fragment and trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(String);

/// An invalid combination of settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// Without rate limits, anyone on the internet could fill the disk.
    #[error("--limits off is for load tests and needs a loopback address in --bind, such as 127.0.0.1:6969")]
    LimitsOffInPublic,
    /// The database URL is invalid.
    #[error("--db is not a PostgreSQL address: {0}")]
    BadDatabaseAddress(String),
    /// The second listener has only one use.
    #[error(
        "--internal-bind answers brokers in the name of an account: give its seed with --nats-issuer-seed-file"
    )]
    InternalWithoutIssuer,
}

impl Config {
    /// Checks combinations that a single value cannot show.
    ///
    /// # Errors
    /// [`InvalidConfig`] names the combination.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        if self.limits == Switch::Off && !self.bind.ip().is_loopback() {
            return Err(InvalidConfig::LimitsOffInPublic);
        }
        if let Database::Postgres(url) = &self.database.db {
            url.options().map_err(|error| InvalidConfig::BadDatabaseAddress(error.to_string()))?;
        }
        self.nats.check()
    }

    /// The public address of this server, without a trailing slash.
    pub fn public_url(&self) -> String {
        self.public_url.as_ref().map_or_else(|| format!("https://{}", self.server), ToString::to_string)
    }

    /// Whether the public address of this server is https.
    pub fn is_https(&self) -> bool {
        self.public_url.as_ref().is_none_or(|url| url.0.starts_with("https:"))
    }

    /// The directory of the built web app, if there is one.
    pub fn site(&self) -> Option<PathBuf> {
        self.web_dir.clone().or_else(|| self.leptos_site_root.clone())
    }

    /// The name of the log of chain heads that this server keeps itself.
    pub fn log_name(&self) -> String {
        format!("{}/v1/log", self.server)
    }

    /// The URL at which browsers reach the sigchains: on this origin if this server keeps them, or on the sigchain
    /// server. `None` when that server is on this machine, or uses plain http while the pages use https, because
    /// browsers could not reach it.
    pub fn sigchains_url(&self) -> Option<String> {
        match &self.sig_server_url {
            SigServer::Embedded => Some("/v1/sigchains".to_owned()),
            SigServer::At(url) => self.do_browsers_reach(url).then(|| format!("{url}/v1/sigchains")),
        }
    }

    /// The origin of the sigchain server, if browsers can reach it.
    pub fn sigchains_origin(&self) -> Option<String> {
        match &self.sig_server_url {
            SigServer::At(url) if self.do_browsers_reach(url) => Some(url.origin().to_owned()),
            _ => None,
        }
    }

    fn do_browsers_reach(&self, url: &HttpUrl) -> bool {
        !url.is_on_this_machine() && (url.0.starts_with("https:") || !self.is_https())
    }

    /// The URL of the signed history of a key.
    pub fn sigchain_url(&self, primary: &Primary) -> String {
        let base = match &self.sig_server_url {
            SigServer::Embedded => self.public_url(),
            SigServer::At(url) => url.to_string(),
        };
        format!("{base}/v1/sigchains/ed25519/{}", primary.hex())
    }

    /// The proxies in front of this server, and its public scheme.
    pub fn proxy_trust(&self) -> ProxyTrust {
        ProxyTrust {
            trusted_proxies: self.trusted_proxies.clone(),
            https: self.is_https(),
            connections_per_network: (self.limits == Switch::On)
                .then_some(self.abuse.connections_per_network as usize),
        }
    }
}

impl FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an address looks like https://kez.lat or http://localhost:7878";
        let uri: http::Uri = text.parse().map_err(|_| FORM)?;
        let fits = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && !text.contains(['#', '@']);
        if fits { Ok(Self(text.trim_end_matches('/').to_owned())) } else { Err(FORM) }
    }
}

/// The URL of a whole site: the app and the API are served at its root.
///
/// # Errors
/// A sentence that shows the form.
pub(crate) fn origin(text: &str) -> Result<HttpUrl, &'static str> {
    let url: HttpUrl = text.parse()?;
    if url.origin() == url.0 {
        Ok(url)
    } else {
        Err("the address must have no path: the app is served at the root of its own host name")
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HttpUrl {
    /// Scheme, host and port.
    fn origin(&self) -> &str {
        let host = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[host..].find('/').map_or(self.0.len(), |at| host + at);
        &self.0[..end]
    }

    fn is_on_this_machine(&self) -> bool {
        let host = self.origin().rsplit_once("://").map_or("", |(_, host)| host);
        host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]")
    }
}

impl FromStr for SigServer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "embedded" { Ok(Self::Embedded) } else { text.parse().map(Self::At) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> Config {
        Config::try_parse_from(["kez-chat-server"].iter().chain(arguments)).unwrap()
    }

    #[test]
    fn addresses_default_to_the_server_name() {
        let key: Primary = format!("ed25519:{}", "ab".repeat(32)).parse().unwrap();
        let own = config(&["--server", "chat.example", "--sig-server-url", "embedded"]);
        assert_eq!(own.public_url(), "https://chat.example");
        assert!(own.sigchain_url(&key).starts_with("https://chat.example/v1/sigchains/ed25519/abab"));
        let other =
            config(&["--sig-server-url", "http://sig:7878/", "--public-url", "http://localhost:6969/"]);
        assert!(other.sigchain_url(&key).starts_with("http://sig:7878/v1/sigchains/ed25519/abab"));
        assert_eq!(other.public_url(), "http://localhost:6969");
    }

    #[test]
    fn browsers_get_a_reachable_sigchain_address() {
        let at = |url: &str, public: &str| config(&["--sig-server-url", url, "--public-url", public]);
        let near = at("embedded", "https://chat.example");
        assert_eq!((near.sigchains_url().as_deref(), near.sigchains_origin()), (Some("/v1/sigchains"), None));
        let far = at("https://sig.example/chains", "https://chat.example");
        assert_eq!(far.sigchains_url().as_deref(), Some("https://sig.example/chains/v1/sigchains"));
        assert_eq!(far.sigchains_origin().as_deref(), Some("https://sig.example"));
        assert_eq!(config(&[]).sigchains_url().as_deref(), Some("/v1/sigchains"), "kept here by default");
        for (url, public) in [
            ("http://127.0.0.1:7878", "http://127.0.0.1:6969"),
            ("https://[::1]:7878", "https://chat.example"),
            ("http://sig.example", "https://chat.example"),
        ] {
            let nowhere = at(url, public);
            assert_eq!((nowhere.sigchains_url(), nowhere.sigchains_origin()), (None, None), "{url}");
        }
    }

    #[test]
    fn the_web_dir_overrides_the_one_of_cargo_leptos() {
        assert_eq!(config(&["--leptos-site-root", "a"]).site(), Some("a".into()));
        assert_eq!(config(&["--leptos-site-root", "a", "--web-dir", "b"]).site(), Some("b".into()));
    }

    #[test]
    fn limits_can_be_disabled_on_loopback_only() {
        assert_eq!(config(&["--limits", "off"]).check(), Err(InvalidConfig::LimitsOffInPublic));
        assert_eq!(config(&["--limits", "off", "--bind", "[::1]:0"]).check(), Ok(()));
    }

    #[test]
    fn proxies_are_networks_or_addresses() {
        let config = config(&["--trusted-proxies", "10.0.0.0/8,::1"]);
        let trust = config.proxy_trust();
        assert!(trust.trusts("10.9.8.7".parse().unwrap()) && trust.trusts("::1".parse().unwrap()));
        assert!(!trust.trusts("11.0.0.1".parse().unwrap()));
    }
}
