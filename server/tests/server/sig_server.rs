//! A sigchain server on a real listener, and users whose chains it keeps.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use kez_chat_server::config::sig_server::SigConfig;
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::log::checkpoint::{Checkpoint, LogKey};
use kez_core::sigchain::{Body, Chain, Hash, Link};
use kez_core::time::Timestamp;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{NOW, Reply, TestClock, TestServer, rng};

/// The server of the sigchains: the chat server, or a separate one.
pub(crate) struct Host {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

impl Host {
    pub(crate) fn of(server: &TestServer) -> Self {
        Self { url: server.url(""), http: server.http.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn bytes(&self, path: &str) -> Vec<u8> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap().to_vec()
    }

    pub(crate) async fn post_to(&self, hex: &str, body: impl Into<reqwest::Body>) -> Reply {
        let url = format!("{}/v1/sigchains/ed25519/{hex}", self.url);
        Reply::of(self.http.post(url).header("content-type", "application/json").body(body)).await
    }

    pub(crate) async fn append(&self, link: &Link) -> Reply {
        self.post_to(&link.root().hex(), link.json().to_owned()).await
    }

    pub(crate) async fn checkpoint(&self) -> Checkpoint {
        let note = self.get("/v1/log/checkpoint").await.body;
        self.log_key().await.verify(&note).unwrap()
    }

    pub(crate) async fn log_key(&self) -> LogKey {
        self.get("/v1/log/key").await.body.trim().parse().unwrap()
    }
}

/// `kez-sig-server` in this process.
pub(crate) struct SigServer {
    pub(crate) host: Host,
    pub(crate) clock: Arc<TestClock>,
    directory: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl SigServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(&["--limits", "off"]).await
    }

    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), flags).await
    }

    async fn start_in(directory: Arc<TempDir>, flags: &[&str]) -> Self {
        let db = directory.path().join("kez-sig.db");
        let own = [
            "kez-sig-server",
            "--bind",
            "127.0.0.1:0",
            "--public-url",
            "https://sig.kez.lat",
            "--db",
            db.to_str().unwrap(),
        ];
        let config = SigConfig::try_parse_from(own.iter().chain(flags)).unwrap();
        let listener = kez_chat_server::edge::listener::bind(config.bind).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let clock = Arc::new(TestClock::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                let stopped = async { drop(stopped.await) };
                kez_chat_server::lifecycle::sig::run_with_clock(listener, config, clock, stopped)
                    .await
                    .unwrap();
            }
        });
        let host = Host { url: format!("http://{address}"), http: reqwest::Client::new() };
        Self { host, clock, directory, stop, task }
    }

    pub(crate) fn db(&self) -> std::path::PathBuf {
        self.directory.path().join("kez-sig.db")
    }

    /// Stops gracefully and returns once everything is stored.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        drop(self.stop);
        self.task.await.unwrap();
        self.directory
    }

    pub(crate) async fn restart(self) -> Self {
        let directory = self.stop().await;
        Self::start_in(directory, &["--limits", "off"]).await
    }
}

/// A user's own copy of a chain, with the current and future keys.
pub(crate) struct Owner {
    pub(crate) chain: Chain,
    pub(crate) keys: SecretIdentity,
    pub(crate) next: SecretIdentity,
}

impl Owner {
    pub(crate) fn new() -> Self {
        Self::of(fresh_keys())
    }

    pub(crate) fn of(keys: SecretIdentity) -> Self {
        Self { chain: Chain::new(keys.public().primary()), keys, next: fresh_keys() }
    }

    pub(crate) fn hex(&self) -> String {
        self.chain.root().hex()
    }

    /// The next link, signed with the current key, and added to the owner's copy of the chain.
    pub(crate) fn say(&mut self, body: Body) -> Link {
        let link = self.draft(body);
        self.chain.append(&link).unwrap();
        link
    }

    /// The same without adding it.
    pub(crate) fn draft(&self, body: Body) -> Link {
        self.chain.draft(body, Timestamp::from_unix(NOW)).sign(&self.keys).unwrap()
    }

    pub(crate) fn init(&mut self) -> Link {
        let body = Body::Init { primary: self.keys.public(), next: Hash::of_key(&self.next.public()) };
        self.say(body)
    }

    /// Rotates to the announced key and announces another.
    pub(crate) fn rotate(&mut self) -> Link {
        self.keys = std::mem::replace(&mut self.next, fresh_keys());
        let body =
            Body::RotatePrimary { primary: self.keys.public(), next: Hash::of_key(&self.next.public()) };
        self.say(body)
    }
}

pub(crate) fn fresh_keys() -> SecretIdentity {
    SecretIdentity::from_seed(Seed::random(&mut rng()))
}
