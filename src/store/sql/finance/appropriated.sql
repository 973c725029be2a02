-- What funds of $2 regions, or of all, were given for the year $1, with what a desk gets when it is not enough.
SELECT l.fund, l.region, sum(-l.amount_fen)::bigint AS appropriated_fen,
    (SELECT r.when_dry FROM budget_rule r WHERE r.fund = l.fund AND r.region = l.region ORDER BY r.said_at DESC LIMIT 1) AS when_dry
FROM posting p
CROSS JOIN LATERAL unnest(p.account, p.fund, p.region, p.amount_fen) AS l(account, fund, region, amount_fen)
WHERE p.budget_year = $1::smallint AND l.account = 'fund_pool'
    AND ($2::text[] IS NULL OR EXISTS (SELECT FROM unnest($2::text[]) AS r(region) WHERE region_lies_in(l.region, r.region)))
GROUP BY l.fund, l.region
ORDER BY l.fund, l.region
