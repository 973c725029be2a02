-- What may be sent at $1: of at most $2 persons who have something due, all that is open of each, in order, at most $3.
WITH due AS MATERIALIZED (
    SELECT d.bucket, d.person_id FROM delivery d
    WHERE d.state IN ('waiting', 'unknown') AND d.next_at <= $1::timestamptz
    ORDER BY d.next_at LIMIT $2
)
SELECT o.bucket, o.person_id, o.settlement_id, o.state, o.attempts, o.next_at
FROM (SELECT DISTINCT bucket, person_id FROM due) p
CROSS JOIN LATERAL (
    SELECT d.* FROM delivery d
    WHERE d.bucket = p.bucket AND d.person_id = p.person_id AND d.state <> 'confirmed'
    ORDER BY d.ledger_version LIMIT $3
) o
ORDER BY o.bucket, o.person_id, o.ledger_version
