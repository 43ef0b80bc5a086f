//! Conversations that have stopped because something was wrong with their group: they are tried again when the account
//! opens, and when the user wants it.

use kez_core::mls::GroupId;

use super::join::{DAY, MOST_REJOINS};
use crate::groups::{Group, Stage};
use crate::kernel::context::Context;
use crate::kernel::place::Place;
use crate::session::Session;

impl Session {
    /// "Try again" in a conversation that has stopped.
    pub(crate) fn try_again(&mut self, handle: &str, cx: &mut Context<'_>) {
        let gids = match self.place_shown(handle) {
            Some(Place::Group(gid)) => vec![gid],
            Some(Place::Direct(person)) => self.groups.of_person(person),
            None => return,
        };
        for gid in gids {
            if let Some(group) = self.groups.change(gid) {
                group.stored.rejoins.clear();
            }
            self.try_stopped(gid, cx);
        }
    }

    /// The account opens: what was wrong may have passed. A group in which this device has joined anew as often as it may
    /// in a day waits.
    pub(crate) fn try_stopped_groups(&mut self, cx: &mut Context<'_>) {
        let yesterday = (cx.wall() / 1000).saturating_sub(DAY);
        for gid in self.groups.ids() {
            let joined = |group: &Group| group.stored.rejoins.iter().filter(|at| **at > yesterday).count();
            if self.groups.get(gid).is_some_and(|group| joined(group) < MOST_REJOINS) {
                self.try_stopped(gid, cx);
            }
        }
    }

    /// Goes on from the state that is here, or joins anew without one.
    fn try_stopped(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let Some(group) = self.groups.change(gid) else { return };
        if !matches!(group.stored.stage, Stage::Broken(_)) {
            return;
        }
        group.stored.stage = if group.state().is_some() { Stage::In } else { Stage::Joining };
        group.withheld = 0;
        group.read = false;
        group.retry_at = None;
        group.asked.clear();
        self.look_at_groups(cx);
    }
}
