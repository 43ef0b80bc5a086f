//! Our engine and openmls in the same group: Welcomes, commits, external commits and messages, both ways.

use std::sync::Arc;

use kez_core::mls::call::Certified;
use kez_mls_interop::{Device, Member, Ours, Theirs, certified, policy};

/// How many accounts, with one device each. Even ones run our engine, odd ones openmls.
const ACCOUNTS: u16 = 8;
/// The account whose device runs openmls, creates the group and stays in it.
const FIRST: u16 = 1;

/// The group: members by number, and the `GroupInfo` and tree that a server would have.
struct World {
    certified: Arc<[Certified]>,
    members: Vec<(u16, Box<dyn Member>)>,
    info: Vec<u8>,
    tree: Vec<u8>,
}

impl World {
    /// Created by openmls, with a member of ours beside it.
    fn new() -> Self {
        let certified = certified(ACCOUNTS).into();
        let mut world = Self { certified, members: Vec::new(), info: Vec::new(), tree: Vec::new() };
        let mut first = world.device(FIRST);
        first.create(&policy(ACCOUNTS));
        world.members.push((FIRST, first));
        world.publish();
        world.add(0, 0);
        world
    }

    fn device(&self, number: u16) -> Box<dyn Member> {
        let device = Device::new(number);
        if number.is_multiple_of(2) {
            Box::new(Ours::new(device, &self.certified))
        } else {
            Box::new(Theirs::new(&device))
        }
    }

    /// The first member exports what newcomers need.
    fn publish(&mut self) {
        let first = self.members.iter_mut().find(|(number, _)| *number == FIRST);
        (self.info, self.tree) = first.expect("the first member stays").1.export();
    }

    /// All members apply a commit by the member at a place, and agree.
    fn apply(&mut self, mls: &[u8], by: Option<usize>) {
        for (place, (_, member)) in self.members.iter_mut().enumerate() {
            member.apply(mls, by == Some(place));
        }
        self.agree();
        self.publish();
    }

    fn agree(&self) {
        let first = self.members[0].1.agreed();
        for (number, member) in &self.members {
            assert_eq!(member.agreed(), first, "member {number}");
        }
    }

    fn add(&mut self, by: usize, number: u16) {
        let mut newcomer = self.device(number);
        let package = newcomer.package();
        let commit = self.members[by].1.commit(&[package], None);
        self.apply(&commit.mls, Some(by));
        newcomer.join(&commit.welcome.expect("a Welcome"), &self.tree);
        self.members.push((number, newcomer));
        self.agree();
    }

    fn remove(&mut self, by: usize, at: usize) {
        let device = Device::new(self.members[at].0);
        let commit = self.members[by].1.commit(&[], Some(&device));
        let (gone, _) = self.members.remove(at);
        assert_ne!(self.members.len(), 0, "{gone} was not alone");
        self.apply(&commit.mls, Some(if at < by { by - 1 } else { by }));
    }

    fn update(&mut self, by: usize) {
        let commit = self.members[by].1.commit(&[], None);
        self.apply(&commit.mls, Some(by));
    }

    /// A device joins by itself; if it is a member, it has lost its state.
    fn rejoin(&mut self, number: u16) {
        self.members.retain(|(member, _)| *member != number);
        let mut newcomer = self.device(number);
        let commit = newcomer.rejoin(&self.info, &self.tree);
        self.apply(&commit, None);
        self.members.push((number, newcomer));
        self.agree();
    }

    fn write(&mut self, by: usize, text: &[u8]) {
        let sealed = self.members[by].1.seal(text);
        for (place, (number, member)) in self.members.iter_mut().enumerate() {
            if place != by {
                assert_eq!(member.open(&sealed), text, "member {number}");
            }
        }
    }
}

#[test]
fn both_engines_are_members_of_one_group() {
    let mut world = World::new();
    for by in 0..2 {
        world.write(by, b"hello");
        world.update(by);
    }
    // Each adds one of each kind.
    world.add(0, 2);
    world.add(1, 3);
    world.add(0, 5);
    world.add(1, 4);
    for by in 0..world.members.len() {
        world.write(by, format!("from {by}").as_bytes());
    }
    // A new device of each kind by itself, and one in place of its own leaf.
    for number in [6, 7, 4, 5] {
        world.rejoin(number);
        let last = world.members.len() - 1;
        world.write(last, b"I am back");
    }
    // Each removes one of each kind.
    world.remove(0, 3);
    world.remove(1, 2);
    for by in 0..world.members.len() {
        world.update(by);
        world.write(by, b"after");
    }
}

#[test]
fn random_steps_keep_all_in_one_state() {
    let steps = std::env::var("KEZ_INTEROP_STEPS").map_or(40, |steps| steps.parse().unwrap());
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut world = World::new();
    for step in 0..steps {
        let by = draw(world.members.len());
        let absent: Vec<u16> =
            (0..ACCOUNTS).filter(|number| world.members.iter().all(|(member, _)| member != number)).collect();
        match draw(6) {
            0 if !absent.is_empty() => world.add(by, absent[draw(absent.len())]),
            1 if world.members.len() > 3 => {
                let at = draw(world.members.len());
                // One with openmls stays, to export what newcomers need.
                if at != by && world.members[at].0 != FIRST {
                    world.remove(by, at);
                }
            }
            2 => world.update(by),
            3 => {
                let number = draw(usize::from(ACCOUNTS)) as u16;
                if number != FIRST {
                    world.rejoin(number);
                }
            }
            _ => world.write(by, format!("step {step}").as_bytes()),
        }
    }
    println!("{steps} steps, epoch {}, {} members", world.members[0].1.agreed().0, world.members.len());
}
