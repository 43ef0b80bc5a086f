//! The receiving end of the live stream.

use futures::{SinkExt, StreamExt};
use kez_core::api::{InboxItem, LiveFrame, LiveHello};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::failure::Failure;
use crate::people::Person;
use crate::target::Target;

/// An open live stream.
pub(crate) struct LiveStream(WebSocketStream<TcpStream>);

impl LiveStream {
    /// Connects, authenticates, and waits until the backlog is through.
    pub(crate) async fn open(target: &Target, person: &Person) -> Result<Self, Failure> {
        let tcp = TcpStream::connect(target.address).await?;
        tcp.set_nodelay(true)?;
        let url = format!("ws://{}{}", target.address, target.live_path(person));
        // Thousands of these are held at once, on the generator's side too.
        let small = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let (socket, _) = client_async_with_config(url, tcp, Some(small)).await?;
        let mut stream = Self(socket);
        let hello = LiveHello { since: 0, auth: target.live_auth(person, 0)? };
        stream.0.send(Message::text(serde_json::to_string(&hello)?)).await?;
        while let LiveFrame::Items { .. } = stream.frame().await? {}
        Ok(stream)
    }

    /// Waits for items.
    pub(crate) async fn items(&mut self) -> Result<Vec<InboxItem>, Failure> {
        match self.frame().await? {
            LiveFrame::Items { items, .. } => Ok(items),
            LiveFrame::CaughtUp { .. } => Err(Failure::Stream("the backlog ended twice".into())),
        }
    }

    async fn frame(&mut self) -> Result<LiveFrame, Failure> {
        while let Some(message) = self.0.next().await {
            match message? {
                Message::Text(text) => return Ok(serde_json::from_str(text.as_str())?),
                Message::Close(frame) => return Err(Failure::Stream(format!("{frame:?}"))),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Err(Failure::Stream("the connection was closed".into()))
    }
}
