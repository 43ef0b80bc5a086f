//! Groups on the live stream.

use std::collections::BTreeMap;
use std::time::Duration;

use kez_chat_server::config::timings::Timings;
use kez_chat_server::store::groups::epoch::NewEpoch;
use kez_core::api::{LiveHello, live_target};
use kez_core::mls::GroupId;
use serde_json::{Value, json};

use super::http::{GID, World, message};
use crate::support::{Live, TestServer};

impl World {
    /// The live stream of a device that follows its groups from these cursors on.
    async fn follow(&self, who: usize, groups: &[(GroupId, u64)]) -> Live {
        let device = &self.devices[who];
        let auth = device.signs("GET", &live_target(&device.handle, 0), b"", self.server.now());
        let groups: BTreeMap<_, _> = groups.iter().copied().collect();
        let mut live = self.server.live(&device.handle).await;
        live.send(&serde_json::to_string(&LiveHello { since: 0, auth, groups: Some(groups) }).unwrap()).await;
        live
    }
}

fn seqs(frame: &Value) -> Vec<u64> {
    frame["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_stream_follows_the_inbox_and_all_groups() {
    let world = World::start().await;
    for text in ["one", "two", "three"] {
        assert_eq!(world.post(0, &message(GID, 0, text)).await.status, 201);
    }
    let [alice, bob, _] = &world.people;
    world.server.send(bob, &alice.seal(bob, "v1")).await;
    let mut all = world.follow(1, &[]).await;
    let frame = all.next().await;
    assert_eq!((seqs(&frame), &frame["group"]), (vec![1], &Value::Null));
    let frame = all.next().await;
    assert_eq!((seqs(&frame), &frame["group"]), (vec![1, 2, 3], &json!(GID)));
    assert_eq!(all.next().await["caught_up"], 1, "once, for all logs");
    let mut later = world.follow(1, &[(GID, 2)]).await;
    assert_eq!(seqs(&later.next().await), [1]);
    assert_eq!(seqs(&later.next().await), [3]);
    assert_eq!(later.next().await["caught_up"], 1);
    // A stream that does not ask for groups is as before.
    let mut inbox_only = world.server.live_as(bob, 1).await;
    assert_eq!(inbox_only.next().await["caught_up"], 1);

    assert_eq!(world.post(0, &message(GID, 0, "four")).await.status, 201);
    for live in [&mut all, &mut later] {
        let frame = live.next().await;
        assert_eq!((seqs(&frame), &frame["group"]), (vec![4], &json!(GID)));
    }
    world.server.send(bob, &alice.seal(bob, "v1 again")).await;
    for live in [&mut all, &mut later, &mut inbox_only] {
        let frame = live.next().await;
        assert_eq!((seqs(&frame), &frame["group"]), (vec![2], &Value::Null));
    }
}

/// Another node adds carol to the group and takes her out again. Her stream learns of it when it reads again.
#[tokio::test]
async fn a_stream_follows_a_group_from_the_commit_that_adds_to_the_one_that_removes() {
    let short = Timings { reread_every: Duration::from_millis(100), ..Timings::default() };
    let server = TestServer::start_with_timings(short, &["--limits", "off"]).await;
    let world = World::on(server).await;
    assert_eq!(world.post(0, &message(GID, 0, "before")).await.status, 201);
    let mut carol = world.follow(2, &[]).await;
    assert_eq!(carol.next().await["caught_up"], 0);
    world.commit(0, world.joins(2)).await;
    // With its next write the server notices that another process has written into the file.
    let [alice, bob, _] = &world.people;
    world.server.send(bob, &alice.seal(bob, "v1")).await;
    let frame = carol.next().await;
    assert_eq!((seqs(&frame), &frame["group"]), (vec![2], &json!(GID)));
    assert_eq!(world.post(0, &message(GID, 1, "with her")).await.status, 201);
    assert_eq!(seqs(&carol.next().await), [3]);
    world.commit(1, NewEpoch { left: vec![world.ids[2]], ..NewEpoch::default() }).await;
    assert_eq!(world.post(0, &message(GID, 2, "without her")).await.status, 201);
    assert_eq!(seqs(&carol.next().await), [4], "the commit, and not what follows");
    let [_, bob, person] = &world.people;
    world.server.send(person, &bob.seal(person, "v1")).await;
    let frame = carol.next().await;
    assert_eq!((seqs(&frame), &frame["group"]), (vec![1], &Value::Null));
}
