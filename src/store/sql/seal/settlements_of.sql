-- Settlements by their ids ($1), whole, in no order.
SELECT s.*, s.state AS state_now, NULL::bytea AS lines
FROM unnest($1::text[]) AS wanted(id)
CROSS JOIN LATERAL (
    SELECT *
    FROM settlement s
    WHERE s.bucket = CASE WHEN wanted.id ~ '^S[0-7][0-9A-F]' THEN ('x' || substr(wanted.id, 2, 2))::bit(8)::integer ELSE -1 END::smallint
        AND s.settlement_id = wanted.id
    OFFSET 0
) s
