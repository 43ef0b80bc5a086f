-- Nonces belong to keys, and no longer to accounts: when an account is deleted and its key registers once more, what it
-- signed before does not work a second time. caller is the first eight bytes of the key.
ALTER TABLE nonces RENAME TO nonces_of_accounts;
DROP INDEX nonces_by_age;

CREATE TABLE nonces (
    caller  BYTEA  NOT NULL,
    nonce   BYTEA  NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (caller, nonce)
);

INSERT INTO nonces (caller, nonce, used_at)
SELECT substring(decode(substr(primary_key, 9), 'hex') FROM 1 FOR 8), nonce, used_at
FROM nonces_of_accounts JOIN accounts ON accounts.id = account ON CONFLICT DO NOTHING;
DROP TABLE nonces_of_accounts;

CREATE INDEX nonces_by_age ON nonces (used_at);
