//! The MLS engine of the simulated browsers: the real one, and a list of everything that it has sealed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use kez_client::engine::{EngineFault, GroupEngine};
use kez_core::mls::call::{Call, Op};
use kez_core::mls::reply::{Outcome, Reply};
use kez_core::mls::{GroupId, LeafId};

/// Which device sealed a message, and where: the epoch and the generation name its key.
pub(crate) type SealedAt = (LeafId, GroupId, u64, u32);

/// Everything that was sealed, by its bytes.
pub(crate) type Seals = Rc<RefCell<BTreeMap<Vec<u8>, SealedAt>>>;

/// The engine of one browser.
pub(crate) struct TestEngine {
    pub(crate) seals: Seals,
}

impl GroupEngine for TestEngine {
    fn call(&mut self, call: &Call) -> Result<Reply, EngineFault> {
        let reply = kez_mls::engine::call(call).map_err(EngineFault::Refused)?;
        if let (Op::Seal { .. }, Some(group), Outcome::Sealed(sealed)) =
            (&call.op, &reply.group, &reply.outcome)
        {
            for one in sealed {
                let at = (call.me.credential.leaf(), group.gid, group.epoch, one.generation);
                self.seals.borrow_mut().insert(one.mls.to_vec(), at);
            }
        }
        Ok(reply)
    }
}
