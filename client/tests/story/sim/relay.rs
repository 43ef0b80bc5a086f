//! The home server as a client sees it. It makes the same checks as the real one.

use std::collections::{BTreeMap, BTreeSet};

use kez_client::effect::{HttpRequest, Method};
use kez_client::event::HttpResponse;
use kez_core::api::{
    ChainEnd, HandleList, InboxItem, InboxPage, LookUpPeople, Lookup, PEOPLE_TARGET, People, PersonFound,
    live_target,
};
use kez_core::api::{
    Limits, LiveFrame, LiveHello, MAX_LIVE_FRAME_BYTES, MessageStored, Receipt, RegistrationMode,
    ReportRequest, SendMessage, ServerConfig,
};
use kez_core::caller_auth::{CallerAuth, CallerRequest};
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::PublicIdentity;
use kez_core::inbox_auth;
use kez_core::mls::GroupId;
use kez_core::nats_binding::{self, NatsBinding};
use kez_core::problem::{Problem, ProblemCode};
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::{Chain, DeviceId};
use kez_core::signed::Signed;
use kez_core::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::groups::{Facts, Groups};
use super::keeping::Keeping;
use super::links::Links;
use super::sigchains::{self, Sigchains};

/// The groups that a stream follows, each with its cursor; `None` if it follows none.
pub(crate) type Cursors = Option<BTreeMap<GroupId, u64>>;

/// The most items in a frame of a live stream.
const LIVE_FRAME_ITEMS: usize = 100;

/// Changes answers on their way out, as a malicious server would.
pub(crate) type Script = Box<dyn FnMut(&HttpRequest, HttpResponse) -> HttpResponse>;

/// Answers in the relay's place; the relay never sees the request.
pub(crate) type Intercept = Box<dyn FnMut(&HttpRequest) -> Option<HttpResponse>>;

pub(crate) struct Relay {
    pub(crate) links: Links,
    pub(crate) server: ServerName,
    pub(crate) epoch: String,
    pub(crate) up: bool,
    pub(crate) script: Option<Script>,
    pub(crate) intercept: Option<Intercept>,
    /// Refuses to append links to any chain.
    pub(crate) refuses_links: bool,
    /// Whether a stream can be opened.
    pub(crate) has_streams: bool,
    /// The body of every message, whichever way it came.
    pub(crate) posted: Vec<String>,
    /// Those that came on a stream.
    pub(crate) streamed: Vec<String>,
    /// The number of the last one on a stream.
    pub(crate) last_number: Option<u64>,
    pub(crate) sigchains: Sigchains,
    /// Handles whose key was changed; their streams end.
    pub(crate) changed: Vec<Handle>,
    /// The NATS URL that it gives to clients.
    pub(crate) nats_ws_url: Option<String>,
    /// Each bound nkey with its handle and expiry.
    pub(crate) bound: BTreeMap<String, (Handle, u64)>,
    /// Removed nkeys.
    pub(crate) removed: Vec<String>,
    /// The number of requested pages.
    pub(crate) pages: u64,
    /// The number of requests for its configuration.
    pub(crate) described: u64,
    /// Who may register.
    pub(crate) registration: RegistrationMode,
    /// The invitations. An invalid one has the reason why it is refused.
    pub(crate) invites: BTreeMap<String, Option<&'static str>>,
    /// The members of each list, by owner and "contacts" or "blocks".
    pub(crate) listed: BTreeMap<(Handle, String), BTreeSet<Handle>>,
    pub(crate) keeping: Keeping,
    /// The reports to its operator.
    pub(crate) reports: Vec<ReportRequest>,
    pub(crate) groups: Groups,
    accounts: BTreeMap<Handle, Registered>,
    inboxes: BTreeMap<Handle, Vec<InboxItem>>,
    seq: u64,
}

/// A message on a stream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    id: u64,
    send: Box<RawValue>,
}

