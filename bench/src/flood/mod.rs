//! `kez-bench flood`: attackers of every kind flood a server that runs with its limits on. Does it still serve users
//! who know each other, and does the disk stay within the quotas?
//!
//! The flood comes from many client networks, IPv4 and IPv6, half of them through a proxy: anonymous senders with large
//! and small envelopes, registered strangers, invalid signatures, new accounts, look-ups and profile pages, and stalled
//! connections. During the flood, each of some known senders writes to one user at intervals, who reads the live
//! stream.

mod attackers;
mod known;
mod verdict;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::origin::PROXIES;
use crate::process::{Usage, load_average, raise_open_files, resident_kib};
use crate::target::{Place, Target};
use attackers::Flood;
use known::Conversations;
use verdict::{Load, Quotas, Verdict};

/// The shortest quiet period before the flood, in seconds: long enough for every sender to write once.
const QUIET: u64 = 5;
/// How long acknowledged messages may take to arrive on the live streams after the flood.
const FAREWELL: Duration = Duration::from_secs(30);

/// The settings of the run.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// The server's binary [default: beside this program]
    #[arg(long, value_name = "FILE")]
    server_bin: Option<PathBuf>,
    /// Where the database goes [default: beside this program]
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// The built web app, for profile pages; without it they answer with a plain 404.
    #[arg(long, value_name = "DIRECTORY")]
    web_dir: Option<PathBuf>,
    /// How long the flood lasts.
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(3..=3600))]
    seconds: u64,
    /// How many known senders there are, each with one recipient.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pairs: u16,
    /// How many client networks the flood comes from, half of them through a proxy.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(4..=4096))]
    networks: u16,
    /// How many connections are stalled at any time.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(0..=8000))]
    stalled: u16,
    /// Uses quotas that fill within seconds, and prints times without judging them: for a busy machine.
    #[arg(long)]
    brief: bool,
}

/// Runs the flood, prints the results, and fails when the server breaks a promise.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    raise_open_files()?;
    let place = Place::given(options.server_bin.as_deref(), options.dir.as_deref())?;
    let quotas = if options.brief { Quotas::BRIEF } else { Quotas::DEFAULT };
    let flags = quotas.flags();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.extend(["--trusted-proxies", PROXIES]);
    let web_dir = options.web_dir.as_ref().map(|dir| format!("--web-dir={}", dir.display()));
    flags.extend(web_dir.as_deref());
    let target = Arc::new(Target::limited_server(&place, &flags).await?);
    println!("load average before: {}", load_average()?);

    let pairs = usize::from(options.pairs);
    let conversations = Arc::new(Conversations::prepare(&target, pairs, options.seconds).await?);
    let flood = Flood::prepare(&target, usize::from(options.networks), conversations.recipients()).await?;
    let mut readers = JoinSet::new();
    for pair in 0..pairs {
        readers.spawn(Arc::clone(&conversations).read(Arc::clone(&target), pair));
    }
    let mut senders = JoinSet::new();
    for pair in 0..pairs {
        senders.spawn(Arc::clone(&conversations).send(Arc::clone(&target), pair));
    }
    // The same users' latencies without a flood, for comparison.
    sleep(Duration::from_secs(options.seconds.div_ceil(12).max(QUIET))).await;
    let load = under_load(options, &target, &conversations, &flood).await?;
    conversations.stop();
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    let all_arrived = timeout(FAREWELL, conversations.all_arrived()).await.is_ok();
    readers.shutdown().await;
    println!("load average after: {}", load_average()?);
    Verdict { quotas, load, pairs, all_arrived, brief: options.brief }
        .tell(&target, &conversations, &flood)
        .await
}

/// Runs the flood for its time, and measures the server.
async fn under_load(
    options: &Options,
    target: &Arc<Target>,
    conversations: &Conversations,
    flood: &Flood,
) -> Result<Load, Failure> {
    let (disk, before) = (target.disk_bytes()?, Usage::of(target.pid)?);
    let mut load =
        Load { disk_before: disk, disk_most: disk, rss_before: resident_kib(target.pid)?, ..Load::default() };
    let mut attackers = flood.begin(target, usize::from(options.stalled));
    conversations.flood_begins();
    for _ in 0..options.seconds {
        sleep(Duration::from_secs(1)).await;
        load.disk_most = load.disk_most.max(target.disk_bytes()?);
        load.rss_most = load.rss_most.max(resident_kib(target.pid)?);
    }
    conversations.flood_ends();
    attackers.shutdown().await;
    load.cpu_seconds = (Usage::of(target.pid)? - before).cpu_seconds;
    load.seconds = options.seconds as f64;
    Ok(load)
}
