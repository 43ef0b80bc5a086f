//! The MLS engine of the simulated browsers: the real one, and a list of everything that it has sealed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use kez_client::engine::{EngineFault, GroupEngine};
use kez_core::mls::call::{Call, Op};
use kez_core::mls::reply::{Outcome, Reply};
use kez_core::mls::{GroupId, LeafId};
use serde_json::Value;

/// Which device sealed a message, and where: the epoch and the generation name its key.
pub(crate) type SealedAt = (LeafId, GroupId, u64, u32);

/// What all engines of a world share.
#[derive(Clone, Default)]
pub(crate) struct Seals {
    /// Everything that was sealed, by its bytes.
    pub(crate) made: Rc<RefCell<BTreeMap<Vec<u8>, SealedAt>>>,
    /// MLS messages that make an engine trap when it processes them.
    pub(crate) traps: Rc<RefCell<BTreeSet<Vec<u8>>>>,
    /// Contents that the next texts are replaced by, as a modified client would.
    pub(crate) forged: Rc<RefCell<VecDeque<Value>>>,
}

/// The engine of one browser.
pub(crate) struct TestEngine {
    pub(crate) seals: Seals,
}

impl GroupEngine for TestEngine {
    fn call(&mut self, call: &Call) -> Result<Reply, EngineFault> {
        if let Op::Process { items, .. } = &call.op
            && items.iter().any(|item| self.seals.traps.borrow().contains(&item.mls.to_vec()))
        {
            return Err(EngineFault::Trapped);
        }
        let forged = self.forged(call);
        let call = forged.as_ref().unwrap_or(call);
        let reply = kez_mls::engine::call(call).map_err(EngineFault::Refused)?;
        if let (Op::Seal { .. }, Some(group), Outcome::Sealed(sealed)) =
            (&call.op, &reply.group, &reply.outcome)
        {
            for one in sealed {
                let at = (call.me.credential.leaf(), group.gid, group.epoch, one.generation);
                self.seals.made.borrow_mut().insert(one.mls.to_vec(), at);
            }
        }
        Ok(reply)
    }
}

impl TestEngine {
    /// The same call with the next forged content, if there is one. What the protocol itself adds to a text stays.
    fn forged(&self, call: &Call) -> Option<Call> {
        let mut call = call.clone();
        let Op::Seal { texts, .. } = &mut call.op else { return None };
        let content = self.seals.forged.borrow_mut().pop_front()?;
        let text = texts.first_mut()?;
        let mut value: Value = serde_json::from_slice(text).unwrap();
        let members = value.as_object_mut().unwrap();
        members.retain(|name, _| matches!(name.as_str(), "chain" | "heads" | "gen" | "pad"));
        members.extend(content.as_object().unwrap().clone());
        *text = serde_json::to_vec(&value).unwrap().into();
        Some(call)
    }
}
