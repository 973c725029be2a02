-- Waits for a stay ($1 hospital, $2 stay) until the end of the transaction, alone ($3) or beside others. A statement of its own: the next
-- one then sees what whoever was there before has done.
SELECT CASE WHEN $3::boolean THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END
FROM (SELECT hashtextextended($1::text || E'\n' || $2::text, 0) AS key) AS stay
