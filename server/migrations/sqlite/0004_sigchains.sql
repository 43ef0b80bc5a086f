-- Every link that was ever accepted, in canonical JSON; nothing here is changed or deleted. A chain is named by its
-- first primary. The hash is the SHA-256 of the link; log_index is the leaf that the log of heads got with it.
CREATE TABLE sigchain_links (
    root      TEXT    NOT NULL,
    seqno     INTEGER NOT NULL,
    hash      BLOB    NOT NULL,
    log_index INTEGER NOT NULL UNIQUE,
    stored_at INTEGER NOT NULL,
    link      TEXT    NOT NULL,
    UNIQUE (root, seqno)
) STRICT;

-- The Merkle tree over the log: the hashes of leaves and of complete subtrees, in the order in which they became known.
CREATE TABLE log_nodes (
    position INTEGER PRIMARY KEY,
    hash     BLOB    NOT NULL
) STRICT;

-- One row: how many leaves the log has, and the seed of the key that signs its checkpoints.
CREATE TABLE log_state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    size     INTEGER NOT NULL,
    seed     BLOB
) STRICT;

INSERT INTO log_state (only_row, size) VALUES (1, 0);

-- An account outlives its keys. chain_root names its sigchain, where that began with another key than the one that holds
-- the handle today; former_keys are the keys that held it before, which never hold anything else.
ALTER TABLE accounts ADD COLUMN chain_root TEXT;

CREATE TABLE former_keys (
    primary_key TEXT    PRIMARY KEY,
    account     INTEGER NOT NULL REFERENCES accounts (id),
    replaced_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
