//! `POST /v1/people`: the look-ups and sigchains of up to 100 people, by the roots of their chains.

use axum::extract::State;
use kez_core::api::{ChainEnd, LookUpPeople, People, PersonFound};
use kez_core::identity::Primary;
use kez_core::problem::Problem;
use serde_json::value::RawValue;

use crate::accounts::caller::Caller;
use crate::chains::sigchains::{PAGE_BYTES, Sigchains};
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;
use crate::store::StoreError;

/// Looks up many people.
///
/// Roots without an account on this server are left out. The links of all people together end when they reach 2 MiB:
/// while a person has fewer links than `length` says, ask again with the number of links that you have.
#[utoipa::path(post, path = "/v1/people", tag = "Registry", request_body = LookUpPeople, params(
    ("X-KEZ-Auth" = String, Header, description = "`<caller>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "The people; verify each `registration` before trusting the rest", body = People),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn look_up_people(State(state): State<AppState>, caller: Caller) -> Result<Json<People>, ApiError> {
    let LookUpPeople { roots } = caller.json()?;
    let (mut people, mut room) = (Vec::new(), PAGE_BYTES);
    for (root, known) in roots {
        // A key that replaced the root names the same account, and is no root.
        let account = state.store.lookup_primary(&root).await?.filter(|account| account.root == root);
        let Some(account) = account else { continue };
        let chain = match state.chains.embedded() {
            Some(chains) => Some(chain_after(chains, &root, known, &mut room).await?),
            None => None,
        };
        people.push(PersonFound::new(state.describe(account).await?, chain));
    }
    Ok(Json(People { people }))
}

/// The links after those that are known, as many as there is room for.
async fn chain_after(
    chains: &Sigchains,
    root: &Primary,
    known: u64,
    room: &mut usize,
) -> Result<ChainEnd, StoreError> {
    let Some(found) = chains.store.links_after(root, known, *room).await? else {
        return Ok(ChainEnd { length: 0, head: None, links: Vec::new() });
    };
    *room = room.saturating_sub(found.links.iter().map(String::len).sum());
    let links = found.links.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    let links = links.map_err(|_| StoreError::Corrupt("sigchain link"))?;
    Ok(ChainEnd { length: found.head.seqno, head: Some(found.head.hash), links })
}
