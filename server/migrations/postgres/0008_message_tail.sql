-- SQLite places and counts its newest messages by the thousand from this version on. PostgreSQL does so with each.
SELECT 1;
