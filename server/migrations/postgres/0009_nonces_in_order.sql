-- SQLite writes nonces in their order from this version on. PostgreSQL, where nodes share them, looks each one up.
SELECT 1;
