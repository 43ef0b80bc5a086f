//! `kez-bench server`: runs the phases in turn and prints their figures next to the goals of docs/PERFORMANCE.md.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::latency::Latencies;
use crate::people::{self, Person, Sealed};
use crate::phases::limits::{Limits, ROUNDS, SideBySide};
use crate::phases::live::{self, Pace};
use crate::phases::store::Stored;
use crate::phases::{drain, idle, within};
use crate::process::{open_files_allowed, resident_kib};
use crate::report::{Figure, Goal, Report};
use crate::target::{Kind, Place, Target, signature};

/// How many messages each sender posts before anything is counted.
const WARM_UP: usize = 64;
/// One message in this many is stored once more, signed by its sender.
const SIGNED: usize = 4;
/// Messages a second in the paced live phase.
const LIVE_RATE: u32 = 500;
/// The first inbox number of the senders; each phase has its own inboxes.
const SENDERS_FROM: usize = 5_000;
const ONLINE_FROM: usize = 10_000;
const IDLE_FROM: usize = 20_000;

/// The settings of the run. The report repeats those that the figures depend on.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Options {
    /// The server's release binary [default: beside this program]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    server_bin: Option<PathBuf>,
    /// Where the databases go: a directory on the disk to measure [default: beside this program]
    #[arg(long, value_name = "DIRECTORY")]
    #[serde(skip)]
    dir: Option<PathBuf>,
    /// A PostgreSQL server on this machine to use instead of SQLite: the URL of a database on it, with a role that may
    /// create databases. The database kez_bench is created anew.
    #[arg(long, value_name = "URL")]
    #[serde(skip)]
    postgres: Option<String>,
    /// Also writes the figures to this file.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    json: Option<PathBuf>,
    /// How many users send concurrently, to as many recipients.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    senders: u16,
    /// How many messages are stored.
    #[arg(long, default_value_t = 64_000, value_parser = clap::value_parser!(u32).range(1_000..=500_000))]
    messages: u32,
    /// How many messages are sent in each of the two live loads.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(500..=50_000))]
    live: u32,
    /// How many idle live streams there are.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    idle: u32,
}

/// Runs all phases.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let beside = std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default();
    let place = Place {
        binary: options.server_bin.clone().unwrap_or_else(|| beside.join("kez-chat-server")),
        directory: options.dir.clone().unwrap_or(beside),
        postgres: options.postgres.clone(),
    };
    let (wanted, allowed) = (options.idle as usize, open_files_allowed()?);
    if wanted + 200 > allowed {
        return Err(Failure::OpenFiles { wanted, allowed });
    }
    let mut load = Load::prepare(options)?;
    let mut report = Report::start(options)?;
    let limits = Limits::start(&place).await?;
    load.store(&limits, &mut report).await?;
    load.store_signed(&limits, &mut report).await?;
    load.drain(&limits, &mut report).await?;
    load.live(&limits, &mut report).await?;
    drop(limits);
    idle(options.idle as usize, &place, &mut report).await?;
    report.end(options.json.as_deref())
}

/// The messages to send, sealed before the first clock runs.
struct Load {
    senders: Vec<Person>,
    recipients: Arc<Vec<Person>>,
    offline: Arc<Vec<Vec<Sealed>>>,
    signed: Vec<Vec<Sealed>>,
    each: usize,
    online: Vec<Person>,
    paced: Arc<Vec<Vec<Sealed>>>,
    unpaced: Arc<Vec<Vec<Sealed>>>,
}

impl Load {
    fn prepare(options: &Options) -> Result<Self, Failure> {
        let count = usize::from(options.senders);
        let senders = people::people(SENDERS_FROM, count)?;
        let (recipients, online) = (people::people(0, count)?, people::people(ONLINE_FROM, count)?);
        let each = (options.messages as usize / count).max(ROUNDS);
        let live = (options.live as usize / count).max(1);
        let turn = |i: usize, k: usize| (i + k) % count;
        Ok(Self {
            offline: people::seal_all(&senders, &recipients, WARM_UP + each, turn)?.into(),
            signed: people::seal_all(&senders, &recipients, each / SIGNED, turn)?,
            paced: people::seal_all(&senders, &online, live, |i, _| i)?.into(),
            unpaced: people::seal_all(&senders, &online, live, |i, _| i)?.into(),
            recipients: recipients.into(),
            each,
            online,
            senders,
        })
    }

    async fn store(&self, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
        limits.server.register(&self.recipients).await?;
        let stored = within("store", limits.store(&self.offline, WARM_UP, self.each)).await?;
        report.add(database_figures(&stored.server));
        report.add(stored_figures(stored));
        let [server, writer] = [&limits.server, &limits.writer]
            .map(|target| Ok::<_, Failure>(resident_kib(target.pid)? / 1024.0));
        report.add([Figure::new("RSS MiB after storing", server?).writer(writer?).goal(Goal::AtMost(12.0))]);
        Ok(())
    }

