//! What PostgreSQL says in its own way, for SQL that is otherwise shared.

/// A connection, inside the transaction of the caller.
pub(super) type Connection = sqlx::postgres::PgConnection;

/// The row's lock gives one writer of all nodes its turn until its transaction ends.
pub(super) const LOG_SIZE_FOR_UPDATE: &str = "SELECT size FROM log_state FOR UPDATE";

/// The hashes at places in a JSON array, in its order.
pub(super) const HASHES_IN_ORDER: &str = "SELECT hash \
    FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted (node, place) \
    JOIN log_nodes ON position = wanted.node::bigint ORDER BY place";
