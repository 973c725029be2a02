-- All that is in force of a person ($1 bucket, $2 person), in the order in which it was settled, with where the person stands now.
SELECT s.*, s.state AS state_now, c.lines, h.standing_version AS standing_now, h.ledger_version AS ledger_now,
    EXISTS (SELECT FROM (
        SELECT t.state FROM trueup t WHERE t.bucket = s.bucket AND t.person_id = s.person_id
            AND t.settlement_id = s.settlement_id OFFSET 0
    ) t WHERE t.state = 'pending') AS is_pending
-- OFFSET 0: each is looked for by its key, also where the plan was made while there were none.
FROM (SELECT * FROM stay WHERE bucket = $1::smallint AND person_id = $2::bigint OFFSET 0) y
CROSS JOIN LATERAL (
    SELECT * FROM settlement s WHERE s.bucket = y.bucket AND s.settlement_id = y.settlement_id OFFSET 0
) s
CROSS JOIN LATERAL (
    SELECT c.lines FROM charge_lines c WHERE c.bucket = s.bucket AND c.settlement_id = s.settlement_id OFFSET 0
) c
CROSS JOIN LATERAL (
    SELECT h.* FROM person_head h WHERE h.bucket = y.bucket AND h.person_id = y.person_id OFFSET 0
) h
WHERE NOT y.reversed
ORDER BY s.ledger_version