    /// Stores to inboxes as long as before, from senders who sign.
    async fn store_signed(&mut self, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
        limits.server.register(&self.senders).await?;
        let mut messages = mem::take(&mut self.signed);
        for (sender, messages) in self.senders.iter().zip(&mut messages) {
            for message in messages {
                message.auth = Some(signature(sender, "POST", "/v1/messages", &message.body)?);
            }
        }
        let each = self.each / SIGNED;
        let SideBySide { server, writer, .. } =
            within("store, signed", limits.store(&messages.into(), 0, each)).await?;
        report.add([Figure::new("CPU s per 1,000 stored, sender signs", server.cpu_per_thousand())
            .writer(writer.cpu_per_thousand())
            .goal(Goal::AtMost(0.085))]);
        let acks = [server.acks, writer.acks].map(Latencies::sorted);
        report.add([50, 99].map(|percent| {
            let name = if percent == 50 { "ack ms, sender signs, p50" } else { "ack ms, sender signs, p99" };
            Figure::new(name, acks[0].percentile_ms(percent)).writer(acks[1].percentile_ms(percent))
        }));
        Ok(())
    }

    async fn drain(&self, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
        let acknowledged = self.recipients.len() * (WARM_UP + self.each + self.each / SIGNED);
        let writer = within("drain", drain::run(&limits.writer, &self.recipients, acknowledged)).await?;
        let server = within("drain", drain::run(&limits.server, &self.recipients, acknowledged)).await?;
        let goal = Goal::AtMost(0.004);
        report.add([Figure::new("CPU s per 1,000 drained", server).writer(writer).goal(goal)]);
        Ok(())
    }

    async fn live(&self, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
        limits.server.register(&self.online).await?;
        let run = |target, messages, pace| within("live", live::run(target, &self.online, messages, pace));
        let pace = Pace::PerSecond(LIVE_RATE);
        let writer = run(&limits.writer, &self.paced, pace).await?;
        let server = run(&limits.server, &self.paced, pace).await?;
        report.add([
            Figure::new("live ms at 500/s, p50", server.percentile_ms(50))
                .writer(writer.percentile_ms(50))
                .goal(Goal::AtMost(0.6)),
            Figure::new("live ms at 500/s, p99", server.percentile_ms(99))
                .writer(writer.percentile_ms(99))
                .goal(Goal::AtMost(1.0)),
        ]);
        let writer = run(&limits.writer, &self.unpaced, Pace::ClosedLoop).await?;
        let server = run(&limits.server, &self.unpaced, Pace::ClosedLoop).await?;
        report.add([50, 99].map(|percent| {
            let name = if percent == 50 { "live ms, closed loop, p50" } else { "live ms, closed loop, p99" };
            Figure::new(name, server.percentile_ms(percent)).writer(writer.percentile_ms(percent))
        }));
        Ok(())
    }
}

/// The resources used by the database server besides the server itself.
fn database_figures(stored: &Stored) -> Vec<Figure> {
    let Some(used) = stored.database else { return Vec::new() };
    let messages = stored.messages as f64;
    vec![
        Figure::new("PostgreSQL: CPU s per 1,000 stored", used.cpu_seconds / messages * 1e3),
        Figure::new("PostgreSQL: KiB written per message", used.written_bytes / 1024.0 / messages),
    ]
}

fn stored_figures(stored: SideBySide) -> [Figure; 7] {
    let SideBySide { server, writer, echo } = stored;
    let ratio = server.per_second() / writer.per_second();
    let throughput = Figure::new("acknowledged/s", server.per_second())
        .writer(writer.per_second())
        .echo(echo.per_second());
    let cpu = Figure::new("CPU s per 1,000 stored", server.cpu_per_thousand())
        .writer(writer.cpu_per_thousand())
        .echo(echo.cpu_per_thousand())
        .goal(Goal::AtMost(0.045));
    let written = Figure::new("KiB written to disk per message", server.written_kib_each())
        .writer(writer.written_kib_each())
        .goal(Goal::AtMost(3.0));
    let acks = [server.acks, writer.acks, echo.acks].map(|acks| acks.sorted());
    let ack = |name, percent, goal| {
        let [server, writer, echo] = [0, 1, 2].map(|target: usize| acks[target].percentile_ms(percent));
        Figure::new(name, server).writer(writer).echo(echo).goal(Goal::AtMost(goal))
    };
    [
        cpu,
        throughput,
        Figure::new("acknowledged/s, relative to the writer", ratio).writer(1.0).goal(Goal::AtLeast(1.0)),
        ack("ack ms, p50", 50, 1.0),
        ack("ack ms, p99", 99, 5.0),
        ack("ack ms, worst", 100, 25.0),
        written,
    ]
}

async fn idle(count: usize, place: &Place, report: &mut Report) -> Result<(), Failure> {
    let people = people::people(IDLE_FROM, count)?;
    let target = Target::yardstick(Kind::Writer, &place.directory).await?.into();
    let writer = within("idle", idle::run(&target, &people)).await?;
    let target = Target::server(place).await?.into();
    let server = within("idle", idle::run(&target, &people)).await?;
    report.add([
        Figure::new("RSS KiB per idle live connection", server.kib_each)
            .writer(writer.kib_each)
            .goal(Goal::AtMost(6.0)),
        Figure::new("CPU ms per connect, with signature", server.connect_cpu_ms)
            .writer(writer.connect_cpu_ms)
            .goal(Goal::AtMost(0.12)),
    ]);
    Ok(())
}
