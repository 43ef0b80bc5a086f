-- Nonces as they come, one behind the other: a running server recognises them by heart, and reads them again when it
-- starts. In the order of a key, each would cost a page of its own.
ALTER TABLE nonces RENAME TO nonces_by_key;

CREATE TABLE nonces (
    id      INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id),
    nonce   BLOB    NOT NULL,
    used_at INTEGER NOT NULL
) STRICT;

INSERT INTO nonces (account, nonce, used_at) SELECT account, nonce, used_at FROM nonces_by_key ORDER BY used_at;
DROP TABLE nonces_by_key;
