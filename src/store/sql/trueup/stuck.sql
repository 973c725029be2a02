-- True-ups that somebody must look at, the oldest first, at most $1.
SELECT t.bucket, t.person_id, t.settlement_id, t.changed_at, t.last_code, s.hospital_code, s.stay_id
FROM trueup t
CROSS JOIN LATERAL (
    SELECT s.hospital_code, s.stay_id FROM settlement s
    WHERE s.bucket = t.bucket AND s.settlement_id = t.settlement_id OFFSET 0
) s
WHERE t.state = 'stuck'
ORDER BY t.changed_at, t.settlement_id LIMIT $1
