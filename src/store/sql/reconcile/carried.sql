-- What was carried out of earlier statements of a scope and is not settled yet: $1 scope.
SELECT d.statement_key, d.difference_no, d.class, d.settlement_id, s.last_day
FROM statement s
JOIN difference d ON d.statement_key = s.statement_key
JOIN LATERAL (
    SELECT array_agg(e.event) AS events FROM difference_event e
    WHERE e.statement_key = d.statement_key AND e.difference_no = d.difference_no
) e ON 'carried' = ANY (e.events) AND NOT 'settled' = ANY (e.events)
WHERE s.scope = $1
ORDER BY s.first_day, d.statement_key, d.difference_no
