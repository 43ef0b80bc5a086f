//! Groups with the engine as their client: created, changed by commits, and raced for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kez_core::api::{
    Base64Url, CommitToGroup, CreateGroup, GROUPS_TARGET, GroupDetails, GroupKind, commits_target,
    group_target, log_target, messages_target,
};
use kez_core::group_item::{Body, GroupItem, Reason};
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::mls::call::{Call, Certified, Item, May, Me, Op};
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::mls::reply::{Done, Group, Outcome, Reply as Answer};
use kez_core::mls::{Bytes, GroupId, LeafId};
use kez_core::time::Timestamp;
use kez_mls::engine;
use serde_json::{Value, json, value::RawValue};
use tempfile::TempDir;

use crate::binary::{Binary, Endpoint};
use crate::devices::Device;
use crate::package_routes::Certificate;
use crate::sig_server::{Host, Owner};
use crate::support::{NOW, Person, Reply, TestServer, rng};

pub(super) const GID: GroupId = GroupId::from_bytes([9; 16]);

/// The first people; the others are numbered.
const NAMES: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];

/// A device with what it keeps of the group.
pub(super) struct Client {
    pub(super) certificate: Certificate,
    pub(super) owner: Owner,
    pub(super) group: Option<Group>,
    pub(super) cursor: AtomicU64,
}

/// The clients of one server: in this process, or another one.
pub(super) struct World<S = TestServer> {
    pub(super) server: S,
    pub(super) people: Vec<Person>,
    pub(super) clients: Vec<Client>,
    certified: Vec<Certified>,
}

/// A server that answers the requests of devices.
pub(super) trait Answers {
    async fn answer(&self, device: &Device, method: &str, target: &str, body: String) -> Reply;
}

impl Answers for TestServer {
    async fn answer(&self, device: &Device, method: &str, target: &str, body: String) -> Reply {
        self.signed_by(device, method, target, body).await
    }
}

impl Answers for Endpoint {
    async fn answer(&self, device: &Device, method: &str, target: &str, body: String) -> Reply {
        self.signed_by(device, method, target, body).await.unwrap()
    }
}

/// A commit that its author keeps pending.
pub(super) struct Made {
    epoch: u64,
    mls: Bytes,
    info: Bytes,
    welcome: Option<Bytes>,
}

impl Made {
    /// The body of the request that posts it with these reasons.
    pub(super) fn body(&self, why: &[Reason]) -> String {
        let item = String::from_utf8(GroupItem::commit(GID, self.epoch, &self.mls, why)).unwrap();
        let (item, info) = (RawValue::from_string(item).unwrap(), Base64Url(self.info.to_vec()));
        let welcome = self.welcome.as_ref().map(|welcome| Base64Url(welcome.to_vec()));
        serde_json::to_string(&CommitToGroup { item, info, welcome }).unwrap()
    }
}

impl World {
    pub(super) async fn start(count: usize) -> Self {
        Self::with(count, &["--limits", "off"]).await
    }

    pub(super) async fn with(count: usize, flags: &[&str]) -> Self {
        let server = TestServer::start_with(flags).await;
        let chains = Host::of(&server);
        let (mut people, mut clients, mut certified) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..count {
            let name = NAMES.get(n).map_or_else(|| format!("member{n}"), |name| (*name).to_owned());
            let [person] = server.people([name.as_str()]).await;
            let mut owner = Owner::of(SecretIdentity::from_seed(person.keys.seed().clone()));
            assert_eq!(chains.append(&owner.init()).await.status, 201);
            let certificate = Certificate::add(&chains, &mut owner, &person, n as u8 + 1).await;
            let key = certificate.device.keys.public().primary();
            certified.push(Certified { credential: certificate.credential, key, ended: None });
            clients.push(Client { certificate, owner, group: None, cursor: AtomicU64::new(0) });
            people.push(person);
        }
        Self { server, people, clients, certified }
    }

    /// Alice is an admin of a group with the other people, and each has joined.
    pub(super) async fn of_members(count: usize, flags: &[&str]) -> Self {
        let mut world = Self::with(count, flags).await;
        let role = |who| if who == 0 { Role::Admin } else { Role::Member };
        let members: Vec<_> = (0..count).map(|who| (who, role(who))).collect();
        let created = world.create(0, GroupKind::Group, world.policy(Kind::Group, &members)).await;
        assert_eq!(created.status, 201, "{created:?}");
        for who in 1..count {
            assert_eq!(world.join(who).await.status, 201);
        }
        for who in 0..count {
            world.read(who).await;
        }
        world
    }

    /// The same clients, and the database, with a server in a process of its own.
    pub(super) async fn into_process(self, flags: &[&str]) -> (World<Endpoint>, Binary, Arc<TempDir>) {
        let Self { server, people, clients, certified } = self;
        let directory = server.stop().await;
        let process = Binary::start(directory.path().join("kez-chat.db"), flags).await;
        (World { server: process.endpoint.clone(), people, clients, certified }, process, directory)
    }
}

