-- A statement, and the closed one that took its days. $1 key.
SELECT s.*, CASE WHEN s.state <> 'closed' THEN
    statement_closed_over(s.hospital_code, s.insured_region, s.scheme, s.clearing_type, s.clearing_agency, s.payer, s.refund,
        s.first_day, s.last_day, s.from_hospital) END AS superseded_by
FROM statement s WHERE s.statement_key = $1
