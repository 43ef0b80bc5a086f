//! The plaintexts of a link, as JSON, by side and number.
//!
//! | from, n | meaning |
//! |---|---|
//! | old, 1 | [`Introduction`]: the account, and the `add_device` link to countersign |
//! | new, 1 | [`Countersigned`] |
//! | old, 2 | [`LinkAdded`]: the link stands in the chain |

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::handle::{Handle, ServerName};
use crate::identity::Primary;
use crate::signature::Signature;

/// Old 1: who the new browser will belong to. Nothing in it is verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Introduction {
    /// The root of the account's sigchain.
    pub root: Primary,
    /// Its handle.
    pub handle: Handle,
    /// Its server.
    pub server: ServerName,
    /// The signed registration of the handle.
    pub registration: Box<RawValue>,
    /// The links of the sigchain from the first on. The last ones may be missing when they do not fit; the server has
    /// them, and `prev` in `payload` names the last.
    pub links: Vec<Box<RawValue>>,
    /// The payload of the `add_device` link, which the new device signs when it finds its own id and key in it.
    pub payload: Box<RawValue>,
}

/// New 1: the new device's signature over the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countersigned {
    /// The signature over the canonical bytes of the payload.
    pub countersignature: Signature,
}

/// Old 2: the new device belongs to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAdded {
    /// The number of the `add_device` link in the chain.
    pub seqno: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plaintexts_have_their_fields() {
        let json = format!(
            r#"{{"root":"ed25519:{0}","handle":"alice","server":"kez.lat","registration":{{}},"links":[{{"a":1}}],"payload":{{"b":2}}}}"#,
            "01".repeat(32)
        );
        let read: Introduction = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let json = format!(r#"{{"countersignature":"{}"}}"#, "ab".repeat(64));
        let read: Countersigned = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(serde_json::to_string(&LinkAdded { seqno: 7 }).unwrap(), r#"{"seqno":7}"#);
    }
}
