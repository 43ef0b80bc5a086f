//! The operator's settings for running the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use kez_core::time::Timestamp;

/// The flags of operation.
#[derive(Args, Clone, Debug)]
pub struct OperationsConfig {
    /// How long messages are kept: "forever", or a time such as 30d or 12h, at least an hour.
    #[arg(long, env = "KEZ_CHAT_RETENTION", default_value = "forever", value_name = "TIME|forever")]
    pub retention: Retention,

    /// The address and port of the metrics for Prometheus, at /metrics; unset, there are none. They reveal how much
    /// traffic there is, so let only your monitoring reach it.
    #[arg(long, env = "KEZ_CHAT_METRICS_BIND", value_name = "ADDRESS:PORT")]
    pub metrics_bind: Option<SocketAddr>,

    /// How to contact the operator of this server: an address such as `mailto:admin@kez.lat`, or the `https:` address
    /// of a page. Shown on the first page, in GET /v1/config and in /.well-known/security.txt.
    #[arg(long, env = "KEZ_CHAT_CONTACT", value_parser = contact, value_name = "mailto:...|https://...")]
    pub contact: Option<String>,

    /// The URL of the terms of this server, shown on the first page and in GET /v1/config.
    #[arg(long, env = "KEZ_CHAT_TERMS_URL", value_parser = web_address, value_name = "URL")]
    pub terms_url: Option<String>,

    /// The directory that `backup --into` writes to. The metrics report the age of the newest backup there.
    #[arg(long, env = "KEZ_CHAT_BACKUP_DIR", value_name = "DIRECTORY")]
    pub backup_dir: Option<PathBuf>,

    /// A file with the log filter, in the syntax of RUST_LOG, which it replaces. Read again on SIGHUP.
    #[arg(long, env = "KEZ_CHAT_LOG_FILTER_FILE", value_name = "FILE")]
    pub log_filter_file: Option<PathBuf>,

    /// A file with further handles that cannot be claimed, one per line; # begins a comment. Read again on SIGHUP.
    #[arg(long, env = "KEZ_CHAT_RESERVED_HANDLES_FILE", value_name = "FILE")]
    pub reserved_handles_file: Option<PathBuf>,
}

/// An address that a browser or a mail program can open.
fn contact(text: &str) -> Result<String, &'static str> {
    let mail = text.strip_prefix("mailto:").is_some_and(|address| address.contains('@'));
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if plain && (mail || web_address(text).is_ok()) {
        Ok(text.to_owned())
    } else {
        Err("a contact looks like mailto:admin@kez.lat or https://kez.lat/contact")
    }
}

fn web_address(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "an address looks like https://kez.lat/terms";
    let uri: http::Uri = text.parse().map_err(|_| FORM)?;
    let fits = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if fits { Ok(text.to_owned()) } else { Err(FORM) }
}

/// How long messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Until their account is deleted.
    Forever,
    /// For this long.
    For(Duration),
}

impl Retention {
    /// Messages stored before this time must be deleted.
    pub fn cutoff(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Forever => None,
            Self::For(time) => Some(Timestamp::from_unix(now.unix().saturating_sub(time.as_secs()))),
        }
    }
}

impl FromStr for Retention {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHORTEST: Duration = Duration::from_secs(60 * 60);
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let time = humantime::parse_duration(text).ok().filter(|time| *time >= SHORTEST);
        time.map(Self::For).ok_or("a retention is \"forever\", or a time from 1h up, such as 30d")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_address_or_a_url() {
        for good in ["mailto:admin@kez.lat", "https://kez.lat/contact?about=abuse"] {
            assert_eq!(contact(good), Ok(good.to_owned()));
        }
        for bad in ["", "admin@kez.lat", "mailto:", "javascript:alert(1)", "https://kez.lat/\"\n"] {
            assert!(contact(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_retention_is_a_duration_or_forever() {
        let now = Timestamp::from_unix(1_000_000);
        let cutoff = |text: &str| {
            text.parse::<Retention>().map(|retention| retention.cutoff(now).map(Timestamp::unix))
        };
        assert_eq!(cutoff("forever"), Ok(None));
        assert_eq!(cutoff("1d"), Ok(Some(1_000_000 - 86_400)));
        assert_eq!(cutoff("100y"), Ok(Some(0)));
        for bad in ["", "0", "30", "10m", "-1d", "never"] {
            assert!(cutoff(bad).is_err(), "{bad}");
        }
    }
}