impl<S: Answers> World<S> {
    pub(super) fn policy(&self, kind: Kind, members: &[(usize, Role)]) -> Policy {
        let account = |(who, role): &(usize, Role)| Account { root: self.root(*who), role: *role };
        Policy::new(kind, members.iter().map(account).collect()).unwrap()
    }

    pub(super) fn root(&self, who: usize) -> kez_core::identity::Primary {
        self.clients[who].certificate.credential.root
    }

    pub(super) fn leaf(&self, who: usize) -> LeafId {
        self.clients[who].certificate.credential.leaf()
    }

    pub(super) fn call(&self, who: usize, op: Op) -> Answer {
        let Certificate { device, credential } = &self.clients[who].certificate;
        let me = Me { credential: *credential, secret: device.keys.seed().clone() };
        let (now, seed) = (Timestamp::from_unix(NOW), Seed::random(&mut rng()));
        engine::call(&Call { now, seed, me, certified: self.certified.clone(), op }).unwrap()
    }

    pub(super) async fn request(
        &self,
        who: usize,
        method: &str,
        target: &str,
        body: impl Into<String>,
    ) -> Reply {
        self.server.answer(&self.clients[who].certificate.device, method, target, body.into()).await
    }

    pub(super) async fn create(&mut self, who: usize, kind: GroupKind, policy: Policy) -> Reply {
        let reply = self.call(who, Op::Create { gid: GID, policy });
        let Outcome::Created { info, tree } = reply.outcome else { panic!("{:?}", reply.outcome) };
        let (info, tree) = (Base64Url(info.to_vec()), Base64Url(tree.to_vec()));
        let body = serde_json::to_string(&CreateGroup { gid: GID, kind, info, tree }).unwrap();
        let created = self.request(who, "POST", GROUPS_TARGET, body.clone()).await;
        if created.status == 201 {
            self.clients[who].group = reply.group;
            assert_eq!(self.request(who, "POST", GROUPS_TARGET, body).await.status, 200, "the same again");
        }
        created
    }

    /// Makes a commit, keeps it pending, and returns the body of the request.
    pub(super) fn commit(
        &mut self,
        who: usize,
        add: &[Bytes],
        remove: &[LeafId],
        policy: Option<Policy>,
    ) -> String {
        self.commit_with(who, add, remove, policy, May::default()).body(&[])
    }

    /// Makes a commit for which reasons allow more, and keeps it pending.
    pub(super) fn commit_with(
        &mut self,
        who: usize,
        add: &[Bytes],
        remove: &[LeafId],
        policy: Option<Policy>,
        may: May,
    ) -> Made {
        let group = self.clients[who].group.clone().unwrap();
        let (add, remove) = (add.to_vec(), remove.to_vec());
        let reply = self.call(who, Op::Commit { state: group.state, add, remove, policy, may });
        let Outcome::Committed { mls, info, welcome } = reply.outcome else { panic!("{:?}", reply.outcome) };
        self.clients[who].group = reply.group;
        Made { epoch: group.epoch, mls, info, welcome }
    }

    pub(super) async fn post(&self, who: usize, body: &str) -> Reply {
        self.request(who, "POST", &commits_target(GID), body).await
    }

    pub(super) async fn show(&self, who: usize) -> GroupDetails {
        let reply = self.request(who, "GET", &group_target(GID), "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    /// Joins by an external commit.
    pub(super) async fn join(&mut self, who: usize) -> Reply {
        let GroupDetails { info, tree, summary, .. } = self.show(who).await;
        let (info, tree) = (info.unwrap().0.into(), tree.unwrap().0.into());
        let reply = self.call(who, Op::Rejoin { info, tree });
        let Outcome::Rejoined { mls, info } = reply.outcome else { panic!("{:?}", reply.outcome) };
        let made = Made { epoch: summary.epoch, mls, info, welcome: None };
        let posted = self.post(who, &made.body(&[])).await;
        if posted.status == 201 {
            self.clients[who].group = reply.group;
            self.clients[who].cursor.store(posted.json()["seq"].as_u64().unwrap(), Ordering::SeqCst);
        }
        posted
    }

    /// Reads the log to its end and applies it. Returns the texts.
    pub(super) async fn read(&mut self, who: usize) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let since = self.clients[who].cursor.load(Ordering::SeqCst);
            let page = self.request(who, "GET", &log_target(GID, since), "").await;
            let items = page.json()["items"].as_array().unwrap().clone();
            let Some(last) = items.last() else { return texts };
            self.clients[who].cursor.store(last["seq"].as_u64().unwrap(), Ordering::SeqCst);
            let parsed: Vec<Item> = items.iter().filter_map(item).collect();
            let state = self.clients[who].group.clone().unwrap().state;
            let reply = self.call(who, Op::Process { state, items: parsed });
            let Outcome::Processed { done, stop: None } = reply.outcome else {
                panic!("{:?}", reply.outcome)
            };
            texts.extend(done.into_iter().filter_map(|done| match done {
                Done::Text { text, .. } => Some(String::from_utf8(text.to_vec()).unwrap()),
                _ => None,
            }));
            if reply.group.is_some() {
                self.clients[who].group = reply.group;
            }
        }
    }

