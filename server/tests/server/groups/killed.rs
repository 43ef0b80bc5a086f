//! The server is killed while members commit and write: everything that it acknowledged is there, in one line of epochs.

use std::collections::BTreeMap;

use futures::future::join_all;
use kez_core::api::{commits_target, log_target, messages_target};
use kez_core::group_item::GroupItem;
use kez_core::mls::call::Op;
use kez_core::mls::reply::Outcome;
use serde_json::Value;

use super::mls::{GID, World};
use crate::binary::{Binary, Endpoint};

const MEMBERS: usize = 4;
const FLAGS: [&str; 2] = ["--limits", "off"];
/// How many commits are acknowledged before each kill.
const COMMITS: usize = 12;

/// What the server has acknowledged: numbers in the log, with the bytes that stand there.
type Acknowledged = BTreeMap<u64, String>;

/// A request with which a member posts an item.
struct Post {
    who: usize,
    target: String,
    body: String,
    item: String,
}

impl World<Endpoint> {
    /// All members are in one epoch. One commits, and the others write in it.
    async fn posts(&mut self, committer: usize, text: &str) -> Vec<Post> {
        self.converge().await;
        let mut posts = Vec::new();
        for who in (0..MEMBERS).filter(|who| *who != committer) {
            let group = self.clients[who].group.clone().unwrap();
            let texts = vec![format!("{text} of {who}").into_bytes().into()];
            let reply = self.call(who, Op::Seal { state: group.state, texts });
            let Outcome::Sealed(sealed) = reply.outcome else { panic!("{:?}", reply.outcome) };
            self.clients[who].group = reply.group;
            let item = String::from_utf8(GroupItem::message(GID, group.epoch, &sealed[0].mls)).unwrap();
            let body = format!(r#"{{"item":{item}}}"#);
            posts.push(Post { who, target: messages_target(GID), body, item });
        }
        let body = self.commit(committer, &[], &[], None);
        let item = serde_json::from_str::<Value>(&body).unwrap()["item"].to_string();
        posts.push(Post { who: committer, target: commits_target(GID), body, item });
        posts
    }

    async fn post_one(&self, post: &Post) -> Option<(u64, String)> {
        let device = &self.clients[post.who].certificate.device;
        let reply = self.server.signed_by(device, "POST", &post.target, post.body.clone()).await.ok()?;
        match reply.status {
            200 | 201 => Some((reply.json()["seq"].as_u64().unwrap(), post.item.clone())),
            // The commit was faster than this message.
            409 => None,
            _ => panic!("{reply:?}"),
        }
    }

    /// The whole log, as a member reads it.
    async fn whole_log(&self) -> Acknowledged {
        let mut log = Acknowledged::new();
        loop {
            let since = log.last_key_value().map_or(0, |(seq, _)| *seq);
            let page = self.request(0, "GET", &log_target(GID, since), "").await.json();
            let items = page["items"].as_array().unwrap();
            if items.is_empty() {
                return log;
            }
            log.extend(
                items.iter().map(|item| (item["seq"].as_u64().unwrap(), item["envelope"].to_string())),
            );
        }
    }
}

/// The same JSON: a log keeps the bytes that were posted, but this test reads both as values.
fn same(one: &str, other: &str) -> bool {
    serde_json::from_str::<Value>(one).unwrap() == serde_json::from_str::<Value>(other).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_kills_among_commits_keep_one_line_of_epochs() {
    let world = World::of_admins(MEMBERS).await;
    let (mut world, mut process, directory) = world.into_process(&FLAGS).await;
    let (mut acknowledged, mut commits, first) = (Acknowledged::new(), 0, world.converge().await);
    for round in 0..5 {
        for n in 1..COMMITS {
            let posts = world.posts((round + n) % MEMBERS, &format!("{round}, {n}")).await;
            let answers = join_all(posts.iter().map(|post| world.post_one(post))).await;
            assert!(answers.last().is_some_and(Option::is_some), "the commit stands");
            commits += 1;
            acknowledged.extend(answers.into_iter().flatten());
        }
        // The kill comes in the middle of these requests, in each round a little later.
        let posts = world.posts(round % MEMBERS, &format!("{round}, the last")).await;
        let kill = async {
            for _ in 0..round * 40 {
                tokio::task::yield_now().await;
            }
            process.kill().await;
        };
        let (answers, ()) = tokio::join!(join_all(posts.iter().map(|post| world.post_one(post))), kill);
        acknowledged.extend(answers.into_iter().flatten());
        process = Binary::start(directory.path().join("kez-chat.db"), &FLAGS).await;
        world.server = process.endpoint.clone();
        // Members without an answer post the same bytes again.
        for post in posts.iter().rev() {
            acknowledged.extend(world.post_one(post).await);
        }
        commits += 1;
        let log = world.whole_log().await;
        for (seq, item) in &acknowledged {
            let stored =
                log.get(seq).unwrap_or_else(|| panic!("round {round}: {seq} of {} is lost", log.len()));
            assert!(same(stored, item), "round {round}: {seq}");
        }
        assert!(log.keys().copied().eq(1..=log.len() as u64), "no gaps");
    }
    assert_eq!(world.converge().await, first + commits, "each commit made one epoch");
    assert!(process.terminate().await.success());
}
