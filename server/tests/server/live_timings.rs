//! The time-outs of a live stream: it rereads the inbox by itself, and disconnects clients that do not listen.

use std::time::Duration;

use kez_chat_server::config::timings::Timings;
use kez_chat_server::store::Store;
use kez_chat_server::store::moderation::Ban;
use kez_core::api::CLOSE_UNAUTHORIZED;
use sqlx::Executor;
use tokio::time::timeout;

use crate::broker::until;
use crate::support::{TestServer, free_address, second_connection};

/// Far beyond the one interval that a test shortens, and below every interval of the protocol, so that only the short
/// interval can be the cause.
const SOON: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_row_without_a_wake_up_is_found() {
    let short = Timings { reread_every: Duration::from_millis(100), ..Timings::default() };
    let server = TestServer::start_with_timings(short, &["--limits", "off"]).await;
    let [bob] = server.people(["bob"]).await;
    let mut live = server.live_as(&bob, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    assert_eq!(server.place_of(&bob, "{}").await, 1);
    assert_eq!(live.next().await["items"][0]["seq"], 1);
    let mut database = second_connection(&server.db()).await;
    for seq in 2..=4 {
        // The item arrives without any notification.
        let row = format!(
            "INSERT INTO messages (inbox, seq, created_at, origin, hash, envelope) \
             SELECT inbox, {seq}, created_at, origin, hash, envelope FROM messages WHERE seq = 1; \
             INSERT INTO message_places SELECT inbox, seq, id FROM messages WHERE seq = {seq}"
        );
        database.execute(sqlx::AssertSqlSafe(row)).await.unwrap();
        let found = timeout(SOON, live.next()).await.expect("the stream looks by itself");
        assert_eq!(found["items"][0]["seq"], seq);
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_account_vanishes_without_a_wake_up() {
    let short = Timings { reread_every: Duration::from_millis(100), ..Timings::default() };
    let server = TestServer::start_with_timings(short, &["--limits", "off"]).await;
    let [bob] = server.people(["bob"]).await;
    let mut live = server.live_as(&bob, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    let mut database = second_connection(&server.db()).await;
    database.execute("UPDATE accounts SET handle = 'somebody-else'").await.unwrap();
    assert_eq!(
        timeout(SOON, live.closed()).await.expect("it looks who holds the handle"),
        CLOSE_UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_lost_pong_ends_the_stream_and_an_answered_ping_keeps_it() {
    let short = Timings { ping_every: Duration::from_millis(200), ..Timings::default() };
    let server = TestServer::start_with_timings(short, &["--limits", "off"]).await;
    let [bob, carol] = server.people(["bob", "carol"]).await;
    let (mut silent, mut awake) = (server.live_as(&bob, 0).await, server.live_as(&carol, 0).await);
    assert_eq!(silent.next().await["caught_up"], 0);
    assert_eq!(awake.next().await["caught_up"], 0);
    let silence = timeout(SOON, silent.read_on_in_silence());
    let answers = async {
        for _ in 0..8 {
            awake.pinged().await;
        }
    };
    let (read, ()) = tokio::join!(silence, answers);
    assert_eq!(read.expect("a lost pong ends the stream"), 2, "one ping of two bytes, and no second");
    server.send(&carol, "{}").await;
    while !matches!(timeout(SOON, awake.next()).await, Ok(frame) if frame["items"].is_array()) {}
}

#[tokio::test]
async fn a_missing_greeting_times_out() {
    let short = Timings { hello: Duration::from_millis(100), ..Timings::default() };
    let server = TestServer::start_with_timings(short, &["--limits", "off"]).await;
    let [bob] = server.people(["bob"]).await;
    let mut live = server.live(&bob.handle).await;
    assert_eq!(timeout(SOON, live.closed()).await.unwrap(), CLOSE_UNAUTHORIZED);
}

#[tokio::test]
async fn a_stream_sending_a_backlog_is_told_to_end() {
    const MESSAGES: usize = 80;
    let patient = Timings { send: Duration::from_secs(60), ..Timings::default() };
    let server = TestServer::start_with_timings(patient, &["--limits", "off"]).await;
    let [bob] = server.people(["bob"]).await;
    // More than the buffers of both ends hold.
    for n in 0..MESSAGES {
        let envelope = format!(r#"{{"n":{n},"padding":"{}"}}"#, "x".repeat(250_000));
        assert_eq!(server.send(&bob, &envelope).await.status, 201);
    }
    let begun = async || {
        let mut live = server.live_as(&bob, 0).await;
        assert_eq!(live.next().await["items"][0]["seq"], 1);
        live
    };
    let cut_off = |frames: &[serde_json::Value]| {
        let items: usize = frames.iter().map(|frame| frame["items"].as_array().map_or(0, Vec::len)).sum();
        items + 2 < MESSAGES && frames.iter().all(|frame| frame["caught_up"].is_null())
    };

    let mut banned = begun().await;
    let store = Store::sqlite(&server.db()).await.unwrap();
    let ban = Ban { at: server.now(), reason: String::new() };
    assert!(store.ban(bob.handle.clone(), ban).await.unwrap());
    until(async || server.inbox(&bob, 0).await.status == 401).await;
    let (frames, code) = banned.rest().await;
    assert!(code == CLOSE_UNAUTHORIZED && cut_off(&frames), "{code} after {} frames", frames.len());

    assert!(store.unban(bob.handle.clone(), server.now()).await.unwrap());
    store.close().await;
    let mut stopped = begun().await;
    let (directory, (frames, code)) = tokio::join!(server.stop(), stopped.rest());
    assert!(code == 1001 && cut_off(&frames), "{code} after {} frames", frames.len());
    drop(directory);
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_a_fast_one_gets_everything() {
    const MESSAGES: usize = 200;
    const BYTES: usize = 100_000;
    let monitor = free_address().to_string();
    let short = Timings { send: Duration::from_millis(300), ..Timings::default() };
    let server =
        TestServer::start_with_timings(short, &["--limits", "off", "--metrics-bind", &monitor]).await;
    let [bob] = server.people(["bob"]).await;
    // More than the buffers of both ends hold.
    for n in 0..MESSAGES {
        let envelope = format!(r#"{{"n":{n},"padding":"{}"}}"#, "x".repeat(BYTES));
        assert_eq!(server.send(&bob, &envelope).await.status, 201);
    }
    let streams = async || {
        let text = reqwest::get(format!("http://{monitor}/metrics")).await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("kez_chat_live_streams "));
        line.unwrap().parse::<usize>().unwrap()
    };
    // The client sends its hello, and then does not read.
    let slow = server.live_as(&bob, 0).await;
    until(async || streams().await == 1).await;
    until(async || streams().await == 0).await;
    let read = slow.read_on_in_silence().await;
    assert!(read > 0 && read < MESSAGES * BYTES, "cut off, not buffered: {read}");

    let mut fast = server.live_as(&bob, 0).await;
    let mut items = 0;
    while items < MESSAGES {
        items += fast.next().await["items"].as_array().unwrap().len();
    }
    assert_eq!(fast.next().await["caught_up"], MESSAGES);
}
