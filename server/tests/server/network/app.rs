//! The app's state machine (`kez-client`) on a real network: the worker's part in a browser, run natively. Its storage
//! is in memory; `client/tests/story` covers crashes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use futures::{SinkExt, StreamExt};
use kez_client::effect::{Effect, HttpRequest};
use kez_client::engine::NoEngine;
use kez_client::event::{Event, HttpResponse, LiveEvent, NetworkFault, Startup, TabId, UiEvent, VaultEvent};
use kez_client::record::{Kind, Record};
use kez_client::secret::Secret;
use kez_client::view::{AccountView, Availability, DeliveryState, JoinStep, MessageBody, ThreadState, View};
use kez_client::{Client, PAGES_IN_MEMORY};
use kez_core::inbox_auth;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::rng;

pub(super) struct App {
    client: Client,
    disk: BTreeMap<(Kind, String), Vec<u8>>,
    network: Network,
    events: mpsc::UnboundedReceiver<(Source, Event)>,
    live: Option<LiveStream>,
    /// The number of live streams opened so far: events of earlier ones are not reported.
    lives: u64,
    presses: u64,
}

/// The live stream: its task, and the frames that it has to send.
struct LiveStream {
    task: AbortHandle,
    frames: mpsc::UnboundedSender<String>,
}

#[derive(PartialEq)]
enum Source {
    Anything,
    Live(u64),
}

/// The app's connection to its server.
#[derive(Clone)]
struct Network {
    server: SocketAddr,
    patience: Duration,
    http: reqwest::Client,
    events: mpsc::UnboundedSender<(Source, Event)>,
}

impl App {
    /// Opens the app and joins with it, using the texts on the screen.
    pub(super) async fn join(handle: &str, server: SocketAddr, patience: Duration) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let network = Network { server, patience, http: reqwest::Client::new(), events: sender };
        let (client, disk) = (Client::new(PAGES_IN_MEMORY, Box::new(NoEngine)), BTreeMap::new());
        let mut app = Self { client, disk, network, events, live: None, lives: 0, presses: 0 };
        app.take(Event::Started(Startup::Empty { remembered: None }));
        app.press(UiEvent::Looking { at: None, visible: true });
        while app.availability() != Availability::Available {
            app.press(UiEvent::HandleTyped { text: handle.to_owned() });
            app.until(|view| availability(view) != Availability::Checking).await;
        }
        app.press(UiEvent::HandleChosen);
        let JoinStep::Phrase { words } = app.join_step() else { panic!("no phrase") };
        app.press(UiEvent::PhraseSeen);
        let JoinStep::Confirm { positions } = app.join_step() else { panic!("not asked back") };
        let words = positions.iter().map(|at| Secret::new(words[usize::from(*at) - 1].clone())).collect();
        app.press(UiEvent::PhraseConfirmed { words });
        app.press(UiEvent::AccountCreated { passphrase: Secret::new("") });
        app.until(|view| matches!(view.account, AccountView::Open(_))).await;
        app
    }

    /// Finds a user, who may not have joined yet, and opens the conversation.
    pub(super) async fn start_conversation(&mut self, with: &str) {
        loop {
            self.press(UiEvent::ConversationStarted { to: with.to_owned() });
            self.until(|view| !view.new_conversation.busy).await;
            if self.view().new_conversation.started.is_some() {
                break;
            }
        }
        self.press(UiEvent::ConversationDialogClosed);
        self.press(UiEvent::Looking { at: Some(with.to_owned()), visible: true });
        self.until(|view| view.thread.as_ref().is_some_and(|thread| thread.state == ThreadState::Ready))
            .await;
    }

    /// Sends all messages, and returns once they are sent and every message from the other side is on the screen.
    pub(super) async fn chat(&mut self, says: &[String], hears: &[String]) {
        let handle = self.view().thread.expect("looks at a conversation").handle;
        for text in says {
            self.presses += 1;
            let id = format!("01JDABCDEFGHJKMN{:010}", self.presses);
            self.press(UiEvent::SendPressed { handle: handle.clone(), id, text: text.clone() });
        }
        let rows = |view: &View, mine| -> Vec<(String, DeliveryState)> {
            let rows = view.thread.iter().flat_map(|thread| &thread.messages).filter(|row| row.mine == mine);
            rows.map(|row| match &row.body {
                MessageBody::Text { text } => (text.clone(), row.state),
                other => panic!("{other:?}"),
            })
            .collect()
        };
        let (sent, received) = (|view: &View| rows(view, true), |view: &View| rows(view, false));
        self.until(|view| {
            sent(view).iter().all(|(_, state)| *state == DeliveryState::Sent)
                && received(view).len() >= hears.len()
        })
        .await;
        let view = self.view();
        let texts = |rows: Vec<(String, DeliveryState)>| rows.into_iter().map(|(text, _)| text);
        assert!(texts(sent(&view)).eq(says.iter().cloned()), "{:?}", sent(&view));
        assert!(texts(received(&view)).eq(hears.iter().cloned()), "{:?}", received(&view));
        let rows = &view.thread.unwrap().messages;
        assert!(rows.iter().all(|row| row.missing_before == 0 && !row.contradicts_chain), "{rows:?}");
    }

    fn view(&self) -> View {
        self.client.view(&tab())
    }

    fn availability(&self) -> Availability {
        availability(&self.view())
    }

    fn join_step(&self) -> JoinStep {
        match self.view().account {
            AccountView::None { join, .. } => join.step,
            other => panic!("not joining: {other:?}"),
        }
    }

    fn press(&mut self, event: UiEvent) {
        self.take(Event::Ui(tab(), event));
    }

    /// Runs until the screen shows the expected content.
    async fn until(&mut self, shows: impl Fn(&View) -> bool) {
        while !shows(&self.view()) {
            let wake = self.client.next_wake().map(|at| Duration::from_millis(at.saturating_sub(now())));
            let event = tokio::select! {
                event = self.events.recv() => event.expect("this app holds a sender"),
                () = sleep(wake.unwrap_or(Duration::MAX)) => (Source::Anything, Event::Tick),
            };
            if [Source::Anything, Source::Live(self.lives)].contains(&event.0) {
                self.take(event.1);
            }
            self.show_earlier();
        }
    }

    /// Requests earlier messages, as a page with room for them does.
    fn show_earlier(&mut self) {
        if let Some(thread) = self.view().thread.filter(|thread| thread.has_older) {
            self.press(UiEvent::OlderWanted { handle: thread.handle });
        }
    }

    fn take(&mut self, event: Event) {
        for effect in self.client.handle(event, now(), &mut rng()) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Save(records) => self.save(records),
            Effect::CreateVault { records, .. } => {
                self.save(records);
                self.network.report(Source::Anything, Event::Vault(VaultEvent::Created));
            }
            Effect::Load(keys) => {
                let value = |key: &(Kind, String)| self.disk.get(key).cloned().map(Into::into);
                let record = |key: (Kind, String)| Record { value: value(&key), kind: key.0, id: key.1 };
                let records = keys.into_iter().map(record).collect();
                self.take(Event::Loaded(Ok(records)));
            }
            Effect::Http(id, request) => {
                let network = self.network.clone();
                tokio::spawn(async move {
                    let answer = network.ask(request).await.map_err(|_| NetworkFault);
                    network.report(Source::Anything, Event::Http(id, answer));
                });
            }
            Effect::OpenLive { path, hello } => {
                self.close_live();
                let (network, source) = (self.network.clone(), self.lives);
                let (frames, to_send) = mpsc::unbounded_channel();
                let following = tokio::spawn(async move {
                    let code = network.follow(&path, hello, to_send, source).await.unwrap_or(1006);
                    network.report(Source::Live(source), Event::Live(LiveEvent::Closed { code }));
                });
                self.live = Some(LiveStream { task: following.abort_handle(), frames });
            }
            Effect::SendLive { frame } => {
                if let Some(live) = &self.live {
                    // A stream that has ended has reported it.
                    let _ = live.frames.send(frame);
                }
            }
            Effect::CloseLive => self.close_live(),
            Effect::Remember { .. } | Effect::PersistStorage | Effect::BringEngine => {}
            other => panic!("unexpected effect {other:?}"),
        }
    }

    fn close_live(&mut self) {
        self.lives += 1;
        if let Some(live) = self.live.take() {
            live.task.abort();
        }
    }

    fn save(&mut self, records: Vec<Record>) {
        for Record { kind, id, value } in records {
            match value {
                Some(value) => self.disk.insert((kind, id), value.to_vec()),
                None => self.disk.remove(&(kind, id)),
            };
        }
    }
}

