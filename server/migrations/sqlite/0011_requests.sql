-- Message requests, and how far the owner of an inbox has acknowledged.

-- acknowledged: every message up to this number is in one of the owner's browsers. waiting: how many messages have a
-- greater number. keep_days: how long acknowledged messages stay; NULL: for ever.
ALTER TABLE inboxes ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inboxes ADD COLUMN keep_days INTEGER;
UPDATE inboxes SET waiting = messages;

-- Which parts of the requests' share (see request_shares) a message of origin 1 or 2 belongs to; NULL with origin 0. They
-- are here for the newest messages, which are in no other table yet.
ALTER TABLE messages ADD COLUMN sender BLOB;
ALTER TABLE messages ADD COLUMN network BLOB;

-- Messages of origin 1 and 2. Those of origin 2, which are never delivered, are no longer in message_places: whoever
-- reads the inbox does not pass them.
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

-- How much each part of an inbox's requests holds. The names of the parts: x'' all, x'00' all that are not signed,
-- x'01' or x'02' and two bytes those of one network that are not signed or are, x'03' those that name no key, and
-- 32 bytes those of one key. Raised by the server, lowered by the trigger.
CREATE TABLE request_shares (
    inbox    INTEGER NOT NULL,
    part     BLOB    NOT NULL,
    messages INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (inbox, part)
) STRICT, WITHOUT ROWID;

-- Nothing is known of who sent those that are here already.
UPDATE messages SET sender = x'03', network = x'010000' WHERE origin > 0;
INSERT INTO requests SELECT inbox, seq, id, sender, network, coalesce(unpacked_length, length(envelope)), created_at, origin = 2
FROM messages WHERE origin > 0 AND id <= (SELECT up_to FROM placed_messages) ORDER BY inbox, seq;
DELETE FROM message_places WHERE (inbox, seq) IN (SELECT inbox, seq FROM requests WHERE blocked);
INSERT INTO request_shares SELECT inbox, part, count(*), sum(bytes)
FROM requests CROSS JOIN (SELECT x'' AS part UNION ALL SELECT x'00' UNION ALL SELECT x'03' UNION ALL SELECT x'010000')
GROUP BY inbox, part;

DROP TRIGGER message_left;
ALTER TABLE inboxes DROP COLUMN from_others;
ALTER TABLE inboxes DROP COLUMN others_bytes;

-- Whoever deletes a message. One that was never counted is not to be taken off; but its number is used all the same.
CREATE TRIGGER message_left AFTER DELETE ON messages BEGIN
    DELETE FROM message_places WHERE inbox = OLD.inbox AND seq = OLD.seq;
    DELETE FROM message_hashes WHERE inbox = OLD.inbox AND hash_start = OLD.hash_start AND message = OLD.id;
    DELETE FROM requests WHERE inbox = OLD.inbox AND seq = OLD.seq;
    UPDATE inboxes SET
        messages = messages - 1,
        bytes = bytes - coalesce(OLD.unpacked_length, length(OLD.envelope)),
        waiting = waiting - (OLD.seq > acknowledged)
    WHERE account = OLD.inbox AND OLD.id <= (SELECT up_to FROM placed_messages);
    UPDATE inboxes SET last_seq = max(last_seq, OLD.seq)
    WHERE account = OLD.inbox AND OLD.id > (SELECT up_to FROM placed_messages);
END;

CREATE TRIGGER request_left AFTER DELETE ON requests BEGIN
    UPDATE request_shares SET messages = messages - 1, bytes = bytes - OLD.bytes
    WHERE inbox = OLD.inbox
        AND part IN (x'', OLD.sender, OLD.network, iif(substr(OLD.network, 1, 1) = x'01', x'00', x''));
    DELETE FROM request_shares
    WHERE inbox = OLD.inbox AND messages <= 0 AND part IN (x'', x'00', OLD.sender, OLD.network);
END;