    pub(super) async fn say(&mut self, who: usize, text: &str) -> Reply {
        let group = self.clients[who].group.clone().unwrap();
        let reply =
            self.call(who, Op::Seal { state: group.state, texts: vec![text.as_bytes().to_vec().into()] });
        let Outcome::Sealed(sealed) = reply.outcome else { panic!("{:?}", reply.outcome) };
        self.clients[who].group = reply.group;
        let item = String::from_utf8(GroupItem::message(GID, group.epoch, &sealed[0].mls)).unwrap();
        self.request(who, "POST", &messages_target(GID), format!(r#"{{"item":{item}}}"#)).await
    }
}

pub(super) fn item(stored: &Value) -> Option<Item> {
    let parsed = GroupItem::parse(stored["envelope"].to_string().into_bytes()).unwrap();
    let (Body::Message(post) | Body::Commit(post, _)) = parsed.body() else { return None };
    let stored_at = serde_json::from_value(stored["created_at"].clone()).unwrap();
    Some(Item { mls: post.mls.clone().into(), stored_at, may: May::default() })
}

#[tokio::test]
async fn a_group_is_created_joined_written_to_and_left_behind() {
    let mut world = World::start(3).await;
    let both = [(0, Role::Admin), (1, Role::Member)];
    let refused = world.create(0, GroupKind::Direct, world.policy(Kind::Group, &both)).await;
    refused.refused(400, "malformed");
    let refused = world.create(1, GroupKind::Group, world.policy(Kind::Group, &both)).await;
    refused.refused(403, "not_authorised");
    let created = world.create(0, GroupKind::Group, world.policy(Kind::Group, &both)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let other = world.create(0, GroupKind::Group, world.policy(Kind::Group, &both)).await;
    other.refused(409, "group_exists");
    assert_eq!(other.json()["gid"], json!(GID));

    // Bob's device joins by itself, because his account is in the policy.
    assert_eq!(world.join(1).await.status, 201);
    assert_eq!(world.say(1, "hello").await.status, 201);
    assert_eq!(world.read(0).await, ["hello"]);
    let details = world.show(0).await;
    assert_eq!((details.summary.epoch, details.summary.head, details.welcome), (1, 2, None));

    // Carol comes with a package, and by a Welcome; a member who is no admin may not bring her.
    let until = Timestamp::from_unix(NOW + 60 * 24 * 60 * 60);
    let made = world.call(2, Op::Packages { count: 1, last_resort: false, until });
    let Outcome::Packages(packages) = made.outcome else { panic!("{:?}", made.outcome) };
    world.request(2, "GET", &group_target(GID), "").await.refused(404, "unknown_group");
    let all = [(0, Role::Admin), (1, Role::Member), (2, Role::Member)];
    let policy = world.policy(Kind::Group, &all);
    let commit = world.commit(0, &[packages[0].mls.clone()], &[], Some(policy));
    let without_welcome: CommitToGroup = serde_json::from_str(&commit).unwrap();
    let without_welcome = CommitToGroup { welcome: None, ..without_welcome };
    world.post(0, &serde_json::to_string(&without_welcome).unwrap()).await.refused(400, "invalid_commit");
    world.post(1, &commit).await.refused(403, "not_authorised");
    let posted = world.post(0, &commit).await;
    assert_eq!((posted.status, &posted.json()["epoch"]), (201, &json!(2)), "{posted:?}");
    let again = world.post(0, &commit).await;
    assert_eq!((again.status, &again.body), (200, &posted.body));
    let details = world.show(2).await;
    let welcome = details.welcome.unwrap();
    assert_eq!((details.summary.since, welcome.seq), (2, 3));
    assert_eq!(details.summary.added_by.as_ref(), Some(&world.people[0].handle));
    let joined = world.call(
        2,
        Op::Welcome {
            welcome: welcome.welcome.0.into(),
            tree: welcome.tree.0.into(),
            packages: vec![packages[0].secret.clone()],
        },
    );
    world.clients[2].group = joined.group;
    world.clients[2].cursor.store(welcome.seq, Ordering::SeqCst);
    assert_eq!(world.say(2, "here I am").await.status, 201);
    for who in [0, 1] {
        assert_eq!(world.read(who).await.last().unwrap(), "here I am");
    }

    // She is taken out, and writes nothing more.
    let both = world.policy(Kind::Group, &both);
    let commit = world.commit(0, &[], &[world.leaf(2)], Some(both));
    assert_eq!(world.post(0, &commit).await.status, 201);
    world.say(2, "still here").await.refused(404, "unknown_group");
    let details = world.show(2).await;
    assert_eq!((details.summary.until, details.info, details.tree), (Some(5), None, None));
    world.read(0).await;
    world.read(1).await;
    assert_eq!(world.say(1, "bye").await.status, 201);
    assert_eq!(world.read(0).await, ["bye"]);
}
