//! `kez-bench groups`: the same texts as version 1 messages and in groups, on one server, in turn. The members of one group
//! of 50 write to each other one to one in both ways, and in the group.

mod device;
mod group;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use kez_core::mls::GroupId;
use kez_core::mls::policy::Kind;
use serde::Serialize;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::latency::Sorted;
use crate::live_stream::LiveStream;
use crate::people::{self, Person, Sealed};
use crate::phases::limits::ROUNDS;
use crate::phases::live::{self, Pace};
use crate::phases::store::{Stored, Way};
use crate::phases::within;
use crate::report::{Figure, Goal, Report};
use crate::target::{MESSAGES_PATH, Place, Target, signature};
use device::Device;
use group::Group;

/// How many people the large group has.
const MEMBERS: usize = 50;
/// How many of them send at once: as many as in the other phases.
const SENDERS: usize = 32;
/// Messages a second in the live phase.
const LIVE_RATE: u32 = 20;
/// A message takes too little CPU for the resolution of the kernel's clock, so there are more of them than of commits.
const MESSAGES_PER_COMMIT: usize = 10;

/// The settings of the run. The report repeats those that the figures depend on.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct Options {
    /// The server's release binary [default: beside this program]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    server_bin: Option<PathBuf>,
    /// Where the database goes [default: beside this program]
    #[arg(long, value_name = "DIRECTORY")]
    #[serde(skip)]
    dir: Option<PathBuf>,
    /// Also writes the figures to this file.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    json: Option<PathBuf>,
    /// How many messages are stored in each way.
    #[arg(long, default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(1_000..=80_000))]
    messages: u32,
    /// How many commits are made in a group of each size.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    commits: u32,
    /// How many messages are sent in each of the two live loads.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(50..=2_000))]
    live: u32,
}

/// Runs all phases.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let place = Place::given(options.server_bin.as_deref(), options.dir.as_deref())?;
    let target = Arc::new(Target::server(&place).await?);
    let mut world = World::found(target).await?;
    let mut report = Report::start(options)?;
    // First, because a stream begins with the backlog.
    world.live(options.live as usize, &mut report).await?;
    world.store(options.messages as usize / SENDERS, &mut report).await?;
    world.commit(options.commits as usize, &mut report).await?;
    report.end(options.json.as_deref())
}

/// A server with people, each with a device, who are in one group together and in another one in pairs.
struct World {
    target: Arc<Target>,
    devices: Vec<Arc<Device>>,
    group: Group,
    pairs: Vec<Group>,
}

/// Messages by sender.
type Rows = Vec<Vec<Sealed>>;

impl World {
    async fn found(target: Arc<Target>) -> Result<Self, Failure> {
        let people = people::people(0, MEMBERS)?;
        target.register(&people).await?;
        let mut connection = Connection::open(target.address).await?;
        let mut devices = Vec::with_capacity(MEMBERS);
        for person in people {
            devices.push(Arc::new(Device::certify(&mut connection, person).await?));
        }
        let gid = |number: usize| GroupId::from_bytes((number as u128).to_be_bytes());
        let group = Group::found(&mut connection, gid(0), Kind::Group, &devices).await?;
        let mut pairs = Vec::with_capacity(SENDERS / 2);
        for (number, pair) in (1..).zip(devices[..SENDERS].chunks(2)) {
            pairs.push(Group::found(&mut connection, gid(number), Kind::Direct, pair).await?);
        }
        Ok(Self { target, devices, group, pairs })
    }

    /// Stores messages in the three ways in turn, and then some more to see how the files grow.
    async fn store(&mut self, each: usize, report: &mut Report) -> Result<(), Failure> {
        // Not counted: the tables are still small.
        self.round(each / ROUNDS, &mut Default::default()).await?;
        let mut stored = Default::default();
        for _ in 0..ROUNDS {
            self.round(each / ROUNDS, &mut stored).await?;
        }
        let [v1, grouped, paired] = stored;
        report.add([
            Figure::new("CPU s per 1,000, one to one, group of 2", paired.cpu_per_thousand())
                .version_1(v1.cpu_per_thousand()),
            Figure::new("CPU s per 1,000, group of 50", grouped.cpu_per_thousand())
                .version_1(v1.cpu_per_thousand())
                .absolute_goal(Goal::AtMost(0.095)),
            Figure::new("acknowledged/s, group of 2", paired.per_second()).version_1(v1.per_second()),
            Figure::new("acknowledged/s, group of 50", grouped.per_second()).version_1(v1.per_second()),
            Figure::new("KiB written per message, group of 50", grouped.written_kib_each())
                .version_1(v1.written_kib_each()),
        ]);
        let [v1, grouped, paired] = [v1, grouped, paired].map(|stored| stored.acks.sorted());
        for percent in [50, 99] {
            let names = if percent == 50 {
                ["ack ms, group of 2, p50", "ack ms, group of 50, p50"]
            } else {
                ["ack ms, group of 2, p99", "ack ms, group of 50, p99"]
            };
            let figure = |(name, acks): (_, &Sorted)| {
                Figure::new(name, acks.percentile_ms(percent)).version_1(v1.percentile_ms(percent))
            };
            report.add(names.into_iter().zip([&paired, &grouped]).map(figure));
        }
        self.disk(each / 2, report).await
    }

