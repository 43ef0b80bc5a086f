//! Users with live streams. Each reconnects as a client does, with random pauses that grow.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use hyper::Method;
use hyper::body::Bytes;
use kez_core::api::{LiveFrame, MessageStored, Receipt};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::latency::Latencies;
use crate::live_stream::LiveStream;
use crate::origin::Origin;
use crate::party::{Party, ask_patiently};
use crate::target::Target;

/// The longest pause between two attempts, as in the client's own schedule.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// An attempt without any answer is abandoned after this time.
const ATTEMPT: Duration = Duration::from_secs(20);
/// A user who is not back by then counts as refused for good.
const BACK_WITHIN: Duration = Duration::from_secs(180);
/// How many writers run concurrently.
const WRITERS: usize = 32;
/// The first network number of the writers, apart from those of the users.
const WRITERS_FROM: usize = 40_000;
const WRITERS_NETWORKS: usize = 2_000;

/// One user of the crowd.
struct Member {
    party: Party,
    /// The last item received; a new stream starts after it.
    cursor: AtomicU64,
    /// The last acknowledged item, with the time when it was sent.
    last_sent: Mutex<Option<(Receipt, Instant)>>,
    /// The last item received from the stream.
    last_heard: Mutex<Option<Receipt>>,
}

/// All users with their streams; see the module.
pub(super) struct Crowd {
    target: Arc<Target>,
    members: Vec<Member>,
    connected: AtomicUsize,
    failed: AtomicUsize,
    unexpected: AtomicUsize,
    sent: AtomicUsize,
    arrived: AtomicUsize,
    twice: AtomicUsize,
    number: AtomicUsize,
    busy: AtomicUsize,
    latencies: Mutex<Latencies>,
    progress: Notify,
    /// Signals a cut. The value is the time over which the users reconnect.
    cut: watch::Sender<Duration>,
}

/// The tasks of the users.
pub(super) struct Followers(JoinSet<()>);

impl Followers {
    /// Closes every stream.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        self.0.shutdown().await;
        Ok(())
    }
}

impl Crowd {
    pub(super) fn new(target: &Arc<Target>, parties: Vec<Party>) -> Arc<Self> {
        let member = |party| Member {
            party,
            cursor: AtomicU64::new(0),
            last_sent: Mutex::default(),
            last_heard: Mutex::default(),
        };
        Arc::new(Self {
            target: Arc::clone(target),
            members: parties.into_iter().map(member).collect(),
            connected: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            unexpected: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
            twice: AtomicUsize::new(0),
            number: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            latencies: Mutex::default(),
            progress: Notify::new(),
            cut: watch::channel(Duration::ZERO).0,
        })
    }

    /// Opens the stream of every user and keeps it open.
    pub(super) fn follow(self: &Arc<Self>) -> Followers {
        let mut followers = JoinSet::new();
        for which in 0..self.members.len() {
            let (crowd, cut) = (Arc::clone(self), self.cut.subscribe());
            followers.spawn(async move { crowd.keep_following(which, cut).await });
        }
        Followers(followers)
    }

    async fn keep_following(&self, which: usize, mut cut: watch::Receiver<Duration>) {
        let member = &self.members[which];
        loop {
            let mut stream = self.come_back(member).await;
            self.connected.fetch_add(1, Ordering::SeqCst);
            self.progress.notify_waiters();
            loop {
                tokio::select! {
                    frame = stream.frame() => match frame {
                        Ok(frame) => self.heard(member, frame),
                        Err(_) => {
                            self.unexpected.fetch_add(1, Ordering::Relaxed);
                            self.connected.fetch_sub(1, Ordering::SeqCst);
                            break;
                        }
                    },
                    _ = cut.changed() => {
                        let spread = *cut.borrow_and_update();
                        drop(stream);
                        sleep(spread.mul_f64(random())).await;
                        break;
                    }
                }
            }
        }
    }

