//! Possible problems with the settings. Each function checks one kind of problem, and changes nothing.

use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::healthcheck;
use crate::accounts::reserved::ReservedHandles;
use crate::chains::log::seed_in;
use crate::chains::source::RemoteChains;
use crate::config::{Config, Database, SigServer};
use crate::files::folder_of;
use crate::operations::fixed_settings;
use crate::push::nats::credentials::{Credentials, read_issuer};
use crate::store::{OpenError, Store};

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Problems that would keep the server from starting, or from running as intended.
    pub(super) problems: Vec<String>,
    /// The server starts despite these.
    pub(super) warnings: Vec<String>,
}

impl Findings {
    pub(super) fn problem(&mut self, sentence: String) {
        self.problems.push(sentence);
    }

    fn warn(&mut self, sentence: String) {
        self.warnings.push(sentence);
    }

    fn check<T>(&mut self, flag: &str, outcome: Result<T, impl Display>) {
        if let Err(reason) = outcome {
            self.problem(format!("{flag}: {reason}"));
        }
    }
}

pub(super) fn web_dir(config: &Config, found: &mut Findings) {
    if let Some(dir) = config.site()
        && !dir.join("pkg").is_dir()
    {
        found.problem(format!("--web-dir: {} holds no built web app (it has no pkg/)", dir.display()));
    }
}

/// Reads every file that a setting names, as the server would.
pub(super) fn files(config: &Config, found: &mut Findings) {
    let (nats, operations) = (&config.nats, &config.operations);
    if let Some(file) = &nats.creds {
        found.check("--nats-creds", Credentials::read(file));
    }
    if let Some(file) = &nats.callout_creds {
        found.check("--nats-callout-creds", Credentials::read(file));
    }
    if let Some(file) = &nats.issuer_seed_file {
        found.check("--nats-issuer-seed-file", read_issuer(file));
    }
    if let Some(file) = &config.sigchains.log_seed_file {
        found.check("--log-seed-file", seed_in(file));
    }
    if let Some(file) = &operations.log_filter_file {
        let read = fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()));
        found.check("--log-filter-file", read);
    }
    let reserved = operations.reserved_handles_file.as_deref();
    found.check("--reserved-handles-file", ReservedHandles::load(reserved));
}

/// Checks the addresses to listen on. The server itself may be running, and hold them.
pub(super) async fn addresses(config: &Config, found: &mut Findings) {
    let running = healthcheck::answers(config.bind).await;
    for (flag, address) in [
        ("--bind", Some(config.bind)),
        ("--metrics-bind", config.operations.metrics_bind),
        ("--internal-bind", config.nats.internal_bind),
    ] {
        let Some(address) = address else { continue };
        match TcpListener::bind(address) {
            Err(error) if running && error.kind() == ErrorKind::AddrInUse => {}
            bound => found.check(flag, bound.map_err(|error| format!("cannot listen on {address}: {error}"))),
        }
    }
}

/// Checks whether the database can be used, belongs to this server, and is private.
pub(super) async fn database(config: &Config, found: &mut Findings) {
    if let Database::Sqlite(file) = &config.database.db {
        if !file.exists() {
            let folder = folder_of(file);
            if !folder.is_dir() {
                found.problem(format!("--db: there is no directory {}", folder.display()));
            }
            return;
        }
        warn_about_readers(file, found);
    }
    let pending = match config.database.location() {
        Ok(location) => location.pending_migrations().await,
        Err(error) => Err(error),
    };
    match pending {
        // The server waits for a database server that does not answer yet.
        Err(OpenError::Postgres(error)) if matches!(config.database.db, Database::Postgres(_)) => {
            found.warn(format!("--db: the database cannot be reached: {error}"));
        }
        Err(error) => found.problem(format!("--db: {error}")),
        // The server migrates an older schema at startup; until then there is no name to compare.
        Ok(pending) if !pending.is_empty() => {}
        Ok(_) => compare_server(config, found).await,
    }
}

fn warn_about_readers(file: &Path, found: &mut Findings) {
    let Ok(metadata) = fs::metadata(file) else { return };
    let (mode, file) = (metadata.permissions().mode() & 0o777, file.display());
    if mode & OTHERS != 0 {
        found.warn(format!(
            "--db: {file} holds secrets, and its mode {mode:o} lets others use it; chmod 600 {file}"
        ));
    }
}

async fn open_read_only(config: &Config) -> Result<Store, OpenError> {
    config.database.location()?.open_read_only().await
}

async fn compare_server(config: &Config, found: &mut Findings) {
    let store = match open_read_only(config).await {
        Ok(store) => store,
        Err(error) => return found.problem(format!("--db: {error}")),
    };
    let recorded = store.fixed_setting(fixed_settings::SERVER).await;
    store.close().await;
    match recorded {
        Ok(Some(name)) if name != config.server.as_str() => found.problem(format!(
            "--server: the database belongs to the server {name}, not to {}",
            config.server
        )),
        recorded => found.check("--db", recorded),
    }
}

/// Checks whether a separate sigchain server answers, and whether browsers can reach it.
pub(super) async fn sigchain_server(config: &Config, found: &mut Findings) {
    let SigServer::At(url) = &config.sig_server_url else { return };
    match RemoteChains::new(url.to_string()) {
        Ok(remote) => {
            if let Some(reason) = remote.check_health().await {
                found.warn(format!("--sig-server-url: {url} does not answer: {reason}"));
            }
        }
        Err(error) => found.problem(format!("--sig-server-url: {error}")),
    }
    if config.sigchains_url().is_none() {
        found.warn(format!(
            "--sig-server-url: browsers cannot reach {url} from pages of {}, so people have no key histories and cannot \
             change keys; give an https address, or \"embedded\"",
            config.public_url()
        ));
    }
}
