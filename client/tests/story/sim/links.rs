//! Links between two browsers on the relay. It makes the same checks as the real server.

use std::collections::BTreeMap;

use kez_client::effect::{HttpRequest, Method};
use kez_client::event::HttpResponse;
use kez_core::api::{LinkMessage, LinkState, PutLink};
use kez_core::link::LIFETIME_SECONDS;
use kez_core::problem::ProblemCode;
use kez_core::time::Timestamp;
use serde_json::value::RawValue;

use super::relay::{json, problem};

/// All links, by id.
#[derive(Default)]
pub(crate) struct Links(pub(crate) BTreeMap<String, Kept>);

/// A link.
pub(crate) struct Kept {
    pub(crate) offer: Box<RawValue>,
    pub(crate) messages: Vec<LinkMessage>,
    made_at: u64,
}

impl Links {
    pub(crate) fn answer(&mut self, request: &HttpRequest, now: Timestamp) -> HttpResponse {
        assert!(request.auth.is_none(), "the server does not learn whose browsers these are");
        self.0.retain(|_, link| link.made_at + LIFETIME_SECONDS > now.unix());
        let path = request.target.strip_prefix("/v1/links/").unwrap();
        let (id, what) = path.split_once('/').unwrap_or((path, ""));
        let body = request.body.as_deref().unwrap_or_default();
        match (request.method, what) {
            (Method::Put, "") => {
                let PutLink { offer } = serde_json::from_str(body).unwrap();
                if let Some(link) = self.0.get(id) {
                    let same = link.offer.get() == offer.get();
                    return if same { status(201) } else { problem(ProblemCode::Conflict) };
                }
                let made_at = now.unix();
                self.0.insert(id.to_owned(), Kept { offer, messages: Vec::new(), made_at });
                status(201)
            }
            (Method::Get, "") => match self.0.get(id) {
                Some(link) => {
                    json(200, &LinkState { offer: link.offer.clone(), messages: link.messages.clone() })
                }
                None => problem(ProblemCode::UnknownLink),
            },
            (Method::Post, "messages") => {
                let message: LinkMessage = serde_json::from_str(body).unwrap();
                let Some(link) = self.0.get_mut(id) else { return problem(ProblemCode::UnknownLink) };
                let is_there =
                    link.messages.iter().any(|other| (other.from, other.n) == (message.from, message.n));
                if is_there {
                    return problem(ProblemCode::Conflict);
                }
                link.messages.push(message);
                status(204)
            }
            _ => problem(ProblemCode::NotFound),
        }
    }
}

fn status(status: u16) -> HttpResponse {
    HttpResponse { status, retry_after: None, date: None, body: Vec::new() }
}
