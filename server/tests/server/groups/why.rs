//! The reasons beside a commit, which allow it what its author could not do alone.

use kez_core::api::{group_target, messages_target};
use kez_core::group_item::{GroupItem, Reason, Revoked};
use kez_core::group_statements::GroupLeave;
use kez_core::mls::call::May;
use kez_core::mls::policy::{Kind, Role};
use kez_core::sigchain::{Body, Hash, Link};
use kez_core::time::Timestamp;

use super::mls::{GID, World};
use crate::metrics::{metrics_at, value};
use crate::sig_server::Host;
use crate::support::{NOW, free_address};

const NOW_TIME: Timestamp = Timestamp::from_unix(NOW);

#[tokio::test]
async fn a_member_takes_out_an_account_that_has_left() {
    let monitors = free_address();
    let mut world = World::of_members(3, &["--limits", "off", "--metrics-bind", &monitors.to_string()]).await;
    let carol = world.root(2);
    let leave = GroupLeave::sign(&world.clients[2].certificate.device.keys, carol, GID, NOW_TIME).unwrap();
    let forged = GroupLeave::sign(&world.clients[0].certificate.device.keys, carol, GID, NOW_TIME).unwrap();
    let [leave_first, forged] = [&leave, &forged].map(|leave| Reason::Leave(Box::new(leave.clone())));
    let without_carol = world.policy(Kind::Group, &[(0, Role::Admin), (1, Role::Member)]);
    let late = world.commit(0, &[], &[], None);
    let may = May { left: vec![carol], ..May::default() };
    let leaf = world.leaf(2);
    let made = world.commit_with(1, &[], &[leaf], Some(without_carol), may);
    let with_reason = made.body(std::slice::from_ref(&leave_first));
    world.post(1, &made.body(&[])).await.refused(403, "not_authorised");
    world.post(1, &with_reason).await.refused(400, "invalid_commit");

    let item = String::from_utf8(GroupItem::leave(&leave)).unwrap();
    let item = format!(r#"{{"item":{item}}}"#);
    assert_eq!(world.request(2, "POST", &messages_target(GID), item).await.status, 201);
    world.post(1, &made.body(&[forged])).await.refused(400, "invalid_commit");
    let posted = world.post(1, &with_reason).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let of_carol = world.request(2, "GET", &group_target(GID), "").await.json();
    assert_eq!(of_carol["until"], posted.json()["seq"]);
    world.post(0, &late).await.refused(409, "stale_epoch");

    // Bob and carol have joined by commits.
    let text = metrics_at(monitors).await;
    let commits =
        |result: &str| value(&text, &format!(r#"kez_chat_group_commits_total{{result="{result}"}}"#));
    assert_eq!(["taken", "refused", "stale"].map(commits), [3.0, 3.0, 1.0]);
    assert_eq!(value(&text, "kez_chat_groups"), 1.0);
}

/// A member takes out a device that `end` has ended. The proof must name the link that did it.
async fn takes_out(end: impl Fn(&mut World) -> Link) {
    let mut world = World::of_members(3, &["--limits", "off"]).await;
    let (leaf, credential) = (world.leaf(2), world.clients[2].certificate.credential);
    let link = end(&mut world);
    assert_eq!(Host::of(&world.server).append(&link).await.status, 201);
    let may = May { revoked: vec![leaf], ..May::default() };
    let made = world.commit_with(1, &[], &[leaf], None, may);
    let proof = |seqno, link| {
        let (root, device) = (leaf.root, leaf.device);
        [Reason::Revoked(Revoked { root, device, seqno, link })]
    };
    world.post(1, &made.body(&[])).await.refused(403, "not_authorised");
    for (seqno, link) in [
        (credential.seqno, credential.link),
        (link.seqno(), credential.link),
        (link.seqno(), Hash::of(b"another")),
        (link.seqno() + 1, link.hash()),
    ] {
        world.post(1, &made.body(&proof(seqno, link))).await.refused(400, "invalid_commit");
    }
    let posted = world.post(1, &made.body(&proof(link.seqno(), link.hash()))).await;
    assert_eq!(posted.status, 201, "{posted:?}");
}

#[tokio::test]
async fn a_member_takes_out_a_revoked_device() {
    takes_out(|world| {
        let client = &mut world.clients[2];
        client.owner.revoke(&client.certificate.device)
    })
    .await;
}

#[tokio::test]
async fn a_member_takes_out_a_device_of_a_closed_chain() {
    takes_out(|world| {
        let owner = &world.clients[2].owner;
        owner.chain.draft(Body::Close { primary: owner.next.public() }, NOW_TIME).sign(&owner.next).unwrap()
    })
    .await;
}
