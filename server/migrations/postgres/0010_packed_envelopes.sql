-- SQLite packs envelopes from this version on. PostgreSQL holds them as they came.
SELECT 1;
