//! Many members, many commits: one commit of each epoch stands, and all members end in one state.

use std::collections::BTreeSet;

use futures::future::join_all;
use kez_core::api::GroupKind;
use kez_core::mls::policy::{Kind, Role};

use super::mls::{Answers, World};
use crate::proxy::Chance;

/// What the rounds of a race came to.
#[derive(Debug, Default)]
struct Race {
    posts: usize,
    epochs: u64,
    most_tries: usize,
}

/// How often to repeat: a soak sets it.
fn rounds(default: u32) -> u32 {
    std::env::var("KEZ_SOAK_ROUNDS").map_or(default, |rounds| rounds.parse().unwrap())
}

/// The same numbers in a random order.
fn shuffle(numbers: &mut [usize], chance: &mut Chance) {
    for n in (1..numbers.len()).rev() {
        numbers.swap(n, chance.below(n as u64 + 1) as usize);
    }
}

impl World {
    /// All members are admins, and each has joined.
    pub(super) async fn of_admins(count: usize) -> Self {
        let mut world = Self::start(count).await;
        let members: Vec<_> = (0..count).map(|who| (who, Role::Admin)).collect();
        let created = world.create(0, GroupKind::Group, world.policy(Kind::Group, &members)).await;
        assert_eq!(created.status, 201, "{created:?}");
        for who in 1..count {
            assert_eq!(world.join(who).await.status, 201);
        }
        world
    }

    /// These members commit at once, and those that lose try again until each has committed once.
    async fn race(&mut self, mut waiting: Vec<usize>, race: &mut Race) {
        let contenders = waiting.len();
        let mut tries = 0;
        while !waiting.is_empty() {
            tries += 1;
            let mut bodies = Vec::new();
            for who in &waiting {
                self.read(*who).await;
                bodies.push((*who, self.commit(*who, &[], &[], None)));
            }
            let posted = join_all(bodies.iter().map(|(who, body)| self.post(*who, body))).await;
            race.posts += posted.len();
            let replies = bodies.iter().map(|(who, _)| *who).zip(&posted);
            let won: Vec<usize> =
                replies.filter(|(_, reply)| reply.status == 201).map(|(who, _)| who).collect();
            assert_eq!(won.len(), 1, "one commit of an epoch stands");
            for reply in posted.iter().filter(|reply| reply.status != 201) {
                reply.refused(409, "stale_epoch");
            }
            waiting.retain(|who| !won.contains(who));
            race.epochs += 1;
        }
        assert!(tries <= contenders, "{tries} tries of {contenders} contenders");
        race.most_tries = race.most_tries.max(tries);
    }
}

impl<S: Answers> World<S> {
    /// All members read the log to its end, and are in one state. Returns its epoch.
    pub(super) async fn converge(&mut self) -> u64 {
        let mut states = BTreeSet::new();
        for who in 0..self.clients.len() {
            self.read(who).await;
            let group = self.clients[who].group.as_ref().unwrap();
            states.insert((group.epoch, group.authenticator));
        }
        assert_eq!(states.len(), 1, "no fork");
        states.into_iter().map(|(epoch, _)| epoch).next().unwrap()
    }
}

#[allow(clippy::print_stdout, reason = "the figures of a soak")]
fn report(figures: &str) {
    println!("{figures}");
}

/// Of eight members, 2 to 8 commit at once in each round.
async fn race(rounds: u32) {
    const MEMBERS: usize = 8;
    let mut world = World::of_admins(MEMBERS).await;
    let mut chance = Chance(8);
    let (mut everyone, mut race) = ((0..MEMBERS).collect::<Vec<_>>(), Race::default());
    for _ in 0..rounds {
        shuffle(&mut everyone, &mut chance);
        let contenders = 2 + chance.below(MEMBERS as u64 - 1) as usize;
        world.race(everyone[..contenders].to_vec(), &mut race).await;
    }
    assert_eq!(world.converge().await, MEMBERS as u64 - 1 + race.epochs);
    report(&format!("{rounds} rounds: {race:?}"));
}

/// One random member commits, a tenth of the members is offline each time, and one person joins only at the end.
async fn many(members: usize, commits: u32) {
    let mut world = World::of_admins(members).await;
    let (mut chance, late) = (Chance(50), members - 1);
    let mut present: Vec<usize> = (0..late).collect();
    world.converge().await;
    for n in 0..commits {
        shuffle(&mut present, &mut chance);
        let (online, _) = present.split_at(late - members / 10);
        for who in online {
            world.read(*who).await;
        }
        let (committer, speaker) = (online[0], online[1]);
        let commit = world.commit(committer, &[], &[], None);
        assert_eq!(world.post(committer, &commit).await.status, 201);
        world.read(speaker).await;
        assert_eq!(world.say(speaker, &format!("message {n}")).await.status, 201);
    }
    assert_eq!(world.join(late).await.status, 201, "by an external commit");
    let epoch = world.converge().await;
    assert_eq!(epoch, members as u64 + u64::from(commits));
    report(&format!("{members} members, {commits} commits: epoch {epoch}"));
}

#[tokio::test]
async fn commits_at_once_make_one_line() {
    race(100).await;
}

#[tokio::test]
async fn members_who_were_offline_end_in_the_same_state() {
    many(20, 20).await;
}

#[ignore = "a soak: minutes"]
#[tokio::test]
async fn soak() {
    race(rounds(1_000)).await;
    many(50, 200).await;
}
