//! Flags and environment variables of `kez-sig-server`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser};

use super::environment::with_secrets_from_files;
use super::refusal::one_sentence;
use super::{Database, DatabaseConfig, HttpUrl, InvalidConfig, Switch};
use crate::edge::proxy_trust::{Network, ProxyTrust};
use crate::operations::log::LogFormat;
use crate::version::version_with_commit;

/// Concurrent connections from one client network without a trusted proxy: the default of the chat server.
const CONNECTIONS_PER_NETWORK: usize = 256;

/// The KEZ sigchain server: keeps the signed histories of keys, and the log that proves that none of them changed.
#[derive(Clone, Debug, Parser)]
#[command(name = "kez-sig-server", version = version_with_commit())]
pub struct SigConfig {
    /// The address and port to listen on.
    #[arg(long, env = "KEZ_SIG_BIND", default_value = "127.0.0.1:7878", value_name = "ADDRESS:PORT")]
    pub bind: SocketAddr,

    /// The database: an SQLite file, created when it is missing, or a PostgreSQL address such as
    /// postgres://kez:secret@db.example/kez_sig.
    #[arg(
        long,
        env = "KEZ_SIG_DB",
        hide_env_values = true,
        default_value = "kez-sig.db",
        value_name = "FILE|URL"
    )]
    pub db: Database,

    /// The largest number of connections from this node to PostgreSQL.
    #[arg(
        long,
        env = "KEZ_SIG_DB_CONNECTIONS",
        default_value_t = 8,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(4..=256)
    )]
    pub db_connections: u32,

    /// The public address of this server; defaults to http:// and the address of --bind. The log of chain heads is
    /// named after it.
    #[arg(long, env = "KEZ_SIG_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<HttpUrl>,

    /// The trusted reverse proxies, as comma-separated networks (10.0.0.0/8,::1): X-Forwarded-For and X-Request-Id are
    /// trusted only from these.
    #[arg(long, env = "KEZ_SIG_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORKS")]
    pub trusted_proxies: Vec<Network>,

    /// Rates and quotas; "off" is for load tests and requires a loopback --bind.
    #[arg(long, env = "KEZ_SIG_LIMITS", default_value = "on", value_name = "on|off")]
    pub limits: Switch,

    /// A file with the seed of the key that signs the log of chain heads, 64 hexadecimal digits; without it the key is
    /// generated at the first start and kept in the database.
    #[arg(long, env = "KEZ_SIG_LOG_SEED_FILE", value_name = "FILE")]
    pub log_seed_file: Option<PathBuf>,

    /// The address and port of the metrics for Prometheus, at /metrics; unset, there are none.
    #[arg(long, env = "KEZ_SIG_METRICS_BIND", value_name = "ADDRESS:PORT")]
    pub metrics_bind: Option<SocketAddr>,

    /// The format of log lines.
    #[arg(long, env = "KEZ_SIG_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

impl SigConfig {
    /// Parses the process's arguments and environment.
    ///
    /// # Errors
    /// A sentence for the person at the terminal. `--help` and `--version` print their text and exit the process.
    pub fn from_process() -> Result<Self, String> {
        let command = with_secrets_from_files(Self::command())?;
        let parsed = command.clone().try_get_matches().and_then(|matches| Self::from_arg_matches(&matches));
        let config =
            parsed.map_err(
                |error| {
                    if error.use_stderr() { one_sentence(&error, &command) } else { error.exit() }
                },
            )?;
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    /// Checks combinations that a single value cannot show.
    ///
    /// # Errors
    /// [`InvalidConfig`] names the combination.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        if self.limits == Switch::Off && !self.bind.ip().is_loopback() {
            return Err(InvalidConfig::LimitsOffInPublic);
        }
        if let Database::Postgres(url) = &self.db {
            url.options().map_err(|error| InvalidConfig::BadDatabaseAddress(error.to_string()))?;
        }
        Ok(())
    }

    /// The database.
    pub fn database(&self) -> DatabaseConfig {
        DatabaseConfig { db: self.db.clone(), db_connections: self.db_connections }
    }

    /// The proxies in front of this server, and its public scheme.
    pub fn proxy_trust(&self) -> ProxyTrust {
        let https = self.public_url.as_ref().is_some_and(|url| url.0.starts_with("https:"));
        let connections_per_network = (self.limits == Switch::On).then_some(CONNECTIONS_PER_NETWORK);
        ProxyTrust { trusted_proxies: self.trusted_proxies.clone(), https, connections_per_network }
    }

    /// The name of the log: the URL at which it is served, without the scheme.
    pub fn log_name(&self) -> String {
        let url = self.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
        let place = url.split_once("://").map_or_else(|| self.bind.to_string(), |(_, rest)| rest.to_owned());
        format!("{place}/v1/log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> SigConfig {
        SigConfig::try_parse_from(["kez-sig-server"].iter().chain(arguments)).unwrap()
    }

    #[test]
    fn the_log_is_named_after_its_address() {
        assert_eq!(config(&[]).log_name(), "127.0.0.1:7878/v1/log");
        let public = config(&["--public-url", "https://sig.kez.lat/"]);
        assert_eq!((public.log_name().as_str(), public.proxy_trust().https), ("sig.kez.lat/v1/log", true));
    }

    #[test]
    fn limits_can_be_disabled_on_loopback_only() {
        assert_eq!(
            config(&["--limits", "off", "--bind", "0.0.0.0:0"]).check(),
            Err(InvalidConfig::LimitsOffInPublic)
        );
        assert_eq!(config(&["--limits", "off"]).check(), Ok(()));
    }
}
