//! The migrations of both engines in order, with the same names, so that both have the same history.

/// One step of the schema, with the SQL for each engine.
pub(super) struct Migration {
    /// The name of its two files.
    pub(super) name: &'static str,
    /// For SQLite.
    pub(super) sqlite: &'static str,
    /// For PostgreSQL.
    pub(super) postgres: &'static str,
}

macro_rules! migrations {
    ($($name:literal),+ $(,)?) => {
        /// A database at version n has run the first n. A released migration is never edited.
        pub(super) const MIGRATIONS: &[Migration] = &[$(Migration {
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }),+];
    };
}

migrations![
    "0001_accounts_and_messages",
    "0003_nats_bindings",
    "0004_sigchains",
    "0005_people_and_shares",
    "0006_operations",
    "0007_message_places",
    "0008_message_tail",
    "0009_nonces_in_order",
    "0010_packed_envelopes",
    "0011_requests",
    "0012_nonces_of_keys",
    "0013_fixed_settings",
    "0014_reports",
];

/// The names of the migrations that are missing in a database that has run this many.
pub(super) fn pending(found: i64) -> Vec<&'static str> {
    let seen = usize::try_from(found).unwrap_or(usize::MAX);
    MIGRATIONS.iter().skip(seen).map(|migration| migration.name).collect()
}

/// The newest schema version of this server.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
