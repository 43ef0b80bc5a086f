//! What a stolen device opens: everything that it stores is taken, and tried on every item of the log.

use kez_core::api::{GroupKind, log_target};
use kez_core::mls::call::{Item, Op};
use kez_core::mls::policy::{Kind, Role};
use kez_core::mls::reply::{Done, Group, Outcome};

use super::mls::{GID, World, item};

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const ALL: [usize; 3] = [ALICE, BOB, CAROL];

/// What a device stored of the group at some moment.
struct Theft {
    of: usize,
    state: Group,
}

impl World {
    /// Takes all that a device stores of the group.
    fn steal(&self, of: usize) -> Theft {
        Theft { of, state: self.clients[of].group.clone().unwrap() }
    }

    /// Every item of the log, as a member from the beginning sees it.
    async fn log(&self) -> Vec<Item> {
        let page = self.request(ALICE, "GET", &log_target(GID, 0), "").await;
        page.json()["items"].as_array().unwrap().iter().filter_map(item).collect()
    }

    /// What a thief reads, who has the device's keys, its state and the whole log: each item is tried on the stolen
    /// state alone, and all items are tried in their order, from each place in the log.
    async fn opens(&self, theft: &Theft) -> Vec<String> {
        let log = self.log().await;
        let mut texts = Vec::new();
        for from in 0..log.len() {
            let mut state = theft.state.state.clone();
            for item in &log[from..] {
                let op = Op::Process { state: state.clone(), items: vec![item.clone()] };
                let reply = self.call(theft.of, op);
                if let Outcome::Processed { done, .. } = reply.outcome {
                    texts.extend(done.into_iter().filter_map(|done| match done {
                        Done::Text { text, .. } => Some(String::from_utf8(text.to_vec()).unwrap()),
                        _ => None,
                    }));
                }
                if let Some(group) = reply.group {
                    state = group.state;
                }
            }
        }
        texts.sort();
        texts.dedup();
        texts
    }

    /// A member commits, and the members read on.
    async fn updates(&mut self, who: usize, members: &[usize]) {
        let commit = self.commit(who, &[], &[], None);
        assert_eq!(self.post(who, &commit).await.status, 201);
        self.all_read(members).await;
    }

    /// A member writes, and the members read on.
    async fn says(&mut self, who: usize, text: &str, members: &[usize]) {
        assert_eq!(self.say(who, text).await.status, 201);
        self.all_read(members).await;
    }

    async fn all_read(&mut self, members: &[usize]) {
        for who in members {
            self.read(*who).await;
        }
    }
}

#[tokio::test]
async fn a_stolen_state_opens_nothing_from_before_and_nothing_after_an_update() {
    let mut world = World::of_members(3, &["--limits", "off"]).await;
    world.says(ALICE, "epoch 2, alice", &ALL).await;
    world.says(BOB, "epoch 2, bob", &ALL).await;
    world.updates(CAROL, &ALL).await;
    world.says(ALICE, "epoch 3, alice", &ALL).await;
    world.says(BOB, "epoch 3, bob", &ALL).await;

    let theft = world.steal(BOB);
    assert!(world.opens(&theft).await.is_empty(), "not even what was opened in the same epoch");

    world.says(ALICE, "still the same epoch", &ALL).await;
    assert_eq!(world.opens(&theft).await, ["still the same epoch"], "until the next commit");
    world.updates(ALICE, &ALL).await;
    world.says(CAROL, "alice has committed", &ALL).await;
    let so_far = ["alice has committed", "still the same epoch"];
    assert_eq!(world.opens(&theft).await, so_far, "another member's update does not lock the thief out");

    world.updates(BOB, &ALL).await;
    world.says(ALICE, "bob has committed", &ALL).await;
    world.updates(ALICE, &ALL).await;
    world.says(BOB, "and alice again", &ALL).await;
    assert_eq!(world.opens(&theft).await, so_far, "an update of the device itself does");
}

#[tokio::test]
async fn a_removed_device_opens_nothing_after_its_removal_with_any_state_it_ever_had() {
    const LEFT: [usize; 2] = [ALICE, BOB];
    let mut world = World::of_members(3, &["--limits", "off"]).await;
    let mut thefts = vec![world.steal(CAROL)];
    world.says(ALICE, "one", &ALL).await;
    thefts.push(world.steal(CAROL));
    world.updates(BOB, &ALL).await;
    thefts.push(world.steal(CAROL));
    let both = world.policy(Kind::Group, &[(ALICE, Role::Admin), (BOB, Role::Member)]);
    let leaf = world.leaf(CAROL);
    let commit = world.commit(ALICE, &[], &[leaf], Some(both));
    assert_eq!(world.post(ALICE, &commit).await.status, 201);
    world.all_read(&LEFT).await;
    world.says(ALICE, "without carol", &LEFT).await;
    world.updates(BOB, &LEFT).await;
    world.says(BOB, "without carol, again", &LEFT).await;
    let opened =
        [world.opens(&thefts[0]).await, world.opens(&thefts[1]).await, world.opens(&thefts[2]).await];
    assert_eq!(opened, [vec!["one".to_owned()], vec![], vec![]]);
}

#[tokio::test]
async fn a_newcomer_opens_nothing_from_before() {
    let mut world = World::with(3, &["--limits", "off"]).await;
    let members = [(ALICE, Role::Admin), (BOB, Role::Member), (CAROL, Role::Member)];
    let policy = world.policy(Kind::Group, &members);
    assert_eq!(world.create(ALICE, GroupKind::Group, policy).await.status, 201);
    assert_eq!(world.join(BOB).await.status, 201);
    world.read(ALICE).await;
    assert_eq!(world.say(ALICE, "before carol").await.status, 201);
    assert_eq!(world.join(CAROL).await.status, 201);
    world.all_read(&ALL).await;
    world.says(ALICE, "with carol", &ALL).await;
    // Reading it, her state has moved on; a copy from before shows that she could.
    let theft = world.steal(CAROL);
    world.says(BOB, "to carol", &ALL).await;
    assert_eq!(world.opens(&theft).await, ["to carol"]);
}
