-- The entries of $1 buckets and $2 settlement ids, to be told; without their charge lines.
SELECT s.*, s.state AS state_now, NULL::bytea AS lines
FROM unnest($1::smallint[], $2::text[]) AS w(bucket, settlement_id)
CROSS JOIN LATERAL (
    SELECT * FROM settlement s WHERE s.bucket = w.bucket AND s.settlement_id = w.settlement_id OFFSET 0
) s
