//! `GET /v1/inbox/{handle}`

use kez_core::time::Timestamp;

use crate::support::{NOW, Person, Reply, TestServer};

#[tokio::test]
async fn pages_have_no_gaps_or_repeats() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    for n in 0..7 {
        server.send(&bob, &format!(r#"{{"n":{n}}}"#)).await;
    }
    let (mut since, mut seen) = (0, Vec::new());
    loop {
        let header = bob.inbox_header(since, server.now());
        let page = server.inbox_with(&bob.handle, &format!("?since={since}&limit=3"), &header).await;
        assert!(page.seqs().len() <= 3);
        if page.seqs().is_empty() {
            assert_eq!(page.json()["next"], since);
            break;
        }
        seen.extend(page.seqs());
        since = page.json()["next"].as_u64().unwrap();
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_page_has_a_hundred_items_by_default() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    futures::future::join_all((0..130).map(async |n| server.send(&bob, &format!(r#"{{"n":{n}}}"#)).await))
        .await;
    let header = bob.inbox_header(0, server.now());
    let count = async |query: &str| server.inbox_with(&bob.handle, query, &header).await.seqs().len();
    assert_eq!(count("").await, 100);
    assert_eq!(count("?limit=1").await, 1);
    assert_eq!(count("?limit=1000").await, 130);
}

#[tokio::test]
async fn a_page_ends_at_two_mebibytes() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    for n in 0..10 {
        let envelope = format!(r#"{{"n":{n},"a":"{}"}}"#, "x".repeat(262_144 - 14));
        assert_eq!(server.send(&bob, &envelope).await.status, 201);
    }
    let first = server.inbox(&bob, 0).await;
    assert_eq!(first.seqs(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(server.inbox(&bob, 8).await.seqs(), [9, 10]);
}

#[tokio::test]
async fn the_clock_tolerance_is_sixty_seconds() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let at = |seconds| bob.inbox_header(0, Timestamp::from_unix(seconds));
    for (seconds, status) in
        [(NOW, 200), (NOW + 60, 200), (NOW - 60, 200), (NOW + 61, 401), (NOW - 61, 401), (0, 401)]
    {
        assert_eq!(server.inbox_with(&bob.handle, "", &at(seconds)).await.status, status, "{seconds}");
    }
    // The server's own clock may jump; the window moves with it.
    for (now, status) in
        [(NOW - 3600, 401), (NOW + 3600, 401), (2_147_483_648, 401), (NOW + 60, 200), (NOW - 60, 200)]
    {
        server.clock.set(now);
        assert_eq!(server.inbox_with(&bob.handle, "", &at(NOW)).await.status, status, "{now}");
    }
}

#[tokio::test]
async fn a_clock_jump_does_not_change_the_order() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    for (n, now) in [NOW, NOW - 3600, NOW + 3600, 2_147_483_648, 0, NOW].into_iter().enumerate() {
        server.clock.set(now);
        assert_eq!(server.place_of(&bob, &format!(r#"{{"n":{n}}}"#)).await, n as u64 + 1);
    }
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn every_wrong_header_gets_the_same_401() {
    let server = TestServer::start().await;
    let [bob, mallory] = server.people(["bob", "mallory"]).await;
    let unregistered = Person::new("nobody2");
    let good = bob.inbox_header(0, server.now());
    let as_bob = Person { handle: bob.handle.clone(), keys: mallory.keys };
    let mut refusals = vec![server.get("/v1/inbox/bob").await, server.get("/v1/inbox/nobody2").await];
    for (handle, query, header) in [
        (&bob.handle, "", as_bob.inbox_header(0, server.now())),
        (&bob.handle, "?since=1", good.clone()),
        (&as_bob.handle, "", unregistered.inbox_header(0, server.now())),
        (&unregistered.handle, "", unregistered.inbox_header(0, server.now())),
        (&unregistered.handle, "", good.clone()),
        (&bob.handle, "", good.to_uppercase()),
        (&bob.handle, "", format!("{good}00")),
        (&bob.handle, "", format!("0{good}")),
        (&bob.handle, "", good.replacen(':', ";", 1)),
        (&bob.handle, "", "18446744073709551616:00".to_owned()),
        (&bob.handle, "", String::new()),
    ] {
        refusals.push(server.inbox_with(handle, query, &header).await);
    }
    let url = server.url("/v1/inbox/bob");
    let twice = server.http.get(url).header("X-KEZ-Auth", &good).header("X-KEZ-Auth", &good);
    refusals.push(Reply::of(twice).await);
    for refusal in &refusals {
        refusal.refused(401, "unauthorized");
        assert_eq!(refusal.body, refusals[0].body);
    }
    assert_eq!(server.inbox_with(&bob.handle, "", &good).await.status, 200);
}

#[tokio::test]
async fn the_query_is_checked_before_the_header() {
    let server = TestServer::start().await;
    server.people(["bob"]).await;
    for query in [
        "?since=0&since=1",
        "?since=01",
        "?since=%2B5",
        "?since=-1",
        "?since=",
        "?since",
        "?Since=1",
        "?unknown=1",
        "?limit=0",
        "?limit=1001",
        "?limit=1000000000",
        "?limit=10&limit=10",
        "?since=9007199254740992",
        "?since=1&",
        "?since=1.0",
        "?since=0x1",
        "?since=%31",
    ] {
        server.get(&format!("/v1/inbox/bob{query}")).await.refused(400, "malformed");
    }
    for path in [
        "/v1/inbox/alice%0A",
        "/v1/inbox/alice%2Fbob",
        "/v1/inbox/..%2Fbob",
        "/v1/inbox/Bob",
        "/v1/inbox/%62ob%00",
    ] {
        server.get(path).await.refused(400, "malformed");
    }
    server.get("/v1/inbox/bob?since=9007199254740991&limit=1000").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn the_epoch_belongs_to_the_database() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let epoch = server.inbox(&bob, 0).await.json()["epoch"].clone();
    assert!(
        epoch.as_str().unwrap().len() == 16 && epoch.as_str().unwrap().bytes().all(|b| b.is_ascii_hexdigit())
    );
    let server = server.restart().await;
    assert_eq!(server.inbox(&bob, 0).await.json()["epoch"], epoch);
    let other = TestServer::start().await;
    let [carol] = other.people(["carol"]).await;
    assert_ne!(other.inbox(&carol, 0).await.json()["epoch"], epoch);
}
