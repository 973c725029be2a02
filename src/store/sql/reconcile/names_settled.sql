-- The payers and clearing types of what was settled on these days. $1 first day, $2 last day, $3 hospital, $4 region with all that lies in
-- it. What is null is not looked at.
SELECT DISTINCT true AS is_payer, l.payer AS name
FROM settlement s CROSS JOIN LATERAL unnest(s.payer) AS l(payer)
WHERE s.accounting_day BETWEEN $1::date AND $2::date AND ($3::text IS NULL OR s.hospital_code = $3)
    AND ($4::text IS NULL OR region_is_within(s.insured_region, $4))
UNION ALL
SELECT DISTINCT false, s.clearing_type FROM settlement s
WHERE s.accounting_day BETWEEN $1 AND $2 AND s.clearing_type <> '' AND ($3 IS NULL OR s.hospital_code = $3)
    AND ($4 IS NULL OR region_is_within(s.insured_region, $4))
ORDER BY 1, 2
