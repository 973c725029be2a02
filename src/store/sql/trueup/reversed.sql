-- True-ups of a person ($1 bucket, $2 person) that the hospital's own reversal made needless, noted at $3.
UPDATE trueup t SET state = 'reversed', changed_at = $3::timestamptz
-- OFFSET 0: by the person, also where the plan was made while there were none.
FROM (
    SELECT k.ctid AS place FROM trueup k WHERE k.bucket = $1::smallint AND k.person_id = $2::bigint OFFSET 0
) k
WHERE t.ctid = k.place AND t.state = 'pending'
    AND EXISTS (SELECT FROM settlement r WHERE r.bucket = t.bucket AND r.person_id = t.person_id
        AND r.reverses_settlement_id = t.settlement_id OFFSET 0)