    /// Retries until the server has sent the backlog.
    async fn come_back(&self, member: &Member) -> LiveStream {
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = async {
                let since = member.cursor.load(Ordering::SeqCst);
                let party = &member.party;
                let mut stream =
                    LiveStream::open_from(party.origin, &self.target, &party.person, since).await?;
                loop {
                    match stream.frame().await? {
                        LiveFrame::CaughtUp { .. } => return Ok::<_, Failure>(stream),
                        items => self.heard(member, items),
                    }
                }
            };
            if let Ok(Ok(stream)) = timeout(ATTEMPT, attempt).await {
                return stream;
            }
            self.failed.fetch_add(1, Ordering::Relaxed);
            sleep(pause.mul_f64(random())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn heard(&self, member: &Member, frame: LiveFrame) {
        let LiveFrame::Items { items, .. } = frame else { return };
        let now = Instant::now();
        for item in items {
            if member.cursor.fetch_max(item.seq, Ordering::SeqCst) >= item.seq {
                self.twice.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let receipt = Receipt::of(item.envelope.get().as_bytes());
            *lock(&member.last_heard) = Some(receipt);
            // The acknowledgement may come after the item. Then the writer records the latency.
            if let Some((sent, at)) = *lock(&member.last_sent)
                && sent == receipt
            {
                lock(&self.latencies).push(now.saturating_duration_since(at));
            }
            self.arrived.fetch_add(1, Ordering::SeqCst);
        }
        self.progress.notify_waiters();
    }

    /// Cuts all streams. The users reconnect at random times within `spread`.
    pub(super) fn cut(&self, spread: Duration) {
        self.connected.store(0, Ordering::SeqCst);
        self.cut.send_replace(spread);
    }

    /// Waits until every user has a stream.
    pub(super) async fn all_are_connected(&self, phase: &'static str) -> Result<(), Failure> {
        let all = self.members.len();
        self.until(phase, || self.connected.load(Ordering::SeqCst) >= all).await
    }

    /// Waits until every acknowledged message has arrived on a stream.
    pub(super) async fn everything_arrived(&self) -> Result<(), Failure> {
        let counted = || self.arrived.load(Ordering::SeqCst) >= self.sent.load(Ordering::SeqCst);
        self.until("mail", counted).await
    }

    async fn until(&self, phase: &'static str, holds: impl Fn() -> bool) -> Result<(), Failure> {
        let wait = async {
            loop {
                let progress = self.progress.notified();
                if holds() {
                    return;
                }
                progress.await;
            }
        };
        timeout(BACK_WITHIN, wait).await.map_err(|_| Failure::TooSlow { phase, limit: BACK_WITHIN })
    }

    /// Writes one message to every `nth` user, from many networks.
    pub(super) async fn write_to_every(&self, nth: usize) -> Result<(), Failure> {
        let written = stream::iter(self.members.iter().step_by(nth)).map(async |member| {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let origin = Origin::proxied(WRITERS_FROM + number % WRITERS_NETWORKS);
            let handle = &member.party.person.handle;
            let body = Bytes::from(format!(r#"{{"to":"{handle}","envelope":{{"n":{number}}}}}"#));
            let at = Instant::now();
            let asked = ask_patiently(origin, &self.target, Method::POST, "/v1/messages", body);
            let (body, busy) = asked.await?;
            self.busy.fetch_add(busy, Ordering::Relaxed);
            let stored: MessageStored = serde_json::from_slice(&body)?;
            *lock(&member.last_sent) = Some((stored.receipt, at));
            if *lock(&member.last_heard) == Some(stored.receipt) {
                lock(&self.latencies).push(at.elapsed());
            }
            self.sent.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        written.buffer_unordered(WRITERS).try_collect().await
    }

    /// The latencies measured since the last call.
    pub(super) fn take_latencies(&self) -> Latencies {
        std::mem::take(&mut *lock(&self.latencies))
    }

    pub(super) fn failed_attempts(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }

    /// Checks that every message arrived once, and that no stream ended by itself.
    pub(super) fn judge(&self, broken: &mut Vec<String>) {
        let [sent, arrived, twice, unexpected] =
            [&self.sent, &self.arrived, &self.twice, &self.unexpected].map(|n| n.load(Ordering::SeqCst));
        println!(
            "{sent} messages acknowledged ({} tries met a busy server), {arrived} read, {twice} of them twice; \
             {unexpected} streams ended by themselves",
            self.busy.load(Ordering::Relaxed),
        );
        if sent != arrived || twice > 0 {
            broken.push(format!("{sent} messages were acknowledged, {arrived} read, {twice} read twice"));
        }
        if unexpected > 0 {
            broken.push(format!("{unexpected} streams were ended by the server"));
        }
    }
}

fn random() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
