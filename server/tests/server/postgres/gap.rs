//! Readers that page by cursor while many writers use one inbox and some commits are slow (`R8`): with the counter row,
//! no message is missed. The same test with the naive query shows that it would detect a loss.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use kez_chat_server::store::accounts::ClaimOutcome;
use kez_chat_server::store::usage::Origin;
use kez_chat_server::store::{InboxId, NewMessage, PageLimit, Store};
use kez_core::time::Timestamp;
use sqlx::{Executor, PgConnection};

use super::cluster::{Cluster, connect};
use super::open::url;
use crate::store::claim;
use crate::support::{NOW, Person};

const WRITERS: usize = 16;
const EACH: usize = 40;

/// Makes one transaction in ten slow between its insert and its commit.
async fn slow_commits(connection: &mut PgConnection, table: &str) {
    let trigger = format!(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ \
         BEGIN IF random() < 0.1 THEN PERFORM pg_sleep(0.01); END IF; RETURN NULL; END $$; \
         CREATE TRIGGER dawdle AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION dawdle()"
    );
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(trigger))).await.unwrap();
}

/// Starts all writers at once and reads concurrently, page by page after the last number seen, until all writers are
/// done and a page is empty. Returns the numbers that were read.
async fn read_while_writing(
    write: impl AsyncFn(usize, usize),
    page_after: impl AsyncFn(i64) -> Vec<i64>,
) -> BTreeSet<i64> {
    let writing = AtomicUsize::new(WRITERS);
    let writers = join_all((0..WRITERS).map(async |writer| {
        for number in 0..EACH {
            write(writer, number).await;
        }
        writing.fetch_sub(1, Ordering::SeqCst);
    }));
    let reader = async {
        let (mut seen, mut cursor) = (BTreeSet::new(), 0);
        loop {
            let last = writing.load(Ordering::SeqCst) == 0;
            let page = page_after(cursor).await;
            assert!(page.is_sorted(), "in order");
            match page.last() {
                Some(seq) => cursor = *seq,
                None if last => return seen,
                None => {}
            }
            seen.extend(page);
        }
    };
    tokio::join!(writers, reader).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_on_four_nodes_lose_nothing() {
    let address = Cluster::shared().await.database().await;
    let nodes = join_all((0..4).map(async |_| Store::postgres(&url(&address), 4).await.unwrap())).await;
    slow_commits(&mut connect(&address).await, "messages").await;
    let bob = match nodes[0].claim_handle(claim(&Person::new("bob"))).await.unwrap() {
        ClaimOutcome::Stands(account) => account.id.inbox(),
        taken => panic!("{taken:?}"),
    };
    let write = async |writer: usize, number: usize| {
        let now = Timestamp::from_unix(NOW);
        let envelope = format!("{writer} {number}").into();
        nodes[writer % nodes.len()]
            .append(NewMessage { at: None, inbox: bob, envelope, origin: Origin::Known, quota: None, now })
            .await
            .unwrap();
    };
    let seen = read_while_writing(write, async |cursor| seqs_after(&nodes[0], bob, cursor).await).await;
    assert_eq!(seen.len(), WRITERS * EACH);
    join_all(nodes.iter().map(Store::close)).await;
}

async fn seqs_after(node: &Store, inbox: InboxId, cursor: i64) -> Vec<i64> {
    let limit = PageLimit { items: 1000, bytes: 1024 * 1024 };
    let page = node.page_after(inbox, cursor.cast_unsigned(), limit).await.unwrap();
    page.iter().map(|item| item.seq.cast_signed()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_sequence_would_skip_messages() {
    let address = Cluster::shared().await.database().await;
    let mut owner = connect(&address).await;
    owner.execute("CREATE TABLE naive (seq BIGSERIAL PRIMARY KEY, envelope TEXT NOT NULL)").await.unwrap();
    slow_commits(&mut owner, "naive").await;
    let pool = sqlx::PgPool::connect(&address).await.unwrap();
    let write = async |writer: usize, number: usize| {
        let insert = sqlx::query("INSERT INTO naive (envelope) VALUES ($1)");
        insert.bind(format!("{writer} {number}")).execute(&pool).await.unwrap();
    };
    let page_after = async |cursor: i64| {
        let page = sqlx::query_scalar("SELECT seq FROM naive WHERE seq > $1 ORDER BY seq LIMIT 1000");
        page.bind(cursor).fetch_all(&pool).await.unwrap()
    };
    let seen = read_while_writing(write, page_after).await;
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM naive").fetch_one(&pool).await.unwrap();
    assert_eq!(stored, (WRITERS * EACH) as i64);
    assert!(seen.len() < WRITERS * EACH, "all {stored} were read: this test cannot detect the fault");
    pool.close().await;
}
