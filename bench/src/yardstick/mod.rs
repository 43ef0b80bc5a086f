//! The best that the same machine can do: bare axum handlers without any checks, either with nothing behind them (echo)
//! or with one SQLite writer that commits all waiting rows in one transaction. Every run compares the server with
//! these.

mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use clap::Args;
use serde::Deserialize;
use sqlx::Row;

use crate::failure::Failure;
use writer::{MADE_AT, Writer};

/// The settings of the bare handlers.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The address to listen on.
    #[arg(long)]
    bind: SocketAddr,
    /// The SQLite file.
    #[arg(long)]
    db: PathBuf,
}

/// Serves until the process is killed.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let writer = Writer::open(&options.db).await?;
    let router = Router::new()
        .route("/v1/readyz", get(|| async { "ready" }))
        .route("/echo", post(echo))
        .route("/messages/{inbox}", post(store).get(page))
        .route("/live/{inbox}", get(live))
        .with_state(Arc::new(writer));
    let listener = tokio::net::TcpListener::bind(options.bind).await?;
    Ok(axum::serve(listener, router).await?)
}

async fn echo(_body: Bytes) -> Response {
    stored(1)
}

async fn store(State(writer): State<Arc<Writer>>, Path(inbox): Path<i64>, body: Bytes) -> Response {
    match writer.append(inbox, body).await {
        Some(seq) => stored(seq),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn stored(seq: i64) -> Response {
    let body = format!(r#"{{"seq":{seq},"created_at":"{MADE_AT}"}}"#);
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[derive(Deserialize)]
struct PageQuery {
    since: i64,
    limit: i64,
}

async fn page(
    State(writer): State<Arc<Writer>>,
    Path(inbox): Path<i64>,
    Query(PageQuery { since, limit }): Query<PageQuery>,
) -> Response {
    let rows = sqlx::query("SELECT seq, body FROM messages WHERE inbox = ? AND seq > ? ORDER BY seq LIMIT ?")
        .bind(inbox)
        .bind(since)
        .bind(limit)
        .fetch_all(&writer.readers)
        .await;
    let Ok(rows) = rows else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let (mut next, mut items) = (since, String::with_capacity(rows.len() * 1200));
    for row in &rows {
        next = row.get(0);
        let separator = if items.is_empty() { "" } else { "," };
        items.push_str(separator);
        items.push_str(&writer::item(next, row.get(1)));
    }
    let body = format!(r#"{{"items":[{items}],"next":{next},"last":{next},"epoch":"{}"}}"#, writer::EPOCH);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn live(
    State(writer): State<Arc<Writer>>,
    Path(inbox): Path<i64>,
    upgrade: WebSocketUpgrade,
) -> Response {
    // The default, 128 KiB per connection, would be the limit, not the machine.
    upgrade.read_buffer_size(4096).on_upgrade(move |socket| forward(writer, inbox, socket))
}

/// Sends every frame of the inbox until one side closes.
async fn forward(writer: Arc<Writer>, inbox: i64, mut socket: WebSocket) {
    let mut frames = writer.subscribe(inbox);
    let caught_up = format!(r#"{{"epoch":"{}","caught_up":0}}"#, writer::EPOCH);
    let hello = socket.recv().await;
    if hello.is_none() || socket.send(Message::text(caught_up)).await.is_err() {
        return;
    }
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => frame,
            message = socket.recv() => match message {
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        };
        let Some(frame) = frame else { return };
        if socket.send(Message::Text(frame)).await.is_err() {
            return;
        }
    }
}
