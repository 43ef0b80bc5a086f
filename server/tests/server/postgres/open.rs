//! Opening a PostgreSQL database.

use futures::future::join_all;
use kez_chat_server::store::postgres::renew_epoch;
use kez_chat_server::store::{OpenError, Store};
use sqlx::Executor;
use sqlx::postgres::PgConnectOptions;

use super::cluster::{Cluster, connect};

pub(crate) fn url(text: &str) -> PgConnectOptions {
    text.parse().unwrap()
}

#[tokio::test]
async fn nodes_that_start_together_create_one_schema() {
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
async fn a_role_without_create_rights_can_serve() {
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

/// The database is set to commits that are not durable.
#[tokio::test]
async fn the_schema_and_a_new_epoch_are_committed_durably() {
    const WATCH: &str = "CREATE TABLE seen (setting TEXT); \
        CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
            INSERT INTO seen VALUES (current_setting('synchronous_commit')); END $$; \
        CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION note()";
    const WATCH_EPOCH: &str = "CREATE FUNCTION note_epoch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
        DROP EVENT TRIGGER noted; TRUNCATE seen; \
        CREATE TRIGGER noted AFTER UPDATE ON meta EXECUTE FUNCTION note_epoch()";
    let address = Cluster::shared().await.database().await;
    let mut observer = connect(&address).await;
    observer.execute(sqlx::raw_sql(WATCH)).await.unwrap();
    let (_, database) = address.rsplit_once('/').unwrap();
    let weaken = format!("ALTER DATABASE {database} SET synchronous_commit = off");
    observer.execute(sqlx::AssertSqlSafe(weaken)).await.unwrap();
    let seen = "SELECT DISTINCT setting FROM seen";
    Store::postgres(&url(&address), 4).await.unwrap().close().await;
    let migrated: Vec<String> = sqlx::query_scalar(seen).fetch_all(&mut observer).await.unwrap();
    observer.execute(sqlx::raw_sql(WATCH_EPOCH)).await.unwrap();
    renew_epoch(&url(&address)).await.unwrap();
    let renewed: Vec<String> = sqlx::query_scalar(seen).fetch_all(&mut observer).await.unwrap();
    assert_eq!([migrated, renewed], [["on"], ["on"]]);
}
