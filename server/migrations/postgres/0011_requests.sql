-- Message requests, and how far the owner of an inbox has acknowledged.

-- acknowledged: every message up to this number is in one of the owner's browsers. waiting: how many messages have a
-- greater number. keep_days: how long acknowledged messages stay; NULL: for ever.
ALTER TABLE inboxes ADD COLUMN acknowledged BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN waiting BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN keep_days BIGINT;
UPDATE inboxes SET waiting = messages;

-- Messages of origin 1 and 2, and which parts of the requests' share (see request_shares) they belong to. Whoever writes
-- here holds the lock of the inbox's row.
CREATE TABLE requests (
    inbox      BIGINT  NOT NULL,
    seq        BIGINT  NOT NULL,
    sender     BYTEA   NOT NULL,
    network    BYTEA   NOT NULL,
    bytes      BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL,
    blocked    BOOLEAN NOT NULL,
    PRIMARY KEY (inbox, seq)
);

CREATE INDEX requests_by_sender ON requests (inbox, sender, seq);
CREATE INDEX requests_by_network ON requests (inbox, network, seq);
CREATE INDEX requests_by_age ON requests (created_at);

-- How much each part of an inbox's requests holds. The names of the parts: '' all, 00 all that are not signed,
-- 01 or 02 and two bytes those of one network that are not signed or are, 03 those that name no key, and 32 bytes those
-- of one key. Raised by the server, lowered by the trigger.
CREATE TABLE request_shares (
    inbox    BIGINT NOT NULL,
    part     BYTEA  NOT NULL,
    messages BIGINT NOT NULL,
    bytes    BIGINT NOT NULL,
    PRIMARY KEY (inbox, part)
);

-- Nothing is known of who sent those that are here already.
INSERT INTO requests SELECT inbox, seq, '\x03', '\x010000', octet_length(envelope), created_at, origin = 2
FROM messages WHERE origin > 0;
INSERT INTO request_shares SELECT inbox, part, count(*), sum(bytes)
FROM requests CROSS JOIN (VALUES ('\x'::bytea), ('\x00'), ('\x03'), ('\x010000')) AS parts (part)
GROUP BY inbox, part;

DROP TRIGGER usage_lowered ON messages;
DROP FUNCTION lower_usage();
ALTER TABLE inboxes DROP COLUMN from_others;
ALTER TABLE inboxes DROP COLUMN others_bytes;

CREATE FUNCTION lower_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM requests USING deleted
    WHERE deleted.origin > 0 AND requests.inbox = deleted.inbox AND requests.seq = deleted.seq;
    UPDATE inboxes SET
        messages = inboxes.messages - gone.messages,
        bytes = inboxes.bytes - gone.bytes,
        waiting = inboxes.waiting - gone.waiting
    FROM (
        SELECT deleted.inbox, count(*) AS messages, sum(octet_length(envelope)) AS bytes,
               count(*) FILTER (WHERE deleted.seq > owner.acknowledged) AS waiting
        FROM deleted JOIN inboxes AS owner ON owner.account = deleted.inbox GROUP BY deleted.inbox
    ) AS gone
    WHERE inboxes.account = gone.inbox;
    RETURN NULL;
END
$$;

CREATE TRIGGER usage_lowered AFTER DELETE ON messages
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION lower_usage();

CREATE FUNCTION lower_shares() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE request_shares SET
        messages = request_shares.messages - gone.messages,
        bytes = request_shares.bytes - gone.bytes
    FROM (
        SELECT inbox, parts.part, count(*) AS messages, sum(bytes) AS bytes
        FROM deleted CROSS JOIN LATERAL (VALUES ('\x'::bytea), (sender), (network),
            (CASE WHEN get_byte(network, 0) = 1 THEN '\x00'::bytea END)) AS parts (part)
        GROUP BY inbox, parts.part
    ) AS gone
    WHERE request_shares.inbox = gone.inbox AND request_shares.part = gone.part;
    DELETE FROM request_shares USING deleted
    WHERE request_shares.inbox = deleted.inbox AND request_shares.messages <= 0
        AND request_shares.part IN ('\x', '\x00', deleted.sender, deleted.network);
    RETURN NULL;
END
$$;

CREATE TRIGGER shares_lowered AFTER DELETE ON requests
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION lower_shares();
