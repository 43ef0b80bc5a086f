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

-- Groups (docs/SPEC.md, section 17). The log of group n is the inbox -n. kind: 1 group, 2 direct, 3 the devices of one
-- account. pair: for kinds 2 and 3 the SHA-256 of the roots in ascending order, so that there is one such group. created:
-- the SHA-256 of the first info. state: what the server knows of the tree, info and tree: the
-- GroupInfo and the ratchet tree of the present epoch.
-- ahead: 1 from a restore to the next commit, while clients may offer a later state.
CREATE TABLE groups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    gid        BLOB    NOT NULL UNIQUE,
    kind       INTEGER NOT NULL CHECK (kind IN (1, 2, 3)),
    pair       BLOB    UNIQUE,
    created    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    state      BLOB    NOT NULL,
    info       BLOB    NOT NULL,
    tree       BLOB    NOT NULL,
    ahead      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The accounts of a group, now or once. A member reads the items after since, and up to until once it is out. leaving: it
-- has said that it leaves. role: 1 member, 2 admin. added_by: the account that added it.
CREATE TABLE group_members (
    account  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    since    INTEGER NOT NULL,
    until    INTEGER,
    leaving  INTEGER NOT NULL DEFAULT 0,
    role     INTEGER NOT NULL CHECK (role IN (1, 2)),
    added_by INTEGER,
    PRIMARY KEY (account, group_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_members_by_group ON group_members (group_id);

-- The Welcomes of commits, by the number of the commit in the log. devices: root and device of each recipient, 48 bytes.
-- tree: the ratchet tree of the new epoch.
CREATE TABLE group_welcomes (
    group_id   INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    devices    BLOB    NOT NULL,
    welcome    BLOB    NOT NULL,
    tree       BLOB    NOT NULL,
    PRIMARY KEY (group_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_welcomes_by_age ON group_welcomes (created_at);

-- Links between a new browser and an old one (docs/SPEC.md, section 19), for ten minutes. offer: JSON as sent. side:
-- 1 old, 2 new. message: JSON, sealed.
CREATE TABLE links (
    id         BLOB    PRIMARY KEY,
    created_at INTEGER NOT NULL,
    offer      BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX links_by_age ON links (created_at);

CREATE TABLE link_messages (
    link    BLOB    NOT NULL REFERENCES links (id) ON DELETE CASCADE,
    side    INTEGER NOT NULL CHECK (side IN (1, 2)),
    number  INTEGER NOT NULL,
    message BLOB    NOT NULL,
    PRIMARY KEY (link, side, number)
) STRICT, WITHOUT ROWID;
