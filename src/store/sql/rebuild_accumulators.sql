-- What a person ($1 bucket, $2 person) has used, added up from what settlements, reversals and opening entries moved.
SELECT m.insured_region, m.scheme, m.policy_year, m.name, sum(m.fen)::bigint AS amount_fen
FROM (
    SELECT s.insured_region, s.scheme, u.policy_year, u.name, u.fen
    FROM settlement s
    CROSS JOIN LATERAL (
            SELECT s.policy_year, y.name, y.fen FROM unnest(s.moved_name, s.moved_fen) AS y(name, fen)
            UNION ALL
            SELECT 0::smallint, l.name, l.fen FROM unnest(s.moved_life_name, s.moved_life_fen) AS l(name, fen)
        ) AS u
    -- By the person's stays and reversals, which have keys that start with the person: each settlement is of a stay that has it
    -- still, or is reversed.
    WHERE s.bucket = $1 AND s.settlement_id IN (
        SELECT y.settlement_id FROM stay y WHERE y.bucket = $1 AND y.person_id = $2
        UNION
        SELECT unnest(ARRAY[r.settlement_id, r.reverses_settlement_id]) FROM settlement r
        WHERE r.bucket = $1 AND r.person_id = $2 AND r.reverses_settlement_id IS NOT NULL
    )
    UNION ALL
    SELECT o.insured_region, o.scheme, o.policy_year, o.name, o.amount_fen
    FROM opening_entry o
    WHERE o.bucket = $1 AND o.person_id = $2
) m
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
