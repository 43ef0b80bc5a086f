//! The clock, the network, and the users' actions.

use std::collections::{BTreeMap, VecDeque};

use kez_client::effect::{HttpRequest, RequestId};
use kez_client::event::{Event, HttpResponse, LiveEvent, NatsEvent, NetworkFault, TabId, UiEvent};
use kez_client::secret::Secret;
use kez_client::view::{
    AccountView, ChainAlarm, ChainView, DeliveryState, GroupLine, JoinStep, MessageBody, MessageRow,
    ThreadView, View,
};
use kez_client::{Client, Signer};
use kez_core::api::LiveFrame;
use kez_core::handle::Handle;
use kez_core::identity::SecretIdentity;
use kez_core::mls::GroupId;
use kez_core::recovery_phrase;
use kez_core::sigchain::{Certified, DeviceId};
use rand_core::Rng;

use super::broker::Broker;
use super::browser::{Browser, Out, client};
use super::chance::Chance;
use super::engine::Seals;
use super::relay::Relay;

/// What the network does to requests and answers, in per cent. On a stream, what gets lost ends the stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) request_lost: u64,
    pub(crate) answer_lost: u64,
    pub(crate) request_doubled: u64,
    pub(crate) answer_doubled: u64,
    pub(crate) stream_cut: u64,
    /// Messages on a stream, and their answers, that get lost while the stream stands.
    pub(crate) swallowed: u64,
    /// The longest delay, in milliseconds. Delays vary, so that requests and answers overtake each other.
    pub(crate) delay: u64,
}

enum Happening {
    /// Reaches a browser, unless it has restarted since.
    Event {
        who: &'static str,
        life: u64,
        event: Event,
    },
    /// Reaches a browser, if it still has the same stream.
    Live {
        who: &'static str,
        stream: u64,
        event: LiveEvent,
    },
    /// Reaches the relay.
    Request {
        who: &'static str,
        life: u64,
        id: RequestId,
        request: HttpRequest,
        lost: bool,
    },
    OpenLive {
        who: &'static str,
        stream: u64,
        path: String,
        hello: String,
    },
    /// A message reaches the relay, if the stream still stands.
    SendLive {
        who: &'static str,
        stream: u64,
        frame: String,
        fate: Fate,
    },
    /// Reaches a browser, if it still has the same connection to NATS.
    Nats {
        who: &'static str,
        connection: u64,
        event: NatsEvent,
    },
    OpenNats {
        who: &'static str,
        connection: u64,
        subject: String,
        signer: Signer,
    },
}

/// What happens to a message on a stream, or to its answer.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Arrives,
    /// It gets lost, and the stream ends.
    Lost,
    /// It gets lost, and the stream stands.
    Swallowed,
}

struct Stream {
    number: u64,
    handle: Handle,
    /// The device that opened it, if a device did.
    device: Option<DeviceId>,
    cursor: u64,
    /// The groups that it follows, each with its cursor.
    groups: Option<BTreeMap<GroupId, u64>>,
    /// Keeps the frames of one stream in order.
    last_due: u64,
}

/// A worker that led before another one took over, and still runs.
pub(crate) struct Superseded {
    pub(crate) client: Client,
    held: Option<u64>,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) relay: Relay,
    pub(crate) weather: Weather,
    pub(crate) rng: Chance,
    /// How many pages of messages a client keeps in memory besides those on screens: as few as possible.
    pub(crate) most_pages: usize,
    browsers: BTreeMap<&'static str, Browser>,
    streams: BTreeMap<&'static str, Stream>,
    pub(crate) broker: Broker,
    /// Everything that MLS engines have sealed; `None` in a world without engines.
    pub(crate) seals: Option<Seals>,
    /// The browsers that have no engine, so that no chain names them as devices.
    pub(crate) without_engine: Vec<&'static str>,
    queue: BTreeMap<(u64, u64), Happening>,
    count: u64,
}

impl World {
    pub(crate) fn new(chance: u64) -> Self {
        Self {
            now: 1_795_374_000_000,
            relay: Relay::new(),
            weather: Weather { delay: 20, ..Weather::default() },
            rng: Chance::new(chance),
            most_pages: 0,
            browsers: BTreeMap::new(),
            streams: BTreeMap::new(),
            broker: Broker::new(),
            seals: Some(Seals::default()),
            without_engine: Vec::new(),
            queue: BTreeMap::new(),
            count: 0,
        }
    }

