-- A settlement by its id ($1 bucket, $2 id) or by the hospital's request ($3 hospital, $4 request id), with what became of it
-- and where its person stands now; or the tombstone that took the request's place.
SELECT wanted.request_id AS wanted_request, s.*, c.lines,
    -- Once the core said the same it stands.
    CASE WHEN s.state = 'provisional' AND EXISTS (SELECT FROM trueup t WHERE t.bucket = s.bucket AND t.person_id = s.person_id
        AND t.settlement_id = s.settlement_id AND t.state = 'confirmed' OFFSET 0) THEN 'final' ELSE s.state END AS state_now,
    h.standing_version AS standing_now,
    h.ledger_version AS ledger_now, h.newest_settlement_id AS newest_now,
    (SELECT r.settlement_id FROM settlement r WHERE r.bucket = s.bucket AND r.person_id = s.person_id
        AND r.reverses_settlement_id = s.settlement_id) AS reversed_by,
    t.original_request_id AS tombstone_original, t.reversal_request_id AS tombstone_reversal,
    t.left_at AS tombstone_left_at
FROM (
    SELECT $1::smallint AS bucket, $2::text AS settlement_id, NULL::text AS request_id WHERE $2 IS NOT NULL
    UNION ALL
    SELECT k.bucket, k.settlement_id, k.request_id FROM request_key k
    WHERE k.hospital_code = $3::text AND k.request_id = $4::text
) wanted
-- OFFSET 0: each is looked for by its key; the plan is made while there are none, and would walk through all of them.
LEFT JOIN LATERAL (
    SELECT * FROM settlement s WHERE s.bucket = wanted.bucket AND s.settlement_id = wanted.settlement_id OFFSET 0
) s ON true
LEFT JOIN LATERAL (
    SELECT c.lines FROM charge_lines c
    WHERE c.bucket = s.bucket AND c.settlement_id = coalesce(s.reverses_settlement_id, s.settlement_id) OFFSET 0
) c ON true
LEFT JOIN LATERAL (
    SELECT h.* FROM person_head h WHERE h.bucket = s.bucket AND h.person_id = s.person_id OFFSET 0
) h ON true
LEFT JOIN LATERAL (
    SELECT * FROM tombstone t
    WHERE wanted.settlement_id IS NULL AND t.hospital_code = $3
        AND (t.original_request_id = $4 OR t.reversal_request_id = $4)
    LIMIT 1
) t ON true
WHERE s.settlement_id IS NOT NULL OR t.original_request_id IS NOT NULL
