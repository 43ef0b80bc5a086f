-- The newest messages stand in no table but their own, until some thousand of them are placed and counted at once: a
-- transaction then writes little else than the messages that it brings. Who looks for a message by its place finds it in
-- message_places or, when its id is greater than up_to, in messages; a running server keeps these places in memory.

CREATE TABLE placed_messages (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    up_to    INTEGER NOT NULL
) STRICT;

INSERT INTO message_places SELECT inbox, seq, message FROM new_places;
INSERT INTO placed_messages SELECT 1, coalesce(max(id), 0) FROM messages;

DROP TRIGGER place_taken;
DROP TRIGGER place_left;
DROP TRIGGER usage_lowered;
DROP TABLE new_places;

-- Whoever deletes a message. One that was never counted is not to be taken off; but its number is used all the same.
CREATE TRIGGER message_left AFTER DELETE ON messages BEGIN
    DELETE FROM message_places WHERE inbox = OLD.inbox AND seq = OLD.seq;
    DELETE FROM message_hashes WHERE inbox = OLD.inbox AND hash_start = OLD.hash_start AND message = OLD.id;
    UPDATE inboxes SET
        messages = messages - 1,
        bytes = bytes - length(OLD.envelope),
        from_others = from_others - (OLD.origin > 0),
        others_bytes = others_bytes - iif(OLD.origin > 0, length(OLD.envelope), 0)
    WHERE account = OLD.inbox AND OLD.id <= (SELECT up_to FROM placed_messages);
    UPDATE inboxes SET last_seq = max(last_seq, OLD.seq)
    WHERE account = OLD.inbox AND OLD.id > (SELECT up_to FROM placed_messages);
END;