    /// A world whose browsers have no MLS engine. So no chain names a device, and people write in envelopes.
    pub(crate) fn with_envelopes(chance: u64) -> Self {
        Self { seals: None, ..Self::new(chance) }
    }

    /// Opens a new browser with empty storage.
    pub(crate) fn open(&mut self, who: &'static str) {
        let seals = self.seals.clone().filter(|_| !self.without_engine.contains(&who));
        self.browsers.insert(who, Browser::new(self.most_pages, seals));
        self.start(who);
    }

    /// The browser dies and is opened again: memory is lost, the disk is kept.
    pub(crate) fn reload(&mut self, who: &'static str) {
        let most_pages = self.most_pages;
        let browser = self.browser(who);
        browser.life += 1;
        browser.stream += 1;
        browser.nats += 1;
        browser.dies_after = None;
        browser.client = client(most_pages, browser.seals.as_ref());
        self.streams.remove(who);
        self.broker.leave(who);
        self.start(who);
        let tabs: Vec<(TabId, Event)> = self.browser(who).tabs.clone().into_iter().collect();
        for (_, event) in tabs {
            self.event(who, event);
        }
    }

    /// Another worker takes over the browser, while the one before does not end. Returns that one's client.
    pub(crate) fn take_over(&mut self, who: &'static str) -> Superseded {
        let most_pages = self.most_pages;
        let browser = self.browser(who);
        let next = client(most_pages, browser.seals.as_ref());
        let client = std::mem::replace(&mut browser.client, next);
        let superseded = Superseded { client, held: browser.held };
        self.reload(who);
        superseded
    }

    /// An event reaches a worker that has been superseded in this browser. Returns what it does, other than to write.
    pub(crate) fn late(&mut self, who: &'static str, late: &mut Superseded, event: Event) -> Vec<Out> {
        let (now, mut events, mut all) = (self.now, VecDeque::from([event]), Vec::new());
        while let Some(event) = events.pop_front() {
            let effects = late.client.handle(event, now, &mut self.rng);
            let browser = self.browsers.get_mut(who).expect("a browser");
            let (held, mut out) = (std::mem::replace(&mut browser.held, late.held), Vec::new());
            let remembered = browser.remembered.clone();
            browser.perform(effects, &mut out);
            late.held = std::mem::replace(&mut browser.held, held);
            browser.remembered = remembered;
            for out in out {
                match out {
                    Out::Event(event) => events.push_back(event),
                    Out::Loaded(records) => events.push_front(Event::Loaded(Ok(records))),
                    out => all.push(out),
                }
            }
        }
        all
    }

    /// Opens a browser and joins with it, using the words on screen.
    pub(crate) fn join(&mut self, who: &'static str, passphrase: &str) {
        self.open(who);
        self.run(1_000);
        self.ui(who, UiEvent::HandleTyped { text: who.to_owned() });
        self.run(1_000);
        self.create_account(who, passphrase);
        self.run(3_000);
    }

    /// The steps of joining from "Continue" with a handle to "Create account".
    pub(crate) fn create_account(&mut self, who: &'static str, passphrase: &str) {
        self.ui(who, UiEvent::HandleChosen);
        let words = match self.join_step(who) {
            JoinStep::Phrase { words } => words,
            other => panic!("not the phrase: {other:?}"),
        };
        self.ui(who, UiEvent::PhraseSeen);
        let JoinStep::Confirm { positions } = self.join_step(who) else { panic!("not asked back") };
        let words = positions.iter().map(|at| Secret::new(words[usize::from(*at) - 1].clone())).collect();
        self.ui(who, UiEvent::PhraseConfirmed { words });
        assert_eq!(self.join_step(who), JoinStep::Passphrase);
        self.ui(who, UiEvent::AccountCreated { passphrase: Secret::new(passphrase) });
    }

    pub(crate) fn join_step(&self, who: &'static str) -> JoinStep {
        match self.view(who).account {
            AccountView::None { join, .. } => join.step,
            other => panic!("not joining: {other:?}"),
        }
    }

    /// The 24 words as /settings shows them.
    pub(crate) fn words(&mut self, who: &'static str) -> String {
        self.ui(who, UiEvent::PhraseShown);
        let AccountView::Open(me) = self.view(who).account else { panic!("not open") };
        self.ui(who, UiEvent::PhraseHidden);
        me.phrase.unwrap().join(" ")
    }

    /// The 24 words of the announced key, as /settings shows them.
    pub(crate) fn rotation_words(&mut self, who: &'static str) -> String {
        self.ui(who, UiEvent::RotationPhraseShown);
        let words = self.chain(who).phrase.expect("a phrase that waits");
        self.ui(who, UiEvent::RotationPhraseHidden);
        words.join(" ")
    }

