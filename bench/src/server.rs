//! `kez-bench server`: runs the phases in turn and prints their figures next to the goals: ratios to what the bare
//! writer reaches in the same run, because two runs differ more than two builds. docs/PERFORMANCE.md explains them.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::latency::Sorted;
use crate::people::{self, Person, Sealed};
use crate::phases::limits::{Limits, ROUNDS, SideBySide};
use crate::phases::live::{self, Pace};
use crate::phases::store::{Stored, Way};
use crate::phases::{drain, idle, within};
use crate::process::{anonymous_kib, open_files_allowed, resident_kib};
use crate::report::{Figure, Goal, Report};
use crate::target::{Kind, MESSAGES_PATH, Place, Target, signature};

/// How many messages each sender posts before anything is counted.
const WARM_UP: usize = 64;
/// One message in this many is stored once more, signed by its sender.
const SIGNED: usize = 4;
/// Messages a second in the paced live phase.
const LIVE_RATE: u32 = 500;
/// How many messages wait in each inbox of the drain phase: a full page.
const BACKLOG: usize = 1_000;
/// How often these inboxes are drained.
const DRAINS: u32 = 8;
/// The first inbox number of the senders; each phase has its own inboxes, those of the recipients begin at 0.
const SENDERS_FROM: usize = 1_000_000;
const READERS_FROM: usize = 1_010_000;
const ONLINE_FROM: usize = 1_020_000;
const IDLE_FROM: usize = 1_030_000;

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
    /// How many users send concurrently.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    senders: u16,
    /// How many inboxes the messages are spread over. With few of them, every index stays in memory.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    recipients: u32,
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
    let place = Place::given(options.server_bin.as_deref(), options.dir.as_deref())?;
    let place = Place { postgres: options.postgres.clone(), ..place };
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
    senders: Arc<Vec<Person>>,
    recipients: Arc<Vec<Person>>,
    offline: Arc<Vec<Vec<Sealed>>>,
    signed: Vec<Vec<Sealed>>,
    streamed: Arc<Vec<Vec<Sealed>>>,
    each: usize,
    readers: Arc<Vec<Person>>,
    backlog: Arc<Vec<Vec<Sealed>>>,
    online: Vec<Person>,
    paced: Arc<Vec<Vec<Sealed>>>,
    unpaced: Arc<Vec<Vec<Sealed>>>,
}

impl Load {
    fn prepare(options: &Options) -> Result<Self, Failure> {
        let (count, spread_over) = (usize::from(options.senders), options.recipients as usize);
        let senders = people::people(SENDERS_FROM, count)?;
        let recipients = people::people(0, spread_over)?;
        let (readers, online) = (people::people(READERS_FROM, count)?, people::people(ONLINE_FROM, count)?);
        let each = (options.messages as usize / count).max(ROUNDS);
        let live = (options.live as usize / count).max(1);
        let spread = |i: usize, k: usize| spread(k * count + i, spread_over);
        let turn = |i: usize, k: usize| (i + k) % count;
        Ok(Self {
            offline: people::seal_all(&senders, &recipients, WARM_UP + each, spread)?.into(),
            signed: people::seal_all(&senders, &recipients, each / SIGNED, spread)?,
            streamed: people::seal_all(&senders, &recipients, each / SIGNED, spread)?.into(),
            backlog: people::seal_all(&senders, &readers, BACKLOG.min(each), turn)?.into(),
            paced: people::seal_all(&senders, &online, live, |i, _| i)?.into(),
            unpaced: people::seal_all(&senders, &online, live, |i, _| i)?.into(),
            recipients: recipients.into(),
            readers: readers.into(),
            each,
            online,
            senders: senders.into(),
        })
    }

    async fn store(&self, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
        limits.server.register(&self.recipients).await?;
        let stored = within("store", limits.store(&self.offline, WARM_UP, self.each, None)).await?;
        report.add(database_figures(&stored.server));
        report.add(stored_figures(stored));
        let mib = |kib: fn(u32) -> Result<f64, Failure>, target: &Target| {
            Ok::<_, Failure>(kib(target.pid)? / 1024.0)
        };
        let (server, writer) = (&limits.server, &limits.writer);
        report.add([
            Figure::new("RSS MiB after storing", mib(resident_kib, server)?)
                .writer(mib(resident_kib, writer)?),
            Figure::new("of these anonymous MiB", mib(anonymous_kib, server)?).goal(Goal::AtMost(16.0)),
        ]);
        Ok(())
    }

    /// Stores to the same inboxes, from senders who sign each request, and from the same senders on live streams.
    async fn store_signed(&mut self, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
        limits.server.register(&self.senders).await?;
        let mut messages = mem::take(&mut self.signed);
        for (sender, messages) in self.senders.iter().zip(&mut messages) {
            for message in messages {
                message.auth = Some(signature(sender, "POST", MESSAGES_PATH, &message.body)?);
            }
        }
        let each = self.each / SIGNED;
        let way = Way::Stream(Arc::clone(&self.senders));
        let messages = messages.into();
        let stored = limits.store(&messages, 0, each, Some((&way, &self.streamed)));
        let SideBySide { server, stream, writer, .. } = within("store, signed", stored).await?;
        report.add([
            Figure::new("CPU s per 1,000 stored, sender signs", server.cpu_per_thousand())
                .writer(writer.cpu_per_thousand())
                .goal(Goal::AtMost(2.5)),
            Figure::new("CPU s per 1,000 sent on streams", stream.cpu_per_thousand())
                .signed_post(server.cpu_per_thousand())
                .goal(Goal::AtMost(0.6)),
            Figure::new("acknowledged/s, on streams", stream.per_second()).signed_post(server.per_second()),
        ]);
        let [server, stream, writer] = [server, stream, writer].map(|stored| stored.acks.sorted());
        let of = |acks: &Sorted, percent| acks.percentile_ms(percent);
        report.add([
            Figure::new("ack ms, sender signs, p50", of(&server, 50)).writer(of(&writer, 50)),
            Figure::new("ack ms, sender signs, p99", of(&server, 99)).writer(of(&writer, 99)),
            Figure::new("ack ms, on streams, p50", of(&stream, 50))
                .signed_post(of(&server, 50))
                .goal(Goal::AtMost(0.9)),
            Figure::new("ack ms, on streams, p99", of(&stream, 99)).signed_post(of(&server, 99)),
        ]);
        Ok(())
    }

