//! Opening a PostgreSQL database.

use futures::future::join_all;
use kez_chat_server::store::{OpenError, Store};
use sqlx::Executor;
use sqlx::postgres::PgConnectOptions;

use super::cluster::{Cluster, connect};

pub(crate) fn url(text: &str) -> PgConnectOptions {
    text.parse().unwrap()
}

#[tokio::test]
async fn nodes_that_start_together_make_one_schema() {
    let database = url(&Cluster::shared().await.database().await);
    let nodes = join_all((0..4).map(|_| Store::postgres(&database, 4))).await;
    let nodes: Vec<_> = nodes.into_iter().map(Result::unwrap).collect();
    assert!(nodes.iter().all(|node| node.epoch() == nodes[0].epoch() && node.epoch().len() == 16));
    join_all(nodes.iter().map(Store::close)).await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let address = Cluster::shared().await.database().await;
    Store::postgres(&url(&address), 4).await.unwrap().close().await;
    let newer = "INSERT INTO migrations (version, name) VALUES (1000, '1000_tomorrow')";
    connect(&address).await.execute(newer).await.unwrap();
    let refused = Store::postgres(&url(&address), 4).await.err();
    assert!(matches!(refused, Some(OpenError::NewerSchema { found: 1000, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_role_that_may_create_nothing_can_serve() {
    let address = Cluster::shared().await.database().await;
    Store::postgres(&url(&address), 4).await.unwrap().close().await;
    let (_, database) = address.rsplit_once('/').unwrap();
    let role = format!(
        "CREATE ROLE {database}_server LOGIN PASSWORD 'secret'; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {database}_server"
    );
    connect(&address).await.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(role))).await.unwrap();
    let served = address.replace("kez:secret", &format!("{database}_server:secret"));
    let store = Store::postgres(&url(&served), 4).await.unwrap();
    assert!(store.check().await.is_ok());
    store.close().await;
}