    /// The user's own chain, as /settings shows it.
    pub(crate) fn chain(&self, who: &'static str) -> ChainView {
        match self.view(who).account {
            AccountView::Open(me) => me.chain,
            other => panic!("not open: {other:?}"),
        }
    }

    /// The user's current key.
    pub(crate) fn key(&mut self, who: &'static str) -> SecretIdentity {
        let words = self.words(who);
        SecretIdentity::from_seed(recovery_phrase::parse(&words).unwrap())
    }

    pub(crate) fn look(&mut self, who: &'static str, at: &str) {
        self.tab_ui(who, "tab", UiEvent::Looking { at: Some(at.to_owned()), visible: true });
    }

    /// Presses "Send"; returns the message's id.
    pub(crate) fn send(&mut self, who: &'static str, to: &str, text: &str) -> String {
        let id = self.ulid();
        self.ui(who, UiEvent::SendPressed { handle: to.into(), id: id.clone(), text: text.into() });
        id
    }

    pub(crate) fn ulid(&mut self) -> String {
        self.count += 1;
        format!("01JDABCDEFGHJKMN{:010}", self.count)
    }

    pub(crate) fn ui(&mut self, who: &'static str, event: UiEvent) {
        self.tab_ui(who, "tab", event);
    }

    pub(crate) fn tab_ui(&mut self, who: &'static str, tab: &str, event: UiEvent) {
        let tab = TabId(tab.to_owned());
        let event = Event::Ui(tab.clone(), event);
        if matches!(event, Event::Ui(_, UiEvent::Looking { .. })) {
            self.browser(who).tabs.insert(tab, event.clone());
        }
        self.event(who, event);
    }

    /// The network fails or returns, and the browser reports it.
    pub(crate) fn network(&mut self, who: &'static str, online: bool) {
        self.browser(who).unplugged = !online;
        if !online {
            self.streams.remove(who);
            self.broker.leave(who);
        }
        self.network_hint(who, online);
    }

    /// The browser reports that the network has failed or returned, whether or not that is true.
    pub(crate) fn network_hint(&mut self, who: &'static str, online: bool) {
        self.event(who, Event::Network { online });
    }

    /// The relay goes down or comes up; all streams end.
    pub(crate) fn relay_up(&mut self, up: bool) {
        self.relay.up = up;
        self.cut_streams();
    }

    pub(crate) fn cut_streams(&mut self) {
        for (who, stream) in std::mem::take(&mut self.streams) {
            let event = LiveEvent::Closed { code: 1001 };
            self.after(0, Happening::Live { who, stream: stream.number, event });
        }
    }

    /// The streams die without any notice to the browsers.
    pub(crate) fn silence_streams(&mut self) {
        self.streams.clear();
    }

    pub(crate) fn view(&self, who: &'static str) -> View {
        self.tab_view(who, "tab")
    }

    pub(crate) fn tab_view(&self, who: &'static str, tab: &str) -> View {
        self.browsers[who].client.view(&TabId(tab.to_owned()))
    }

    pub(crate) fn thread(&self, who: &'static str) -> ThreadView {
        self.view(who).thread.expect("looks at a conversation")
    }

    /// The alarm on screen about the key history of a person.
    pub(crate) fn alarm(&self, who: &'static str) -> Option<ChainAlarm> {
        self.thread(who).chain_alarm.map(|about| about.alarm)
    }

    /// The key on screen, as the page reports it together with a decision about it.
    pub(crate) fn shown_key(&self, who: &'static str) -> String {
        self.thread(who).primary.expect("a key")
    }

    /// The rows on screen, without the line that the conversation has moved to MLS.
    pub(crate) fn rows(&self, who: &'static str) -> Vec<MessageRow> {
        let mut rows = self.all_rows(who);
        rows.retain(|row| row.body != MessageBody::Group(GroupLine::Upgraded));
        rows
    }

    /// The rows on screen.
    pub(crate) fn all_rows(&self, who: &'static str) -> Vec<MessageRow> {
        self.thread(who).messages
    }

    /// The messages on screen, without the events between them.
    pub(crate) fn messages(&self, who: &'static str) -> Vec<MessageRow> {
        let is_event =
            |row: &MessageRow| matches!(row.body, MessageBody::KeyReplaced | MessageBody::DeviceAdded);
        self.rows(who).into_iter().filter(|row| !is_event(row)).collect()
    }

