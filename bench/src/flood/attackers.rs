//! The attackers. Each kind runs in several tasks that never pause, from all networks in turn. Every answer is counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use kez_core::handle::Handle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::origin::Origin;
use crate::party::Party;
use crate::people::{Person, people};
use crate::target::{Target, server_name, signature};

/// The kinds of attackers, and the number of tasks of each.
const KINDS: [(Kind, usize); 7] = [
    (Kind::Large, 8),
    (Kind::Small, 8),
    (Kind::Stranger, 8),
    (Kind::Forger, 8),
    (Kind::Newcomer, 2),
    (Kind::Asker, 4),
    (Kind::Profile, 2),
];
/// The largest envelope that a relay accepts, minus the small overhead around its padding.
const LARGE: usize = kez_core::envelope::MAX_BYTES - 64;
/// The size of an ordinary envelope.
const SMALL: usize = 1000;
/// How many strangers have registered before the flood starts.
const STRANGERS: usize = 50;
/// The first inbox number of the strangers and of users who register during the flood.
const STRANGERS_FROM: usize = 2_000;
const NEWCOMERS_FROM: usize = 100_000;
/// The pause after a failed connection attempt.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest time for which a server that is directly exposed to the internet may leave a stalled connection open;
/// behind a proxy it is a little more than a minute.
const CUT_WITHIN: Duration = Duration::from_secs(90);

/// The kinds of attackers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Sends the largest envelopes anonymously.
    Large,
    /// Sends small envelopes anonymously.
    Small,
    /// Has an account, and sends to users who have not accepted it.
    Stranger,
    /// Signs its messages with a key other than the sender's.
    Forger,
    /// Registers one handle after another.
    Newcomer,
    /// Looks up handles.
    Asker,
    /// Reads profile pages.
    Profile,
    /// Opens connections and sends nothing, or half a head, or half a body.
    Stalled,
}

/// The prepared attackers.
pub(super) struct Flood(Arc<Crowd>);

struct Crowd {
    victims: Vec<Handle>,
    strangers: Vec<Party>,
    networks: usize,
    number: AtomicUsize,
    padding: String,
    answers: Mutex<BTreeMap<(Kind, u16), usize>>,
    bytes: AtomicU64,
}

impl Flood {
    /// Registers the strangers.
    pub(super) async fn prepare(
        target: &Arc<Target>,
        networks: usize,
        victims: Vec<Handle>,
    ) -> Result<Self, Failure> {
        Ok(Self(Arc::new(Crowd {
            victims,
            strangers: Party::register(target, STRANGERS_FROM, STRANGERS).await?,
            networks,
            number: AtomicUsize::new(0),
            padding: "x".repeat(LARGE),
            answers: Mutex::default(),
            bytes: AtomicU64::new(0),
        })))
    }

    /// Starts the attackers; they run until the set is shut down.
    pub(super) fn begin(&self, target: &Arc<Target>, stalled: usize) -> JoinSet<()> {
        let mut attackers = JoinSet::new();
        for (kind, tasks) in KINDS {
            for _ in 0..tasks {
                attackers.spawn(Arc::clone(&self.0).attack(Arc::clone(target), kind));
            }
        }
        for _ in 0..stalled {
            attackers.spawn(Arc::clone(&self.0).stall(Arc::clone(target)));
        }
        attackers
    }

