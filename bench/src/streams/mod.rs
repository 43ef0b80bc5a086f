//! `kez-bench streams`: thousands of users with live streams on one server with its limits on. All streams are cut at
//! once and reconnect, round after round. No user may be refused for good, every message must reach its reader once,
//! other users must be served during the storm, and memory must not grow from round to round.

mod crowd;
mod passers_by;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::origin::PROXIES;
use crate::party::Party;
use crate::process::{Usage, load_average, open_files_allowed, raise_open_files, resident_kib};
use crate::target::{Place, Target};
use crowd::Crowd;
use passers_by::PassersBy;

/// Lets the connection set-up release its buffers before memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// Longer than the server's intervals for reading each inbox again and for pinging each client.
const IDLE: Duration = Duration::from_secs(40);
/// How much more memory a later round may take than the first, as a factor: allocators round up.
const GROWTH: f64 = 1.25;
/// A difference in memory below this is noise.
const NOISE_KIB: f64 = 16.0 * 1024.0;
/// The limit for the 99th percentile of other users outside a storm, in milliseconds.
const P99_MS: f64 = 500.0;

/// The settings of the run.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// The server's binary [default: beside this program]
    #[arg(long, value_name = "FILE")]
    server_bin: Option<PathBuf>,
    /// Where the database goes [default: beside this program]
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// How many live streams there are.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    streams: u32,
    /// How often all of them are cut.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The time in seconds over which the cut users make their first attempt: real clients do so within the first
    /// second. With 0, all reconnect at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=120))]
    spread: u64,
    /// Shortens the idle period, and prints times and memory without judging them: for a busy machine.
    #[arg(long)]
    brief: bool,
}

/// Runs the rounds, prints the results, and fails when the server breaks a promise.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    raise_open_files()?;
    let (wanted, allowed) = (options.streams as usize, open_files_allowed()?);
    if wanted + 500 > allowed {
        return Err(Failure::OpenFiles { wanted, allowed });
    }
    let place = Place::given(options.server_bin.as_deref(), options.dir.as_deref())?;
    let target = Arc::new(Target::limited_server(&place, &["--trusted-proxies", PROXIES]).await?);
    println!("load average before: {}", load_average()?);
    let others = PassersBy::start(&target).await?;
    let parties = Party::register(&target, 0, wanted).await?;
    let run = Run { options, crowd: Crowd::new(&target, parties), target, others };
    let result = run.all_rounds().await;
    println!("load average after: {}", load_average()?);
    result
}

struct Run<'a> {
    options: &'a Options,
    target: Arc<Target>,
    crowd: Arc<Crowd>,
    others: PassersBy,
}

impl Run<'_> {
    async fn all_rounds(self) -> Result<(), Failure> {
        let mut broken = Vec::new();
        let count = f64::from(self.options.streams);
        sleep(SETTLE).await;
        let (before, rss) = (Usage::of(self.target.pid)?, self.rss()?);
        let followers = self.crowd.follow();
        let connected = self.all_are_back("connected").await?;
        let used = Usage::of(self.target.pid)? - before;
        sleep(SETTLE).await;
        let full = self.rss()?;
        println!(
            "{count} streams in {:.1} s: {:.3} CPU ms to connect, {:.1} KiB of memory for each (RSS {:.1} -> {:.1} MiB)",
            connected.as_secs_f64(),
            used.cpu_seconds * 1e3 / count,
            (full - rss) / count,
            rss / 1024.0,
            full / 1024.0,
        );
        self.idle().await?;
        self.mail("before a storm").await?;
        self.others.tell(
            "others, while the streams idled",
            (!self.options.brief).then_some(P99_MS),
            &mut broken,
        );
        let first = self.rss()?;
        for round in 1..=self.options.rounds {
            self.storm(round).await?;
        }
        self.others.tell("others, during the storms", None, &mut broken);
        let last = self.rss()?;
        println!(
            "RSS MiB after the first mail / after {} storms: {:.1} / {:.1}",
            self.options.rounds,
            first / 1024.0,
            last / 1024.0
        );
        if last > first * GROWTH + NOISE_KIB && !self.options.brief {
            broken.push(format!("memory grew from {first:.0} to {last:.0} KiB"));
        }
        self.crowd.judge(&mut broken);
        followers.stop().await?;
        sleep(SETTLE).await;
        println!("RSS MiB with all streams gone: {:.1}", self.rss()? / 1024.0);
        if broken.is_empty() { Ok(()) } else { Err(Failure::Broken(broken.join("; "))) }
    }

    async fn idle(&self) -> Result<(), Failure> {
        let (time, before) = (if self.options.brief { SETTLE } else { IDLE }, Usage::of(self.target.pid)?);
        sleep(time).await;
        let used = Usage::of(self.target.pid)? - before;
        let share = used.cpu_seconds / time.as_secs_f64();
        println!(
            "idle for {} s: {:.1} % of a core, {:.2} CPU ms a minute for each stream",
            time.as_secs(),
            share * 100.0,
            share * 6e4 / f64::from(self.options.streams),
        );
        Ok(())
    }

    /// Cuts all streams, writes to a tenth of the users while they are away, and waits until all are back with their
    /// messages.
    async fn storm(&self, round: u32) -> Result<(), Failure> {
        let before = Usage::of(self.target.pid)?;
        let failed = self.crowd.failed_attempts();
        self.crowd.cut(Duration::from_secs(self.options.spread));
        let (back, written) = tokio::join!(self.all_are_back("back"), self.crowd.write_to_every(10));
        let (back, ()) = (back?, written?);
        self.crowd.everything_arrived().await?;
        let used = Usage::of(self.target.pid)? - before;
        println!(
            "storm {round}: all back after {:.1} s, {} attempts failed, {:.3} CPU ms each, RSS {:.1} MiB",
            back.as_secs_f64(),
            self.crowd.failed_attempts() - failed,
            used.cpu_seconds * 1e3 / f64::from(self.options.streams),
            self.rss()? / 1024.0,
        );
        self.mail("after it").await
    }

    async fn all_are_back(&self, what: &'static str) -> Result<Duration, Failure> {
        let start = Instant::now();
        self.crowd.all_are_connected(what).await?;
        Ok(start.elapsed())
    }

    async fn mail(&self, when: &str) -> Result<(), Failure> {
        let start = Instant::now();
        self.crowd.write_to_every(1).await?;
        self.crowd.everything_arrived().await?;
        let sorted = self.crowd.take_latencies().sorted();
        let [p50, p99, worst] = [50, 99, 100].map(|percent| sorted.percentile_ms(percent));
        println!(
            "one message to each stream {when}: {:.1} s, to the screen ms p50 / p99 / worst: {p50:.1} / {p99:.1} / {worst:.1}",
            start.elapsed().as_secs_f64(),
        );
        Ok(())
    }

    fn rss(&self) -> Result<f64, Failure> {
        resident_kib(self.target.pid)
    }
}
