//! The items of a group's log: JSON, kept as the bytes that came (docs/SPEC.md, section 15.4).
//!
//! ```json
//! {"v": 2, "kind": "message", "gid": "<32 hex>", "epoch": 12, "mls": "<base64url of an MLSMessage>"}
//! {"v": 2, "kind": "commit", "gid": "..", "epoch": 12, "mls": "..", "why": [{"leave": {..}}, {"revoked": {..}}]}
//! {"v": 2, "kind": "leave", "gid": "..", "leave": {signed}}
//! {"v": 2, "kind": "request", "gid": "..", "request": {signed}}
//! ```

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::canonical_json::{self, MAX_INTEGER, Numbers};
use crate::group_statements::{GroupLeave, GroupRequest};
use crate::identity::Primary;
use crate::mls::GroupId;
use crate::mls::header::Header;
use crate::sigchain::{DeviceId, Hash};
use crate::signed::{Payload, Signed};

/// The most bytes of an item: 256 KiB.
pub const MAX_BYTES: usize = 262_144;
/// The most reasons in `why`.
pub const MAX_REASONS: usize = 500;

const VERSION: u64 = 2;

/// An item with a checked shape. No signature and nothing inside MLS is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupItem {
    bytes: Vec<u8>,
    gid: GroupId,
    body: Body,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A message.
    Message(Post),
    /// A commit, with the statements that allow it.
    Commit(Post, Vec<Reason>),
    /// An account leaves.
    Leave(Signed<GroupLeave>),
    /// An account wants to join.
    Request(Signed<GroupRequest>),
}

/// An MLS message and the epoch in which it was made. Both agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The epoch.
    pub epoch: u64,
    /// The `MLSMessage`.
    pub mls: Vec<u8>,
}

/// A statement that allows a commit what its author could not do alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The account has left this group.
    Leave(Box<Signed<GroupLeave>>),
    /// The device is no longer live.
    Revoked(Revoked),
}

/// Names the link of a chain that ended a device: `revoke_device` or `close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// The chain.
    pub root: Primary,
    /// The device.
    pub device: DeviceId,
    /// The link's sequence number.
    pub seqno: u64,
    /// The link's hash.
    pub link: Hash,
}

/// Why bytes are no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedItem {
    /// They are more than [`MAX_BYTES`].
    #[error("an item has at most 262,144 bytes")]
    TooLarge,
    /// `v` is not 2.
    #[error("the item is of a version that is not known")]
    Version,
    /// The JSON or a field is malformed, or `kind` is unknown.
    #[error("the item is malformed")]
    Malformed,
    /// Group, epoch or kind differ from what the MLS message or the statement inside says.
    #[error("the item and what it contains disagree")]
    Disagree,
}

impl GroupItem {
    /// Parses an item and keeps its bytes. Unknown fields, and reasons of an unknown kind, are ignored.
    ///
    /// # Errors
    /// [`MalformedItem`] when the shape is wrong, or the MLS message is of another group, epoch or kind.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, MalformedItem> {
        if bytes.len() > MAX_BYTES {
            return Err(MalformedItem::TooLarge);
        }
        let value = canonical_json::parse(&bytes, Numbers::Any).map_err(|_| MalformedItem::Malformed)?;
        if value.get("v").and_then(Value::as_u64) != Some(VERSION) {
            return Err(MalformedItem::Version);
        }
        let gid = text(&value, "gid")?.parse().map_err(|_| MalformedItem::Malformed)?;
        let body = match text(&value, "kind")? {
            "message" => Body::Message(Post::parse(&value, gid, false)?),
            "commit" => Body::Commit(Post::parse(&value, gid, true)?, reasons(&value, gid)?),
            "leave" => Body::Leave(leave(value.get("leave"), gid)?),
            "request" => {
                let request: Signed<GroupRequest> = signed(value.get("request"))?;
                if request.payload().gid() != gid {
                    return Err(MalformedItem::Disagree);
                }
                Body::Request(request)
            }
            _ => return Err(MalformedItem::Malformed),
        };
        Ok(Self { bytes, gid, body })
    }

    /// The bytes of a message.
    pub fn message(gid: GroupId, epoch: u64, mls: &[u8]) -> Vec<u8> {
        canonical_json::object_text(&post("message", gid, epoch, mls)).into_bytes()
    }

    /// The bytes of a commit.
    pub fn commit(gid: GroupId, epoch: u64, mls: &[u8], why: &[Reason]) -> Vec<u8> {
        let mut object = post("commit", gid, epoch, mls);
        if !why.is_empty() {
            object.insert("why".into(), why.iter().map(Reason::to_value).collect());
        }
        canonical_json::object_text(&object).into_bytes()
    }

    /// The bytes of the item that says that an account leaves.
    pub fn leave(leave: &Signed<GroupLeave>) -> Vec<u8> {
        statement("leave", leave.payload().gid(), leave)
    }

    /// The bytes of the item that says that an account wants to join.
    pub fn request(request: &Signed<GroupRequest>) -> Vec<u8> {
        statement("request", request.payload().gid(), request)
    }

    /// The bytes, as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The name of the item in its log: the SHA-256 of its bytes. Equal items are one item.
    pub fn name(&self) -> Hash {
        Hash::of(&self.bytes)
    }

    /// The group.
    pub const fn gid(&self) -> GroupId {
        self.gid
    }

    /// What it is.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// The epoch in which it was made; `None` for a statement.
    pub const fn epoch(&self) -> Option<u64> {
        match &self.body {
            Body::Message(post) | Body::Commit(post, _) => Some(post.epoch),
            Body::Leave(_) | Body::Request(_) => None,
        }
    }
}

