//! Links to groups on the relay. It makes the same checks as the real server.

use std::collections::BTreeMap;

use kez_client::event::HttpResponse;
use kez_core::api::{AskToJoin, ItemStored, PutInvite};
use kez_core::group_item::{Body, GroupItem};
use kez_core::invite::InviteCode;
use kez_core::mls::GroupId;
use kez_core::problem::ProblemCode;
use kez_core::sigchain::Hash;

use super::groups::{Facts, Log};
use super::relay::{json, problem};

/// All links, by the hashes of their codes.
#[derive(Default)]
pub(super) struct Invites(BTreeMap<Hash, (GroupId, PutInvite)>);

impl Invites {
    pub(super) fn change(&mut self, gid: GroupId, method: &str, hash: &str, body: &str) -> HttpResponse {
        let hash = hash.parse().unwrap();
        match method {
            "PUT" => drop(self.0.insert(hash, (gid, serde_json::from_str(body).unwrap()))),
            _ => drop(self.0.remove(&hash)),
        }
        HttpResponse { status: 204, ..json(204, &()) }
    }

    pub(super) fn ask(
        &mut self,
        logs: &mut BTreeMap<GroupId, Log>,
        ask: &AskToJoin,
        facts: &Facts<'_>,
    ) -> HttpResponse {
        let item = GroupItem::parse(ask.item.get().as_bytes().to_vec()).unwrap();
        let Body::Request(request) = item.body() else { panic!("no request") };
        let hash = Hash::from(ask.code.parse::<InviteCode>().unwrap().hash());
        assert_eq!((request.payload().root(), request.payload().invite()), (facts.root, hash));
        let Some(log) = logs.get_mut(&item.gid()) else { return problem(ProblemCode::InviteRefused) };
        if let Some(at) = log.position(&ask.item) {
            return json(200, &ItemStored { seq: at as u64 + 1, created_at: log.items[at].created_at });
        }
        match self.0.get_mut(&hash) {
            Some((gid, invite)) if *gid == item.gid() && invite.uses > 0 && invite.expires_at > facts.now => {
                invite.uses -= 1;
            }
            _ => return problem(ProblemCode::InviteRefused),
        }
        let seq = log.append(ask.item.clone(), facts.now, &mut None);
        json(201, &ItemStored { seq, created_at: facts.now })
    }
}
