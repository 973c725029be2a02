-- Keeps whoever wants one of these stays ($1 hospitals, $2 stays) for themselves waiting until the end of the transaction, and waits for
-- those who have. A statement of its own: the next one then sees what they have done.
SELECT pg_advisory_xact_lock_shared(hashtextextended(hospital_code || E'\n' || stay_id, 0))
FROM unnest($1::text[], $2::text[]) AS stay(hospital_code, stay_id)
