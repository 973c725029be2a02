-- What the narrowest region said last that $1 lies in.
SELECT t.deposit_ratio_billionths, t.due_workdays
FROM clearing_terms t
WHERE region_lies_in($1, t.region)
ORDER BY (t.region = '000000'), (right(t.region, 4) = '0000'), (right(t.region, 2) = '00'), t.said_at DESC
LIMIT 1
