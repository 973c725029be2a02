-- Deposits of $1 regions that were withheld up to $2 and neither released nor kept by the end of $3: what came first goes first.
SELECT l.counterparty AS hospital_code, l.region, l.fund,
    (coalesce(-sum(l.fen) FILTER (WHERE p.accounting_day <= $2), 0)
        - coalesce(sum(l.fen) FILTER (WHERE $2 < p.accounting_day AND 0 < l.fen), 0))::bigint AS amount_fen
FROM posting p
CROSS JOIN LATERAL unnest(p.account, p.fund, p.region, p.counterparty, p.amount_fen) AS l(account, fund, region, counterparty, fen)
WHERE l.account = 'deposit_withheld' AND p.accounting_day <= $3
    AND ($1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(region) WHERE region_lies_in(l.region, r.region)))
GROUP BY 1, 2, 3
HAVING 0 < coalesce(-sum(l.fen) FILTER (WHERE p.accounting_day <= $2), 0)
    - coalesce(sum(l.fen) FILTER (WHERE $2 < p.accounting_day AND 0 < l.fen), 0)
ORDER BY 1, 2, 3