    /// How often each kind got each status; 0 stands for a connection that was cut or refused.
    pub(super) fn answers(&self) -> BTreeMap<(Kind, u16), usize> {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many accounts were created.
    pub(super) fn accounts(&self) -> usize {
        self.answers().get(&(Kind::Newcomer, StatusCode::CREATED.as_u16())).copied().unwrap_or_default()
    }

    /// How many bytes of request bodies were sent.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

/// A request.
struct Shot {
    method: Method,
    path: String,
    auth: Option<String>,
    body: Bytes,
}

impl Crowd {
    fn next(&self) -> usize {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    fn count(&self, kind: Kind, status: u16) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry((kind, status)).or_default() += 1;
    }

    /// Every second network is behind a proxy.
    fn origin(&self) -> Origin {
        let network = self.next() % self.networks;
        // Far from the networks of registered users.
        if network.is_multiple_of(2) { Origin::direct(network) } else { Origin::proxied(30_000 + network) }
    }

    /// Sends a few requests on one connection from one network, then moves on to the next.
    async fn attack(self: Arc<Self>, target: Arc<Target>, kind: Kind) {
        loop {
            let origin = self.origin();
            let Ok(mut connection) = Connection::open_from(origin, target.address).await else {
                self.count(kind, 0);
                sleep(PAUSE).await;
                continue;
            };
            for _ in 0..8 {
                let Ok(Shot { method, path, auth, body }) = self.shot(kind) else { continue };
                self.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
                let auth = auth.as_deref().map(|auth| (kez_core::inbox_auth::HEADER, auth));
                let headers = auth.as_slice();
                match connection.exchange(method, &path, origin, headers, body).await {
                    Ok((status, _)) => self.count(kind, status.as_u16()),
                    Err(_) => {
                        self.count(kind, 0);
                        break;
                    }
                }
            }
        }
    }

    fn shot(&self, kind: Kind) -> Result<Shot, Failure> {
        let n = self.next();
        let victim = &self.victims[n % self.victims.len()];
        let message = |bytes: usize| {
            let padding = &self.padding[..bytes.min(self.padding.len())];
            Bytes::from(format!(r#"{{"to":"{victim}","envelope":{{"n":{n},"padding":"{padding}"}}}}"#))
        };
        let post = |auth, body| Shot { method: Method::POST, path: "/v1/messages".to_owned(), auth, body };
        let get = |path| Shot { method: Method::GET, path, auth: None, body: Bytes::new() };
        let stranger = |n: usize| &self.strangers[n % self.strangers.len()].person;
        Ok(match kind {
            Kind::Large => post(None, message(LARGE)),
            Kind::Small => post(None, message(SMALL)),
            Kind::Stranger => {
                let body = message(SMALL);
                post(Some(signature(stranger(n), "POST", "/v1/messages", &body)?), body)
            }
            Kind::Forger => {
                let body = message(SMALL);
                post(Some(signature(stranger(n), "POST", "/v1/messages", b"another body")?), body)
            }
            Kind::Newcomer => {
                let newcomer: Vec<Person> = people(NEWCOMERS_FROM + n, 1)?;
                let registration = newcomer.first().map(|person| person.registration(&server_name()?));
                let body = registration.transpose()?.unwrap_or_default();
                Shot { path: "/v1/register".to_owned(), ..post(None, body) }
            }
            Kind::Asker => match n % 3 {
                0 => get(format!("/v1/u/{victim}")),
                1 => get(format!("/v1/by-primary/{}", stranger(n).identity.public())),
                _ => get(format!("/.well-known/webfinger?resource=acct:{victim}@bench.example")),
            },
            Kind::Profile => get(format!("/u/{victim}")),
            Kind::Stalled => get("/".to_owned()),
        })
    }

    /// Holds a connection open for as long as the server allows, and counts the connections that the server cut.
    async fn stall(self: Arc<Self>, target: Arc<Target>) {
        const STARTS: [&[u8]; 3] = [
            b"",
            b"POST /v1/messages HTTP/1.1\r\nhost: a\r\n",
            b"POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{",
        ];
        loop {
            let (origin, start) = (self.origin(), STARTS[self.next() % STARTS.len()]);
            let held = async {
                let mut stream = origin.connect(target.address).await?;
                stream.write_all(start).await?;
                let mut said = Vec::new();
                Ok::<_, Failure>(stream.read_to_end(&mut said).await?)
            };
            match timeout(CUT_WITHIN, held).await {
                // The server cut the connection, with or without an answer.
                Ok(Ok(_)) => self.count(Kind::Stalled, StatusCode::REQUEST_TIMEOUT.as_u16()),
                Ok(Err(_)) => self.count(Kind::Stalled, 0),
                Err(_) => self.count(Kind::Stalled, StatusCode::OK.as_u16()),
            }
            sleep(PAUSE).await;
        }
    }
}
