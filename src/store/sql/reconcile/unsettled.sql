-- How many differences are neither settled nor carried.
SELECT count(*) AS unsettled FROM difference d
LEFT JOIN LATERAL (
    SELECT e.event FROM difference_event e WHERE e.statement_key = d.statement_key AND e.difference_no = d.difference_no
    ORDER BY e.event_no DESC LIMIT 1
) e ON true
WHERE d.statement_key = $1 AND e.event IS DISTINCT FROM 'settled' AND e.event IS DISTINCT FROM 'carried'
