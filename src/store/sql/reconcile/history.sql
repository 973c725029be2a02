-- All that happened to a difference, and to the same row where it was carried out of statements of earlier days of the same scope.
-- $1 statement, $2 number, $3 how many.
WITH one AS (
    SELECT coalesce(d.our_settlement_id, d.settlement_id) AS row_id, s.scope, s.first_day
    FROM difference d JOIN statement s ON s.statement_key = d.statement_key
    WHERE d.statement_key = $1 AND d.difference_no = $2
)
SELECT e.*, d.class, s.last_day
FROM one
JOIN difference d ON coalesce(d.our_settlement_id, d.settlement_id) = one.row_id
JOIN statement s ON s.statement_key = d.statement_key
JOIN difference_event e ON e.statement_key = d.statement_key AND e.difference_no = d.difference_no
WHERE (d.statement_key = $1 AND d.difference_no = $2)
    OR (s.scope = one.scope AND s.last_day < one.first_day AND EXISTS (SELECT FROM difference_event c
        WHERE c.statement_key = d.statement_key AND c.difference_no = d.difference_no AND c.event = 'carried'))
ORDER BY s.first_day, d.statement_key, d.difference_no, e.event_no LIMIT $3
