-- SQLite keeps the places and hashes of messages in tables of their own from this version on. PostgreSQL, which writes an
-- index's pages when it pleases, keeps its indexes.
SELECT 1;
