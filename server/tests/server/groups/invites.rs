//! Invitations to groups, and requests that come with them.

use kez_chat_server::store::Store;
use kez_core::api::{PutInvite, REQUESTS_TARGET, invite_target};
use kez_core::group_item::GroupItem;
use kez_core::group_statements::GroupRequest;
use kez_core::invite::InviteCode;
use kez_core::mls::GroupId;
use kez_core::mls::policy::{Kind, Role};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use serde_json::json;

use super::http::{GID, World, message};
use crate::support::{NOW, Reply, TestServer};

const DAY: u64 = 24 * 60 * 60;
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

fn code(last: char) -> InviteCode {
    format!("K7QXM-2R9VD-WT4HB-N8ZP{last}").parse().unwrap()
}

async fn put(world: &World, who: usize, code: &InviteCode, lasts: u64, uses: u64) -> Reply {
    let put = PutInvite { expires_at: Timestamp::from_unix(world.server.now().unix() + lasts), uses };
    let target = invite_target(GID, code.hash().into());
    world.server.signed_by(&world.devices[who], "PUT", &target, serde_json::to_string(&put).unwrap()).await
}

async fn revoke(world: &World, who: usize, code: &InviteCode) -> Reply {
    world.server.signed_by(&world.devices[who], "DELETE", &invite_target(GID, code.hash().into()), "").await
}

/// A request of `of` to join a group, signed by the device of `by`, made `n` seconds after the beginning.
fn request(world: &World, gid: GroupId, (of, by): (usize, usize), code: &InviteCode, n: u64) -> String {
    let root = world.people[of].keys.public().primary();
    let (invite, made) = (Hash::from(code.hash()), Timestamp::from_unix(NOW + n));
    let signed = GroupRequest::sign(&world.devices[by].keys, root, gid, invite, made).unwrap();
    String::from_utf8(GroupItem::request(&signed)).unwrap()
}

