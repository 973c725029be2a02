-- What statements of $1 regions say is owed and not paid at the end of $2, by hospital and fund: what was carried from one to the next is in
-- the one that it came from. A deposit and an advance count from the second approval on, as they are posted.
SELECT c.hospital_code, c.insured_region AS region, l.fund,
    sum(l.owed_fen - coalesce(l.paid_fen, 0)
        - CASE WHEN e.state IN ('made', 'approved_once') THEN 0 ELSE l.withheld_fen + l.offset_fen END)::bigint AS amount_fen
FROM clearing_statement c
JOIN LATERAL (SELECT e.state, e.paid_fen FROM clearing_event e WHERE e.statement_id = c.statement_id
        AND e.at < (($2::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
    ORDER BY e.event_no DESC LIMIT 1) e ON e.state <> 'withdrawn'
CROSS JOIN LATERAL unnest(c.fund, c.owed_fen, c.withheld_fen, c.offset_fen, e.paid_fen) AS l(fund, owed_fen, withheld_fen, offset_fen, paid_fen)
WHERE $1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region) WHERE region_lies_in(c.insured_region, r.region))
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
