//! Registry answers about a handle or a key: trusted only as far as the signed registration proves them.

use kez_core::api::Lookup;
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{Primary, PublicIdentity};
use kez_core::problem::ProblemCode;
use kez_core::registration::HandleRegistration;
use kez_core::signed::Signed;

use crate::kernel::answer::{Answer, problem};
use crate::kernel::event::HttpResponse;

/// A handle and a key whose owner has signed that they belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) handle: Handle,
    pub(crate) key: PublicIdentity,
    /// The signed registration as received.
    pub(crate) registration: String,
    /// The root of the key's chain, as claimed by the server.
    pub(crate) root: Option<Primary>,
}

impl Found {
    /// What a signed registration on this server proves, with the root that the user's own device names.
    pub(crate) fn of_registration(json: &str, server: &ServerName, root: Primary) -> Option<Self> {
        let signed = Signed::<HandleRegistration>::parse(json.as_bytes()).ok()?.verify().ok()?;
        let handle = signed.handle().parse().ok().filter(|_| signed.server() == server.as_str())?;
        Some(Self { handle, key: *signed.primary(), registration: json.to_owned(), root: Some(root) })
    }
}

/// What an answer proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The answer proves the handle or key that was looked up.
    Proven(Box<Found>),
    /// The server claims that the key has been replaced by this one. Only a chain can prove that.
    Replaced(Box<Found>),
    /// The server says that the handle or key is not registered.
    NotFound,
    /// No answer, or one without a valid proof.
    Unavailable,
}

impl Proof {
    /// The answer to a lookup by handle.
    pub(crate) fn of_handle(answer: &Answer, server: &ServerName, handle: &Handle) -> Self {
        Self::of(answer, server, |found| found.handle == *handle, |_| Self::Unavailable)
    }

    /// The answer to a lookup by key.
    pub(crate) fn of_key(answer: &Answer, server: &ServerName, key: Primary) -> Self {
        Self::of(answer, server, |found| found.key.primary() == key, Self::Replaced)
    }

    fn of(
        answer: &Answer,
        server: &ServerName,
        asked: impl FnOnce(&Found) -> bool,
        or_else: impl FnOnce(Box<Found>) -> Self,
    ) -> Self {
        match answer {
            Ok(response) if says_not_found(response) => Self::NotFound,
            Ok(response) if response.status == 200 => match prove(&response.body, server).map(Box::new) {
                Some(found) if asked(&found) => Self::Proven(found),
                Some(found) => or_else(found),
                None => Self::Unavailable,
            },
            _ => Self::Unavailable,
        }
    }
}

/// Whether the answer to a registration says that this key now holds this handle.
pub(crate) fn registered(
    response: &HttpResponse,
    server: &ServerName,
    handle: &Handle,
    key: Option<PublicIdentity>,
) -> Option<()> {
    let found = if matches!(response.status, 200 | 201) { prove(&response.body, server) } else { None }?;
    (found.handle == *handle && Some(found.key) == key).then_some(())
}

/// The status alone is not enough: a proxy's 404 must not make a user disappear.
pub(crate) fn says_not_found(response: &HttpResponse) -> bool {
    response.status == 404
        && problem(response).is_some_and(|problem| problem.code == ProblemCode::UnknownHandle)
}

fn prove(body: &[u8], server: &ServerName) -> Option<Found> {
    let lookup: Lookup = serde_json::from_slice(body).ok()?;
    let (handle, key) = lookup.verify(server).ok()?;
    let root = lookup.sigchain_url.rsplit('/').next().and_then(|hex| format!("ed25519:{hex}").parse().ok());
    Some(Found { handle, key, registration: lookup.registration.get().to_owned(), root })
}
