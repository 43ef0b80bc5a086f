//! Users without a stream: they look up handles and write messages, ten times a second, and record their latencies.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::failure::Failure;
use crate::latency::Latencies;
use crate::origin::Origin;
use crate::party::{Party, ask_patiently};
use crate::target::Target;

/// The first number of their friends and of their own networks, apart from all others.
const FRIENDS_FROM: usize = 50_000;
const FRIENDS: usize = 100;
const NETWORKS: usize = 200;
const EVERY: Duration = Duration::from_millis(100);

/// The users without a stream; see the module. They stop when this is dropped.
pub(super) struct PassersBy {
    noted: Arc<Mutex<Noted>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Noted {
    waited: Latencies,
    busy: usize,
    failed: Vec<String>,
}

impl PassersBy {
    /// Registers their friends and starts.
    pub(super) async fn start(target: &Arc<Target>) -> Result<Self, Failure> {
        let friends = Party::register(target, FRIENDS_FROM, FRIENDS).await?;
        let (target, noted) = (Arc::clone(target), Arc::<Mutex<Noted>>::default());
        let task = tokio::spawn({
            let noted = Arc::clone(&noted);
            async move {
                let mut interval = interval(EVERY);
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for number in 0.. {
                    interval.tick().await;
                    let start = Instant::now();
                    let done = ask(&target, &friends[number % friends.len()], number).await;
                    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    match done {
                        Ok(busy) => {
                            noted.busy += busy;
                            noted.waited.push(start.elapsed());
                        }
                        Err(failure) => noted.failed.push(failure.to_string()),
                    }
                }
            }
        });
        Ok(Self { noted, task })
    }

    /// Prints their latencies since the last call. A refusal breaks the promise, and so does a 99th percentile over the
    /// limit.
    pub(super) fn tell(&self, what: &str, limit_ms: Option<f64>, broken: &mut Vec<String>) {
        let Noted { waited, busy, failed } =
            std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        let sorted = waited.sorted();
        let [p50, p99, worst] = [50, 99, 100].map(|percent| sorted.percentile_ms(percent));
        println!(
            "{what}: {} requests, {busy} tries met a busy server, {} failed, ms p50 / p99 / worst: \
             {p50:.1} / {p99:.1} / {worst:.1}",
            sorted.count(),
            failed.len(),
        );
        if let Some(first) = failed.first() {
            broken.push(format!("{what}: {} requests failed, one with: {first}", failed.len()));
        }
        if sorted.count() == 0 {
            broken.push(format!("{what}: no request was served"));
        }
        if limit_ms.is_some_and(|limit| p99 >= limit) {
            broken.push(format!("{what}: p99 is {p99:.0} ms"));
        }
    }
}

impl Drop for PassersBy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks up a friend, or writes to them. Returns how often the server was too busy.
async fn ask(target: &Target, friend: &Party, number: usize) -> Result<usize, Failure> {
    let origin = Origin::proxied(FRIENDS_FROM + FRIENDS + number % NETWORKS);
    let handle = &friend.person.handle;
    let (method, path, body) = if number.is_multiple_of(2) {
        (Method::GET, format!("/v1/u/{handle}"), Bytes::new())
    } else {
        let body = format!(r#"{{"to":"{handle}","envelope":{{"number":{number}}}}}"#);
        (Method::POST, "/v1/messages".to_owned(), body.into())
    };
    ask_patiently(origin, target, method, &path, body).await.map(|(_, busy)| busy)
}
