-- The final heads of one region or of all ($1) between two days ($2, $3), each region's in the order of its chain.
SELECT *, 0::bigint AS blocks
FROM seal_head
WHERE is_final AND ($1::text IS NULL OR insured_region = $1::text) AND accounting_day BETWEEN $2::date AND $3::date
ORDER BY insured_region, accounting_day
