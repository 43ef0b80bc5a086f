//! Users who know each other. Each sender writes to one recipient at intervals and keeps a copy, and the recipient
//! reads the live stream. Every acknowledged message must arrive.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use kez_core::api::{LiveFrame, MessageStored, Receipt};
use kez_core::handle::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::latency::Latencies;
use crate::live_stream::LiveStream;
use crate::party::Party;
use crate::people::{Sealed, seal_all};
use crate::target::Target;

/// The average pause between two messages of a sender. Twenty messages a minute and as many copies are well within a
/// user's allowance.
const PAUSE: Duration = Duration::from_secs(3);
/// The pause before a retry when the server could not be reached.
const RETRY: Duration = Duration::from_millis(100);
/// The first inbox number of the known users.
const SENDERS_FROM: usize = 0;
const RECIPIENTS_FROM: usize = 1_000;

/// The phase in which a message was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Before = 0,
    During = 1,
    After = 2,
}

/// An acknowledged message.
struct Sent {
    receipt: Receipt,
    at: Instant,
    took: Duration,
    phase: Phase,
}

/// The messages of one pair of users.
#[derive(Default)]
struct Line {
    sent: Vec<Sent>,
    arrived: HashMap<Receipt, Instant>,
    copies: Vec<(Duration, Phase)>,
}

/// See the module.
pub(super) struct Conversations {
    senders: Vec<Party>,
    recipients: Vec<Party>,
    messages: Vec<Vec<Sealed>>,
    copies: Vec<Vec<Sealed>>,
    lines: Vec<Mutex<Line>>,
    phase: AtomicU8,
    stop: CancellationToken,
    progress: Notify,
    refused: Mutex<Vec<String>>,
    repeated: AtomicUsize,
    reopened: AtomicUsize,
}

impl Conversations {
    /// Registers all users, lets the recipients accept their senders, and seals the messages in advance.
    pub(super) async fn prepare(target: &Arc<Target>, pairs: usize, seconds: u64) -> Result<Self, Failure> {
        let senders = Party::register(target, SENDERS_FROM, pairs).await?;
        let recipients = Party::register(target, RECIPIENTS_FROM, pairs).await?;
        for (sender, recipient) in senders.iter().zip(&recipients) {
            recipient.accept(target, sender).await?;
        }
        // The shortest pause is half of the average one.
        let each = 2 * (seconds / PAUSE.as_secs() + 30) as usize;
        let [from, to] = [&senders, &recipients].map(|parties| parties.iter().map(|party| &party.person));
        let (from, to): (Vec<_>, Vec<_>) = (from.collect(), to.collect());
        Ok(Self {
            messages: seal_all(&from, &to, each, |i, _| i)?,
            copies: seal_all(&from, &from, each, |i, _| i)?,
            lines: (0..pairs).map(|_| Mutex::default()).collect(),
            senders,
            recipients,
            phase: AtomicU8::new(Phase::Before as u8),
            stop: CancellationToken::new(),
            progress: Notify::new(),
            refused: Mutex::default(),
            repeated: AtomicUsize::new(0),
            reopened: AtomicUsize::new(0),
        })
    }

    /// The handles that the flood can target.
    pub(super) fn recipients(&self) -> Vec<Handle> {
        self.recipients.iter().map(|party| party.person.handle.clone()).collect()
    }

    pub(super) fn flood_begins(&self) {
        self.phase.store(Phase::During as u8, Ordering::Relaxed);
    }

    pub(super) fn flood_ends(&self) {
        self.phase.store(Phase::After as u8, Ordering::Relaxed);
    }