impl Post {
    fn parse(value: &Value, gid: GroupId, commit: bool) -> Result<Self, MalformedItem> {
        let epoch = value.get("epoch").and_then(Value::as_u64).filter(|epoch| *epoch <= MAX_INTEGER);
        let epoch = epoch.ok_or(MalformedItem::Malformed)?;
        let mls = Base64UrlUnpadded::decode_vec(text(value, "mls")?).map_err(|_| MalformedItem::Malformed)?;
        let header = Header::parse(&mls).map_err(|_| MalformedItem::Malformed)?;
        if header.gid != gid || header.epoch != epoch || header.is_commit() != commit {
            return Err(MalformedItem::Disagree);
        }
        Ok(Self { epoch, mls })
    }
}

impl Reason {
    fn parse(value: &Value, gid: GroupId) -> Result<Option<Self>, MalformedItem> {
        if let Some(signed) = value.get("leave") {
            return Ok(Some(Self::Leave(Box::new(leave(Some(signed), gid)?))));
        }
        let Some(revoked) = value.get("revoked") else { return Ok(None) };
        Revoked::deserialize(revoked)
            .map(|revoked| Some(Self::Revoked(revoked)))
            .map_err(|_| MalformedItem::Malformed)
    }

    fn to_value(&self) -> Value {
        let (name, value) = match self {
            Self::Leave(leave) => ("leave", serde_json::to_value(leave)),
            Self::Revoked(revoked) => ("revoked", serde_json::to_value(revoked)),
        };
        debug_assert!(value.is_ok(), "numbers and texts always serialise");
        Value::Object(Map::from_iter([(name.to_owned(), value.unwrap_or_default())]))
    }
}

fn reasons(value: &Value, gid: GroupId) -> Result<Vec<Reason>, MalformedItem> {
    let Some(why) = value.get("why") else { return Ok(Vec::new()) };
    let why = why.as_array().filter(|why| why.len() <= MAX_REASONS).ok_or(MalformedItem::Malformed)?;
    why.iter().filter_map(|reason| Reason::parse(reason, gid).transpose()).collect()
}

fn leave(value: Option<&Value>, gid: GroupId) -> Result<Signed<GroupLeave>, MalformedItem> {
    let leave: Signed<GroupLeave> = signed(value)?;
    if leave.payload().gid() == gid { Ok(leave) } else { Err(MalformedItem::Disagree) }
}

