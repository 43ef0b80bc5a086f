//! Maps PostgreSQL's error codes to store errors (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use crate::store::StoreError;

/// The kind of failure for an SQLSTATE; `None` for codes that only mean that the database failed.
pub(in crate::store) fn meaning(code: &str, error: &sqlx::Error) -> Option<StoreError> {
    match code {
        // disk_full
        "53100" => Some(StoreError::Full),
        // out_of_memory, too_many_connections, configuration_limit_exceeded
        "53200" | "53300" | "53400" => Some(StoreError::Busy),
        // serialization_failure, deadlock_detected, lock_not_available, query_canceled (by its time-out)
        "40001" | "40P01" | "55P03" | "57014" => Some(StoreError::Locked),
        // read_only_sql_transaction: the server is now a standby, after a failover that this idle connection did not
        // notice
        "25006" => Some(StoreError::Unreachable(error.to_string().into())),
        // connection_exception, operator_intervention (shutdown, crash, start-up), idle_in_transaction_session_timeout
        _ if code.starts_with("08") || code.starts_with("57P") || code == "25P03" => {
            Some(StoreError::Unreachable(error.to_string().into()))
        }
        _ => None,
    }
}
