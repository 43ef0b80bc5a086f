-- The schema of version 0.1.0. Numbers are signed 64-bit integers, times are seconds since 1970, flags are 0 or 1.

-- One row. The epoch tells clients which history their cursors belong to. A restore chooses a new one, because the
-- sequence numbers after the backup are then assigned again.
CREATE TABLE meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    TEXT    NOT NULL CHECK (length(epoch) = 16),
    -- The key of the challenges for proofs of work.
    work_key BLOB    NOT NULL CHECK (length(work_key) = 32)
) STRICT;

INSERT INTO meta (only_row, epoch, work_key) VALUES (1, lower(hex(randomblob(8))), randomblob(32));

-- Settings that must never change for a database: the server's name and the public key of its log.
CREATE TABLE fixed_settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A handle belongs to one key, and a key to one handle. The registration is the signed claim in canonical JSON.
-- chain_root is the first key of the sigchain, if it differs from primary_key. AUTOINCREMENT: ids are never reused.
CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    handle        TEXT    NOT NULL UNIQUE,
    primary_key   TEXT    NOT NULL UNIQUE,
    registration  TEXT    NOT NULL,
    registered_at INTEGER NOT NULL,
    chain_root    TEXT
) STRICT;

-- Keys that held an account before a rotation. They never hold an account again.
CREATE TABLE former_keys (
    primary_key TEXT    PRIMARY KEY,
    account     INTEGER NOT NULL REFERENCES accounts (id),
    replaced_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Banned accounts. Their data stays until the ban is lifted.
CREATE TABLE bans (
    account   INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    banned_at INTEGER NOT NULL,
    reason    TEXT    NOT NULL
) STRICT;

-- Handles that cannot be claimed: reserved by the operator (no reserved_until), or held by a deleted account.
-- The numbers of a later inbox of that handle continue after last_seq, so the row stays until the handle is claimed.
CREATE TABLE reserved_handles (
    handle         TEXT    PRIMARY KEY,
    reserved_at    INTEGER NOT NULL,
    reserved_until INTEGER,
    last_seq       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Changes to the holders of handles, for processes that cache them. The transaction of a change raises the revision.
-- Rows are deleted an hour later.
CREATE TABLE account_revision (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
) STRICT;

INSERT INTO account_revision (only_row, revision) VALUES (1, 0);

CREATE TABLE account_changes (
    revision   INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL,
    handle     TEXT    NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- The users that an account has accepted (list 1) and blocked (list 2).
CREATE TABLE listed (
    owner INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    list  INTEGER NOT NULL CHECK (list IN (1, 2)),
    peer  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (owner, list, peer)
) STRICT, WITHOUT ROWID;

CREATE INDEX listed_by_peer ON listed (peer);

-- Invitations, by the SHA-256 of their codes.
CREATE TABLE invites (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB    NOT NULL UNIQUE,
    label      TEXT    NOT NULL,
    uses       INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The nkeys that may receive the hints for an inbox, with the signed binding. A removed one stays, so that it never
-- returns. primary_key is the key that signed: a binding ends when the account rotates to another key.
CREATE TABLE nats_bindings (
    nkey        TEXT    PRIMARY KEY,
    account     INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    primary_key TEXT    NOT NULL,
    binding     TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    removed_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX nats_bindings_by_account ON nats_bindings (account, expires_at);

-- Reports about users: the key that sent the messages, hashes of envelopes separated by spaces, and a note.
CREATE TABLE reports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    reporter    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    about       TEXT    NOT NULL,
    messages    TEXT    NOT NULL,
    note        TEXT    NOT NULL,
    reported_at INTEGER NOT NULL
) STRICT;

CREATE INDEX reports_by_reporter ON reports (reporter);

-- The links of all sigchains in canonical JSON. Rows are never changed or deleted. root is the first key of a chain,
-- hash the SHA-256 of the link, log_index its leaf in the log of heads.
CREATE TABLE sigchain_links (
    root      TEXT    NOT NULL,
    seqno     INTEGER NOT NULL,
    hash      BLOB    NOT NULL,
    log_index INTEGER NOT NULL UNIQUE,
    stored_at INTEGER NOT NULL,
    link      TEXT    NOT NULL,
    UNIQUE (root, seqno)
) STRICT;

-- The Merkle tree of the log: hashes of leaves and of complete subtrees, in the order in which they became known.
CREATE TABLE log_nodes (
    position INTEGER PRIMARY KEY,
    hash     BLOB    NOT NULL
) STRICT;

-- One row: the number of leaves, and the seed of the key that signs checkpoints.
CREATE TABLE log_state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    size     INTEGER NOT NULL,
    seed     BLOB
) STRICT;

INSERT INTO log_state (only_row, size) VALUES (1, 0);

-- Nonces of signed requests, in the order of their use. caller is the first eight bytes of the key.
CREATE TABLE nonces (
    id      INTEGER PRIMARY KEY,
    caller  BLOB    NOT NULL,
    nonce   BLOB    NOT NULL,
    used_at INTEGER NOT NULL
) STRICT;

-- The counters of each inbox. last_seq is the highest assigned number and is never lowered. acknowledged: one of the
-- owner's browsers holds every message up to this number; waiting counts the messages after it. keep_days: how long
-- acknowledged messages stay; NULL for ever.
CREATE TABLE inboxes (
    account      INTEGER PRIMARY KEY REFERENCES accounts (id),
    last_seq     INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    messages     INTEGER NOT NULL DEFAULT 0,
    bytes        INTEGER NOT NULL DEFAULT 0,
    waiting      INTEGER NOT NULL DEFAULT 0,
    keep_days    INTEGER
) STRICT;

-- Envelopes as the sender's bytes, in the order of arrival. origin: 0 from an accepted sender, 1 a request, 2 from a
-- blocked sender (never delivered). sender and network name the parts of the requests' share, for origin 1 and 2.
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY,
    inbox      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    origin     INTEGER NOT NULL,
    sender     BLOB,
    network    BLOB,
    hash       BLOB    NOT NULL,
    envelope   BLOB    NOT NULL
) STRICT;

-- The tables below, and the counters above, describe all messages but the newest, the tail. Those are added in rounds,
-- because each row of an index lies on a page of its own: server/src/store/sqlite/tail.rs. A message is indexed if its id is
-- at most up_to, or if its id is at most round_to and its (inbox, seq) at most (round_inbox, round_seq).
CREATE TABLE indexed (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    up_to       INTEGER NOT NULL,
    round_to    INTEGER NOT NULL,
    round_inbox INTEGER NOT NULL,
    round_seq   INTEGER NOT NULL
) STRICT;

INSERT INTO indexed (only_row, up_to, round_to, round_inbox, round_seq) VALUES (1, 0, 0, 0, 0);

CREATE VIEW tail AS
    SELECT messages.* FROM indexed CROSS JOIN messages
    WHERE messages.id > up_to AND (messages.id > round_to OR (inbox, seq) > (round_inbox, round_seq));

-- The messages of an inbox that are delivered to its readers.
CREATE TABLE message_places (
    inbox   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (inbox, seq)
) STRICT, WITHOUT ROWID;

-- Finds the message that a retry repeats. start is the first eight bytes of the hash.
CREATE TABLE message_hashes (
    inbox   INTEGER NOT NULL,
    start   BLOB    NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (inbox, start, message)
) STRICT, WITHOUT ROWID;

-- Messages of origin 1 and 2.
CREATE TABLE requests (
    inbox      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    message    INTEGER NOT NULL,
    sender     BLOB    NOT NULL,
    network    BLOB    NOT NULL,
    bytes      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    blocked    INTEGER NOT NULL,
    PRIMARY KEY (inbox, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_by_sender ON requests (inbox, sender, seq);
CREATE INDEX requests_by_network ON requests (inbox, network, seq);
CREATE INDEX requests_by_age ON requests (created_at);

-- What each part of an inbox's requests holds. Names of parts: x'' all, x'00' all unsigned ones, x'01' or x'02' and two
-- bytes those of one network (unsigned or signed), x'03' those without a key, 32 bytes those of one key.
CREATE TABLE request_shares (
    inbox    INTEGER NOT NULL,
    part     BLOB    NOT NULL,
    messages INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (inbox, part)
) STRICT, WITHOUT ROWID;

-- A message of the tail is not in the counters yet, so only its number is recorded.
CREATE TRIGGER message_deleted AFTER DELETE ON messages BEGIN
    DELETE FROM message_places WHERE inbox = OLD.inbox AND seq = OLD.seq;
    DELETE FROM message_hashes WHERE inbox = OLD.inbox AND start = substr(OLD.hash, 1, 8) AND message = OLD.id;
    DELETE FROM requests WHERE inbox = OLD.inbox AND seq = OLD.seq;
    UPDATE inboxes SET
        messages = messages - 1,
        bytes = bytes - length(OLD.envelope),
        waiting = waiting - (OLD.seq > acknowledged)
    WHERE account = OLD.inbox AND (
        SELECT OLD.id <= up_to OR (OLD.id <= round_to AND (OLD.inbox, OLD.seq) <= (round_inbox, round_seq))
        FROM indexed);
    UPDATE inboxes SET last_seq = OLD.seq WHERE account = OLD.inbox AND last_seq < OLD.seq;
END;

CREATE TRIGGER request_deleted AFTER DELETE ON requests BEGIN
    UPDATE request_shares SET messages = messages - 1, bytes = bytes - OLD.bytes
    WHERE inbox = OLD.inbox
        AND part IN (x'', OLD.sender, OLD.network, iif(substr(OLD.network, 1, 1) = x'01', x'00', x''));
    DELETE FROM request_shares
    WHERE inbox = OLD.inbox AND messages <= 0 AND part IN (x'', x'00', OLD.sender, OLD.network);
END;
