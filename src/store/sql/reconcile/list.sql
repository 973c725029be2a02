-- Statements, the latest first: $1 hospital, $2 region with all that lies in it, $3 scheme, $4 payer, $5 day, $6 how many. What is null is
-- not looked at.
SELECT s.*, CASE WHEN s.state <> 'closed' THEN
    statement_closed_over(s.hospital_code, s.insured_region, s.scheme, s.clearing_type, s.clearing_agency, s.payer, s.refund,
        s.first_day, s.last_day, s.from_hospital) END AS superseded_by
FROM statement s
WHERE ($1::text IS NULL OR s.hospital_code = $1) AND ($2::text IS NULL OR region_is_within(s.insured_region, $2))
    AND ($3::text IS NULL OR s.scheme = $3) AND ($4::text IS NULL OR s.payer = $4)
    AND ($5::date IS NULL OR $5 BETWEEN s.first_day AND s.last_day)
ORDER BY s.received_at DESC, s.statement_key LIMIT $6
