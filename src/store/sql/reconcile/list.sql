-- Statements, the latest first: $1 hospital, $2 region with all that lies in it, $3 scheme, $4 payer, $5 day, $6 state; after what came at
-- $7 with the key $8; of the regions $9, the hospital $10 and the schemes $11 that who asks reaches; $12 how many. What is null is not
-- looked at, but who reaches some regions or schemes sees no statement that names none.
SELECT s.*, CASE WHEN s.state <> 'closed' THEN
    statement_closed_over(s.hospital_code, s.insured_region, s.scheme, s.clearing_type, s.clearing_agency, s.payer, s.refund,
        s.first_day, s.last_day, s.from_hospital) END AS superseded_by
FROM statement s
WHERE ($1::text IS NULL OR s.hospital_code = $1) AND ($2::text IS NULL OR region_is_within(s.insured_region, $2))
    AND ($3::text IS NULL OR s.scheme = $3) AND ($4::text IS NULL OR s.payer = $4)
    AND ($5::date IS NULL OR $5 BETWEEN s.first_day AND s.last_day) AND ($6::text IS NULL OR s.state = $6)
    AND ($7::timestamptz IS NULL OR s.received_at < $7 OR (s.received_at = $7 AND $8::bigint < s.statement_key))
    AND ($9::text[] IS NULL OR EXISTS (SELECT FROM unnest($9) AS own WHERE region_is_within(s.insured_region, own)))
    AND ($10::text IS NULL OR s.hospital_code = $10) AND ($11::text[] IS NULL OR s.scheme = ANY ($11))
ORDER BY s.received_at DESC, s.statement_key LIMIT $12
