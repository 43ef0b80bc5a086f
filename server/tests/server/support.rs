//! A server on a real listener with a clock controlled by the test, and users with real keys.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use futures::{SinkExt, StreamExt};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use kez_chat_server::clock::Clock;
use kez_chat_server::config::Config;
use kez_chat_server::config::timings::Timings;
use kez_core::api::{LiveHello, Lookup, MessageStored, Receipt, live_target};
use kez_core::caller_auth::{self, CallerRequest};
use kez_core::canonical_json::MAX_INTEGER;
use kez_core::envelope;
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_core::inbox_auth;
use kez_core::nats_binding::{self, NatsBinding};
use kez_core::nkey::{PublicNkey, Role, SecretNkey};
use kez_core::registration::HandleRegistration;
use kez_core::time::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// An address of the loopback interface on which nothing listens. The port is below those that Linux gives to outgoing
/// connections (`ip_local_port_range`), so that none of them takes it before the test's program does.
pub(crate) fn free_address() -> SocketAddr {
    const PORTS: std::ops::Range<u32> = 12_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = PORTS.end - PORTS.start;
    // Test programs that run one after another, or beside each other, begin elsewhere.
    let first = std::process::id().wrapping_mul(97);
    let next = || PORTS.start + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
    let is_free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    let addresses = (0..count).map(|_| SocketAddr::from(([127, 0, 0, 1], next() as u16)));
    addresses.into_iter().find(is_free).expect("a free port")
}

/// The time of the test vectors, and of every test that sets no other.
pub(crate) const NOW: u64 = 1_795_374_000;

