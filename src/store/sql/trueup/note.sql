-- Notes at $1 how far true-ups of a person ($2 bucket, $3 person) are: of $4 settlements, $5 states, $6 when due again, $7 code.
UPDATE trueup t
SET state = n.state, next_at = $6::timestamptz, changed_at = $1::timestamptz, last_code = $7::text, attempts = t.attempts + 1
FROM unnest($4::text[], $5::text[]) AS n(settlement_id, state)
-- OFFSET 0: each is looked for by its key, also where the plan was made while there were none.
CROSS JOIN LATERAL (
    SELECT k.ctid AS place FROM trueup k
    WHERE k.bucket = $2::smallint AND k.person_id = $3::bigint AND k.settlement_id = n.settlement_id OFFSET 0
) k
WHERE t.ctid = k.place AND t.state = 'pending'
