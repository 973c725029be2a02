-- Regions' days that are over and have no final head ($1 the first day, $2 the last, $3 of one region alone), though something was settled or
-- posted in them: one of its leaves, and how many there are. Reads the whole ledger.
SELECT r.region, r.day, r.leaf_id, r.leaves
FROM (
    SELECT s.insured_region AS region, s.accounting_day AS day, 's' || min(s.settlement_id) AS leaf_id, count(*) AS leaves
    FROM settlement s
    WHERE s.accounting_day BETWEEN $1::date AND $2::date
    GROUP BY 1, 2
    UNION ALL
    SELECT t.region, p.accounting_day, 'p' || min(p.posting_id) || '/' || t.region, count(*)
    FROM posting p
    CROSS JOIN LATERAL (SELECT DISTINCT u.region FROM unnest(p.region) AS u(region)) t
    WHERE p.accounting_day BETWEEN $1::date AND $2::date
    GROUP BY 1, 2
) r
WHERE ($3::text IS NULL OR r.region = $3::text)
    AND NOT EXISTS (SELECT FROM seal_head h
        WHERE h.is_final AND h.insured_region = r.region AND h.accounting_day = r.day)
ORDER BY 1, 2, 3
