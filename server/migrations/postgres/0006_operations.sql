-- Accounts that the operator has put out of use. From outside it looks as if nobody held the handle, except that it
-- cannot be registered. Everything stays, for the day on which the row goes.
CREATE TABLE bans (
    account   BIGINT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    banned_at BIGINT NOT NULL,
    reason    TEXT   NOT NULL
);

-- Handles that nobody may claim: kept back by the operator until they are released (no reserved_until), or after their
-- account was deleted, so that nobody takes the place of its holder unnoticed. last_seq is where the numbers of a later
-- inbox of that name go on, so that none is used twice; therefore the row stays until the handle is claimed.
CREATE TABLE reserved_handles (
    handle         TEXT   COLLATE "C" PRIMARY KEY,
    reserved_at    BIGINT NOT NULL,
    reserved_until BIGINT,
    last_seq       BIGINT NOT NULL
);

-- What changed about who holds what, in the order of revisions, for every process that remembers holders. The revision
-- is raised in the transaction of the change: whoever has read up to one misses nothing before it. Rows are deleted an
-- hour later.
CREATE TABLE account_revision (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision BIGINT  NOT NULL
);

INSERT INTO account_revision (only_row, revision) VALUES (1, 0);

CREATE TABLE account_changes (
    revision   BIGINT PRIMARY KEY,
    account    BIGINT NOT NULL,
    handle     TEXT   COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL
);
