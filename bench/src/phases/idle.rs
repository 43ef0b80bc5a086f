//! Idle: many live streams that have caught up and wait, each of a different user.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::failure::Failure;
use crate::live_stream::LiveStream;
use crate::people::{Person, Sealed};
use crate::process::{Usage, resident_kib};
use crate::target::Target;

/// How many streams connect concurrently.
const AT_ONCE: usize = 32;
/// Lets the connection set-up release its buffers before memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// The cost of waiting connections.
pub(crate) struct Idle {
    /// Resident memory per connection in KiB.
    pub(crate) kib_each: f64,
    /// CPU time to accept a connection, signature included, in milliseconds.
    pub(crate) connect_cpu_ms: f64,
    /// Resident memory in KiB per connection that has sent a message.
    pub(crate) kib_each_after_sending: f64,
}

/// Opens a live stream for each of these users, and then sends each user's messages on it. The target must be fresh:
/// otherwise freed memory would hide what the connections take.
pub(crate) async fn run(
    target: &Arc<Target>,
    people: &[Person],
    messages: &[Vec<Sealed>],
) -> Result<Idle, Failure> {
    target.register(people).await?;
    sleep(SETTLE).await;
    let (before, resident) = (Usage::of(target.pid)?, resident_kib(target.pid)?);
    let mut open: Vec<LiveStream> = stream::iter(people)
        .map(|person| LiveStream::open(target, person))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let used = Usage::of(target.pid)? - before;
    sleep(SETTLE).await;
    let count = open.len() as f64;
    let kib_each = || Ok::<_, Failure>((resident_kib(target.pid)? - resident) / count);
    let idle = kib_each()?;
    stream::iter(open.iter_mut().zip(messages))
        .map(async |(stream, messages)| {
            for (number, message) in (0..).zip(messages) {
                stream.store(number, message).await?;
            }
            Ok::<_, Failure>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    sleep(SETTLE).await;
    Ok(Idle {
        kib_each: idle,
        connect_cpu_ms: used.cpu_seconds * 1e3 / count,
        kib_each_after_sending: kib_each()?,
    })
}
