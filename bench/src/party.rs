//! A user with an account and the origin of their connections.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use tokio::time::sleep;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::origin::Origin;
use crate::people::{Person, people};
use crate::target::{Target, server_name, signature};

/// How many times a busy server is asked.
const TRIES: usize = 10;
/// The `Retry-After` of a busy server.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How many users register concurrently.
const AT_ONCE: usize = 32;

/// A user with an account; see the module.
pub(crate) struct Party {
    /// The user.
    pub(crate) person: Person,
    /// The origin of their connections.
    pub(crate) origin: Origin,
}

impl Party {
    /// Registers `count` users, each a client of a proxy with their own network. Inboxes and networks are numbered from
    /// `first`.
    pub(crate) async fn register(
        target: &Arc<Target>,
        first: usize,
        count: usize,
    ) -> Result<Vec<Self>, Failure> {
        let parties = people(first, count)?.into_iter().map(|person| {
            let origin = Origin::proxied(person.inbox);
            Self { person, origin }
        });
        let registered = stream::iter(parties).map(async |party| {
            let body = party.person.registration(&server_name()?)?;
            let mut connection = party.connect(target).await?;
            let path = "/v1/register";
            let answer = connection.exchange(Method::POST, path, party.origin, &[], body).await?;
            must_be(StatusCode::CREATED, path, answer)?;
            Ok(party)
        });
        registered.buffered(AT_ONCE).try_collect().await
    }

    /// Connects.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Connection, Failure> {
        Connection::open_from(self.origin, target.address).await
    }

    /// Makes a request signed by this user.
    pub(crate) async fn signed(
        &self,
        connection: &mut Connection,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let auth = signature(&self.person, method.as_str(), path, &body)?;
        let headers = [(kez_core::inbox_auth::HEADER, auth.as_str())];
        connection.exchange(method, path, self.origin, &headers, body).await
    }

    /// Accepts another user as a contact.
    pub(crate) async fn accept(&self, target: &Target, peer: &Self) -> Result<(), Failure> {
        let path = format!("/v1/u/{}/contacts/{}", self.person.handle, peer.person.handle);
        let mut connection = self.connect(target).await?;
        let answer = self.signed(&mut connection, Method::PUT, &path, Bytes::new()).await?;
        must_be(StatusCode::NO_CONTENT, &path, answer)
    }
}

/// Makes an anonymous request on a new connection. If the server is busy, asks again after a moment, as clients do.
/// Also returns how often the server was busy.
pub(crate) async fn ask_patiently(
    origin: Origin,
    target: &Target,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(Bytes, usize), Failure> {
    let mut busy = 0;
    loop {
        let mut connection = Connection::open_from(origin, target.address).await?;
        let asked = connection.exchange(method.clone(), path, origin, &[], body.clone());
        let (status, answer) = asked.await?;
        if status.is_success() {
            return Ok((answer, busy));
        }
        busy += 1;
        if status != StatusCode::SERVICE_UNAVAILABLE || busy == TRIES {
            let body = String::from_utf8_lossy(&answer).into_owned();
            return Err(Failure::Status { path: path.to_owned(), status, body });
        }
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        sleep(RETRY_AFTER.mul_f64(1.0 + random)).await;
    }
}

/// Fails unless the status is the expected one.
pub(crate) fn must_be(
    expected: StatusCode,
    path: &str,
    (status, body): (StatusCode, Bytes),
) -> Result<(), Failure> {
    if status == expected {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Err(Failure::Status { path: path.to_owned(), status, body })
}
