-- Nonces belong to keys, and no longer to accounts: when an account is deleted and its key registers once more, what it
-- signed before does not work a second time. caller is the first eight bytes of the key.
ALTER TABLE nonces RENAME TO nonces_of_accounts;

CREATE TABLE nonces (
    id      INTEGER PRIMARY KEY,
    caller  BLOB    NOT NULL,
    nonce   BLOB    NOT NULL,
    used_at INTEGER NOT NULL
) STRICT;

INSERT INTO nonces (caller, nonce, used_at)
SELECT substr(unhex(substr(primary_key, 9)), 1, 8), nonce, used_at
FROM nonces_of_accounts AS old JOIN accounts ON accounts.id = old.account ORDER BY old.id;
DROP TABLE nonces_of_accounts;
