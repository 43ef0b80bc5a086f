//! The sigchain server: makes the same checks as the real one, and shows its chains.

use std::collections::BTreeMap;

use kez_client::effect::{HttpRequest, Method};
use kez_client::event::HttpResponse;
use kez_core::identity::Primary;
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Appended, Chain, Link, LinkRefused, Links};
use serde_json::value::RawValue;

use super::relay::{json, problem};

pub(crate) const BASE: &str = "/v1/sigchains";

/// All chains, by root.
#[derive(Default)]
pub(crate) struct Sigchains {
    links: BTreeMap<Primary, Vec<Link>>,
    /// The roots and lengths of chains that have grown.
    grown: Vec<(Primary, u64)>,
}

impl Sigchains {
    pub(crate) fn answer(&mut self, request: &HttpRequest) -> HttpResponse {
        let path = request.target.strip_prefix(BASE).and_then(|path| path.strip_prefix("/ed25519/"));
        let Some(path) = path else { return problem(ProblemCode::NotFound) };
        let (hex, query) = path.split_once('?').unwrap_or((path, "since=0"));
        let Ok(root) = format!("ed25519:{hex}").parse() else { return problem(ProblemCode::Malformed) };
        match (request.method, &request.body, query.strip_prefix("since=").and_then(|n| n.parse().ok())) {
            (Method::Get, None, Some(since)) => self.get(root, since),
            (Method::Post, Some(body), _) => self.post(root, body),
            _ => problem(ProblemCode::Malformed),
        }
    }

    /// The chains that have grown since the last call.
    pub(crate) fn take_grown(&mut self) -> Vec<(Primary, u64)> {
        std::mem::take(&mut self.grown)
    }

    /// Appends a link, as the owner of a key would from elsewhere.
    pub(crate) fn append(&mut self, link: &Link) {
        assert_eq!(self.post(link.root(), link.json()).status, 201);
    }

    /// The chain in which this key is or was the primary.
    pub(crate) fn of(&self, key: &Primary) -> Chain {
        let chains = self.links.iter().map(|(root, links)| replay(*root, links));
        let mut named = chains.filter(|chain| chain.primaries().contains(key));
        named.next().unwrap_or_else(|| Chain::new(*key))
    }

    pub(crate) fn root_of(&self, key: &Primary) -> Primary {
        self.of(key).root()
    }

    pub(crate) fn current(&self, key: &Primary) -> Primary {
        self.of(key).primary()
    }

    pub(crate) fn leads_from(&self, holder: &Primary, to: &Primary) -> bool {
        let chain = self.of(holder);
        chain.is_former(holder) && chain.primary() == *to && !chain.is_closed()
    }

    pub(crate) fn links(&self, root: &Primary) -> Vec<Link> {
        self.links.get(root).cloned().unwrap_or_default()
    }

    fn get(&self, root: Primary, since: usize) -> HttpResponse {
        self.links
            .get(&root)
            .map_or_else(|| problem(ProblemCode::UnknownChain), |links| json(200, &shown(root, links, since)))
    }

    fn post(&mut self, root: Primary, body: &str) -> HttpResponse {
        let Ok(link) = Link::parse(body.as_bytes()) else { return problem(ProblemCode::Malformed) };
        let links = self.links.entry(root).or_default();
        let appended = Appended { seqno: link.seqno(), head: link.hash() };
        if links.contains(&link) {
            return json(200, &appended);
        }
        match replay(root, links).append(&link) {
            Ok(()) => {
                links.push(link);
                self.grown.push((root, links.len() as u64));
            }
            Err(refused) => return problem(LinkRefused::code(&refused)),
        }
        json(201, &appended)
    }
}

/// The answer of a server that shows these links.
pub(crate) fn shown(root: Primary, links: &[Link], since: usize) -> Links {
    let raw = |link: &Link| RawValue::from_string(link.json().to_owned()).unwrap();
    let head = links.last().unwrap().hash();
    let length = links.len() as u64;
    Links { primary: root, length, head, links: links.iter().skip(since).map(raw).collect() }
}

fn replay(root: Primary, links: &[Link]) -> Chain {
    let mut chain = Chain::new(root);
    for link in links {
        chain.append(link).unwrap();
    }
    chain
}
