//! Store: closed-loop senders, each sending its next message when the previous one is acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::database::Database;
use crate::failure::Failure;
use crate::latency::Latencies;
use crate::live_stream::LiveStream;
use crate::people::{Person, Sealed};
use crate::process::Usage;
use crate::target::Target;

/// The cost of storing, summed over rounds.
#[derive(Default)]
pub(crate) struct Stored {
    /// The number of acknowledged messages.
    pub(crate) messages: usize,
    /// The target's CPU time in seconds.
    pub(crate) cpu_seconds: f64,
    /// The bytes that the target wrote to storage.
    pub(crate) written_bytes: f64,
    /// The resources used by the database server, if there is one.
    pub(crate) database: Option<Usage>,
    /// The time from the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// The times from a request to its acknowledgement.
    pub(crate) acks: Latencies,
}

/// How the senders send.
#[derive(Clone)]
pub(crate) enum Way {
    /// `POST`, on a connection of its own for each sender.
    Post,
    /// On the live streams of these senders.
    Stream(Arc<Vec<Person>>),
}

/// The connection of one sender.
enum Line {
    Post(Connection),
    Stream(Box<LiveStream>),
}

impl Line {
    async fn open(target: &Target, way: &Way, sender: usize) -> Result<Self, Failure> {
        Ok(match way {
            Way::Post => Self::Post(Connection::open(target.address).await?),
            Way::Stream(senders) => Self::Stream(LiveStream::open(target, &senders[sender]).await?.into()),
        })
    }

    async fn send(&mut self, target: &Target, number: u64, message: &Sealed) -> Result<(), Failure> {
        match self {
            Self::Post(connection) => {
                let path = target.message_path(message);
                connection.post(&path, message.body.clone(), message.auth.as_deref()).await.map(drop)
            }
            Self::Stream(stream) => stream.store(number, message).await,
        }
    }
}

impl Stored {
    /// Adds a round in which each sender sends its messages, `first` to `first + each`.
    pub(crate) async fn round(
        &mut self,
        target: &Arc<Target>,
        way: &Way,
        messages: &Arc<Vec<Vec<Sealed>>>,
        first: usize,
        each: usize,
    ) -> Result<(), Failure> {
        let mut connections = Vec::with_capacity(messages.len());
        for sender in 0..messages.len() {
            connections.push(Line::open(target, way, sender).await?);
        }
        let database = || target.database.as_ref().map(Database::usage).transpose();
        let (before, database_before, start) = (Usage::of(target.pid)?, database()?, Instant::now());
        let mut senders = JoinSet::new();
        for (sender, connection) in connections.into_iter().enumerate() {
            let (target, messages) = (Arc::clone(target), Arc::clone(messages));
            senders.spawn(async move {
                send_each(connection, &target, &messages[sender][first..first + each]).await
            });
        }
        while let Some(acks) = senders.join_next().await {
            self.acks.append(acks??);
        }
        self.elapsed += start.elapsed();
        let used = Usage::of(target.pid)? - before;
        self.cpu_seconds += used.cpu_seconds;
        self.written_bytes += used.written_bytes;
        self.database = database()?.zip(database_before).map(|(now, before)| {
            let round = now - before;
            self.database.map_or(round, |so_far| so_far + round)
        });
        self.messages += messages.len() * each;
        Ok(())
    }

    /// Seconds of CPU per thousand messages.
    pub(crate) fn cpu_per_thousand(&self) -> f64 {
        self.cpu_seconds / self.messages as f64 * 1e3
    }

    /// Acknowledged messages a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }

    /// KiB written to storage per message.
    pub(crate) fn written_kib_each(&self) -> f64 {
        self.written_bytes / 1024.0 / self.messages as f64
    }
}

async fn send_each(mut line: Line, target: &Target, messages: &[Sealed]) -> Result<Latencies, Failure> {
    let mut acks = Latencies::with_capacity(messages.len());
    for (number, message) in (0..).zip(messages) {
        let start = Instant::now();
        line.send(target, number, message).await?;
        acks.push(start.elapsed());
    }
    Ok(acks)
}
