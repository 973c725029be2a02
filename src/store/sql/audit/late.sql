-- Statements of $1 regions that were due before the end of $3 and not paid by then, or paid too late between $2 and $3; at most $4.
SELECT c.statement_id, c.hospital_code, c.insured_region AS region, c.first_day, c.last_day, c.due_day, c.due_assumed OR c.terms_assumed AS assumed,
    e.state, paid.on_day AS paid_on, CASE WHEN paid.on_day IS NULL THEN l.rest_fen ELSE l.paid_fen END AS amount_fen
FROM clearing_statement c
JOIN LATERAL (SELECT e.state, e.paid_fen FROM clearing_event e WHERE e.statement_id = c.statement_id
        AND e.at < (($3::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai')
    ORDER BY e.event_no DESC LIMIT 1) e ON e.state <> 'withdrawn'
CROSS JOIN LATERAL (SELECT sum(greatest(0, u.owed + u.carried - u.withheld - u.spent - coalesce(u.paid, 0)))::bigint AS rest_fen,
        sum(coalesce(u.paid, 0))::bigint AS paid_fen
    FROM unnest(c.fund, c.owed_fen, c.carried_fen, c.withheld_fen, c.offset_fen, e.paid_fen) AS u(fund, owed, carried, withheld, spent, paid)) l
LEFT JOIN LATERAL (SELECT (min(e.at) AT TIME ZONE 'Asia/Shanghai')::date AS on_day FROM clearing_event e
    WHERE e.statement_id = c.statement_id AND e.state = 'paid') paid ON e.state = 'paid'
WHERE c.due_day < $3 AND (($1::text[] IS NULL) OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region) WHERE region_lies_in(c.insured_region, r.region)))
    AND ((paid.on_day IS NULL AND 0 < l.rest_fen) OR (c.due_day < paid.on_day AND paid.on_day BETWEEN $2 AND $3 AND 0 < l.paid_fen))
ORDER BY c.due_day, c.statement_id
LIMIT $4::bigint
