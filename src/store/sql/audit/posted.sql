-- What was posted in $1 regions up to $3, by account and what for, by the days of granted.sql; and each account's sum over all of them,
-- added up by itself.
SELECT l.account, l.fund, l.region, l.hospital_code, p.kind, l.period, sum(l.fen)::bigint AS amount_fen
FROM posting p
CROSS JOIN LATERAL (
    SELECT u.account, u.fund, u.region, u.fen,
        CASE WHEN u.account IN ('hospital_payable', 'deposit_withheld', 'hospital_advance') THEN u.counterparty ELSE '' END AS hospital_code,
        CASE WHEN $2::date <= p.accounting_day THEN 0 WHEN p.accounting_day BETWEEN $4::date AND $5::date THEN 1
            WHEN p.accounting_day BETWEEN $6::date AND $7::date THEN 2 ELSE 3 END AS period
    FROM unnest(p.account, p.fund, p.region, p.counterparty, p.amount_fen) AS u(account, fund, region, counterparty, fen)
) l
WHERE p.accounting_day <= $3
    AND ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region) WHERE region_lies_in(l.region, r.region)))
GROUP BY GROUPING SETS ((l.account, l.fund, l.region, l.hospital_code), (l.account, l.fund, l.region, l.hospital_code, p.kind, l.period))
ORDER BY 1, 2, 3, 4, 5, 6
LIMIT $8::bigint
