-- Whom people have accepted (list 1) and whom they have blocked (list 2).
CREATE TABLE listed (
    owner INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    list  INTEGER NOT NULL CHECK (list IN (1, 2)),
    peer  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (owner, list, peer)
) STRICT, WITHOUT ROWID;

-- An account that goes leaves all lists.
CREATE INDEX listed_by_peer ON listed (peer);

-- Where a message came from: 0 somebody whom the recipient had accepted, 1 anybody else, 2 somebody whom the recipient
-- had blocked. The last are never delivered.
ALTER TABLE messages ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;

-- What each inbox holds, and how much of it did not come from people whom its owner had accepted. Raised in the
-- transaction that stores the messages, lowered by the trigger, whoever deletes them.
ALTER TABLE inboxes ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN from_others INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN others_bytes INTEGER NOT NULL DEFAULT 0;

UPDATE inboxes SET messages = held.messages, bytes = held.bytes
FROM (SELECT inbox, count(*) AS messages, sum(length(envelope)) AS bytes FROM messages GROUP BY inbox) AS held
WHERE account = held.inbox;

CREATE TRIGGER usage_lowered AFTER DELETE ON messages BEGIN
    UPDATE inboxes SET
        messages = messages - 1,
        bytes = bytes - length(OLD.envelope),
        from_others = from_others - (OLD.origin > 0),
        others_bytes = others_bytes - iif(OLD.origin > 0, length(OLD.envelope), 0)
    WHERE account = OLD.inbox;
END;

-- Invitations: the SHA-256 of each code, never the code.
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

-- The key under which the nodes of this server make challenges that any of them recognises.
CREATE TABLE work_key (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    key      BLOB    NOT NULL CHECK (length(key) = 32)
) STRICT;

INSERT INTO work_key (only_row, key) VALUES (1, randomblob(32));
