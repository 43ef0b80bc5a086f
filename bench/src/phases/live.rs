//! Live: measures from a sender's request to the arrival at the receiver on the live stream.
//!
//! Sender i writes only to receiver i, or to a group of its own, and waits for each acknowledgement. So the items arrive
//! in the order of sending, and the k-th arrival on a stream belongs to the k-th departure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::latency::{Latencies, Sorted};
use crate::live_stream::LiveStream;
use crate::people::{Person, Sealed};
use crate::target::Target;

/// When the senders send.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// This many messages a second by the clock, however slow the answers are.
    PerSecond(u32),
    /// As soon as the previous message is acknowledged.
    ClosedLoop,
}

/// Sends every message of every row, from its sender to the receiver with the same number.
pub(crate) async fn run(
    target: &Arc<Target>,
    receivers: &[Person],
    messages: &Arc<Vec<Vec<Sealed>>>,
    pace: Pace,
) -> Result<Sorted, Failure> {
    let mut lines = Vec::with_capacity(receivers.len());
    for receiver in receivers {
        lines.push(vec![LiveStream::open(target, receiver).await?]);
    }
    deliver(target, lines, messages, pace).await
}

/// Sends every message of every row, each row from a sender of its own to the streams with the same number.
pub(crate) async fn deliver(
    target: &Arc<Target>,
    receivers: Vec<Vec<LiveStream>>,
    messages: &Arc<Vec<Vec<Sealed>>>,
    pace: Pace,
) -> Result<Sorted, Failure> {
    let mut lines = Vec::with_capacity(receivers.len());
    for streams in receivers {
        lines.push((streams, Connection::open(target.address).await?));
    }
    let (mut senders, mut arrivals) = (JoinSet::new(), JoinSet::new());
    let start = Instant::now();
    for (line, (streams, connection)) in lines.into_iter().enumerate() {
        let (target, messages) = (Arc::clone(target), Arc::clone(messages));
        let mut departures = Vec::with_capacity(streams.len());
        for stream in streams {
            let (departs, departed) = mpsc::unbounded_channel();
            departures.push(departs);
            arrivals.spawn(receive(stream, departed, messages[line].len()));
        }
        senders.spawn(async move {
            let clock = Clock { pace, start, line, lines: messages.len() };
            send(connection, &target, &messages[line], clock, &departures).await
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    let mut latencies = Latencies::default();
    while let Some(arrived) = arrivals.join_next().await {
        latencies.append(arrived??);
    }
    Ok(latencies.sorted())
}

async fn send(
    mut connection: Connection,
    target: &Target,
    messages: &[Sealed],
    clock: Clock,
    departures: &[mpsc::UnboundedSender<Instant>],
) -> Result<(), Failure> {
    for (number, message) in messages.iter().enumerate() {
        let departure = clock.departure(number).await;
        for receiver in departures {
            receiver.send(departure).map_err(|_| Failure::Stream("its receiver has gone".into()))?;
        }
        let path = target.message_path(message);
        connection.post(&path, message.body.clone(), message.auth.as_deref()).await?;
    }
    Ok(())
}

async fn receive(
    mut stream: LiveStream,
    mut departed: mpsc::UnboundedReceiver<Instant>,
    expected: usize,
) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::with_capacity(expected);
    let mut arrived = 0;
    while arrived < expected {
        for _ in stream.items().await? {
            let departure = departed.try_recv();
            let departure = departure.map_err(|_| Failure::Stream("more items than messages".into()))?;
            latencies.push(departure.elapsed());
            arrived += 1;
        }
    }
    Ok(latencies)
}

/// Schedules the departures of one sender.
struct Clock {
    pace: Pace,
    start: Instant,
    line: usize,
    lines: usize,
}

impl Clock {
    /// Waits until message `number` is due, and returns its departure. If a late answer delayed the message, the
    /// departure is the time when it was due. The timer's own delay, up to a millisecond, is not counted.
    async fn departure(&self, number: usize) -> Instant {
        let Some(due) = self.due(number).filter(|due| *due > Instant::now()) else {
            return self.due(number).unwrap_or_else(Instant::now);
        };
        sleep_until(due.into()).await;
        Instant::now()
    }

    fn due(&self, number: usize) -> Option<Instant> {
        match self.pace {
            Pace::ClosedLoop => None,
            Pace::PerSecond(rate) => {
                let place = (number * self.lines + self.line) as f64;
                Some(self.start + Duration::from_secs_f64(place / f64::from(rate)))
            }
        }
    }
}
