-- What people report about others: the key that sent the messages, hashes of envelopes with blanks between them, and a note.
-- A report goes with the account that filed it.
CREATE TABLE reports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    reporter    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    about       TEXT    NOT NULL,
    messages    TEXT    NOT NULL,
    note        TEXT    NOT NULL,
    reported_at INTEGER NOT NULL
) STRICT;

CREATE INDEX reports_by_reporter ON reports (reporter);
