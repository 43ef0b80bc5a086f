//! A group of a server that was restored from a backup: its clients have later epochs.

use std::sync::atomic::Ordering;

use kez_chat_server::store::sqlite::{back_up, restore};
use kez_core::api::{Base64Url, GroupDetails, OfferState, state_target};
use kez_core::mls::GroupId;
use serde_json::json;

use super::mls::{GID, World};
use crate::support::{Reply, TestServer};

impl World {
    async fn commit_and_read(&mut self, who: usize) -> GroupDetails {
        let body = self.commit(who, &[], &[], None);
        assert_eq!(self.post(who, &body).await.status, 201);
        for who in 0..self.clients.len() {
            self.read(who).await;
        }
        self.show(who).await
    }

    /// Offers info and tree.
    async fn offer(&self, who: usize, info: &Base64Url, tree: &Base64Url) -> Reply {
        let body = OfferState { info: info.clone(), tree: tree.clone() };
        self.request(who, "PUT", &state_target(GID), serde_json::to_string(&body).unwrap()).await
    }
}

#[tokio::test]
async fn clients_bring_a_restored_server_to_their_epoch() {
    let mut world = World::of_members(3, &["--limits", "off"]).await;
    let backup = world.server.db().with_file_name("backup.db");
    back_up(&world.server.db(), &backup).unwrap();
    let before = world.show(0).await;
    assert_eq!(before.summary.epoch, 2);
    let third = world.commit_and_read(0).await;
    let fourth = world.commit_and_read(1).await;
    let part = |details: &GroupDetails| (details.info.clone().unwrap(), details.tree.clone().unwrap());
    let [(info_2, tree_2), (info_3, tree_3), (info_4, tree_4)] = [&before, &third, &fourth].map(part);
    let not_restored = world.offer(0, &info_4, &tree_4).await;
    not_restored.refused(409, "stale_epoch");

    let World { server, .. } = world;
    let db = server.db();
    let directory = server.stop().await;
    restore(&backup, &db, true).unwrap();
    world.server = TestServer::start_in(directory, &["--limits", "off"]).await;
    assert_eq!(world.show(0).await.summary.epoch, 2);

    // Only what is later, of this group, complete, and by a device of a member.
    world.offer(0, &info_2, &tree_2).await.refused(409, "stale_epoch");
    world.offer(0, &info_3, &tree_4).await.refused(400, "invalid_commit");
    world.offer(0, &Base64Url(info_3.0[1..].to_vec()), &tree_3).await.refused(400, "invalid_commit");
    let mut forged = info_3.clone();
    *forged.0.last_mut().unwrap() ^= 1;
    world.offer(0, &forged, &tree_3).await.refused(400, "invalid_commit");
    let body = serde_json::to_string(&OfferState { info: info_3.clone(), tree: tree_3.clone() }).unwrap();
    let by_primary = world.server.signed(&world.people[0], "PUT", &state_target(GID), body.clone()).await;
    by_primary.refused(401, "unauthorized");
    let other = state_target(GroupId::from_bytes([3; 16]));
    world.request(0, "PUT", &other, body).await.refused(404, "unknown_group");

    assert_eq!(world.offer(0, &info_3, &tree_3).await.status, 204);
    let again = world.offer(2, &info_3, &tree_3).await;
    again.refused(409, "stale_epoch");
    assert_eq!(again.json()["epoch"], 3);
    let shown = world.show(1).await;
    assert_eq!((shown.summary.epoch, shown.info, shown.tree), (3, Some(info_3), Some(tree_3)));
    // The later one wins. Another device than the one that offers it has signed it.
    assert_eq!(world.offer(2, &info_4, &tree_4).await.status, 204);
    assert_eq!(world.show(1).await.summary.epoch, 4);

    // A commit ends it, and all go on.
    let body = world.commit(2, &[], &[], None);
    let posted = world.post(2, &body).await;
    assert_eq!((posted.status, &posted.json()["epoch"]), (201, &json!(5)), "{posted:?}");
    let seq = posted.json()["seq"].as_u64().unwrap();
    for client in &world.clients {
        client.cursor.store(seq - 1, Ordering::SeqCst);
    }
    for who in 0..3 {
        world.read(who).await;
    }
    assert_eq!(world.say(0, "all here").await.status, 201);
    assert_eq!(world.read(1).await, ["all here"]);
    let ended = world.offer(0, &info_4, &tree_4).await;
    ended.refused(409, "stale_epoch");
    assert_eq!(world.show(1).await.summary.epoch, 5);
}
