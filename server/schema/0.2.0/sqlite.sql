-- The schema of version 0.2.0, as steps from 0.1.0.

-- A log may belong to a group instead of an account. So inboxes loses its reference to accounts, which SQLite can do only
-- by making the table anew. account is the number of the account, or minus the number of the group. epoch: the MLS epoch
-- of a group's log, which every new item must name; NULL in an account's inbox.
CREATE TABLE inboxes_before AS SELECT * FROM inboxes;
DROP TABLE inboxes;

CREATE TABLE inboxes (
    account      INTEGER PRIMARY KEY,
    last_seq     INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    messages     INTEGER NOT NULL DEFAULT 0,
    bytes        INTEGER NOT NULL DEFAULT 0,
    waiting      INTEGER NOT NULL DEFAULT 0,
    keep_days    INTEGER,
    epoch        INTEGER
) STRICT;

INSERT INTO inboxes (account, last_seq, acknowledged, messages, bytes, waiting, keep_days)
    SELECT account, last_seq, acknowledged, messages, bytes, waiting, keep_days FROM inboxes_before;
DROP TABLE inboxes_before;

-- MLS key packages that devices have published (RFC 9420, section 10). device: the 16 bytes of its id, reference: the
-- SHA-256 that names the package. A last resort (last_resort 1) may be given out many times, every other package once.
CREATE TABLE key_packages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    account     INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    device      BLOB    NOT NULL,
    reference   BLOB    NOT NULL UNIQUE,
    last_resort INTEGER NOT NULL CHECK (last_resort IN (0, 1)),
    expires_at  INTEGER NOT NULL,
    package     BLOB    NOT NULL
) STRICT;

CREATE INDEX key_packages_by_device ON key_packages (account, device, last_resort, id);
CREATE INDEX key_packages_by_expiry ON key_packages (expires_at);

-- The packages that were given out, until they expire: a repeated upload must not make them available again.
CREATE TABLE claimed_key_packages (
    reference  BLOB    PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX claimed_key_packages_by_expiry ON claimed_key_packages (expires_at);
