-- What was carried out of statements of a scope and is not settled yet, after one: $1 scope, $2 and $3 statement and number of that one,
-- $4 how many, $5 whether of hospitals' own. What another closed statement took the days of is over.
SELECT d.statement_key, d.difference_no, d.class, d.settlement_id, s.last_day
FROM statement s
JOIN difference d ON d.statement_key = s.statement_key
JOIN LATERAL (
    SELECT array_agg(e.event) AS events FROM difference_event e
    WHERE e.statement_key = d.statement_key AND e.difference_no = d.difference_no
) e ON 'carried' = ANY (e.events) AND NOT 'settled' = ANY (e.events)
WHERE s.scope = $1 AND s.from_hospital = $5 AND ($2::bigint IS NULL
        OR (s.first_day, d.statement_key, d.difference_no) > ((SELECT a.first_day FROM statement a WHERE a.statement_key = $2), $2, $3::bigint))
    AND (s.state = 'closed' OR statement_closed_over(s.hospital_code, s.insured_region, s.scheme, s.clearing_type, s.clearing_agency,
        s.payer, s.refund, s.first_day, s.last_day, s.from_hospital) IS NULL)
ORDER BY s.first_day, d.statement_key, d.difference_no LIMIT $4
