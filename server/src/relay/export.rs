//! Everything stored for an account, as one JSON object, written page by page.
//!
//! ```text
//! {"type":"kez.chat.export","version":1,"server":"kez.lat","exported_at":"...",
//!  "account":{"handle":"...","primary":"...","registered_at":"...","registration":{...}},
//!  "nats_keys":[{"removed_at":null,"binding":{...}},...],"contacts":["..."],"blocks":["..."],
//!  "key_packages":[{"device":"...","last_resort":false,"package":"..."},...],
//!  "groups":[{"gid":"...","kind":"group",...,"invites":[{"hash":"...",...}],"items":[...]},...],
//!  "inbox":{"epoch":"...","acknowledged":1,"keep_days":null,"items":[{"seq":1,"envelope":{...},"created_at":"..."},...]}}
//! ```

use std::sync::Arc;
use std::vec;

use axum::body::Bytes;
use futures::{Stream, stream};
use kez_core::api::Base64Url;
use kez_core::handle::ServerName;
use kez_core::mls::policy::Role;
use kez_core::time::Timestamp;
use serde_json::json;

use crate::relay::groups::summary;
use crate::relay::items;
use crate::relay::logs::page_of_group;
use crate::store::groups::Membership;
use crate::store::groups::invites::InviteUse;
use crate::store::key_packages::StoredPackage;
use crate::store::people::List;
use crate::store::{Account, AccountId, Binding, InboxId, PageLimit, Store, StoreError, StoredMessage};

/// The amount read at once.
const PAGE: PageLimit = PageLimit { items: 500, bytes: 1024 * 1024 };

