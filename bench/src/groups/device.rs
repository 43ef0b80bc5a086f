//! A user's device that is a leaf of groups: its certificate, its signature, and its calls of the MLS engine.

use hyper::body::Bytes;
use kez_core::caller_auth::CallerName;
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::mls::call::{Call, Certified, Me, Op};
use kez_core::mls::credential::Credential;
use kez_core::mls::reply::Reply;
use kez_core::sigchain::{self, Body, Chain, DeviceId, Hash};
use kez_core::time::Timestamp;
use kez_mls::engine;
use serde::Serialize;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::people::{Person, Sealed, now, rng};
use crate::target::signature_by;

/// How long the device is certified for, in seconds.
const LIFETIME: u64 = 365 * 24 * 60 * 60;

/// The only device of a user; see the module.
pub(crate) struct Device {
    /// The user.
    pub(crate) person: Person,
    /// What the user's chain says of the device.
    pub(crate) credential: Credential,
    keys: SecretIdentity,
}

impl Device {
    /// Starts the chain of a registered user, and certifies a device in it.
    pub(crate) async fn certify(connection: &mut Connection, person: Person) -> Result<Self, Failure> {
        let [next, keys] = [(), ()].map(|()| SecretIdentity::from_seed(Seed::random(&mut rng())));
        let mut chain = Chain::new(person.identity.public().primary());
        let path = format!("/v1/sigchains/ed25519/{}", chain.root().hex());
        let next = Hash::of_key(&next.public());
        let init = chain.draft(Body::Init { primary: person.identity.public(), next }, now());
        let init = init.sign(&person.identity).map_err(Failure::protocol)?;
        chain.append(&init).map_err(Failure::protocol)?;
        let device = DeviceId::from_bytes((person.inbox as u128).to_be_bytes());
        let added = sigchain::Device {
            device,
            key: keys.public(),
            name: "bench".parse().map_err(Failure::protocol)?,
            expires_at: Timestamp::from_unix(now().unix() + LIFETIME),
        };
        let add = chain.draft(Body::AddDevice(added), now()).sign_with_device(&person.identity, &keys);
        let add = add.map_err(Failure::protocol)?;
        for link in [&init, &add] {
            connection.post(&path, link.json().to_owned().into(), None).await?;
        }
        let credential = Credential { root: chain.root(), device, seqno: add.seqno(), link: add.hash() };
        Ok(Self { person, credential, keys })
    }

    /// The device as its chain certifies it.
    pub(crate) fn certified(&self) -> Certified {
        Certified { credential: self.credential, key: self.keys.public().primary(), ended: None }
    }

    /// Calls the engine.
    pub(crate) fn call(&self, certified: &[Certified], op: Op) -> Result<Reply, Failure> {
        let me = Me { credential: self.credential, secret: self.keys.seed().clone() };
        let (now, seed, certified) = (now(), Seed::random(&mut rng()), certified.to_vec());
        engine::call(&Call { now, seed, me, certified, op }).map_err(Failure::protocol)
    }

    /// Signs the posting of this message or commit.
    pub(crate) fn sign(&self, message: &mut Sealed) -> Result<(), Failure> {
        let path = message.log_path.as_deref().unwrap_or_default();
        message.auth = Some(self.signature(path, &message.body)?);
        Ok(())
    }

    /// Posts a signed body.
    pub(crate) async fn post(
        &self,
        connection: &mut Connection,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Bytes, Failure> {
        let body = Bytes::from(serde_json::to_vec(body)?);
        let auth = self.signature(path, &body)?;
        connection.post(path, body, Some(&auth)).await
    }

    fn signature(&self, path: &str, body: &[u8]) -> Result<String, Failure> {
        let device = Some(self.credential.device);
        let caller = CallerName { handle: self.person.handle.clone(), device };
        signature_by(&self.keys, &caller, "POST", path, body)
    }
}
