//! The client's end of the live stream.

use std::collections::BTreeMap;

use futures::{SinkExt, StreamExt};
use kez_core::api::{InboxItem, LiveFrame, LiveHello};
use kez_core::mls::GroupId;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::failure::Failure;
use crate::origin::Origin;
use crate::people::{Person, Sealed};
use crate::target::Target;

/// The answer to a message.
#[derive(Deserialize)]
struct Answer {
    id: u64,
    status: u16,
}

/// An open live stream.
pub(crate) struct LiveStream(WebSocketStream<TcpStream>);

impl LiveStream {
    /// Connects, authenticates, and waits for the end of the backlog.
    pub(crate) async fn open(target: &Target, person: &Person) -> Result<Self, Failure> {
        let tcp = TcpStream::connect(target.address).await?;
        tcp.set_nodelay(true)?;
        Self::greet(tcp, target, person, None, 0, None).await?.caught_up().await
    }

    /// The same with a group, whose items after the cursor arrive too.
    pub(crate) async fn open_group(
        target: &Target,
        person: &Person,
        group: (GroupId, u64),
    ) -> Result<Self, Failure> {
        let tcp = TcpStream::connect(target.address).await?;
        tcp.set_nodelay(true)?;
        let groups = Some(BTreeMap::from([group]));
        Self::greet(tcp, target, person, None, 0, groups).await?.caught_up().await
    }

    async fn caught_up(mut self) -> Result<Self, Failure> {
        while let LiveFrame::Items { .. } | LiveFrame::Group { .. } = self.frame().await? {}
        Ok(self)
    }

    /// Connects from the given origin and authenticates. The backlog after the cursor arrives as items.
    pub(crate) async fn open_from(
        origin: Origin,
        target: &Target,
        person: &Person,
        since: u64,
    ) -> Result<Self, Failure> {
        let tcp = origin.connect(target.address).await?;
        Self::greet(tcp, target, person, Some(origin), since, None).await
    }

    async fn greet(
        tcp: TcpStream,
        target: &Target,
        person: &Person,
        origin: Option<Origin>,
        since: u64,
        groups: Option<BTreeMap<GroupId, u64>>,
    ) -> Result<Self, Failure> {
        let url = format!("ws://{}{}", target.address, target.live_path(person));
        let mut request = url.into_client_request()?;
        if let Some(client) = origin.and_then(|origin| origin.forwarded) {
            let client = HeaderValue::from_str(&client.to_string()).map_err(Failure::protocol)?;
            request.headers_mut().insert("x-forwarded-for", client);
        }
        // The generator too holds thousands of these at once.
        let small = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let (socket, _) = client_async_with_config(request, tcp, Some(small)).await?;
        let mut stream = Self(socket);
        let hello = LiveHello { since, auth: target.live_auth(person, since)?, groups };
        stream.0.send(Message::text(serde_json::to_string(&hello)?)).await?;
        Ok(stream)
    }

    /// Waits for items, of the inbox or of a group.
    pub(crate) async fn items(&mut self) -> Result<Vec<InboxItem>, Failure> {
        match self.frame().await? {
            LiveFrame::Items { items, .. } | LiveFrame::Group { items, .. } => Ok(items),
            LiveFrame::CaughtUp { .. } => Err(Failure::Stream("the backlog ended twice".into())),
            LiveFrame::Chain { .. } => Err(Failure::Stream("a chain that did not grow".into())),
            LiveFrame::Answer { .. } => Err(Failure::Stream("an answer to no message".into())),
        }
    }

    /// Sends a message and waits until it is stored. Nothing else may arrive.
    pub(crate) async fn store(&mut self, id: u64, message: &Sealed) -> Result<(), Failure> {
        let body = String::from_utf8_lossy(&message.body);
        self.0.send(Message::text(format!(r#"{{"id":{id},"send":{body}}}"#))).await?;
        let text = self.text().await?;
        match serde_json::from_str(&text) {
            Ok(Answer { id: answered, status: 201 }) if answered == id => Ok(()),
            _ => Err(Failure::Stream(format!("{id} was answered by {text}"))),
        }
    }

    /// Waits for the next frame.
    pub(crate) async fn frame(&mut self) -> Result<LiveFrame, Failure> {
        Ok(serde_json::from_str(&self.text().await?)?)
    }

    async fn text(&mut self) -> Result<Utf8Bytes, Failure> {
        while let Some(message) = self.0.next().await {
            match message? {
                Message::Text(text) => return Ok(text),
                Message::Close(frame) => return Err(Failure::Stream(format!("{frame:?}"))),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Err(Failure::Stream("the connection was closed".into()))
    }
}
