-- When the first settlement was made from a moment on ($1), as ids have it.
SELECT min(substr(s.settlement_id, 4, 11)) AS made_at
FROM generate_series(0, 127) AS b(number)
CROSS JOIN LATERAL (
    SELECT settlement_id
    FROM settlement s
    WHERE s.bucket = b.number::smallint
        AND s.settlement_id >= 'S' || upper(lpad(to_hex(b.number), 2, '0')) || $1::text
        AND s.settlement_id < 'S' || upper(lpad(to_hex(b.number), 2, '0')) || 'G'
    ORDER BY s.settlement_id
    LIMIT 1
) s
