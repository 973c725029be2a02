-- Of $1 hospital in $2 insured region: what the last statement of $3 scheme and $4 clearing type before $5 left below zero, and what each
-- fund paid in advance that no statement uses up yet.
SELECT 'carried' AS what, l.fund, least(0, l.owed_fen + l.carried_fen - l.withheld_fen - l.offset_fen) AS amount_fen
FROM (
    SELECT * FROM clearing_statement c
    WHERE c.hospital_code = $1 AND c.insured_region = $2 AND c.scheme = $3 AND c.clearing_type = $4 AND c.state <> 'withdrawn'
        AND c.last_day < $5
    ORDER BY c.last_day DESC LIMIT 1
) c
CROSS JOIN LATERAL unnest(c.fund, c.owed_fen, c.carried_fen, c.withheld_fen, c.offset_fen)
    AS l(fund, owed_fen, carried_fen, withheld_fen, offset_fen)
UNION ALL
SELECT 'advance', a.fund, sum(a.fen)::bigint
FROM (
    SELECT l.fund, l.amount_fen AS fen
    FROM posting p
    CROSS JOIN LATERAL unnest(p.account, p.fund, p.region, p.amount_fen) AS l(account, fund, region, amount_fen)
    WHERE p.hospital_code = $1 AND l.account = 'hospital_advance' AND l.region = $2
    UNION ALL
    SELECT l.fund, -l.offset_fen
    FROM clearing_statement c CROSS JOIN LATERAL unnest(c.fund, c.offset_fen) AS l(fund, offset_fen)
    WHERE c.hospital_code = $1 AND c.insured_region = $2 AND c.state IN ('made', 'approved_once')
) a
GROUP BY a.fund
