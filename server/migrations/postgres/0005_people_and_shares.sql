-- Whom people have accepted (list 1) and whom they have blocked (list 2).
CREATE TABLE listed (
    owner BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    list  BIGINT NOT NULL CHECK (list IN (1, 2)),
    peer  BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (owner, list, peer)
);

-- An account that goes leaves all lists.
CREATE INDEX listed_by_peer ON listed (peer);

-- Where a message came from: 0 somebody whom the recipient had accepted, 1 anybody else, 2 somebody whom the recipient
-- had blocked. The last are never delivered.
ALTER TABLE messages ADD COLUMN origin BIGINT NOT NULL DEFAULT 0;

-- What each inbox holds, and how much of it did not come from people whom its owner had accepted. Raised in the
-- transaction that stores the messages, lowered by the trigger, whoever deletes them.
ALTER TABLE inboxes ADD COLUMN messages BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN from_others BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN others_bytes BIGINT NOT NULL DEFAULT 0;

UPDATE inboxes SET messages = held.messages, bytes = held.bytes
FROM (SELECT inbox, count(*) AS messages, sum(octet_length(envelope)) AS bytes FROM messages GROUP BY inbox) AS held
WHERE account = held.inbox;

CREATE FUNCTION lower_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE inboxes SET
        messages = inboxes.messages - gone.messages,
        bytes = inboxes.bytes - gone.bytes,
        from_others = inboxes.from_others - gone.from_others,
        others_bytes = inboxes.others_bytes - gone.others_bytes
    FROM (
        SELECT inbox, count(*) AS messages, sum(octet_length(envelope)) AS bytes,
               count(*) FILTER (WHERE origin > 0) AS from_others,
               coalesce(sum(octet_length(envelope)) FILTER (WHERE origin > 0), 0) AS others_bytes
        FROM deleted GROUP BY inbox
    ) AS gone
    WHERE inboxes.account = gone.inbox;
    RETURN NULL;
END
$$;

CREATE TRIGGER usage_lowered AFTER DELETE ON messages
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION lower_usage();

-- Invitations: the SHA-256 of each code, never the code.
CREATE TABLE invites (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       BYTEA   NOT NULL UNIQUE,
    label      TEXT    NOT NULL,
    uses       BIGINT  NOT NULL,
    used       BIGINT  NOT NULL DEFAULT 0,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    revoked    BOOLEAN NOT NULL DEFAULT FALSE
);

-- The key under which the nodes of this server make challenges that any of them recognises.
CREATE TABLE work_key (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    key      BYTEA   NOT NULL CHECK (octet_length(key) = 32)
);

INSERT INTO work_key (only_row, key)
VALUES (1, sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
