-- At most $2 persons who have something to be trued up at $1.
SELECT DISTINCT bucket, person_id FROM (
    SELECT t.bucket, t.person_id FROM trueup t
    WHERE t.state = 'pending' AND t.next_at <= $1::timestamptz
    ORDER BY t.next_at LIMIT $2
) due
