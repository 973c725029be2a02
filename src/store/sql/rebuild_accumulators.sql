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
    WHERE s.bucket = $1 AND s.person_id = $2
    UNION ALL
    SELECT o.insured_region, o.scheme, o.policy_year, o.name, o.amount_fen
    FROM opening_entry o
    WHERE o.bucket = $1 AND o.person_id = $2
) m
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