impl Network {
    fn report(&self, source: Source, event: Event) {
        // The app may already be closed.
        let _ = self.events.send((source, event));
    }

    async fn ask(&self, request: HttpRequest) -> reqwest::Result<HttpResponse> {
        let here = request.target.starts_with('/').then(|| format!("http://{}", self.server));
        let url = here.unwrap_or_default() + &request.target;
        let mut ask = self.http.request(request.method.as_str().parse().unwrap(), url).timeout(self.patience);
        if let Some(auth) = request.auth {
            ask = ask.header(inbox_auth::HEADER, auth);
        }
        if let Some(body) = request.body {
            ask = ask.header("content-type", "application/json").body(body);
        }
        let response = ask.send().await?;
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse());
        Ok(HttpResponse {
            status: response.status().as_u16(),
            retry_after: retry_after.transpose().unwrap(),
            date: None,
            body: response.bytes().await?.to_vec(),
        })
    }

    /// Reports the frames of a live stream, and sends those of the app, until it ends, with its close code if there is
    /// one.
    async fn follow(
        &self,
        path: &str,
        hello: String,
        mut to_send: mpsc::UnboundedReceiver<String>,
        source: u64,
    ) -> Option<u16> {
        let url = format!("ws://{}{path}", self.server);
        let (mut socket, _) = timeout(self.patience, connect_async(url)).await.ok()?.ok()?;
        socket.send(Message::text(hello)).await.ok()?;
        loop {
            let received = tokio::select! {
                received = socket.next() => received,
                frame = to_send.recv() => {
                    socket.send(Message::text(frame?)).await.ok()?;
                    continue;
                }
            };
            match received?.ok()? {
                Message::Text(frame) => {
                    let frame = LiveEvent::Frame(frame.as_str().to_owned());
                    self.report(Source::Live(source), Event::Live(frame));
                }
                Message::Close(frame) => return frame.map(|frame| frame.code.into()),
                _ => {}
            }
        }
    }
}

fn availability(view: &View) -> Availability {
    match &view.account {
        AccountView::None { join, .. } => join.availability.clone(),
        other => panic!("not joining: {other:?}"),
    }
}

fn tab() -> TabId {
    TabId("tab".to_owned())
}

/// Unix milliseconds.
fn now() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}