    /// Reads every inbox once, most of them short, and then a few with a full page over and over.
    async fn drain(&self, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
        let (senders, signed) = (self.senders.len(), self.each / SIGNED);
        let posted = senders * (WARM_UP + self.each + signed);
        let read_all = |target, count| within("drain", drain::run(target, &self.recipients, count, 1));
        let inboxes = self.recipients.len() as f64;
        let writer = read_all(&limits.writer, posted).await?;
        let server = read_all(&limits.server, posted + senders * signed).await?;
        report.add([Figure::new("CPU ms per inbox read, all inboxes", server * 1e3 / inboxes)
            .writer(writer * 1e3 / inboxes)]);
        limits.server.register(&self.readers).await?;
        let (each, waiting) = (self.backlog[0].len(), self.backlog.iter().map(Vec::len).sum());
        for target in [&limits.writer, &limits.server] {
            within("drain", Stored::default().round(target, &Way::Post, &self.backlog, 0, each)).await?;
        }
        let drain = |target| within("drain", drain::run(target, &self.readers, waiting, DRAINS));
        let (writer, server) = (drain(&limits.writer).await?, drain(&limits.server).await?);
        let thousands = waiting as f64 / 1e3;
        report.add([Figure::new("CPU s per 1,000 drained, full pages", server / thousands)
            .writer(writer / thousands)
            .goal(Goal::AtMost(0.9))]);
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
                .goal(Goal::AtMost(1.3)),
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

/// The recipient of a message: all get nearly the same number, and consecutive messages go to inboxes that are far
/// apart in every index.
fn spread(message: usize, recipients: usize) -> usize {
    // The golden ratio as a binary fraction; its multiples modulo 1 are evenly distributed.
    let fraction = (message as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((u128::from(fraction) * recipients as u128) >> 64) as usize
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

fn stored_figures(stored: SideBySide) -> [Figure; 6] {
    let SideBySide { server, writer, echo, .. } = stored;
    let throughput = Figure::new("acknowledged/s", server.per_second())
        .writer(writer.per_second())
        .echo(echo.per_second())
        .goal(Goal::AtLeast(0.85));
    let cpu = Figure::new("CPU s per 1,000 stored", server.cpu_per_thousand())
        .writer(writer.cpu_per_thousand())
        .echo(echo.cpu_per_thousand())
        .goal(Goal::AtMost(1.5));
    let written = Figure::new("KiB written to disk per message", server.written_kib_each())
        .writer(writer.written_kib_each())
        .goal(Goal::AtMost(0.7));
    let acks = [server.acks, writer.acks, echo.acks].map(|acks| acks.sorted());
    let ack = |name, percent| {
        let [server, writer, echo] = [0, 1, 2].map(|target: usize| acks[target].percentile_ms(percent));
        Figure::new(name, server).writer(writer).echo(echo)
    };
    [
        throughput,
        cpu,
        written,
        ack("ack ms, p50", 50),
        ack("ack ms, p99", 99).goal(Goal::AtMost(1.0)),
        ack("ack ms, worst", 100),
    ]
}

async fn idle(count: usize, place: &Place, report: &mut Report) -> Result<(), Failure> {
    let (people, recipients) = (people::people(IDLE_FROM, count)?, people::people(0, 1)?);
    let messages = people::seal_all(&people, &recipients, 1, |_, _| 0)?;
    let target = Target::yardstick(Kind::Writer, &place.directory).await?.into();
    let writer = within("idle", idle::run(&target, &people, &[])).await?;
    let target = Arc::new(Target::server(place).await?);
    target.register(&recipients).await?;
    let server = within("idle", idle::run(&target, &people, &messages)).await?;
    report.add([
        Figure::new("RSS KiB per idle live stream", server.kib_each)
            .writer(writer.kib_each)
            .goal(Goal::AtMost(0.75)),
        Figure::new("RSS KiB per stream that has sent 1 KiB", server.kib_each_after_sending),
        Figure::new("CPU ms per connect, with signature", server.connect_cpu_ms)
            .writer(writer.connect_cpu_ms)
            .goal(Goal::AtMost(2.0)),
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_spread_evenly_and_without_order() {
        let mut counts = [0; 100];
        for message in 0..1_000 {
            counts[spread(message, 100)] += 1;
        }
        assert!(counts.iter().all(|count| (8..=12).contains(count)), "{counts:?}");
        let first: Vec<_> = (0..4).map(|message| spread(message, 10_000)).collect();
        assert_eq!(first, [0, 6180, 2360, 8541]);
    }
}
