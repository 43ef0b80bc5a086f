//! Connections that only read. They never wait for the writer.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::open::{self, BUSY_TIMEOUT};
use crate::store::StoreError;

/// The largest number of connections. More than there are processors would mostly wait for each other, and each of them
/// keeps pages, statements and the schema in memory, and a thread busy.
const CONNECTIONS: usize = 4;

/// See the module.
pub(super) struct Readers(Arc<Shared>);

struct Shared {
    file: PathBuf,
    /// One permit per allowed connection.
    permits: Arc<Semaphore>,
    connections: u32,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Starts with this connection, and opens more of them when they are needed.
    pub(super) fn new(file: &Path, first: Connection) -> Self {
        let processors = available_parallelism().map_or(CONNECTIONS, NonZero::get);
        let connections = processors.clamp(2, CONNECTIONS);
        let permits = Arc::new(Semaphore::new(connections));
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        Self(Arc::new(Shared { file: file.to_owned(), permits, connections, idle: Mutex::new(vec![first]) }))
    }

    /// Runs reads on a thread for blocking work. Each statement sees the latest commit; between `BEGIN` and `COMMIT`
    /// they all see the same snapshot.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = timeout(BUSY_TIMEOUT, Arc::clone(&self.0.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Closed)?;
        let shared = Arc::clone(&self.0);
        let run = move || {
            let result = shared.run(read);
            drop(permit);
            result
        };
        spawn_blocking(run).await.unwrap_or(Err(StoreError::Closed))
    }

    /// Waits for current readers, and closes every connection.
    pub(super) async fn close(&self) {
        // Fails when the connections were closed before.
        let Ok(_permits) = self.0.permits.acquire_many(self.0.connections).await else { return };
        self.0.permits.close();
        self.0.idle().clear();
    }
}

impl Shared {
    fn run<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| open::for_reading(&self.file), Ok)?;
        let result = read(&connection);
        // After a failure, the connection may be inside a transaction.
        if result.is_ok() {
            self.idle().push(connection);
        }
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin_and_fail(connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch("BEGIN")?;
        Err(StoreError::Corrupt("row"))
    }

    #[tokio::test]
    async fn failed_reads_do_not_use_up_connections() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kez-chat.db");
        let _writer = open::for_writing(&file).unwrap();
        let readers = Readers::new(&file, open::for_reading(&file).unwrap());
        for _ in 0..2 * CONNECTIONS {
            let failed = readers.read(begin_and_fail).await;
            assert!(matches!(failed, Err(StoreError::Corrupt(_))), "a transaction was open: {failed:?}");
        }
        let one =
            |connection: &Connection| Ok(connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))?);
        let all = (0..2 * CONNECTIONS).map(|_| readers.read(one));
        assert!(futures::future::join_all(all).await.into_iter().all(|answer| matches!(answer, Ok(1))));
        readers.close().await;
        readers.close().await;
        assert!(matches!(readers.read(one).await, Err(StoreError::Closed)));
    }
}