/// A clock that stands still until it is set.
pub(crate) struct TestClock {
    seconds: AtomicU64,
    panics: AtomicBool,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        Self { seconds: AtomicU64::new(NOW), panics: AtomicBool::new(false) }
    }

    pub(crate) fn set(&self, seconds: u64) {
        self.seconds.store(seconds, Ordering::SeqCst);
    }

    /// Makes the next caller that asks for the time panic.
    pub(crate) fn panic_once(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        assert!(!self.panics.swap(false, Ordering::SeqCst), "a panic for a test");
        Timestamp::from_unix(self.seconds.load(Ordering::SeqCst))
    }

    fn ticks(&self) -> Duration {
        Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }
}

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) http: reqwest::Client,
    directory: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(&["--limits", "off"]).await
    }

    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), flags).await
    }

    /// A node on a database shared with others.
    pub(crate) async fn start_on(database: &str) -> Self {
        Self::start_on_with(database, &["--limits", "off"]).await
    }

    pub(crate) async fn start_on_with(database: &str, flags: &[&str]) -> Self {
        Self::start_at(Arc::new(tempfile::tempdir().unwrap()), database, flags).await
    }

    pub(crate) async fn start_in(directory: Arc<TempDir>, flags: &[&str]) -> Self {
        let db = directory.path().join("kez-chat.db");
        Self::start_at(directory, db.to_str().unwrap(), flags).await
    }

    /// A server whose live streams have these time-outs.
    pub(crate) async fn start_with_timings(live: Timings, flags: &[&str]) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let db = directory.path().join("kez-chat.db");
        let config = config(db.to_str().unwrap(), flags);
        Self::start_from(directory, Config { live, ..config }).await
    }

    async fn start_at(directory: Arc<TempDir>, db: &str, flags: &[&str]) -> Self {
        Self::start_from(directory, config(db, flags)).await
    }

    async fn start_from(directory: Arc<TempDir>, config: Config) -> Self {
        let listener = kez_chat_server::edge::listener::bind(config.bind).unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(TestClock::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                let stopped = async { drop(stopped.await) };
                kez_chat_server::run_with_clock(listener, config, clock, stopped).await.unwrap();
            }
        });
        Self { address, clock, http: reqwest::Client::new(), directory, stop, task }
    }

    /// Stops gracefully and returns once everything is stored.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        drop(self.stop);
        self.task.await.unwrap();
        self.directory
    }

    pub(crate) async fn restart(self) -> Self {
        self.restart_with(&["--limits", "off"]).await
    }

    pub(crate) async fn restart_with(self, flags: &[&str]) -> Self {
        let directory = self.stop().await;
        Self::start_in(directory, flags).await
    }

    pub(crate) fn db(&self) -> std::path::PathBuf {
        self.directory.path().join("kez-chat.db")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(self.http.get(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        Reply::of(self.http.post(self.url(path)).header("content-type", "application/json").body(body)).await
    }

    pub(crate) async fn register(&self, person: &Person) -> Reply {
        self.post("/v1/register", person.registration(self.now())).await
    }

    /// Registers Alice, Bob and any others.
    pub(crate) async fn people<const N: usize>(&self, names: [&str; N]) -> [Person; N] {
        let people = names.map(Person::new);
        for person in &people {
            assert_eq!(self.register(person).await.status, 201);
        }
        people
    }

    pub(crate) async fn send(&self, to: &Person, envelope: &str) -> Reply {
        self.post("/v1/messages", message(&to.handle, envelope)).await
    }

    /// Sends a new message, and reads its number from the inbox.
    pub(crate) async fn place_of(&self, to: &Person, envelope: &str) -> u64 {
        let sent = self.send(to, envelope).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        self.last(to).await
    }

    /// The highest number that an inbox has assigned.
    pub(crate) async fn last(&self, owner: &Person) -> u64 {
        self.inbox(owner, MAX_INTEGER).await.json()["last"].as_u64().unwrap()
    }

    /// A request that its caller signs.
    pub(crate) async fn signed(&self, caller: &Person, method: &str, target: &str, body: String) -> Reply {
        let header = caller.signs(method, target, body.as_bytes(), self.now());
        self.with_header(method, target, body, &header).await
    }

    pub(crate) async fn with_header(&self, method: &str, target: &str, body: String, header: &str) -> Reply {
        let request = self.http.request(method.parse().unwrap(), self.url(target));
        Reply::of(request.header(inbox_auth::HEADER, header).body(body)).await
    }

    /// Binds an nkey for this many seconds.
    pub(crate) async fn bind(&self, person: &Person, nkey: PublicNkey, seconds: u64) -> Reply {
        let body = person.binding(nkey, self.now(), seconds);
        self.signed(person, "PUT", &nats_binding::target(&person.handle), body).await
    }

    pub(crate) async fn unbind(&self, person: &Person, nkey: PublicNkey) -> Reply {
        let target = format!("{}/{nkey}", nats_binding::target(&person.handle));
        self.signed(person, "DELETE", &target, String::new()).await
    }

    /// Reads a page as the owner.
    pub(crate) async fn inbox(&self, person: &Person, since: u64) -> Reply {
        let header = person.inbox_header(since, self.now());
        self.inbox_with(&person.handle, &format!("?since={since}"), &header).await
    }

    pub(crate) async fn inbox_with(&self, handle: &Handle, query: &str, header: &str) -> Reply {
        let url = self.url(&format!("/v1/inbox/{handle}{query}"));
        Reply::of(self.http.get(url).header(inbox_auth::HEADER, header)).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes raw bytes and reads until the server closes the connection.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // The server may reset the connection after the answer.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn live(&self, handle: &Handle) -> Live {
        Live::open(self.address, handle).await
    }

    /// A live stream of its owner.
    pub(crate) async fn live_as(&self, person: &Person, since: u64) -> Live {
        let mut live = self.live(&person.handle).await;
        live.send(&person.hello(since, self.now())).await;
        live
    }
}

fn config(db: &str, flags: &[&str]) -> Config {
    let own = ["kez-chat-server", "--bind", "127.0.0.1:0", "--db", db];
    let mut config = Config::try_parse_from(own.iter().chain(flags)).unwrap();
    if !flags.contains(&"--disk-ample-bytes") {
        // The free space of this machine's disk must not affect a test.
        config.abuse.disk_ample_bytes = 0;
    }
    config
}

pub(crate) fn message(to: &Handle, envelope: &str) -> String {
    format!(r#"{{"to":"{to}","envelope":{envelope}}}"#)
}

pub(crate) struct Live(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Live {
    pub(crate) async fn open(server: SocketAddr, handle: &Handle) -> Self {
        let url = format!("ws://{server}/v1/inbox/{handle}/live");
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    pub(crate) async fn send_binary(&mut self, frame: &[u8]) {
        self.0.send(Message::binary(frame.to_vec())).await.unwrap();
    }

    pub(crate) async fn ping(&mut self) {
        self.0.send(Message::Ping("?".into())).await.unwrap();
    }

    /// Closes the stream, and waits until the server has ended the connection.
    pub(crate) async fn close(mut self) {
        self.0.send(Message::Close(None)).await.unwrap();
        while let Some(Ok(_)) = self.0.next().await {}
    }

    /// The next frame of text, or `None` for a pong.
    pub(crate) async fn next_or_pong(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Pong(_) => return None,
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Writes these bytes as they are, and cuts the connection.
    pub(crate) async fn write_and_cut(self, bytes: &[u8]) {
        let MaybeTlsStream::Plain(mut stream) = self.0.into_inner() else { panic!("no TLS here") };
        stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn send(&mut self, frame: &str) {
        self.0.send(Message::text(frame)).await.unwrap();
    }

    /// The next frame from the server.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Returns once the server has sent a ping; the pong is sent with the next call.
    pub(crate) async fn pinged(&mut self) {
        let next = self.0.next().await.unwrap().unwrap();
        assert!(matches!(next, Message::Ping(_)), "{next:?}");
    }

    /// Writes pings of 125 bytes, and reads nothing, until the connection ends or this many bytes are written. Returns
    /// the number of bytes.
    pub(crate) async fn ping_without_end(self, most: usize) -> usize {
        let MaybeTlsStream::Plain(mut stream) = self.0.into_inner() else { panic!("no TLS here") };
        // A masked ping, with a mask of zeros.
        let ping = [[0x89, 0x80 | 125, 0, 0, 0, 0].as_slice(), &[7; 125]].concat();
        let pings = ping.repeat(500);
        let mut written = 0;
        while written < most && stream.write_all(&pings).await.is_ok() {
            written += pings.len();
        }
        written
    }

    /// Sends this many pings, and returns when as many pongs have arrived.
    pub(crate) async fn ping_and_hear(&mut self, pings: usize) {
        for _ in 0..pings {
            self.0.send(Message::Ping("?".into())).await.unwrap();
            while !matches!(self.0.next().await.unwrap().unwrap(), Message::Pong(_)) {}
        }
    }

    /// Reads bytes until the server closes the connection, without answering, and returns their number.
    pub(crate) async fn read_on_in_silence(self) -> usize {
        let MaybeTlsStream::Plain(mut stream) = self.0.into_inner() else { panic!("no TLS here") };
        let mut bytes = Vec::new();
        // A reset counts as an end too.
        let _ = stream.read_to_end(&mut bytes).await;
        bytes.len()
    }

    /// Whether the stream ends, in any way, without sending anything more.
    pub(crate) async fn ended(&mut self) -> bool {
        matches!(self.0.next().await, None | Some(Err(_) | Ok(Message::Close(_))))
    }

    /// Whether the stream ends before it sends anything.
    pub(crate) async fn ended_at_once(mut self) -> bool {
        !matches!(self.0.next().await, Some(Ok(Message::Text(_))))
    }

    /// The close code of the stream, skipping the frames before it.
    pub(crate) async fn closed(&mut self) -> u16 {
        self.rest().await.1
    }

    /// The frames until the stream ends, and its close code.
    pub(crate) async fn rest(&mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.next_or_code().await {
                Ok(frame) => frames.push(frame),
                Err(code) => return (frames, code),
            }
        }
    }

    /// The next frame of text, or the close code of the stream.
    pub(crate) async fn next_or_code(&mut self) -> Result<Value, u16> {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return Err(frame.unwrap().code.into()),
                _ => {}
            }
        }
    }
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::try_of(request).await.unwrap()
    }

    pub(crate) async fn try_of(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.text().await? })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The receipt for the sender: the hash of the envelope that the server holds.
    pub(crate) fn receipt(&self) -> Receipt {
        serde_json::from_str::<MessageStored>(&self.body).unwrap().receipt
    }

    /// The sequence numbers of a page.
    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.json()["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()).collect()
    }

    pub(crate) fn lookup(&self) -> Lookup {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a refusal, which must be a complete problem document.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.refusal(), (status, code.to_owned()), "{self:?}");
    }
}

