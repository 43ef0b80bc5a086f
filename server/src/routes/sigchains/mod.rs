//! `/v1/sigchains/ed25519/{hex}`: the signed histories of keys, readable by every page.

mod append;
mod read;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::routing::options;
use kez_core::identity::{Primary, PublicIdentity};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::chains::sigchains::Sigchains;
use crate::edge::cors;
use crate::edge::error::ApiError;
use crate::edge::gate::{Gate, within_rate};
use crate::edge::limits::Kind;

/// The routes. They do not depend on the server that includes them.
pub fn router<S: Clone + Send + Sync + 'static>(chains: Arc<Sigchains>, gate: &Gate) -> OpenApiRouter<S> {
    let rate = |kind: Kind| from_fn_with_state((gate.clone(), kind), within_rate);
    OpenApiRouter::new()
        .routes(routes!(read::read).layer(rate(Kind::Audit)))
        .routes(routes!(append::append).layer(rate(Kind::Link)))
        .route("/v1/sigchains/ed25519/{hex}", options(cors::preflight))
        .with_state(chains)
}

/// The root of a chain, in the path: the 64 hexadecimal digits of its first primary.
pub(super) struct Root(pub(super) Primary);

impl<S: Send + Sync> FromRequestParts<S> for Root {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let wrong =
            || ApiError::malformed("the path ends with the 64 lower-case hexadecimal digits of a key");
        let Path(hex): Path<String> = Path::from_request_parts(parts, state).await.map_err(|_| wrong())?;
        let key = PublicIdentity::parse(&format!("ed25519:{hex}")).map_err(|_| wrong())?;
        Ok(Self(key.primary()))
    }
}
