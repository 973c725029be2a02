-- Has stuck true-ups tried again at $1.
WITH again AS (
    UPDATE trueup t SET state = 'pending', next_at = $1::timestamptz, changed_at = $1::timestamptz WHERE t.state = 'stuck'
    RETURNING t.settlement_id
)
SELECT count(*) AS again FROM again
