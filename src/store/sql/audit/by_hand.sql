-- Corrections of $1 regions from $2 to $3 that move money at hand or what hospitals are owed; at most $4.
SELECT p.posting_id, coalesce(p.hospital_code, '') AS hospital_code, l.region, l.fund, p.reason, sum(abs(l.fen))::bigint AS amount_fen
FROM posting p
CROSS JOIN LATERAL unnest(p.account, p.fund, p.region, p.amount_fen) AS l(account, fund, region, fen)
WHERE p.kind = 'correction' AND p.accounting_day BETWEEN $2 AND $3 AND l.account IN ('treasury', 'hospital_payable')
    AND ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region) WHERE region_lies_in(l.region, r.region)))
GROUP BY p.posting_id, p.hospital_code, l.region, l.fund, p.reason
ORDER BY p.posting_id, l.region, l.fund
LIMIT $4::bigint
