-- Where messages stand, apart from the messages themselves. These lie in the order of their arrival, so that a transaction
-- writes them one behind the other; places and hashes, which lie all over their tables, are written in portions, and a
-- page then takes many of them at a time.

-- Until now an inbox that went looked for its messages by an index, for the sake of a foreign key. What it refers to is
-- checked in new_places from here on. Taking a constraint away changes nothing that is on the disk
-- (https://sqlite.org/lang_altertable.html#otheralter), so there is no need to write all messages anew.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, ' REFERENCES inboxes (account)', '')
WHERE type = 'table' AND name = 'messages';
PRAGMA writable_schema = RESET;

-- Which message stands where in an inbox: the latest ones in new_places, which is small, all others in message_places.
CREATE TABLE message_places (
    inbox   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (inbox, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE new_places (
    inbox   INTEGER NOT NULL REFERENCES inboxes (account),
    seq     INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (inbox, seq)
) STRICT, WITHOUT ROWID;

-- By what a retry is recognised. Messages with a greater id than up_to may be missing here: the writer has them in mind.
CREATE TABLE message_hashes (
    inbox      INTEGER NOT NULL,
    hash_start INTEGER NOT NULL,
    message    INTEGER NOT NULL,
    PRIMARY KEY (inbox, hash_start, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE hashed_messages (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    up_to    INTEGER NOT NULL
) STRICT;

INSERT INTO message_places SELECT inbox, seq, id FROM messages ORDER BY inbox, seq;
INSERT INTO message_hashes SELECT inbox, hash_start, id FROM messages ORDER BY inbox, hash_start, id;
INSERT INTO hashed_messages SELECT 1, coalesce(max(id), 0) FROM messages;

DROP INDEX messages_by_seq;
DROP INDEX messages_by_hash;

CREATE TRIGGER place_taken AFTER INSERT ON messages BEGIN
    INSERT INTO new_places (inbox, seq, message) VALUES (NEW.inbox, NEW.seq, NEW.id);
END;

-- Whoever deletes a message.
CREATE TRIGGER place_left AFTER DELETE ON messages BEGIN
    DELETE FROM new_places WHERE inbox = OLD.inbox AND seq = OLD.seq;
    DELETE FROM message_places WHERE inbox = OLD.inbox AND seq = OLD.seq;
    DELETE FROM message_hashes WHERE inbox = OLD.inbox AND hash_start = OLD.hash_start AND message = OLD.id;
END;
