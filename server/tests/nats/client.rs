//! A NATS client that sends exactly what a test specifies
//! (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).

use std::net::SocketAddr;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use kez_core::nkey::{PublicNkey, SecretNkey};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    pub(crate) nonce: String,
}

/// The connection was refused with this message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

impl Client {
    /// Reads the broker's greeting.
    pub(crate) async fn dial(address: SocketAddr) -> Self {
        let mut client =
            Self { stream: BufReader::new(TcpStream::connect(address).await.unwrap()), nonce: String::new() };
        let greeting = client.line().await.unwrap();
        let info: Value = serde_json::from_str(greeting.strip_prefix("INFO ").unwrap()).unwrap();
        info["nonce"].as_str().expect("a nonce").clone_into(&mut client.nonce);
        client
    }

    /// Connects as the client that holds the nkey.
    pub(crate) async fn connect(address: SocketAddr, nkey: &SecretNkey) -> Result<Self, Refused> {
        let client = Self::dial(address).await;
        let signature = nkey.sign_nonce(&client.nonce).unwrap();
        client.log_in(nkey.public(), &signature).await
    }

    pub(crate) async fn log_in(self, nkey: PublicNkey, signature: &[u8]) -> Result<Self, Refused> {
        let signature = Base64UrlUnpadded::encode_string(signature);
        self.log_in_with(json!({"nkey": nkey, "sig": signature})).await
    }

    pub(crate) async fn log_in_with(mut self, mut options: Value) -> Result<Self, Refused> {
        options["verbose"] = false.into();
        options["pedantic"] = false.into();
        options["headers"] = true.into();
        self.say(&format!("CONNECT {options}\r\nPING\r\n")).await;
        match self.line().await {
            Some(line) if line == "PONG" => Ok(self),
            other => Err(Refused(other.unwrap_or_default())),
        }
    }

    /// Subscribes, and returns the broker's error if there is one.
    pub(crate) async fn subscribe(&mut self, subject: &str) -> Option<String> {
        self.command(&format!("SUB {subject} 1\r\n")).await
    }

    /// Publishes, and returns the broker's error if there is one.
    pub(crate) async fn publish(&mut self, subject: &str, payload: &str) -> Option<String> {
        self.command(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len())).await
    }

    /// The payload of the next message.
    pub(crate) async fn message(&mut self) -> String {
        let line = self.line().await.unwrap();
        let length = line.strip_prefix("MSG ").unwrap_or_else(|| panic!("{line}")).rsplit(' ').next();
        let mut payload = vec![0; length.unwrap().parse::<usize>().unwrap() + 2];
        self.stream.read_exact(&mut payload).await.unwrap();
        payload.truncate(payload.len() - 2);
        String::from_utf8(payload).unwrap()
    }

    /// The broker's last message when it ends the connection.
    pub(crate) async fn ended(mut self) -> String {
        let mut last = String::new();
        while let Some(line) = self.line().await {
            last = line;
        }
        last
    }

    async fn command(&mut self, command: &str) -> Option<String> {
        self.say(&format!("{command}PING\r\n")).await;
        let line = self.line().await.unwrap();
        if line == "PONG" {
            return None;
        }
        assert_eq!(self.line().await.as_deref(), Some("PONG"), "after {line}");
        Some(line)
    }

    async fn say(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    /// The next line other than the broker's pings, which are answered.
    async fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            match tokio::time::timeout(Duration::from_secs(20), read).await.expect("a word from the broker") {
                Ok(0) | Err(_) => return None,
                Ok(_) if line.trim_end() == "PING" => self.say("PONG\r\n").await,
                Ok(_) => return Some(line.trim_end().to_owned()),
            }
        }
    }
}
