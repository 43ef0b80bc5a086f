//! The routes of groups. Groups and commits are written into the store beside the running server, as another node would.

use kez_chat_server::store::groups::epoch::{At, NewEpoch};
use kez_chat_server::store::groups::{CreateOutcome, NewGroup, NewMember};
use kez_chat_server::store::usage::Origin;
use kez_chat_server::store::{AccountId, NewMessage, Store};
use kez_core::api::{
    AskForNews, GROUPS_TARGET, MAX_BODY_BYTES, MAX_COMMIT_BYTES, commits_target, log_target, messages_target,
    news_target,
};
use kez_core::group_item::GroupItem;
use kez_core::group_statements::GroupLeave;
use kez_core::identity::SecretIdentity;
use kez_core::mls::GroupId;
use kez_core::mls::policy::{Kind, Role};
use kez_core::time::Timestamp;
use serde_json::{Value, json};

use crate::devices::Device;
use crate::sig_server::{Host, Owner};
use crate::support::{NOW, Person, Reply, TestServer};

pub(super) const GID: GroupId = GroupId::from_bytes([7; 16]);
const NOW_TIME: Timestamp = Timestamp::from_unix(NOW);

/// Three people with a device each; the first two are in a group.
pub(super) struct World {
    pub(super) server: TestServer,
    pub(super) people: [Person; 3],
    pub(super) devices: [Device; 3],
    pub(super) ids: [AccountId; 3],
}

impl World {
    pub(super) async fn start() -> Self {
        Self::on(TestServer::start().await).await
    }

    pub(super) async fn on(server: TestServer) -> Self {
        let people = server.people(["alice", "bob", "carol"]).await;
        let chains = Host::of(&server);
        let devices = [0, 1, 2].map(|n: usize| Device::new(&people[n], n as u8 + 1));
        for (person, device) in people.iter().zip(&devices) {
            let mut owner = Owner::of(SecretIdentity::from_seed(person.keys.seed().clone()));
            for link in [owner.init(), owner.add(device, NOW + 1_000_000)] {
                assert_eq!(chains.append(&link).await.status, 201);
            }
        }
        let store = Store::sqlite(&server.db()).await.unwrap();
        let mut ids = Vec::new();
        for person in &people {
            ids.push(store.lookup(&person.handle).await.unwrap().unwrap().id);
        }
        store.close().await;
        let ids = <[AccountId; 3]>::try_from(ids).unwrap();
        let world = Self { server, people, devices, ids };
        let [alice, bob, _] = world.ids;
        world.create(GID, Kind::Group, [(alice, Role::Admin), (bob, Role::Member)]).await;
        world
    }

    /// Creates a group of these accounts, by the first of them.
    pub(super) async fn create(&self, gid: GroupId, kind: Kind, members: [(AccountId, Role); 2]) {
        let members =
            members.map(|(account, role)| NewMember { account, role, added_by: self.ids[0] }).into();
        let (state, info) = (Vec::new(), gid.as_bytes().to_vec());
        let tree = Vec::new();
        let group = NewGroup { gid, kind, pair: None, state, info, tree, members, now: NOW_TIME };
        let store = Store::sqlite(&self.server.db()).await.unwrap();
        assert!(matches!(store.create_group(group).await.unwrap(), CreateOutcome::Created(_)));
        store.close().await;
    }

