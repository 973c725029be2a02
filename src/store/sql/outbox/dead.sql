-- The dead letters and what the core booked more than once, oldest first, at most $1, with what waits behind each.
SELECT d.bucket, d.person_id, d.settlement_id, d.attempts, d.changed_at, d.last_code, s.hospital_code, s.request_id,
    (SELECT count(*) FROM delivery h WHERE h.bucket = d.bucket AND h.person_id = d.person_id AND h.state = 'held') AS held
FROM delivery d
CROSS JOIN LATERAL (
    SELECT s.hospital_code, s.request_id FROM settlement s
    WHERE s.bucket = d.bucket AND s.settlement_id = d.settlement_id OFFSET 0
) s
WHERE d.state = 'refused' OR d.last_code = 'CORE_BOOKED_TWICE'
ORDER BY d.changed_at, d.settlement_id LIMIT $1
