//! One SQLite writer: WAL, synchronous FULL, one INSERT for all waiting rows, an answer only after the commit. No
//! accounts, no deduplication of retries, no checkpoints of its own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;

/// The constant time in every answer: the bare handlers never read the clock.
pub(super) const MADE_AT: &str = "2026-01-01T00:00:00Z";
/// The epoch in every answer.
pub(super) const EPOCH: &str = "0000000000000000";

const MAX_BATCH: usize = 128;
const READERS: u32 = 4;

/// Appends rows, and notifies the live streams.
pub(super) struct Writer {
    /// The connections for reading.
    pub(super) readers: SqlitePool,
    waiting: mpsc::Sender<Append>,
    streams: Arc<Streams>,
}

type Streams = Mutex<HashMap<i64, Vec<mpsc::UnboundedSender<Utf8Bytes>>>>;

struct Append {
    inbox: i64,
    body: Bytes,
    stored: oneshot::Sender<i64>,
}

impl Writer {
    /// Creates the database and starts the writer task.
    pub(super) async fn open(file: &Path) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = options.connect().await?;
        sqlx::query(
            "CREATE TABLE messages (seq INTEGER PRIMARY KEY, inbox INTEGER NOT NULL, body TEXT NOT NULL)",
        )
        .execute(&mut connection)
        .await?;
        sqlx::query("CREATE INDEX messages_of_inbox ON messages (inbox)").execute(&mut connection).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await?;
        let (waiting, queue) = mpsc::channel(1024);
        let streams = Arc::new(Streams::default());
        tokio::spawn(write(connection, queue, Arc::clone(&streams)));
        Ok(Self { readers, waiting, streams })
    }

    /// Appends a row. Returns its number once it is durable, or `None` when that failed.
    pub(super) async fn append(&self, inbox: i64, body: Bytes) -> Option<i64> {
        let (stored, answer) = oneshot::channel();
        self.waiting.send(Append { inbox, body, stored }).await.ok()?;
        answer.await.ok()
    }

    /// The frames of an inbox from now on.
    pub(super) fn subscribe(&self, inbox: i64) -> mpsc::UnboundedReceiver<Utf8Bytes> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.entry(inbox).or_default().push(sender);
        receiver
    }
}

/// One item of a page or a frame. The body stands in for the envelope.
pub(super) fn item(seq: i64, body: &str) -> String {
    format!(r#"{{"seq":{seq},"envelope":{body},"created_at":"{MADE_AT}"}}"#)
}

async fn write(mut connection: SqliteConnection, mut queue: mpsc::Receiver<Append>, streams: Arc<Streams>) {
    let (mut batch, mut seq) = (Vec::with_capacity(MAX_BATCH), 0);
    while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let rows: Vec<(i64, Append)> = (seq + 1..).zip(batch.drain(..)).collect();
        seq += rows.len() as i64;
        // On failure the senders get 503, and the run ends.
        if insert(&mut connection, &rows).await.is_ok() {
            rows.into_iter().for_each(|(seq, append)| acknowledge(&streams, seq, append));
        }
    }
}

async fn insert(connection: &mut SqliteConnection, rows: &[(i64, Append)]) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO messages (seq, inbox, body) ");
    insert.push_values(rows, |mut row, (seq, append)| {
        let text = String::from_utf8_lossy(&append.body).into_owned();
        row.push_bind(*seq).push_bind(append.inbox).push_bind(text);
    });
    insert.build().execute(connection).await.map(|_| ())
}

fn acknowledge(streams: &Streams, seq: i64, append: Append) {
    let streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(receivers) = streams.get(&append.inbox) {
        let item = item(seq, &String::from_utf8_lossy(&append.body));
        let frame = Utf8Bytes::from(format!(r#"{{"epoch":"{EPOCH}","items":[{item}]}}"#));
        for receiver in receivers {
            // A closed stream needs no frame.
            let _ = receiver.send(frame.clone());
        }
    }
    // A sender that has disconnected needs no answer.
    let _ = append.stored.send(seq);
}