    /// Tells the senders to stop after their last acknowledgement.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Before,
            1 => Phase::During,
            _ => Phase::After,
        }
    }

    fn line(&self, pair: usize) -> MutexGuard<'_, Line> {
        self.lines[pair].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one sender until the end of the run.
    pub(super) async fn send(self: Arc<Self>, target: Arc<Target>, pair: usize) -> Result<(), Failure> {
        for (message, copy) in self.messages[pair].iter().zip(&self.copies[pair]) {
            let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
            tokio::select! {
                () = sleep(PAUSE.mul_f64(0.5 + random)) => {}
                () = self.stop.cancelled() => return Ok(()),
            }
            let (phase, at) = (self.phase(), Instant::now());
            let Some(receipt) = self.post(&target, pair, message).await? else { continue };
            self.line(pair).sent.push(Sent { receipt, at, took: at.elapsed(), phase });
            let at = Instant::now();
            if self.post(&target, pair, copy).await?.is_some() {
                self.line(pair).copies.push((at.elapsed(), phase));
            }
        }
        Ok(())
    }

    /// Posts the same bytes until the server answers, as a client does. Records a refusal.
    async fn post(&self, target: &Target, pair: usize, message: &Sealed) -> Result<Option<Receipt>, Failure> {
        let sender = &self.senders[pair];
        loop {
            // A new connection for each message: the server closes a connection that is idle between two of them.
            let posted = async {
                let mut connection = sender.connect(target).await?;
                sender.signed(&mut connection, Method::POST, "/v1/messages", message.body.clone()).await
            };
            match posted.await {
                Ok((StatusCode::CREATED | StatusCode::OK, body)) => {
                    return Ok(Some(serde_json::from_slice::<MessageStored>(&body)?.receipt));
                }
                Ok((status, body)) => {
                    let said = format!("{status}: {}", String::from_utf8_lossy(&body));
                    self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(said);
                    return Ok(None);
                }
                Err(Failure::Io(_) | Failure::Http(_)) => {
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                    sleep(RETRY).await;
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Runs one recipient: reads the live stream, and reconnects when it ends.
    pub(super) async fn read(self: Arc<Self>, target: Arc<Target>, pair: usize) -> Result<(), Failure> {
        let recipient = &self.recipients[pair];
        let mut cursor = 0;
        loop {
            let streamed = async {
                let open = LiveStream::open_from(recipient.origin, &target, &recipient.person, cursor);
                let mut stream = open.await?;
                loop {
                    let LiveFrame::Items { items, .. } = stream.frame().await? else { continue };
                    let now = Instant::now();
                    for item in items {
                        cursor = item.seq;
                        let receipt = Receipt::of(item.envelope.get().as_bytes());
                        self.line(pair).arrived.insert(receipt, now);
                    }
                    self.progress.notify_waiters();
                }
            };
            let ended: Result<std::convert::Infallible, Failure> = streamed.await;
            if let Err(failure @ (Failure::Protocol(_) | Failure::Json(_))) = ended {
                return Err(failure);
            }
            self.reopened.fetch_add(1, Ordering::Relaxed);
            sleep(RETRY).await;
        }
    }

    /// Returns when every acknowledged message has arrived on its recipient's stream.
    pub(super) async fn all_arrived(&self) {
        loop {
            let progress = self.progress.notified();
            if self.missing() == 0 {
                return;
            }
            progress.await;
        }
    }

    /// How many acknowledged messages have not arrived.
    pub(super) fn missing(&self) -> usize {
        let missing = |pair| {
            let line = self.line(pair);
            line.sent.iter().filter(|sent| !line.arrived.contains_key(&sent.receipt)).count()
        };
        (0..self.lines.len()).map(missing).sum()
    }

    /// Two latencies: from a request to its acknowledgement, copies included, and from a request to the recipient's
    /// live stream.
    pub(super) fn latencies(&self, phase: Phase) -> (Latencies, Latencies) {
        let (mut acks, mut live) = (Latencies::default(), Latencies::default());
        for pair in 0..self.lines.len() {
            let line = self.line(pair);
            for sent in line.sent.iter().filter(|sent| sent.phase == phase) {
                acks.push(sent.took);
                if let Some(arrived) = line.arrived.get(&sent.receipt) {
                    live.push(arrived.saturating_duration_since(sent.at));
                }
            }
            line.copies.iter().filter(|copy| copy.1 == phase).for_each(|copy| acks.push(copy.0));
        }
        (acks, live)
    }

    /// The number of acknowledged messages: those to recipients and the senders' copies.
    pub(super) fn acknowledged(&self) -> usize {
        (0..self.lines.len())
            .map(|pair| self.line(pair))
            .map(|line| line.sent.len() + line.copies.len())
            .sum()
    }

    /// The answers with which known senders were refused.
    pub(super) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a message was retried, and how often a stream was reopened.
    pub(super) fn troubles(&self) -> [usize; 2] {
        [&self.repeated, &self.reopened].map(|count| count.load(Ordering::Relaxed))
    }

    /// The messages that each recipient's inbox must contain.
    pub(super) fn expected(&self) -> impl Iterator<Item = (&Party, Vec<Receipt>)> {
        let expected =
            |(pair, party)| (party, self.line(pair).sent.iter().map(|sent| sent.receipt).collect());
        self.recipients.iter().enumerate().map(expected)
    }
}
