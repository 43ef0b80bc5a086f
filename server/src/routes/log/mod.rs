//! `/v1/log`: the log of chain heads in the layout of <https://c2sp.org/tlog-tiles>, so that auditors and witnesses of
//! other logs can read it too.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kez_core::log::inclusion::Inclusion;
use kez_core::problem::{Problem, ProblemCode};
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::path::Text;
use super::sigchains::Root;
use crate::chains::sigchains::Sigchains;
use crate::edge::error::ApiError;
use crate::edge::gate::{Gate, within_rate};
use crate::edge::json::Json;
use crate::edge::limits::Kind;
use crate::transparency::tile::TileId;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// A piece of the log never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The routes. They do not depend on the server that includes them.
pub fn router<S: Clone + Send + Sync + 'static>(chains: Arc<Sigchains>, gate: &Gate) -> OpenApiRouter<S> {
    let rate = || from_fn_with_state((gate.clone(), Kind::Audit), within_rate);
    OpenApiRouter::with_openapi(Tiles::openapi())
        .routes(routes!(checkpoint).layer(rate()))
        .routes(routes!(key).layer(rate()))
        .routes(routes!(inclusion).layer(rate()))
        .route("/v1/log/tile/entries/{*index}", get(entries).layer(rate()))
        .route("/v1/log/tile/{level}/{*index}", get(tile).layer(rate()))
        .with_state(chains)
}

/// Paths with several segments, which the macro of the other routes does not support.
#[derive(OpenApi)]
#[openapi(paths(tile, entries))]
struct Tiles;

/// The signed head of the log: a C2SP checkpoint.
#[utoipa::path(get, path = "/v1/log/checkpoint", tag = "Log", responses(
    (status = 200, description = "A signed note", body = String, content_type = "text/plain"),
    (status = 429, description = "rate_limited", body = Problem),
))]
async fn checkpoint(State(chains): State<Arc<Sigchains>>) -> Result<Response, ApiError> {
    let note = chains.log.checkpoint().await?.to_string();
    Ok(([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")], note).into_response())
}

/// The key that signs the checkpoints, as a C2SP verifier key. Obtain it from another source, or pin the first one you
/// see: an attacker who can change the log can change this answer.
#[utoipa::path(get, path = "/v1/log/key", tag = "Log", responses(
    (status = 200, description = "`<name>+<key id>+<key>`", body = String, content_type = "text/plain"),
    (status = 429, description = "rate_limited", body = Problem),
))]
async fn key(State(chains): State<Arc<Sigchains>>) -> Response {
    let key = format!("{}\n", chains.log.key());
    ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")], key).into_response()
}

/// The proof that the head of a chain is in the log.
#[utoipa::path(get, path = "/v1/log/inclusion/{hex}", tag = "Log", params(
    ("hex" = String, Path, description = "The first primary of the chain, 64 lower-case hexadecimal digits"),
), responses(
    (status = 200, description = "The head, its place, and the way to a signed root", body = Inclusion),
    (status = 400, description = "malformed", body = Problem),
    (status = 404, description = "unknown_chain", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
async fn inclusion(
    State(chains): State<Arc<Sigchains>>,
    Root(root): Root,
) -> Result<Json<Inclusion>, ApiError> {
    let proof = chains.log.inclusion(&root).await?.ok_or_else(ApiError::unknown_chain)?;
    Ok(Json(proof))
}

/// A tile of hashes.
#[utoipa::path(get, path = "/v1/log/tile/{level}/{index}", tag = "Log", params(
    ("level" = String, Path, description = "`<L>`, from 0 to 7"),
    ("index" = String, Path, description = "`<N>[.p/<W>]`, which may hold slashes"),
), responses(
    (status = 200, description = "Up to 256 hashes of 32 bytes", content_type = "application/octet-stream"),
    (status = 404, description = "not_found: the log has no such tile", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
async fn tile(
    State(chains): State<Arc<Sigchains>>,
    path: Result<Text<(String, String)>, ApiError>,
) -> Result<Response, ApiError> {
    let Text((level, index)) = path.map_err(|_| no_such_tile())?;
    let id = TileId::parse(&level, &index, chains.log.size().await?).ok_or_else(no_such_tile)?;
    Ok(piece(chains.log.tile(id).await?))
}

/// A bundle of entries.
#[utoipa::path(get, path = "/v1/log/tile/entries/{index}", tag = "Log", params(
    ("index" = String, Path, description = "`<N>[.p/<W>]`, which may hold slashes"),
), responses(
    (status = 200, description = "Up to 256 entries, each behind its length in two bytes, big-endian",
        content_type = "application/octet-stream"),
    (status = 404, description = "not_found: the log has no such bundle", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
async fn entries(
    State(chains): State<Arc<Sigchains>>,
    path: Result<Text, ApiError>,
) -> Result<Response, ApiError> {
    let Text(index) = path.map_err(|_| no_such_tile())?;
    let id = TileId::parse_entries(&index, chains.log.size().await?).ok_or_else(no_such_tile)?;
    Ok(piece(chains.log.entries(id).await?))
}

fn piece(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, BYTES), (header::CACHE_CONTROL, FOR_EVER)], bytes).into_response()
}

fn no_such_tile() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "the log has no such tile, or not at this size yet")
}