pub(crate) fn server_name() -> ServerName {
    "kez.lat".parse().unwrap()
}

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// A user with a key and the handle that they want.
pub(crate) struct Person {
    pub(crate) handle: Handle,
    pub(crate) keys: SecretIdentity,
}

impl Person {
    pub(crate) fn new(handle: &str) -> Self {
        let keys = SecretIdentity::from_seed(Seed::random(&mut rng()));
        Self { handle: handle.parse().unwrap(), keys }
    }

    pub(crate) fn primary(&self) -> String {
        self.keys.public().to_string()
    }

    pub(crate) fn registration(&self, now: Timestamp) -> String {
        let signed = HandleRegistration::sign(&self.keys, &self.handle, &server_name(), now).unwrap();
        signed.to_json().unwrap()
    }

    /// A sealed envelope to another user.
    pub(crate) fn seal(&self, to: &Self, text: &str) -> String {
        let peer = Peer::new(&self.keys, to.keys.public()).unwrap();
        let plaintext = format!(r#"{{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","kind":"text","text":"{text}"}}"#);
        let now = Timestamp::from_unix(NOW);
        envelope::seal(&self.keys, &peer, plaintext.as_bytes(), now, &mut rng()).unwrap().json
    }

    pub(crate) fn inbox_header(&self, since: u64, now: Timestamp) -> String {
        inbox_auth::header(&self.keys, &self.handle, since, now)
    }

    /// The first frame of a live stream.
    pub(crate) fn hello(&self, since: u64, now: Timestamp) -> String {
        self.hello_for(&server_name(), &live_target(&self.handle, since), since, now)
    }

    /// The header of section 8 for one request.
    pub(crate) fn signs(&self, method: &str, target: &str, body: &[u8], now: Timestamp) -> String {
        let request = CallerRequest { server: &server_name(), method, target, body };
        caller_auth::header(&self.keys, &self.handle.clone().into(), &request, now, &mut rng())
    }

    /// A signed binding that is valid for this many seconds.
    pub(crate) fn binding(&self, nkey: PublicNkey, now: Timestamp, seconds: u64) -> String {
        let until = Timestamp::from_unix(now.unix() + seconds);
        NatsBinding::sign(&self.keys, nkey, &server_name(), now, until).unwrap().to_json().unwrap()
    }

    pub(crate) fn hello_for(&self, server: &ServerName, target: &str, since: u64, now: Timestamp) -> String {
        let request = CallerRequest { server, method: "GET", target, body: b"" };
        let auth = caller_auth::header(&self.keys, &self.handle.clone().into(), &request, now, &mut rng());
        serde_json::to_string(&LiveHello { since, auth, groups: None }).unwrap()
    }
}

/// A fresh nkey of a user.
pub(crate) fn nkey() -> SecretNkey {
    SecretNkey::random(Role::User, &mut rng())
}

/// Another process's connection to the same database.
pub(crate) async fn second_connection(file: &Path) -> sqlx::SqliteConnection {
    use sqlx::ConnectOptions;
    sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap()
}