async fn post(world: &World, who: usize, code: &str, item: &str) -> Reply {
    let body = format!(r#"{{"code":"{code}","item":{item}}}"#);
    world.server.signed_by(&world.devices[who], "POST", REQUESTS_TARGET, body).await
}

async fn ask(world: &World, who: usize, code: &InviteCode, n: u64) -> Reply {
    post(world, who, &code.to_string(), &request(world, GID, (who, who), code, n)).await
}

#[tokio::test]
async fn a_request_stands_in_the_log() {
    let world = World::start().await;
    let one = code('C');
    assert_eq!(put(&world, ALICE, &one, 7 * DAY, 50).await.status, 204);
    let item = request(&world, GID, (CAROL, CAROL), &one, 0);
    let asked = post(&world, CAROL, "k7qxm2r9vdwt4hbn8zpc", &item).await;
    assert_eq!((asked.status, &asked.json()["seq"]), (201, &json!(1)), "{asked:?}");
    let again = post(&world, CAROL, &one.to_string(), &item).await;
    assert_eq!((again.status, &again.body), (200, &asked.body), "a lost answer");
    for member in [ALICE, BOB] {
        let log = world.log(member, 0).await;
        assert!(log.body.contains(&item), "byte for byte");
    }
    // Asking alone does not let a person in.
    world.log(CAROL, 0).await.refused(404, "unknown_group");
    world.post(CAROL, &message(GID, 0, "hello")).await.refused(404, "unknown_group");
    // A request names no epoch.
    world.commit(0, world.joins(CAROL)).await;
    post(&world, CAROL, &one.to_string(), &item).await.refused(403, "not_authorised");
    assert_eq!(world.post(CAROL, &message(GID, 1, "I am in")).await.json()["seq"], 3);
    assert_eq!(world.log(ALICE, 0).await.seqs(), [1, 2, 3]);
}

#[tokio::test]
async fn only_admins_invite() {
    let world = World::start().await;
    let one = code('C');
    put(&world, BOB, &one, DAY, 1).await.refused(403, "not_authorised");
    put(&world, CAROL, &one, DAY, 1).await.refused(404, "unknown_group");
    for (lasts, uses) in [(0, 1), (90 * DAY + 1, 1), (DAY, 0), (DAY, 1001)] {
        put(&world, ALICE, &one, lasts, uses).await.refused(400, "malformed");
    }
    let target = invite_target(GID, one.hash().into());
    let body =
        serde_json::to_string(&PutInvite { expires_at: Timestamp::from_unix(NOW + DAY), uses: 1 }).unwrap();
    let by_primary = world.server.signed(&world.people[ALICE], "PUT", &target, body.clone()).await;
    by_primary.refused(401, "unauthorized");
    let short = format!("/v1/groups/{GID}/invites/00");
    world
        .server
        .signed_by(&world.devices[ALICE], "PUT", &short, body.clone())
        .await
        .refused(400, "malformed");
    assert_eq!(put(&world, ALICE, &one, 90 * DAY, 1000).await.status, 204);
    revoke(&world, BOB, &one).await.refused(403, "not_authorised");
    revoke(&world, CAROL, &one).await.refused(404, "unknown_group");
    assert_eq!(revoke(&world, ALICE, &one).await.status, 204);
    assert_eq!(revoke(&world, ALICE, &one).await.status, 204, "a lost answer");

    // A conversation of two people takes no third one, and a hash belongs to one group.
    let direct = GroupId::from_bytes([8; 16]);
    let [alice, bob, _] = world.ids;
    world.create(direct, Kind::Direct, [(alice, Role::Admin), (bob, Role::Admin)]).await;
    let other = invite_target(direct, one.hash().into());
    world
        .server
        .signed_by(&world.devices[ALICE], "PUT", &other, body.clone())
        .await
        .refused(403, "not_authorised");
    let second = GroupId::from_bytes([6; 16]);
    world.create(second, Kind::Group, [(alice, Role::Admin), (bob, Role::Admin)]).await;
    assert_eq!(put(&world, ALICE, &one, DAY, 1).await.status, 204);
    let other = invite_target(second, one.hash().into());
    world.server.signed_by(&world.devices[BOB], "PUT", &other, body).await.refused(409, "conflict");
    for n in 1..20 {
        let code = code(char::from(b'A' + if n > 8 { n + 1 } else { n } - if n > 8 { 9 } else { 0 }));
        let hash = Hash::of(format!("{n}{code}").as_bytes());
        let body = json!({"expires_at": Timestamp::from_unix(NOW + DAY), "uses": 1}).to_string();
        let put = world.server.signed_by(&world.devices[ALICE], "PUT", &invite_target(GID, hash), body).await;
        assert_eq!(put.status, 204, "{n}");
    }
    put(&world, ALICE, &code('D'), DAY, 1).await.refused(409, "list_full");
    assert_eq!(put(&world, ALICE, &one, DAY, 2).await.status, 204, "one of them changes");
    world.server.clock.set(NOW + 2 * DAY);
    assert_eq!(put(&world, ALICE, &code('D'), DAY, 1).await.status, 204, "expired ones make room");
}

#[tokio::test]
async fn every_invitation_that_is_not_valid_gets_one_answer() {
    let world = World::start().await;
    let (one, used, revoked) = (code('C'), code('D'), code('E'));
    assert_eq!(put(&world, ALICE, &one, DAY, 5).await.status, 204);
    assert_eq!(put(&world, ALICE, &used, DAY, 1).await.status, 204);
    assert_eq!(put(&world, ALICE, &revoked, DAY, 1).await.status, 204);
    assert_eq!(revoke(&world, ALICE, &revoked).await.status, 204);
    assert_eq!(ask(&world, CAROL, &used, 0).await.status, 201);
    let refusal = ask(&world, CAROL, &used, 1).await;
    refusal.refused(403, "invite_refused");
    let unknown = code('F');
    let mut others = vec![ask(&world, CAROL, &revoked, 0).await, ask(&world, CAROL, &unknown, 0).await];
    for gid in [GroupId::from_bytes([8; 16]), GroupId::from_bytes([6; 16])] {
        if gid == GroupId::from_bytes([6; 16]) {
            let [alice, bob, _] = world.ids;
            world.create(gid, Kind::Group, [(alice, Role::Admin), (bob, Role::Member)]).await;
        }
        // To a group that does not exist, and to another one than the invitation is for.
        let item = request(&world, gid, (CAROL, CAROL), &one, 0);
        others.push(post(&world, CAROL, &one.to_string(), &item).await);
    }
    others.push(post(&world, CAROL, "", &request(&world, GID, (CAROL, CAROL), &one, 0)).await);
    world.server.clock.set(NOW + DAY);
    others.push(ask(&world, CAROL, &one, 0).await);
    for other in others {
        assert_eq!((other.status, &other.body), (403, &refusal.body));
    }
    world.server.clock.set(NOW + DAY - 1);
    assert_eq!(ask(&world, CAROL, &one, 0).await.status, 201, "no refusal uses it up");
    assert_eq!(world.log(ALICE, 0).await.seqs(), [1, 2]);
}

#[tokio::test]
async fn a_request_is_of_the_account_whose_device_posts_it() {
    let world = World::start().await;
    let one = code('C');
    assert_eq!(put(&world, ALICE, &one, DAY, 5).await.status, 204);
    let text = one.to_string();
    let of_another = request(&world, GID, (BOB, CAROL), &one, 0);
    post(&world, CAROL, &text, &of_another).await.refused(400, "malformed");
    let by_another = request(&world, GID, (CAROL, BOB), &one, 0);
    post(&world, CAROL, &text, &by_another).await.refused(401, "bad_signature");
    let other_code = request(&world, GID, (CAROL, CAROL), &code('D'), 0);
    post(&world, CAROL, &text, &other_code).await.refused(400, "malformed");
    let text_message = String::from_utf8(message(GID, 0, "hello")).unwrap();
    post(&world, CAROL, &text, &text_message).await.refused(400, "malformed");
    post(&world, CAROL, &text, "{}").await.refused(400, "malformed");
    let item = request(&world, GID, (CAROL, CAROL), &one, 0);
    let body = format!(r#"{{"code":"{text}","item":{item}}}"#);
    let by_primary = world.server.signed(&world.people[CAROL], "POST", REQUESTS_TARGET, body).await;
    by_primary.refused(401, "unauthorized");
    // A member has nothing to ask for.
    ask(&world, BOB, &one, 0).await.refused(403, "not_authorised");
    // A request does not stand where messages do.
    world.post(ALICE, item.as_bytes()).await.refused(400, "malformed");
    assert!(world.log(ALICE, 0).await.seqs().is_empty());
}

#[tokio::test]
async fn requests_have_a_rate_and_the_log_a_limit() {
    let flags = ["--group-requests-per-hour", "2", "--group-items", "1"];
    let world = World::on(TestServer::start_with(&flags).await).await;
    let one = code('C');
    assert_eq!(put(&world, ALICE, &one, DAY, 5).await.status, 204);
    assert_eq!(ask(&world, CAROL, &one, 0).await.status, 201);
    ask(&world, CAROL, &one, 1).await.refused(507, "inbox_full");
    let fast = ask(&world, CAROL, &one, 2).await;
    fast.refused(429, "rate_limited");
    assert_eq!(fast.header("retry-after"), "1800");
}

#[tokio::test]
async fn an_export_of_an_admin_has_the_invitations() {
    let world = World::start().await;
    assert_eq!(put(&world, ALICE, &code('C'), DAY, 5).await.status, 204);
    assert_eq!(ask(&world, CAROL, &code('C'), 0).await.status, 201);
    let export = async |who: usize| {
        let reply = world.server.signed_by(&world.devices[who], "GET", "/v1/export", "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["groups"][0]["invites"].clone()
    };
    let invite = json!({
        "hash": Hash::from(code('C').hash()),
        "expires_at": Timestamp::from_unix(NOW + DAY),
        "uses": 5,
        "used": 1
    });
    assert_eq!((export(ALICE).await, export(BOB).await), (json!([invite]), json!(null)));
}

#[tokio::test]
async fn expired_invitations_are_deleted() {
    let world = World::start().await;
    assert_eq!(put(&world, ALICE, &code('C'), DAY, 5).await.status, 204);
    let store = Store::sqlite(&world.server.db()).await.unwrap();
    assert_eq!(store.sweep_group_invites(Timestamp::from_unix(NOW + DAY - 1)).await.unwrap(), 0);
    assert_eq!(store.sweep_group_invites(Timestamp::from_unix(NOW + DAY)).await.unwrap(), 1);
    store.close().await;
}
