//! The versions of the schema, the same for both databases.

use super::OpenError;

/// One step of the schema, with the SQL for each database.
pub(super) struct Migration {
    /// The version of the schema after this step.
    pub(super) version: i64,
    /// Its name.
    pub(super) name: &'static str,
    /// For SQLite.
    pub(super) sqlite: &'static str,
    /// For PostgreSQL.
    pub(super) postgres: &'static str,
}

/// All steps, in order. A released one is never edited. Lower versions were used before the first release.
const MIGRATIONS: [Migration; 2] = [
    Migration {
        version: 100,
        name: "0.1.0",
        sqlite: include_str!("../../schema/sqlite.sql"),
        postgres: include_str!("../../schema/postgres.sql"),
    },
    Migration {
        version: 101,
        name: "0.2.0",
        sqlite: include_str!("../../schema/0.2.0/sqlite.sql"),
        postgres: include_str!("../../schema/0.2.0/postgres.sql"),
    },
];

/// The steps that are missing in a database whose schema has this version; 0 for an empty database.
///
/// # Errors
/// [`OpenError::NewerSchema`] when this server does not know the version, [`OpenError::Unreleased`] when it is from
/// before the first release.
pub(super) fn missing(found: i64) -> Result<impl Iterator<Item = &'static Migration>, OpenError> {
    let known = MIGRATIONS.last().map_or(0, |newest| newest.version);
    let oldest = MIGRATIONS.first().map_or(0, |oldest| oldest.version);
    match found {
        _ if found > known => Err(OpenError::NewerSchema { found, known }),
        1.. if found < oldest => Err(OpenError::Unreleased),
        _ => Ok(MIGRATIONS.iter().filter(move |migration| migration.version > found)),
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use sha2::{Digest, Sha256};

    use super::MIGRATIONS;

    /// The released steps: their names, and the SHA-256 of the SQL for SQLite and for PostgreSQL.
    const RELEASED: [(&str, &str, &str); 1] = [(
        "0.1.0",
        "f91e603c97435cc7354aaac86bca3e39a71a7fbe32f37198dc79f0a5a81ebb25",
        "f9da3d40b5037e7c13604dbf8134489cd9ad298787f482212a3216409a02d75e",
    )];

    #[test]
    fn released_steps_are_never_edited() {
        let hash = |sql: &str| HEXLOWER.encode(&Sha256::digest(sql));
        for (migration, (name, sqlite, postgres)) in MIGRATIONS.iter().zip(RELEASED) {
            assert_eq!(migration.name, name);
            assert_eq!([hash(migration.sqlite), hash(migration.postgres)], [sqlite, postgres], "{name}");
        }
        assert!(MIGRATIONS.len() >= RELEASED.len());
    }
}