    /// Writes a commit of the epoch into the log.
    pub(super) async fn commit(&self, epoch: u64, next: NewEpoch) {
        let store = Store::sqlite(&self.server.db()).await.unwrap();
        let number = store.group_state(GID).await.unwrap().unwrap().number;
        let at = Some(At::Commit { epoch, next: Box::new(next) });
        let envelope = format!(r#"{{"commit":{epoch}}}"#).into();
        let (inbox, now) = (number.log(), NOW_TIME);
        let item = NewMessage { at, inbox, envelope, origin: Origin::Known, quota: None, now };
        assert!(store.append(item).await.unwrap().fresh);
        store.close().await;
    }

    pub(super) fn joins(&self, who: usize) -> NewEpoch {
        let member = NewMember { account: self.ids[who], role: Role::Member, added_by: self.ids[1] };
        NewEpoch { joined: vec![member], ..NewEpoch::default() }
    }

    pub(super) async fn post(&self, who: usize, item: &[u8]) -> Reply {
        let body = format!(r#"{{"item":{}}}"#, String::from_utf8_lossy(item));
        self.server.signed_by(&self.devices[who], "POST", &messages_target(GID), body).await
    }

    pub(super) async fn log(&self, who: usize, since: u64) -> Reply {
        self.server.signed_by(&self.devices[who], "GET", &log_target(GID, since), "").await
    }

    async fn groups(&self, who: usize) -> Value {
        let reply = self.server.signed_by(&self.devices[who], "GET", GROUPS_TARGET, "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["groups"].clone()
    }

    async fn news(&self, who: usize, inbox: u64, groups: &[(GroupId, u64)]) -> Value {
        let body = AskForNews { inbox, groups: groups.iter().copied().collect() };
        let target = news_target(&self.people[who].handle);
        let body = serde_json::to_string(&body).unwrap();
        let reply = self.server.signed_by(&self.devices[who], "POST", &target, body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }
}

/// A message of an epoch: the beginning of a `PrivateMessage`, and a text that the server cannot read.
pub(super) fn message(gid: GroupId, epoch: u64, text: &str) -> Vec<u8> {
    let head = [0, 1, 0, 2, 16].as_slice();
    let mls = [head, gid.as_bytes(), &epoch.to_be_bytes(), &[1, 0], text.as_bytes()].concat();
    GroupItem::message(gid, epoch, &mls)
}

fn leave(world: &World, of: usize, by: usize) -> Vec<u8> {
    let root = world.people[of].keys.public().primary();
    GroupItem::leave(&GroupLeave::sign(&world.devices[by].keys, root, GID, NOW_TIME).unwrap())
}

#[tokio::test]
async fn only_members_post_and_read() {
    let world = World::start().await;
    let hello = message(GID, 0, "hello");
    let posted = world.post(0, &hello).await;
    assert_eq!((posted.status, &posted.json()["seq"]), (201, &json!(1)), "{posted:?}");
    let again = world.post(0, &hello).await;
    assert_eq!((again.status, &again.body), (200, &posted.body));
    assert_eq!(world.post(1, &message(GID, 0, "hi")).await.json()["seq"], 2);

    let page = world.log(1, 0).await;
    assert_eq!((page.status, page.seqs()), (200, vec![1, 2]));
    assert!(page.body.contains(std::str::from_utf8(&hello).unwrap()), "byte for byte");
    assert_eq!((&page.json()["next"], &page.json()["last"]), (&json!(2), &json!(2)));
    assert_eq!(world.log(1, 1).await.seqs(), [2]);
    let group = json!({"gid": GID, "kind": "group", "epoch": 0, "head": 2, "since": 0, "until": null,
        "role": "member", "added_by": "alice"});
    assert_eq!(world.groups(1).await, json!([group]));
    let primary = world.server.signed(&world.people[1], "GET", GROUPS_TARGET, String::new()).await;
    assert_eq!(primary.json()["groups"], json!([group]), "reading needs no device");

    // To others the group does not exist.
    assert_eq!(world.groups(2).await, json!([]));
    world.log(2, 0).await.refused(404, "unknown_group");
    world.post(2, &message(GID, 0, "let me in")).await.refused(404, "unknown_group");
    let other = GroupId::from_bytes([8; 16]);
    let target = messages_target(other);
    let body = format!(r#"{{"item":{}}}"#, String::from_utf8(message(other, 0, "x")).unwrap());
    world
        .server
        .signed_by(&world.devices[0], "POST", &target, body.clone())
        .await
        .refused(404, "unknown_group");
    // An item for another group than the path says, an item of another kind, no item, no device.
    world.post(0, &message(other, 0, "x")).await.refused(400, "malformed");
    world.post(0, b"{}").await.refused(400, "malformed");
    world.post(0, b"[]").await.refused(400, "malformed");
    let commit = [[0, 1, 0, 1, 16].as_slice(), GID.as_bytes(), &[0; 8], &[4, 0, 3]].concat();
    world.post(0, &GroupItem::commit(GID, 0, &commit, &[])).await.refused(400, "malformed");
    let large = message(GID, 0, &"x".repeat(200_000));
    world.post(0, &large).await.refused(413, "envelope_too_large");
    let body = format!(r#"{{"item":{}}}"#, String::from_utf8(hello).unwrap());
    let by_primary = world.server.signed(&world.people[0], "POST", &messages_target(GID), body).await;
    by_primary.refused(401, "unauthorized");
    for target in ["/v1/groups/07/log", "/v1/groups/07/messages"] {
        let method = if target.ends_with("log") { "GET" } else { "POST" };
        world.server.signed_by(&world.devices[0], method, target, "").await.refused(400, "malformed");
    }
}

#[tokio::test]
async fn the_body_of_a_commit_may_have_a_mebibyte() {
    let world = World::start().await;
    let post = async |target: &str, length: usize| {
        world.server.signed_by(&world.devices[0], "POST", target, "[".repeat(length)).await
    };
    post(&commits_target(GID), MAX_COMMIT_BYTES).await.refused(400, "malformed");
    post(&commits_target(GID), MAX_COMMIT_BYTES + 1).await.refused(413, "body_too_large");
    post(&messages_target(GID), MAX_BODY_BYTES).await.refused(400, "malformed");
    post(&messages_target(GID), MAX_BODY_BYTES + 1).await.refused(413, "body_too_large");
}

#[tokio::test]
async fn an_item_of_another_epoch_is_refused_and_a_repeated_one_is_not() {
    let world = World::start().await;
    let before = message(GID, 0, "before");
    assert_eq!(world.post(0, &before).await.status, 201);
    let early = world.post(0, &message(GID, 1, "early")).await;
    early.refused(409, "stale_epoch");
    assert_eq!((&early.json()["epoch"], &early.json()["head"]), (&json!(0), &json!(1)));
    world.commit(0, world.joins(2)).await;
    let late = world.post(0, &message(GID, 0, "late")).await;
    late.refused(409, "stale_epoch");
    assert_eq!((&late.json()["epoch"], &late.json()["head"]), (&json!(1), &json!(2)));
    assert_eq!(world.post(0, &before).await.status, 200, "a lost answer");
    assert_eq!(world.post(2, &message(GID, 1, "I am in")).await.json()["seq"], 3);

    // The newcomer reads from the commit on.
    assert_eq!(world.log(2, 0).await.seqs(), [2, 3]);
    assert_eq!(world.log(0, 0).await.seqs(), [1, 2, 3]);
    let left = NewEpoch { left: vec![world.ids[2]], ..NewEpoch::default() };
    world.commit(1, left).await;
    assert_eq!(world.post(0, &message(GID, 2, "without her")).await.json()["seq"], 5);
    let page = world.log(2, 0).await;
    assert_eq!(
        (page.seqs(), &page.json()["last"]),
        (vec![2, 3, 4], &json!(4)),
        "and up to the one that took her out"
    );
    assert!(world.log(2, 4).await.seqs().is_empty());
    world.post(2, &message(GID, 2, "again")).await.refused(404, "unknown_group");
    assert_eq!(world.groups(2).await[0]["until"], 4);
}

#[tokio::test]
async fn an_export_has_what_the_log_gives_the_account() {
    let world = World::start().await;
    let hello = message(GID, 0, "hello");
    assert_eq!(world.post(0, &hello).await.status, 201);
    let export = async |who: usize| {
        let reply = world.server.signed_by(&world.devices[who], "GET", "/v1/export", "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    };
    assert_eq!(export(2).await.json()["groups"], json!([]));
    world.commit(0, world.joins(2)).await;
    assert_eq!(world.post(2, &message(GID, 1, "I am in")).await.status, 201);
    world.commit(1, NewEpoch { left: vec![world.ids[2]], ..NewEpoch::default() }).await;
    assert_eq!(world.post(0, &message(GID, 2, "without her")).await.status, 201);
    let other = GroupId::from_bytes([8; 16]);
    world.create(other, Kind::Group, [(world.ids[0], Role::Admin), (world.ids[2], Role::Member)]).await;

    let seqs = |group: &Value| {
        let items = group["items"].as_array().unwrap();
        items.iter().map(|item| item["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let of_carol = export(2).await.json();
    let mut groups = of_carol["groups"].as_array().unwrap().clone();
    assert_eq!(groups.iter().map(seqs).collect::<Vec<_>>(), [vec![2, 3, 4], vec![]]);
    for group in &mut groups {
        group.as_object_mut().unwrap().remove("items");
    }
    assert_eq!(json!(groups), world.groups(2).await);
    assert_eq!((&groups[0]["since"], &groups[0]["until"]), (&json!(1), &json!(4)));
    assert_eq!(of_carol["inbox"]["items"], json!([]));
    let of_bob = export(1).await;
    assert_eq!(seqs(&of_bob.json()["groups"][0]), [1, 2, 3, 4, 5]);
    assert!(of_bob.body.contains(std::str::from_utf8(&hello).unwrap()), "byte for byte");
}

#[tokio::test]
async fn who_has_left_posts_nothing_more() {
    let world = World::start().await;
    world.post(1, &leave(&world, 0, 1)).await.refused(400, "malformed");
    world.post(1, &leave(&world, 1, 0)).await.refused(401, "bad_signature");
    world.post(2, &leave(&world, 2, 2)).await.refused(404, "unknown_group");
    let left = leave(&world, 1, 1);
    let posted = world.post(1, &left).await;
    assert_eq!((posted.status, &posted.json()["seq"]), (201, &json!(1)));
    assert_eq!(world.post(1, &left).await.status, 200);
    world.post(1, &message(GID, 0, "one more")).await.refused(403, "not_authorised");
    assert_eq!(world.post(0, &message(GID, 0, "bye")).await.status, 201);
    assert_eq!(world.log(1, 0).await.seqs(), [1, 2], "until a commit takes the account out");

    // Added again, the account has not left, whatever is repeated.
    world.commit(0, NewEpoch { left: vec![world.ids[1]], ..NewEpoch::default() }).await;
    world.commit(1, world.joins(1)).await;
    assert_eq!(world.post(1, &message(GID, 2, "back")).await.status, 201);
    assert_eq!(world.post(1, &left).await.status, 200);
    assert_eq!(world.post(1, &message(GID, 2, "still")).await.status, 201);
}

#[tokio::test]
async fn news_are_the_frames_of_all_logs() {
    let world = World::start().await;
    let [alice, bob, _] = world.ids;
    let direct = GroupId::from_bytes([8; 16]);
    world.create(direct, Kind::Direct, [(alice, Role::Admin), (bob, Role::Admin)]).await;
    assert_eq!(world.news(1, 0, &[]).await["frames"], json!([]));
    let [alice, bob, _] = &world.people;
    world.server.send(bob, &alice.seal(bob, "v1")).await;
    for text in ["one", "two"] {
        assert_eq!(world.post(0, &message(GID, 0, text)).await.status, 201);
    }
    let news = world.news(1, 0, &[]).await;
    let frames = news["frames"].as_array().unwrap();
    assert_eq!((frames.len(), &news["more"]), (2, &json!(false)));
    assert_eq!((&frames[0]["items"][0]["seq"], &frames[0]["group"]), (&json!(1), &Value::Null));
    assert_eq!((&frames[1]["group"], frames[1]["items"].as_array().unwrap().len()), (&json!(GID), 2));
    assert_eq!(frames[0]["epoch"], news["epoch"]);
    let news = world.news(1, 1, &[(GID, 1), (direct, 9)]).await;
    assert_eq!(news["frames"][0]["items"][0]["seq"], 2);
    assert_eq!(news["frames"].as_array().unwrap().len(), 1);
    // Three of these items fill an answer.
    for n in 0..10 {
        let text = format!("{n}{}", "x".repeat(190_000));
        assert_eq!(world.post(0, &message(GID, 0, &text)).await.status, 201);
    }
    let (mut cursor, mut rounds) = (2, 0);
    loop {
        let news = world.news(1, 1, &[(GID, cursor)]).await;
        let items = news["frames"][0]["items"].as_array().cloned().unwrap_or_default();
        assert!(items.iter().map(|item| item["seq"].as_u64().unwrap()).eq((cursor + 1..).take(items.len())));
        cursor += items.len() as u64;
        rounds += 1;
        if news["more"] == false {
            break;
        }
    }
    assert_eq!((cursor, rounds), (12, 2));
    let target = news_target(&world.people[0].handle);
    let foreign = world.server.signed_by(&world.devices[1], "POST", &target, r#"{"inbox":0}"#).await;
    foreign.refused(401, "unauthorized");
}

#[tokio::test]
async fn a_log_and_its_writers_have_limits() {
    let server = TestServer::start_with(&["--group-items", "3", "--known-per-minute", "4"]).await;
    let world = World::on(server).await;
    for n in 0..3 {
        assert_eq!(world.post(0, &message(GID, 0, &n.to_string())).await.status, 201);
    }
    world.post(0, &message(GID, 0, "full")).await.refused(507, "inbox_full");
    let fast = world.post(0, &message(GID, 0, "fast")).await;
    fast.refused(429, "rate_limited");
    assert_eq!(fast.header("retry-after"), "15");
    assert_eq!(world.post(1, &message(GID, 0, "0")).await.status, 200, "the same bytes are the same item");
}

#[tokio::test]
async fn old_items_of_groups_are_deleted() {
    let world = World::start().await;
    world.server.clock.set(NOW - 40 * 24 * 60 * 60);
    assert_eq!(world.post(0, &message(GID, 0, "old")).await.status, 201);
    world.server.send(&world.people[0], r#"{"kept":1}"#).await;
    world.server.clock.set(NOW);
    assert_eq!(world.post(0, &message(GID, 0, "new")).await.status, 201);
    let World { server, people, devices, ids } = world;
    let server = server.restart_with(&["--limits", "off"]).await;
    let world = World { server, people, devices, ids };
    while world.log(0, 0).await.seqs() != [2] {}
    assert_eq!(
        world.server.inbox(&world.people[0], 0).await.seqs(),
        [1],
        "an inbox has a retention of its own"
    );
}