    /// The messages on screen: `me: ...` or `them: ...`.
    pub(crate) fn texts(&self, who: &'static str) -> Vec<String> {
        let rows = self.rows(who);
        rows.iter().map(|row| format!("{}: {}", if row.mine { "me" } else { "them" }, text(row))).collect()
    }

    pub(crate) fn states(&self, who: &'static str) -> Vec<DeliveryState> {
        self.rows(who).iter().map(|row| row.state).collect()
    }

    pub(crate) fn browser(&mut self, who: &'static str) -> &mut Browser {
        self.browsers.get_mut(who).expect("a browser")
    }

    /// Delivers an event to a browser at once.
    pub(crate) fn event(&mut self, who: &'static str, event: Event) {
        let now = self.now;
        let browser = self.browsers.get_mut(who).expect("a browser");
        let wall = now.saturating_add_signed(browser.clock);
        let effects = browser.client.handle(event, wall, &mut self.rng);
        // As in the driver, the timer counts milliseconds and ignores changes of the browser's clock.
        browser.timer = browser.client.next_wake().map(|at| now + at.saturating_sub(wall));
        let (mut out, life) = (Vec::new(), browser.life);
        let alive = browser.perform(effects, &mut out);
        let mut loaded = None;
        for out in out {
            match out {
                Out::Loaded(records) => loaded = Some(records),
                out => self.out(who, life, out),
            }
        }
        match loaded {
            _ if alive.is_none() => self.reload(who),
            Some(records) => self.event(who, Event::Loaded(Ok(records))),
            None => {}
        }
    }