fn signed<P: Payload>(value: Option<&Value>) -> Result<Signed<P>, MalformedItem> {
    let json = canonical_json::text(value.ok_or(MalformedItem::Malformed)?);
    Signed::parse(json.as_bytes()).map_err(|_| MalformedItem::Malformed)
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, MalformedItem> {
    value.get(field).and_then(Value::as_str).ok_or(MalformedItem::Malformed)
}

fn beginning(kind: &str, gid: GroupId) -> Map<String, Value> {
    let fields = [("v", VERSION.into()), ("kind", kind.into()), ("gid", gid.to_string().into())];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn post(kind: &str, gid: GroupId, epoch: u64, mls: &[u8]) -> Map<String, Value> {
    let mut object = beginning(kind, gid);
    object.insert("epoch".into(), epoch.into());
    object.insert("mls".into(), Base64UrlUnpadded::encode_string(mls).into());
    object
}

fn statement<P: Payload>(kind: &str, gid: GroupId, signed: &Signed<P>) -> Vec<u8> {
    let mut object = beginning(kind, gid);
    let value = serde_json::to_value(signed);
    debug_assert!(value.is_ok(), "numbers and texts always serialise");
    object.insert(kind.to_owned(), value.unwrap_or_default());
    canonical_json::object_text(&object).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{SecretIdentity, Seed};
    use crate::time::Timestamp;

    const GID: GroupId = GroupId::from_bytes([7; 16]);

    fn mls(commit: bool) -> Vec<u8> {
        let (wire, rest) = if commit { (1, [4, 0, 3].as_slice()) } else { (2, [1, 0].as_slice()) };
        [[0, 1, 0, wire, 16].as_slice(), &[7; 16], &12_u64.to_be_bytes(), rest, &[9; 40]].concat()
    }

    fn leave_signed() -> Signed<GroupLeave> {
        let device = SecretIdentity::from_seed(Seed::from_bytes([3; 32]));
        GroupLeave::sign(&device, Primary::from_bytes([1; 32]), GID, Timestamp::from_unix(1_790_000_000))
            .unwrap()
    }

    fn revoked() -> Revoked {
        let (root, device) = (Primary::from_bytes([1; 32]), DeviceId::from_bytes([2; 16]));
        Revoked { root, device, seqno: 7, link: Hash::from_bytes([5; 32]) }
    }

    #[test]
    fn a_message_keeps_its_bytes_and_is_named_by_them() {
        let bytes = GroupItem::message(GID, 12, &mls(false));
        let item = GroupItem::parse(bytes.clone()).unwrap();
        assert_eq!((item.gid(), item.epoch(), item.bytes()), (GID, Some(12), bytes.as_slice()));
        assert_eq!(item.name(), Hash::of(&bytes));
        assert_eq!(*item.body(), Body::Message(Post { epoch: 12, mls: mls(false) }));
        // Another spelling of the same fields is another item.
        let spaced = [b" ", bytes.as_slice()].concat();
        let other = GroupItem::parse(spaced.clone()).unwrap();
        assert_eq!((other.body(), other.bytes()), (item.body(), spaced.as_slice()));
        assert_ne!(other.name(), item.name());
    }

    #[test]
    fn a_commit_has_its_reasons() {
        let why = [Reason::Leave(Box::new(leave_signed())), Reason::Revoked(revoked())];
        let bytes = GroupItem::commit(GID, 12, &mls(true), &why);
        let item = GroupItem::parse(bytes.clone()).unwrap();
        assert_eq!(*item.body(), Body::Commit(Post { epoch: 12, mls: mls(true) }, why.to_vec()));

        let json = String::from_utf8(bytes).unwrap();
        let unknown = json.replace(r#""why":["#, r#""why":[{"weather":1.5},"#);
        assert_eq!(GroupItem::parse(unknown.into_bytes()).unwrap().body(), item.body());
        let elsewhere = leave_signed().to_json().unwrap().replace(&GID.to_string(), &"09".repeat(16));
        let elsewhere = json.replace(&leave_signed().to_json().unwrap(), &elsewhere);
        assert_eq!(GroupItem::parse(elsewhere.into_bytes()), Err(MalformedItem::Disagree));
        let plain = GroupItem::parse(GroupItem::commit(GID, 12, &mls(true), &[])).unwrap();
        assert_eq!(*plain.body(), Body::Commit(Post { epoch: 12, mls: mls(true) }, vec![]));
    }

    #[test]
    fn statements_are_items() {
        let leave = GroupItem::parse(GroupItem::leave(&leave_signed())).unwrap();
        assert_eq!((leave.body(), leave.epoch()), (&Body::Leave(leave_signed()), None));
        let device = SecretIdentity::from_seed(Seed::from_bytes([3; 32]));
        let root = Primary::from_bytes([1; 32]);
        let request =
            GroupRequest::sign(&device, root, GID, Hash::from_bytes([6; 32]), Timestamp::from_unix(1))
                .unwrap();
        let item = GroupItem::parse(GroupItem::request(&request)).unwrap();
        assert_eq!(*item.body(), Body::Request(request));
        let json = String::from_utf8(GroupItem::leave(&leave_signed())).unwrap();
        let other = json.replacen(&GID.to_string(), &"08".repeat(16), 1);
        assert_eq!(GroupItem::parse(other.into_bytes()), Err(MalformedItem::Disagree));
    }

    #[test]
    fn other_bytes_are_no_items() {
        use MalformedItem::{Disagree, Malformed, TooLarge, Version};
        let json = String::from_utf8(GroupItem::message(GID, 12, &mls(false))).unwrap();
        let change = |from: &str, to: &str| {
            assert!(json.contains(from), "{from}");
            GroupItem::parse(json.replace(from, to).into_bytes())
        };
        for (from, to, error) in [
            (r#""v":2"#, r#""v":1"#, Version),
            (r#""v":2"#, r#""v":"2""#, Version),
            (r#""kind":"message""#, r#""kind":"commit""#, Disagree),
            (r#""kind":"message""#, r#""kind":"party""#, Malformed),
            (r#""kind":"message""#, r#""kind":"leave""#, Malformed),
            (r#""epoch":12"#, r#""epoch":13"#, Disagree),
            (r#""epoch":12"#, r#""epoch":12.5"#, Malformed),
            (r#""epoch":12"#, r#""epoch":9007199254740992"#, Malformed),
            (r#""epoch":12"#, r#""epoch":12,"epoch":12"#, Malformed),
            ("0707", "0708", Disagree),
            (r#""mls":"AA"#, r#""mls":"+A"#, Malformed),
            ("{", "[", Malformed),
        ] {
            assert_eq!(change(from, to), Err(error), "{to}");
        }
        let filled = json.replace('{', &format!(r#"{{"note":"{}","#, "x".repeat(MAX_BYTES)));
        assert_eq!(GroupItem::parse(filled.into_bytes()), Err(TooLarge));
        assert!(change("{", r#"{"note":[1.5,{}],"#).is_ok(), "unknown fields are ignored");
    }
}
