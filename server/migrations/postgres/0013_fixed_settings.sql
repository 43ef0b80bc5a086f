-- Settings that must never change for a database, as they were when a server first started on it: the name of the server, which
-- every registration is signed with, and the key of its log.
CREATE TABLE fixed_settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
