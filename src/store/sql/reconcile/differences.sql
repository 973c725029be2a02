-- Differences after one, with why they are and what last happened to them. $1 statement, $2 after, $3 how many.
SELECT d.*, x.explanation, x.detail, e.event, e.event_no, e.reason, e.moved_fen, e.by_name, e.at
FROM (
    SELECT * FROM difference d WHERE d.statement_key = $1 AND $2 < d.difference_no ORDER BY d.difference_no LIMIT $3
) d
LEFT JOIN LATERAL (
    SELECT x.explanation, x.detail FROM difference_event x WHERE x.statement_key = d.statement_key
        AND x.difference_no = d.difference_no AND x.event_no = 1
) x ON true
LEFT JOIN LATERAL (
    SELECT e.event, e.event_no, e.reason, e.moved_fen, e.by_name, e.at FROM difference_event e
    WHERE e.statement_key = d.statement_key AND e.difference_no = d.difference_no ORDER BY e.event_no DESC LIMIT 1
) e ON true
ORDER BY d.difference_no
