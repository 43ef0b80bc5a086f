-- One row: what is true of the whole database.
-- The epoch tells clients which history their cursors belong to. It is chosen at random with the database, and has to
-- be chosen anew when a backup is restored, because sequence numbers then run a second time over the same ground.
CREATE TABLE meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    TEXT    NOT NULL CHECK (length(epoch) = 16)
) STRICT;

INSERT INTO meta (only_row, epoch) VALUES (1, lower(hex(randomblob(8))));

-- Who holds which handle. A handle belongs to one key and a key to one handle. The registration is kept as signed, in
-- canonical JSON: it is the proof that every lookup hands out. AUTOINCREMENT, so that the number of an account never
-- names another one later.
CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    handle        TEXT    NOT NULL UNIQUE,
    primary_key   TEXT    NOT NULL UNIQUE,
    registration  TEXT    NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

-- The last sequence number given out in each inbox. It is raised in the transaction that stores the messages and never
-- lowered, also when messages are deleted. A table of its own, because it changes with every message and its rows are
-- a few bytes long.
CREATE TABLE inboxes (
    account  INTEGER PRIMARY KEY REFERENCES accounts (id),
    last_seq INTEGER NOT NULL
) STRICT;

-- Envelopes, as the bytes that came. The hash is the SHA-256 of these bytes; hash_start, its first eight as a number,
-- is what a retry is searched by: a whole hash in an index would cost three times the insert.
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY,
    inbox      INTEGER NOT NULL REFERENCES inboxes (account),
    seq        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    hash_start INTEGER NOT NULL,
    hash       BLOB    NOT NULL,
    envelope   BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX messages_by_seq ON messages (inbox, seq);
CREATE INDEX messages_by_hash ON messages (inbox, hash_start);

-- Nonces of signed requests: each works once. Older ones than the signatures they came with are deleted.
CREATE TABLE nonces (
    account INTEGER NOT NULL REFERENCES accounts (id),
    nonce   BLOB    NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (account, nonce)
) STRICT, WITHOUT ROWID;

CREATE INDEX nonces_by_age ON nonces (used_at);
