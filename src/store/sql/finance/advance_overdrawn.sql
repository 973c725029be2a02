-- Funds whose advances to $1 hospital in $2 region would be used up more than once.
SELECT l.fund
FROM posting p
CROSS JOIN LATERAL unnest(p.account, p.fund, p.region, p.amount_fen) AS l(account, fund, region, amount_fen)
WHERE p.hospital_code = $1 AND l.account = 'hospital_advance' AND l.region = $2
GROUP BY l.fund
HAVING sum(l.amount_fen) < 0