struct Registered {
    key: PublicIdentity,
    registration: String,
    at: Timestamp,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self {
            links: Links::default(),
            server: "kez.lat".parse().unwrap(),
            epoch: "00000000000000aa".into(),
            up: true,
            script: None,
            intercept: None,
            refuses_links: false,
            has_streams: true,
            posted: Vec::new(),
            streamed: Vec::new(),
            last_number: None,
            sigchains: Sigchains::default(),
            changed: Vec::new(),
            nats_ws_url: None,
            bound: BTreeMap::new(),
            removed: Vec::new(),
            pages: 0,
            described: 0,
            registration: RegistrationMode::Open,
            invites: BTreeMap::new(),
            listed: BTreeMap::new(),
            keeping: Keeping::default(),
            reports: Vec::new(),
            groups: Groups::default(),
            accounts: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            seq: 0,
        }
    }

    pub(crate) fn answer(&mut self, request: &HttpRequest, now: u64) -> HttpResponse {
        if let Some(answer) = self.intercept.as_mut().and_then(|intercept| intercept(request)) {
            return answer;
        }
        let now = Timestamp::from_unix(now / 1000);
        let response = match (request.method, request.body.as_deref(), request.target.as_str()) {
            (Method::Get, _, "/v1/config") => self.config(),
            (_, _, target) if target.starts_with("/v1/links/") => self.links.answer(request, now),
            (Method::Post, Some(body), "/v1/register") => self.register(body, request.invite.as_deref(), now),
            (Method::Post, Some(body), "/v1/messages") => match request.auth {
                Some(_) if self.caller(request, now).is_none() => problem(ProblemCode::Unauthorized),
                _ => self.send(body, now),
            },
            (_, _, target) if is_about_groups(target) => {
                self.group_request(request, now).unwrap_or_else(|| problem(ProblemCode::Unauthorized))
            }
            (Method::Post, Some(body), PEOPLE_TARGET) => match self.caller(request, now) {
                Some(_) => self.people_at_once(body),
                None => problem(ProblemCode::Unauthorized),
            },
            (_, _, target) if target.starts_with("/v1/inbox/") && !target.contains("since=") => {
                self.control(request, now).unwrap_or_else(|| problem(ProblemCode::Unauthorized))
            }
            (_, None, target) if target.contains("/contacts") || target.contains("/blocks") => {
                self.people(request, now).unwrap_or_else(|| problem(ProblemCode::Unauthorized))
            }
            (Method::Post, _, target) if target.starts_with(sigchains::BASE) && self.refuses_links => {
                problem(ProblemCode::NotAuthorised)
            }
            (_, _, target) if target.starts_with(sigchains::BASE) => self.sigchains.answer(request),
            (Method::Post, Some(body), "/v1/reports") => match self.caller(request, now) {
                Some(_) => {
                    self.reports.push(serde_json::from_str(body).unwrap());
                    HttpResponse { status: 204, retry_after: None, date: None, body: Vec::new() }
                }
                None => problem(ProblemCode::Unauthorized),
            },
            (Method::Get, _, "/v1/export") => self.export(request, now),
            (Method::Delete, _, target) => self.delete_signed(target, request, now),
            (Method::Put, Some(body), target) => {
                let auth = request.auth.as_deref();
                self.bind(target, body, auth, now).unwrap_or_else(|| problem(ProblemCode::Unauthorized))
            }
            (Method::Get, _, target) => self.get(target, request.auth.as_deref(), now),
            _ => problem(ProblemCode::NotFound),
        };
        let response = HttpResponse { date: Some(now.unix()), ..response };
        match &mut self.script {
            Some(script) => script(request, response),
            None => response,
        }
    }

    /// The root of the chain of a handle's owner.
    pub(crate) fn root_of(&self, handle: &Handle) -> Option<kez_core::identity::Primary> {
        Some(self.sigchains.root_of(&self.accounts.get(handle)?.key.primary()))
    }

    fn control(&mut self, request: &HttpRequest, now: Timestamp) -> Option<HttpResponse> {
        let owner = self.caller(request, now)?;
        let inbox = self.inboxes.entry(owner.clone()).or_default();
        self.keeping.answer(&owner, request, &self.epoch, inbox)
    }

    /// Checks the first frame of a live stream, and returns the handle and the cursor.
    pub(crate) fn open_live(
        &self,
        path: &str,
        hello: &str,
        now: u64,
    ) -> Option<(Handle, Option<DeviceId>, u64, Cursors)> {
        let handle: Handle = path.strip_prefix("/v1/inbox/")?.strip_suffix("/live")?.parse().ok()?;
        let hello: LiveHello = serde_json::from_str(hello).ok()?;
        let auth = CallerAuth::parse(&hello.auth).ok()?;
        let target = live_target(&handle, hello.since);
        let request = CallerRequest { server: &self.server, method: "GET", target: &target, body: &[] };
        let now = Timestamp::from_unix(now / 1000);
        auth.verify(&request, &self.signer(&auth, now)?, now).ok()?;
        (auth.handle() == &handle).then_some((handle, auth.device(), hello.since, hello.groups))
    }

    /// Answers a message on the stream of this owner. Also returns the status.
    pub(crate) fn answer_on_stream(&mut self, owner: &Handle, frame: &str, now: u64) -> (u16, String) {
        assert!(frame.len() <= MAX_LIVE_FRAME_BYTES, "a larger frame ends the stream");
        let Sent { id, send } = serde_json::from_str(frame).expect("a message");
        let body = send.get().to_owned();
        self.streamed.push(body.clone());
        self.last_number = Some(id);
        let auth = Some(format!("the stream of {owner}"));
        let (method, target) = (Method::Post, "/v1/messages".to_owned());
        let request = HttpRequest { method, target, auth, invite: None, body: Some(body.clone()) };
        let response = match self.intercept.as_mut().and_then(|intercept| intercept(&request)) {
            Some(answer) => answer,
            None => {
                let response = match self.accounts.contains_key(owner) {
                    true => self.send(&body, Timestamp::from_unix(now / 1000)),
                    false => problem(ProblemCode::Unauthorized),
                };
                match &mut self.script {
                    Some(script) => script(&request, response),
                    None => response,
                }
            }
        };
        let (status, retry_after) = (response.status, response.retry_after);
        let body = RawValue::from_string(String::from_utf8(response.body).unwrap())
            .expect("only the relay answers on a stream");
        let frame = LiveFrame::Answer { id: Some(id), status, retry_after, body };
        (status, serde_json::to_string(&frame).unwrap())
    }

    /// The next frame that a stream sends after this cursor.
    pub(crate) fn frame_after(&self, handle: &Handle, since: u64) -> Option<(String, u64)> {
        let items = self.after(handle, since, LIVE_FRAME_ITEMS);
        let cursor = items.last()?.seq;
        let last = (items.len() == LIVE_FRAME_ITEMS).then(|| self.last(handle));
        let frame = LiveFrame::Items { epoch: self.epoch.clone(), items, last };
        Some((serde_json::to_string(&frame).unwrap(), cursor))
    }

    pub(crate) fn caught_up(&self, cursor: u64) -> String {
        let frame = LiveFrame::CaughtUp { epoch: self.epoch.clone(), caught_up: cursor };
        serde_json::to_string(&frame).unwrap()
    }

    /// Puts arbitrary bytes into an inbox, as any sender may.
    pub(crate) fn append(&mut self, handle: &str, envelope: &str, now: u64) -> u64 {
        self.seq += 1;
        let item = InboxItem {
            seq: self.seq,
            envelope: RawValue::from_string(envelope.to_owned()).unwrap(),
            created_at: Timestamp::from_unix(now / 1000),
        };
        self.inboxes.entry(handle.parse().unwrap()).or_default().push(item);
        self.seq
    }

    /// Loses what has come last into an inbox.
    pub(crate) fn lose_last(&mut self, handle: &str) {
        self.inboxes.get_mut(&handle.parse::<Handle>().unwrap()).unwrap().pop().unwrap();
    }

    /// Restores the database from a complete backup: new epoch, new numbers.
    pub(crate) fn restore_from_backup(&mut self) {
        let number = u64::from_str_radix(&self.epoch, 16).unwrap() + 1;
        self.epoch = format!("{number:016x}");
        for inbox in self.inboxes.values_mut() {
            for (seq, item) in inbox.iter_mut().enumerate() {
                item.seq = seq as u64 + 1;
            }
        }
        for log in self.groups.logs.values_mut() {
            log.ahead = true;
        }
        self.keeping.acknowledged.clear();
        self.seq = self.inboxes.values().map(|inbox| inbox.len() as u64).max().unwrap_or(0);
    }

    pub(crate) fn inbox(&self, handle: &str) -> Vec<String> {
        let inbox = self.inboxes.get(&handle.parse::<Handle>().unwrap());
        inbox.into_iter().flatten().map(|item| item.envelope.get().to_owned()).collect()
    }

    /// Gives a handle to the signer of this registration, even if it is taken.
    pub(crate) fn force_registration(&mut self, registration: &str, now: u64) {
        let claim = Signed::<HandleRegistration>::parse(registration.as_bytes()).unwrap().verify().unwrap();
        let registered = Registered {
            key: *claim.primary(),
            registration: registration.to_owned(),
            at: Timestamp::from_unix(now / 1000),
        };
        self.accounts.insert(claim.handle().parse().unwrap(), registered);
    }

    pub(crate) fn lookup(&self, handle: &str) -> Option<Lookup> {
        let handle: Handle = handle.parse().ok()?;
        let Registered { key, registration, at } = self.accounts.get(&handle)?;
        Some(Lookup {
            fqhn: format!("{handle}@{}", self.server),
            primary: key.primary(),
            sigchain_url: format!(
                "https://kez.lat{}/ed25519/{}",
                sigchains::BASE,
                self.sigchains.root_of(&key.primary()).hex()
            ),
            registered_at: *at,
            registration: RawValue::from_string(registration.clone()).unwrap(),
            log: None,
            handle,
        })
    }

    fn config(&mut self) -> HttpResponse {
        self.described += 1;
        let config = ServerConfig {
            server: self.server.clone(),
            version: "0".into(),
            limits: Limits::PROTOCOL,
            registration: self.registration,
            live_url: None,
            nats_ws_url: self.nats_ws_url.clone(),
            sigchains_url: Some(sigchains::BASE.into()),
            contact: None,
            terms_url: None,
        };
        json(200, &config)
    }

    /// `PUT /v1/u/{handle}/nats-keys`.
    fn bind(&mut self, target: &str, body: &str, auth: Option<&str>, now: Timestamp) -> Option<HttpResponse> {
        let auth = CallerAuth::parse(auth?).ok()?;
        let (handle, key) = (auth.handle().clone(), self.accounts.get(auth.handle())?.key);
        let request = CallerRequest { server: &self.server, method: "PUT", target, body: body.as_bytes() };
        auth.verify(&request, &key, now).ok()?;
        assert_eq!(target, nats_binding::target(&handle));
        let binding = Signed::<NatsBinding>::parse(body.as_bytes()).unwrap().verify().unwrap();
        binding.check(&self.server, key.primary(), now).unwrap();
        let nkey = binding.nkey().to_string();
        if self.removed.contains(&nkey) {
            return Some(problem(ProblemCode::NkeyRemoved));
        }
        self.bound.insert(nkey, (handle, binding.expires_at().unix()));
        Some(HttpResponse { status: 204, retry_after: None, date: None, body: Vec::new() })
    }

    /// The last number in an inbox, and the key that the inbox belongs to.
    pub(crate) fn end_of(&self, handle: &Handle) -> (u64, String) {
        let last = self.inboxes.get(handle).and_then(|inbox| inbox.last());
        (last.map_or(0, |item| item.seq), self.accounts[handle].key.primary().hex())
    }

    fn register(&mut self, body: &str, invite: Option<&str>, now: Timestamp) -> HttpResponse {
        let Ok(signed) = Signed::<HandleRegistration>::parse(body.as_bytes()) else {
            return problem(ProblemCode::Malformed);
        };
        let Ok(claim) = signed.verify() else { return problem(ProblemCode::BadSignature) };
        if self.accounts.values().any(|other| other.registration == body) {
            return json(201, &self.lookup(claim.handle()));
        }
        let handle = match claim.check(&self.server, now) {
            Ok(handle) => handle,
            Err(refused) => return problem(refused.code()),
        };
        if let Some(holder) = self.accounts.get(&handle).map(|account| account.key.primary()) {
            if !self.sigchains.leads_from(&holder, &claim.primary().primary()) {
                return problem(ProblemCode::HandleTaken);
            }
            self.changed.push(handle);
            self.force_registration(body, now.unix() * 1000);
            return json(201, &self.lookup(claim.handle()));
        }
        if self.accounts.values().any(|other| other.key == *claim.primary()) {
            return problem(ProblemCode::PrimaryTaken);
        }
        if let Err(refused) = self.let_in(invite) {
            return refused;
        }
        self.force_registration(body, now.unix() * 1000);
        json(201, &self.lookup(claim.handle()))
    }

    /// Uses up an invitation; each is good for one account.
    fn let_in(&mut self, invite: Option<&str>) -> Result<(), HttpResponse> {
        let refused = |why| Err(json(403, &Problem::new(ProblemCode::InviteRefused, why)));
        match (self.registration, invite) {
            (RegistrationMode::Open, None) => Ok(()),
            (RegistrationMode::Open, Some(_)) => panic!("this relay takes accounts without invitations"),
            (RegistrationMode::Closed, _) => Err(problem(ProblemCode::RegistrationClosed)),
            (RegistrationMode::Invite, None) => refused("this server takes new accounts by invitation only"),
            (RegistrationMode::Invite, Some(code)) => match self.invites.get_mut(code) {
                None => refused("there is no such invitation"),
                Some(Some(why)) => refused(why),
                Some(counts) => {
                    *counts = Some("this invitation is used up");
                    Ok(())
                }
            },
        }
    }

    fn send(&mut self, body: &str, now: Timestamp) -> HttpResponse {
        self.posted.push(body.to_owned());
        let Ok(SendMessage { to, envelope }) = serde_json::from_str(body) else {
            return problem(ProblemCode::Malformed);
        };
        if envelope.get().len() > kez_core::envelope::MAX_BYTES {
            return problem(ProblemCode::EnvelopeTooLarge);
        }
        let Some(handle) = to.parse().ok().filter(|to| self.accounts.contains_key(to)) else {
            return problem(ProblemCode::UnknownHandle);
        };
        let receipt = Receipt::of(envelope.get().as_bytes());
        let inbox = self.inboxes.entry(handle).or_default();
        if let Some(item) = inbox.iter().find(|item| item.envelope.get() == envelope.get()) {
            return json(200, &MessageStored { receipt, created_at: item.created_at });
        }
        self.append(&to, envelope.get(), now.unix() * 1000);
        json(201, &MessageStored { receipt, created_at: now })
    }

    /// Handles a request about groups, signed by the account or by one of its devices.
    fn group_request(&mut self, request: &HttpRequest, now: Timestamp) -> Option<HttpResponse> {
        let auth = CallerAuth::parse(request.auth.as_deref()?).ok()?;
        let body = request.body.as_deref().unwrap_or_default();
        let (method, target) = (request.method.as_str(), request.target.as_str());
        let signed = CallerRequest { server: &self.server, method, target, body: body.as_bytes() };
        let key = self.signer(&auth, now)?;
        let chains: BTreeMap<Handle, Chain> = self
            .accounts
            .iter()
            .map(|(handle, account)| (handle.clone(), self.sigchains.of(&account.key.primary())))
            .collect();
        let chain = &chains[auth.handle()];
        auth.verify(&signed, &key, now).ok()?;
        let facts = Facts {
            caller: auth.handle().clone(),
            device: auth.device(),
            root: chain.root(),
            now,
            epoch: &self.epoch,
            chains: &chains,
        };
        self.groups.answer(method, target, body, &facts)
    }

    /// `POST /v1/people`.
    fn people_at_once(&self, body: &str) -> HttpResponse {
        let LookUpPeople { roots } = serde_json::from_str(body).unwrap();
        let found = roots.iter().filter_map(|(root, known)| {
            let (handle, _) = self
                .accounts
                .iter()
                .find(|(_, account)| self.sigchains.root_of(&account.key.primary()) == *root)?;
            let links = self.sigchains.links(root);
            let raw =
                |link: &kez_core::sigchain::Link| RawValue::from_string(link.json().to_owned()).unwrap();
            let chain = ChainEnd {
                length: links.len() as u64,
                head: links.last().map(kez_core::sigchain::Link::hash),
                links: links.iter().skip(usize::try_from(*known).unwrap()).map(raw).collect(),
            };
            Some(PersonFound::new(self.lookup(handle.as_str())?, Some(chain)))
        });
        json(200, &People { people: found.collect() })
    }

    /// The signer of a request.
    fn caller(&self, request: &HttpRequest, now: Timestamp) -> Option<Handle> {
        let auth = CallerAuth::parse(request.auth.as_deref()?).ok()?;
        let body = request.body.as_deref().unwrap_or_default().as_bytes();
        let (method, target) = (request.method.as_str(), request.target.as_str());
        let signed = CallerRequest { server: &self.server, method, target, body };
        auth.verify(&signed, &self.signer(&auth, now)?, now).ok()?;
        Some(auth.handle().clone())
    }

    /// The key that a caller signs with: that of the account, or of one of its live devices.
    fn signer(&self, auth: &CallerAuth, now: Timestamp) -> Option<PublicIdentity> {
        let key = self.accounts.get(auth.handle())?.key;
        let Some(device) = auth.device() else { return Some(key) };
        let chain = self.sigchains.of(&key.primary());
        chain.device(&device).filter(|known| known.is_live(now)).map(|known| known.device.key)
    }

    /// The contact and block lists: `/v1/u/{owner}/{list}` and `/v1/u/{owner}/{list}/{peer}`.
    fn people(&mut self, request: &HttpRequest, now: Timestamp) -> Option<HttpResponse> {
        let caller = self.caller(request, now)?;
        let mut parts = request.target.strip_prefix("/v1/u/")?.split('/');
        let (owner, list, peer) = (parts.next()?, parts.next()?.to_owned(), parts.next());
        if owner != caller.as_str() {
            return None;
        }
        let listed = self.listed.entry((caller, list)).or_default();
        let Some(peer) = peer else {
            return Some(json(200, &HandleList { handles: listed.iter().cloned().collect() }));
        };
        let peer: Handle = peer.parse().ok()?;
        match request.method {
            Method::Put => listed.insert(peer),
            Method::Delete => listed.remove(&peer),
            Method::Get | Method::Post => return None,
        };
        Some(HttpResponse { status: 204, retry_after: None, date: None, body: Vec::new() })
    }

    fn get(&mut self, target: &str, auth: Option<&str>, now: Timestamp) -> HttpResponse {
        if let Some(handle) = target.strip_prefix("/v1/u/") {
            return self
                .lookup(handle)
                .map_or_else(|| problem(ProblemCode::UnknownHandle), |it| json(200, &it));
        }
        if let Some(key) = target.strip_prefix("/v1/by-primary/") {
            // A request for a former key gets the current record.
            let current = key.parse().map(|key| self.sigchains.current(&key).to_string());
            let key = current.as_deref().unwrap_or(key);
            let found = self.accounts.iter().find(|(_, account)| account.key.to_string() == key);
            let found = found.and_then(|(handle, _)| self.lookup(handle.as_str()));
            return found.map_or_else(|| problem(ProblemCode::UnknownHandle), |it| json(200, &it));
        }
        self.pages += 1;
        self.page(target, auth, now).unwrap_or_else(|| problem(ProblemCode::Unauthorized))
    }

    fn export(&self, request: &HttpRequest, now: Timestamp) -> HttpResponse {
        let Some(caller) = self.caller(request, now) else { return problem(ProblemCode::Unauthorized) };
        let items = self.after(&caller, 0, usize::MAX);
        json(200, &serde_json::json!({ "type": "kez.chat.export", "inbox": { "items": items } }))
    }

    fn delete_signed(&mut self, target: &str, request: &HttpRequest, now: Timestamp) -> HttpResponse {
        match self.caller(request, now) {
            Some(caller) if target == format!("/v1/u/{caller}") && !is_by_device(request) => {
                self.delete(caller.as_str());
                HttpResponse { status: 204, retry_after: None, date: None, body: Vec::new() }
            }
            _ => problem(ProblemCode::Unauthorized),
        }
    }

    /// Deletes an account and its inbox.
    pub(crate) fn delete(&mut self, handle: &str) {
        let handle: Handle = handle.parse().unwrap();
        self.accounts.remove(&handle);
        self.inboxes.remove(&handle);
    }

    fn page(&self, target: &str, auth: Option<&str>, now: Timestamp) -> Option<HttpResponse> {
        let (handle, query) = target.strip_prefix("/v1/inbox/")?.split_once('?')?;
        let (since, limit) = query.strip_prefix("since=")?.split_once("&limit=")?;
        let (handle, since): (Handle, u64) = (handle.parse().ok()?, since.parse().ok()?);
        match CallerAuth::parse(auth?) {
            Ok(by_caller) => {
                let signed = CallerRequest { server: &self.server, method: "GET", target, body: &[] };
                by_caller.verify(&signed, &self.signer(&by_caller, now)?, now).ok()?;
                (*by_caller.handle() == handle).then_some(())?;
            }
            Err(_) => {
                let key = self.accounts.get(&handle)?.key;
                inbox_auth::verify(auth?, &handle, since, &key, now).ok()?;
            }
        }
        let items = self.after(&handle, since, limit.parse().ok()?);
        let next = items.last().map_or(since, |item| item.seq);
        let last = self.last(&handle);
        Some(json(200, &InboxPage { items, next, last, epoch: self.epoch.clone() }))
    }

    fn last(&self, handle: &Handle) -> u64 {
        self.inboxes.get(handle).and_then(|inbox| inbox.last()).map_or(0, |item| item.seq)
    }

    fn after(&self, handle: &Handle, since: u64, limit: usize) -> Vec<InboxItem> {
        let inbox = self.inboxes.get(handle).into_iter().flatten();
        inbox.filter(|item| item.seq > since).take(limit).cloned().collect()
    }
}

/// Whether a request is about groups or key packages.
/// Whether a device signed a request.
fn is_by_device(request: &HttpRequest) -> bool {
    let auth = request.auth.as_deref().and_then(|auth| CallerAuth::parse(auth).ok());
    auth.is_some_and(|auth| auth.device().is_some())
}

fn is_about_groups(target: &str) -> bool {
    target.starts_with("/v1/groups")
        || target.starts_with("/v1/key-packages")
        || target.ends_with("/key-packages")
        || target.ends_with("/news")
}

pub(crate) fn json(status: u16, body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse { status, retry_after: None, date: None, body: serde_json::to_vec(body).unwrap() }
}

pub(crate) fn problem(code: ProblemCode) -> HttpResponse {
    json(code.status(), &Problem::new(code, code.title()))
}