    async fn disk(&mut self, each: usize, report: &mut Report) -> Result<(), Failure> {
        let [to_one, to_group, _] = self.messages(each)?;
        let body =
            |rows: &Rows| rows.iter().flatten().map(|message| message.body.len()).max().unwrap_or_default();
        report.add([Figure::new("bytes of a request's body, group of 50", body(&to_group) as f64)
            .version_1(body(&to_one) as f64)]);
        within("disk", self.target.log_emptied()).await?;
        let mut kib = [0.0; 2];
        for (kib, rows) in kib.iter_mut().zip([to_one, to_group]) {
            let before = self.target.disk_bytes()?;
            within("disk", Stored::default().round(&self.target, &Way::Post, &rows.into(), 0, each)).await?;
            within("disk", self.target.log_emptied()).await?;
            let grown = self.target.disk_bytes()?.saturating_sub(before);
            *kib = grown as f64 / 1024.0 / (each * SENDERS) as f64;
        }
        let [v1, group] = kib;
        report.add([Figure::new("KiB on disk per message, group of 50", group)
            .version_1(v1)
            .absolute_goal(Goal::AtMost(3.0))]);
        Ok(())
    }

    /// From one sender to one stream, and from a member of the group to the streams of all members.
    async fn live(&mut self, count: usize, report: &mut Report) -> Result<(), Failure> {
        let pace = Pace::PerSecond(LIVE_RATE);
        let to_one = self.version_1(1, count, |_, _| 1)?.into();
        let recipient = std::slice::from_ref(&self.devices[1].person);
        let v1 = within("live", live::run(&self.target, recipient, &to_one, pace)).await?;
        let mut to_group = self.group.messages(1, count)?;
        self.group.sign(&mut to_group)?;
        let to_group = to_group.into();
        let mut streams = Vec::with_capacity(MEMBERS);
        for device in &self.devices {
            let cursor = (self.group.gid, self.group.head);
            streams.push(LiveStream::open_group(&self.target, &device.person, cursor).await?);
        }
        let sent = live::deliver(&self.target, vec![streams], &to_group, pace);
        let group = within("live", sent).await?;
        report.add([
            Figure::new("live ms at 20/s to 50 members, p50", group.percentile_ms(50))
                .version_1(v1.percentile_ms(50))
                .absolute_goal(Goal::AtMost(2.0)),
            Figure::new("live ms at 20/s to 50 members, p99", group.percentile_ms(99))
                .version_1(v1.percentile_ms(99))
                .absolute_goal(Goal::AtMost(8.0)),
        ]);
        Ok(())
    }

    /// Commits that only replace their author's keys, beside version 1 messages from one sender.
    async fn commit(&mut self, count: usize, report: &mut Report) -> Result<(), Failure> {
        let messages = self.version_1(1, count * MESSAGES_PER_COMMIT, |_, _| 1)?;
        let founder = |group: &mut Group| {
            let mut rows = vec![group.updates(count)?];
            group.sign(&mut rows)?;
            Ok::<_, Failure>(rows)
        };
        let of_two = founder(self.pairs.first_mut().ok_or(Failure::protocol("no pair"))?)?;
        let of_all = founder(&mut self.group)?;
        let mut cpu = [0.0; 3];
        for (cpu, rows) in cpu.iter_mut().zip([messages, of_two, of_all]) {
            let (mut stored, each) = (Stored::default(), rows.iter().map(Vec::len).sum());
            within("commits", stored.round(&self.target, &Way::Post, &rows.into(), 0, each)).await?;
            *cpu = stored.cpu_per_thousand() / 10.0;
        }
        let [v1, of_two, of_all] = cpu;
        report.add([
            Figure::new("CPU s per 100 commits, group of 2", of_two).version_1(v1),
            Figure::new("CPU s per 100 commits, group of 50", of_all).version_1(v1),
        ]);
        Ok(())
    }

    /// Adds a round of messages in each of the three ways.
    async fn round(&mut self, each: usize, stored: &mut [Stored; 3]) -> Result<(), Failure> {
        for (stored, rows) in stored.iter_mut().zip(self.messages(each)?) {
            within("store", stored.round(&self.target, &Way::Post, &rows.into(), 0, each)).await?;
        }
        Ok(())
    }

    /// Signed messages in the three ways, `each` from each sender: version 1, in the large group, in pairs.
    fn messages(&mut self, each: usize) -> Result<[Rows; 3], Failure> {
        // To all the others in turn.
        let to_one = self.version_1(SENDERS, each, |i, k| (i + 1 + k % (MEMBERS - 1)) % MEMBERS)?;
        let mut to_group = self.group.messages(SENDERS, each)?;
        self.group.sign(&mut to_group)?;
        let mut to_pair = Vec::with_capacity(SENDERS);
        for pair in &mut self.pairs {
            let mut rows = pair.messages(2, each)?;
            pair.sign(&mut rows)?;
            to_pair.append(&mut rows);
        }
        Ok([to_one, to_group, to_pair])
    }

    /// Signed version 1 messages, `each` from each of the first `senders` people; `to` gives the recipient of the k-th
    /// message of sender i.
    fn version_1(
        &self,
        senders: usize,
        each: usize,
        to: impl Fn(usize, usize) -> usize + Sync,
    ) -> Result<Rows, Failure> {
        let people: Vec<&Person> = self.devices.iter().map(|device| &device.person).collect();
        let mut rows = people::seal_all(&people[..senders], &people, each, to)?;
        for (sender, row) in people.into_iter().zip(&mut rows) {
            for message in row {
                message.auth = Some(signature(sender, "POST", MESSAGES_PATH, &message.body)?);
            }
        }
        Ok(rows)
    }
}
