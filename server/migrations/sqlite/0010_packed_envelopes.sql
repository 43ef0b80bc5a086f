-- From here on an envelope may lie here packed (server/src/store/sqlite/packing.rs); then this is its length as it came. In all
-- others it is none, and envelope holds the bytes as they came.
ALTER TABLE messages ADD COLUMN unpacked_length INTEGER;

DROP TRIGGER message_left;

-- As before, with the lengths of envelopes as they came.
CREATE TRIGGER message_left AFTER DELETE ON messages BEGIN
    DELETE FROM message_places WHERE inbox = OLD.inbox AND seq = OLD.seq;
    DELETE FROM message_hashes WHERE inbox = OLD.inbox AND hash_start = OLD.hash_start AND message = OLD.id;
    UPDATE inboxes SET
        messages = messages - 1,
        bytes = bytes - coalesce(OLD.unpacked_length, length(OLD.envelope)),
        from_others = from_others - (OLD.origin > 0),
        others_bytes = others_bytes - iif(OLD.origin > 0, coalesce(OLD.unpacked_length, length(OLD.envelope)), 0)
    WHERE account = OLD.inbox AND OLD.id <= (SELECT up_to FROM placed_messages);
    UPDATE inboxes SET last_seq = max(last_seq, OLD.seq)
    WHERE account = OLD.inbox AND OLD.id > (SELECT up_to FROM placed_messages);
END;
