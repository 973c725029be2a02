-- The ids alone of the settlements that were made from a moment on ($1) and before another one ($2).
SELECT s.settlement_id
FROM generate_series(0, 127) AS b(number)
CROSS JOIN LATERAL (
    SELECT settlement_id
    FROM settlement s
    WHERE s.bucket = b.number::smallint
        AND s.settlement_id >= 'S' || upper(lpad(to_hex(b.number), 2, '0')) || $1::text
        AND s.settlement_id < 'S' || upper(lpad(to_hex(b.number), 2, '0')) || $2::text
    OFFSET 0
) s
