-- Adds to the history of a difference: $1 statement, $2 number, $3 event, $4 reason, $5 amount, $6 by whom. Settling takes the name of
-- whoever proposed it from the history itself; the table sees to it that these are two.
INSERT INTO difference_event (statement_key, difference_no, event_no, event, reason, moved_fen, proposed_by, by_name)
SELECT d.statement_key, d.difference_no, coalesce(e.event_no, 0) + 1, $3, $4, $5,
    CASE WHEN $3 = 'settled' AND e.event = 'proposed' THEN e.by_name END, $6
FROM difference d
JOIN statement s ON s.statement_key = d.statement_key
LEFT JOIN LATERAL (
    SELECT * FROM difference_event e WHERE e.statement_key = d.statement_key AND e.difference_no = d.difference_no
    ORDER BY e.event_no DESC LIMIT 1
) e ON true
WHERE d.statement_key = $1 AND d.difference_no = $2 AND e.event IS DISTINCT FROM 'settled'
    -- A closed statement stands still, but what was carried out of it goes on; one whose days another closed is over.
    AND ((s.state = 'matched' AND statement_closed_over(s.hospital_code, s.insured_region, s.scheme, s.clearing_type,
        s.clearing_agency, s.payer, s.refund, s.first_day, s.last_day, s.from_hospital) IS NULL) OR (s.state = 'closed' AND EXISTS (SELECT FROM difference_event c
        WHERE c.statement_key = d.statement_key AND c.difference_no = d.difference_no AND c.event = 'carried')))
FOR SHARE OF s
RETURNING event_no
