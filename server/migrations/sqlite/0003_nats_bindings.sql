-- Which nkeys may hear of which inbox, with the signed binding as proof. A removed one stays, marked, so that it never
-- returns; so does an expired one, whose owner may renew it. primary_key is the key that signed: when the account goes
-- over to another, what the former one bound is void.
CREATE TABLE nats_bindings (
    nkey       TEXT    PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    primary_key TEXT   NOT NULL,
    binding    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX nats_bindings_by_account ON nats_bindings (account, expires_at);
