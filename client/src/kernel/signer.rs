//! The signature that a NATS broker asks for.

use std::sync::Arc;

use kez_core::nkey::{SecretNkey, signature_text};

/// Signs the challenges of a broker, and nothing else.
#[derive(Clone, Debug)]
pub struct Signer(Arc<SecretNkey>);

impl Signer {
    pub(crate) fn new(nkey: SecretNkey) -> Self {
        Self(Arc::new(nkey))
    }

    /// The public nkey, `U...`.
    pub fn nkey(&self) -> String {
        self.0.public().to_string()
    }

    pub(crate) fn public(&self) -> kez_core::nkey::PublicNkey {
        self.0.public()
    }

    /// The signature over a broker's nonce, in NATS encoding. `None` for a text that no NATS server sends.
    pub fn answer(&self, nonce: &str) -> Option<String> {
        self.0.sign_nonce(nonce).ok().map(|signature| signature_text(&signature))
    }
}