/// The parts of the object in order.
pub fn stream(
    store: Arc<Store>,
    server: &ServerName,
    account: &Account,
    now: Timestamp,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + use<> {
    let head = head(server, account, now);
    let account = account.id;
    stream::try_unfold(Next::Account(head), move |next| {
        let store = Arc::clone(&store);
        async move { next.part(&store, account).await }
    })
}

/// The next part.
enum Next {
    Account(String),
    Keys,
    People,
    KeyPackages,
    Groups,
    Group { rest: vec::IntoIter<Membership>, is_first: bool },
    GroupItems { place: Box<Membership>, since: u64, rest: vec::IntoIter<Membership> },
    InboxHead,
    Items { since: u64 },
    Nothing,
}

impl Next {
    async fn part(self, store: &Store, account: AccountId) -> Result<Option<(Bytes, Self)>, StoreError> {
        let since = match self {
            Self::Account(head) => return Ok(Some((head.into(), Self::Keys))),
            Self::Keys => return Ok(Some((nats_keys(store, account).await?.into(), Self::People))),
            Self::People => return Ok(Some((people(store, account).await?.into(), Self::KeyPackages))),
            Self::KeyPackages => {
                return Ok(Some((key_packages(store, account).await?.into(), Self::Groups)));
            }
            Self::Groups => {
                let rest = store.groups_of(account).await?.into_iter();
                return Ok(Some((
                    Bytes::from_static(b",\"groups\":["),
                    Self::Group { rest, is_first: true },
                )));
            }
            Self::Group { mut rest, is_first } => {
                let Some(place) = rest.next() else {
                    return Ok(Some((Bytes::from_static(b"]"), Self::InboxHead)));
                };
                let head = group_head(&place, is_first) + &invites(store, &place).await? + ",\"items\":[";
                let since = place.since;
                return Ok(Some((head.into(), Self::GroupItems { place: Box::new(place), since, rest })));
            }
            Self::GroupItems { place, since, rest } => {
                let page = page_of_group(store, account, place.number, since, PAGE).await?;
                let Some(last) = page.last().map(|item| item.seq) else {
                    return Ok(Some((Bytes::from_static(b"]}"), Self::Group { rest, is_first: false })));
                };
                let part = part_of_list(&page, since == place.since);
                return Ok(Some((part, Self::GroupItems { place, since: last, rest })));
            }
            Self::InboxHead => {
                let head = inbox_head(store, account.inbox()).await?;
                return Ok(Some((head.into(), Self::Items { since: 0 })));
            }
            Self::Items { since } => since,
            Self::Nothing => return Ok(None),
        };
        let page = store.page_after(account.inbox(), since, PAGE).await?;
        let Some(last) = page.last() else { return Ok(Some((Bytes::from_static(b"]}}"), Self::Nothing))) };
        Ok(Some((part_of_list(&page, since == 0), Self::Items { since: last.seq })))
    }
}

/// A page as a part of a list of items.
fn part_of_list(page: &[StoredMessage], is_first: bool) -> Bytes {
    let mut part = Vec::new();
    if !is_first {
        part.push(b',');
    }
    items::write_list(&mut part, page);
    part.into()
}

/// The account's place in a group, up to the items that its log gives the account.
fn group_head(place: &Membership, is_first: bool) -> String {
    let place = json!(summary(place.clone())).to_string();
    let (separator, fields) = (if is_first { "" } else { "," }, place.trim_end_matches('}'));
    format!("{separator}{fields}")
}

/// The invitations to a group that the account administers.
async fn invites(store: &Store, place: &Membership) -> Result<String, StoreError> {
    if place.role != Role::Admin || place.until.is_some() {
        return Ok(String::new());
    }
    let invite = |InviteUse { hash, expires_at, uses, used }: InviteUse| json!({ "hash": hash, "expires_at": expires_at, "uses": uses, "used": used });
    let invites: Vec<_> = store.group_invites(place.number).await?.into_iter().map(invite).collect();
    Ok(format!(",\"invites\":{}", json!(invites)))
}

/// The fields of the inbox besides its items.
async fn inbox_head(store: &Store, inbox: InboxId) -> Result<String, StoreError> {
    let status = store.inbox_status(inbox).await?;
    let (epoch, keep_days) = (json!(store.epoch()), json!(status.keep));
    let acknowledged = status.acknowledged;
    Ok(format!(
        ",\"inbox\":{{\"epoch\":{epoch},\"acknowledged\":{acknowledged},\"keep_days\":{keep_days},\"items\":["
    ))
}

/// The signed bindings of nkeys, with the times at which they were removed.
async fn nats_keys(store: &Store, account: AccountId) -> Result<String, StoreError> {
    let bindings = store.bindings_of(account).await?;
    let binding = |Binding { binding, removed_at }: &Binding| {
        format!("{{\"removed_at\":{},\"binding\":{binding}}}", json!(removed_at))
    };
    let bindings: Vec<_> = bindings.iter().map(binding).collect();
    Ok(format!(",\"nats_keys\":[{}]", bindings.join(",")))
}

/// The handles that the owner has accepted, and blocked.
async fn people(store: &Store, owner: AccountId) -> Result<String, StoreError> {
    let listed = store.listed(owner).await?;
    let on =
        |list| listed.iter().filter(|peer| peer.list == list).map(|peer| &peer.handle).collect::<Vec<_>>();
    let [contacts, blocks] = [List::Contacts, List::Blocks].map(|list| json!(on(list)));
    Ok(format!(",\"contacts\":{contacts},\"blocks\":{blocks}"))
}

/// The key packages that the account's devices have published.
async fn key_packages(store: &Store, account: AccountId) -> Result<String, StoreError> {
    let packages = store.packages_of(account).await?;
    let package = |StoredPackage { device, last_resort, package }: StoredPackage| json!({ "device": device, "last_resort": last_resort, "package": Base64Url(package) });
    let packages: Vec<_> = packages.into_iter().map(package).collect();
    Ok(format!(",\"key_packages\":{}", json!(packages)))
}

/// Everything before the lists.
fn head(server: &ServerName, account: &Account, now: Timestamp) -> String {
    let Account { handle, primary, registration, registered_at, .. } = account;
    let [server, exported_at] = [json!(server), json!(now)].map(|value| value.to_string());
    let [handle, primary, registered_at] =
        [json!(handle), json!(primary), json!(registered_at)].map(|value| value.to_string());
    format!(
        "{{\"type\":\"kez.chat.export\",\"version\":1,\"server\":{server},\"exported_at\":{exported_at},\
         \"account\":{{\"handle\":{handle},\"primary\":{primary},\"registered_at\":{registered_at},\
         \"registration\":{registration}}}"
    )
}
