-- Closes a statement that is explained and of which nothing is left open. $1 statement, $2 by whom, $3 although what.
UPDATE statement s SET state = 'closed', closed_at = now(), closed_by = $2, closed_although = $3
WHERE s.statement_key = $1 AND s.state = 'matched' AND s.explained = s.differences
    AND s.last_day <= (SELECT max(f.day) FROM accounting_fence f)
    AND statement_closed_over(s.hospital_code, s.insured_region, s.scheme, s.clearing_type, s.clearing_agency, s.payer, s.refund,
        s.first_day, s.last_day, s.from_hospital) IS NULL
RETURNING s.closed_at