    /// Sets the computer's clock to this many milliseconds ahead of the true time.
    pub(crate) fn set_clock(&mut self, who: &'static str, ahead: i64) {
        self.browser(who).clock = ahead;
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        for _ in 0..100_000 {
            let queued = self.queue.keys().next().map(|(due, _)| *due);
            let woken = self.browsers.iter().filter_map(|(who, b)| Some((b.timer?, *who))).min();
            match (queued, woken) {
                (Some(due), wake) if due <= end && wake.is_none_or(|(at, _)| due <= at) => {
                    self.now = self.now.max(due);
                    if let Some((_, happening)) = self.queue.pop_first() {
                        self.happen(happening);
                    }
                }
                (_, Some((at, who))) if at <= end => {
                    // A wake-up in the past that the tick does not resolve would stop the clock.
                    self.now = self.now.max(at);
                    self.event(who, Event::Tick);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the world does not come to rest");
    }

    fn start(&mut self, who: &'static str) {
        let startup = self.browser(who).startup();
        self.event(who, Event::Started(startup));
    }

    fn out(&mut self, who: &'static str, life: u64, out: Out) {
        match out {
            Out::Loaded(_) => {}
            Out::Event(event) => self.after(0, Happening::Event { who, life, event }),
            Out::Http(id, request) => self.request(who, life, id, request),
            Out::OpenLive { path, hello } => {
                let browser = self.browser(who);
                browser.stream += 1;
                let stream = browser.stream;
                self.streams.remove(who);
                let delay = self.delay();
                self.after(delay, Happening::OpenLive { who, stream, path, hello });
            }
            Out::OpenNats { url, subject, signer } => {
                assert_eq!(Some(url), self.relay.nats_ws_url);
                let browser = self.browser(who);
                browser.nats += 1;
                let connection = browser.nats;
                self.broker.leave(who);
                let delay = self.delay();
                self.after(delay, Happening::OpenNats { who, connection, subject, signer });
            }
            Out::CloseNats => {
                self.browser(who).nats += 1;
                self.broker.leave(who);
            }
            Out::SendLive { frame } => self.send_live(who, &frame),
            Out::CloseLive => {
                self.browser(who).stream += 1;
                self.streams.remove(who);
            }
        }
    }

    fn request(&mut self, who: &'static str, life: u64, id: RequestId, request: HttpRequest) {
        let lost = self.happens(self.weather.request_lost) || self.browsers[who].unplugged;
        let copies = 1 + u64::from(self.happens(self.weather.request_doubled));
        for _ in 0..copies {
            let (delay, request) = (self.delay(), request.clone());
            self.after(delay, Happening::Request { who, life, id, request, lost });
        }
    }

    fn send_live(&mut self, who: &'static str, frame: &str) {
        let stream = self.browser(who).stream;
        let fate = self.fate(self.weather.request_lost);
        for _ in 0..1 + u64::from(self.happens(self.weather.request_doubled)) {
            let delay = self.delay();
            self.after(delay, Happening::SendLive { who, stream, frame: frame.to_owned(), fate });
        }
    }

    fn answer_live(&mut self, who: &'static str, stream: u64, frame: &str) {
        let Some(owner) = self.streams.get(who).map(|stream| stream.handle.clone()) else { return };
        let (status, answer) = self.relay.answer_on_stream(&owner, frame, self.now);
        self.push_to_streams();
        if !self.stands(who, stream) {
            return;
        }
        match self.fate(self.weather.answer_lost) {
            Fate::Lost => self.end_stream(who, 1006),
            Fate::Swallowed => {}
            Fate::Arrives => {
                for _ in 0..1 + u64::from(self.happens(self.weather.answer_doubled)) {
                    // Answers come in any order.
                    let (delay, event) = (self.delay(), LiveEvent::Frame(answer.clone()));
                    self.after(delay, Happening::Live { who, stream, event });
                }
                if status == 401 {
                    let delay = self.weather.delay + 1;
                    self.streams.remove(who);
                    self.after(
                        delay,
                        Happening::Live { who, stream, event: LiveEvent::Closed { code: 4401 } },
                    );
                }
            }
        }
    }

    fn fate(&mut self, lost: u64) -> Fate {
        if self.happens(lost) {
            Fate::Lost
        } else if self.happens(self.weather.swallowed) {
            Fate::Swallowed
        } else {
            Fate::Arrives
        }
    }

    fn stands(&self, who: &'static str, number: u64) -> bool {
        self.streams.get(who).is_some_and(|stream| stream.number == number)
    }

    fn end_stream(&mut self, who: &'static str, code: u16) {
        if let Some(Stream { number: stream, .. }) = self.streams.remove(who) {
            self.after(0, Happening::Live { who, stream, event: LiveEvent::Closed { code } });
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Event { who, life, event } => {
                if self.browser(who).life == life {
                    self.event(who, event);
                }
            }
            Happening::Live { who, stream, event } => {
                if self.browser(who).stream == stream {
                    self.event(who, Event::Live(event));
                }
            }
            Happening::Request { who, life, id, request, lost } => {
                let answer = if lost || !self.relay.up {
                    Err(NetworkFault)
                } else {
                    let answer = self.relay.answer(&request, self.now);
                    self.push_to_streams();
                    if self.happens(self.weather.answer_lost) { Err(NetworkFault) } else { Ok(answer) }
                };
                self.answer(who, life, id, answer);
            }
            Happening::Nats { who, connection, event } => {
                if self.browser(who).nats == connection {
                    self.event(who, Event::Nats(event));
                }
            }
            Happening::OpenNats { who, connection, subject, signer } => {
                if self.browser(who).unplugged {
                    self.nats_event(who, connection, NatsEvent::Closed);
                } else if self.browser(who).nats == connection {
                    let event =
                        self.broker.open(&self.relay, who, connection, &subject, &signer, self.now / 1000);
                    self.nats_event(who, connection, event);
                }
            }
            Happening::OpenLive { who, stream, path, hello } => self.open_live(who, stream, &path, &hello),
            Happening::SendLive { who, stream, frame, fate } if self.stands(who, stream) => match fate {
                Fate::Arrives => self.answer_live(who, stream, &frame),
                Fate::Lost => self.end_stream(who, 1006),
                Fate::Swallowed => {}
            },
            Happening::SendLive { .. } => {}
        }
    }

    fn answer(
        &mut self,
        who: &'static str,
        life: u64,
        id: RequestId,
        answer: Result<HttpResponse, NetworkFault>,
    ) {
        let copies = 1 + u64::from(self.happens(self.weather.answer_doubled));
        for _ in 0..copies {
            let event = Event::Http(id, answer.clone());
            let delay = self.delay();
            self.after(delay, Happening::Event { who, life, event });
        }
    }

    fn open_live(&mut self, who: &'static str, number: u64, path: &str, hello: &str) {
        if self.browser(who).stream != number {
            return;
        }
        if !self.relay.up || !self.relay.has_streams || self.browsers[who].unplugged {
            return self
                .after(0, Happening::Live { who, stream: number, event: LiveEvent::Closed { code: 1006 } });
        }
        let Some((handle, device, since, groups)) = self.relay.open_live(path, hello, self.now) else {
            return self
                .after(0, Happening::Live { who, stream: number, event: LiveEvent::Closed { code: 4401 } });
        };
        self.streams
            .insert(who, Stream { number, handle, device, cursor: since, groups, last_due: self.now });
        self.push_to_streams();
        if let Some(stream) = self.streams.get(who) {
            let frame = self.relay.caught_up(stream.cursor);
            self.frame(who, frame);
        }
    }

    /// The broker goes down or comes up; all its connections end.
    pub(crate) fn broker_up(&mut self, up: bool) {
        self.broker.up = up;
        for (who, connection) in self.broker.drop_all() {
            self.nats_event(who, connection, NatsEvent::Closed);
        }
    }

    /// Whether the browser has a live stream.
    pub(crate) fn has_stream(&self, who: &'static str) -> bool {
        self.streams.contains_key(who)
    }

    fn nats_event(&mut self, who: &'static str, connection: u64, event: NatsEvent) {
        let delay = self.delay();
        self.after(delay, Happening::Nats { who, connection, event });
    }

    pub(crate) fn push_to_streams(&mut self) {
        for handle in std::mem::take(&mut self.relay.changed) {
            let ended = self.streams.extract_if(.., |_, stream| stream.handle == handle).collect::<Vec<_>>();
            for (who, stream) in ended {
                let event = LiveEvent::Closed { code: 4401 };
                self.after(0, Happening::Live { who, stream: stream.number, event });
            }
        }
        for (root, length) in self.relay.sigchains.take_grown() {
            // The stream of a device that was removed ends, and does not say why.
            let chain = self.relay.sigchains.of(&root);
            let is_out = |device: &DeviceId| chain.device(device).is_some_and(Certified::is_revoked);
            let ended = self.streams.extract_if(.., |_, stream| stream.device.as_ref().is_some_and(is_out));
            for (who, stream) in ended.collect::<Vec<_>>() {
                let event = LiveEvent::Closed { code: 4401 };
                self.after(0, Happening::Live { who, stream: stream.number, event });
            }
            let of_owner = |stream: &Stream| self.relay.root_of(&stream.handle) == Some(root);
            let streams = self.streams.iter().filter(|(_, stream)| of_owner(stream));
            for who in streams.map(|(who, _)| *who).collect::<Vec<_>>() {
                self.frame(who, serde_json::to_string(&LiveFrame::Chain { chain: length }).unwrap());
            }
        }
        for (who, connection) in self.broker.hints(&self.relay) {
            self.nats_event(who, connection, NatsEvent::Hint);
        }
        let all: Vec<&'static str> = self.streams.keys().copied().collect();
        for who in all {
            if self.happens(self.weather.stream_cut) {
                self.end_stream(who, 1006);
                continue;
            }
            while let Some(stream) = self.streams.get_mut(who)
                && let Some((frame, cursor)) = self.relay.frame_after(&stream.handle, stream.cursor)
            {
                stream.cursor = cursor;
                self.frame(who, frame);
            }
            self.push_groups(who);
        }
    }

    /// Sends what is new in the groups that a stream follows.
    fn push_groups(&mut self, who: &'static str) {
        let Some(Stream { handle, groups: Some(_), .. }) = self.streams.get(who) else { return };
        let handle = handle.clone();
        for gid in self.relay.groups.groups_of(&handle) {
            while let Some(Stream { groups: Some(groups), .. }) = self.streams.get_mut(who)
                && let cursor = groups.entry(gid).or_default()
                && let Some((frame, last)) =
                    self.relay.groups.frame_after(gid, &handle, *cursor, &self.relay.epoch)
            {
                *cursor = last;
                self.frame(who, frame);
            }
        }
    }

    fn frame(&mut self, who: &'static str, frame: String) {
        let due = self.now + self.delay();
        let Some(stream) = self.streams.get_mut(who) else { return };
        stream.last_due = stream.last_due.max(due);
        let (due, stream) = (stream.last_due, stream.number);
        self.at(due, Happening::Live { who, stream, event: LiveEvent::Frame(frame) });
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, due: u64, happening: Happening) {
        self.count += 1;
        self.queue.insert((due, self.count), happening);
    }

    fn delay(&mut self) -> u64 {
        1 + self.rng.next_u64() % (self.weather.delay + 1)
    }

    fn happens(&mut self, per_cent: u64) -> bool {
        self.rng.next_u64() % 100 < per_cent
    }
}

pub(crate) fn text(row: &MessageRow) -> String {
    match &row.body {
        MessageBody::Text { text } => text.clone(),
        MessageBody::Undecryptable { why } => format!("<{why:?}>"),
        other => format!("<{other:?}>"),
    }
}
