-- Sends dead letters again at $1: the one of $2 bucket and $3 settlement, or all; and what is held behind each.
WITH again AS (
    UPDATE delivery d SET state = 'unknown', next_at = $1::timestamptz, changed_at = $1::timestamptz
    WHERE d.state = 'refused' AND ($2::smallint IS NULL OR (d.bucket = $2 AND d.settlement_id = $3::text))
    RETURNING d.bucket, d.person_id
), freed AS (
    UPDATE delivery d SET state = 'waiting', next_at = $1::timestamptz, changed_at = $1::timestamptz
    FROM (SELECT DISTINCT bucket, person_id FROM again) a
    WHERE d.bucket = a.bucket AND d.person_id = a.person_id AND d.state = 'held'
)
SELECT count(*) AS again FROM again
