-- Has a stay ($1 hospital, $2 stay) for itself until the end of the transaction. A statement of its own: the next one then sees what
-- whoever was there before has done.
SELECT pg_advisory_xact_lock(hashtextextended($1::text || E'\n' || $2::text, 0))
