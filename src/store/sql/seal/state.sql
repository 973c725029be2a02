-- The newest head of each day of a region that is not final yet, and how many blocks it is over; and the last final head of each region.
-- From key to key, so that it costs no more as heads come to be many.
WITH RECURSIVE region AS (
    (SELECT h.insured_region FROM seal_head h ORDER BY h.insured_region LIMIT 1)
    UNION ALL
    SELECT (SELECT h.insured_region FROM seal_head h WHERE h.insured_region > r.insured_region ORDER BY h.insured_region LIMIT 1)
    FROM region r
    WHERE r.insured_region IS NOT NULL
),
last AS (
    SELECT r.insured_region, (SELECT f.accounting_day FROM seal_head f WHERE f.is_final AND f.insured_region = r.insured_region
        ORDER BY f.accounting_day DESC LIMIT 1) AS accounting_day
    FROM region r
    WHERE r.insured_region IS NOT NULL
),
open AS (
    SELECT l.insured_region, (SELECT h.accounting_day FROM seal_head h WHERE h.insured_region = l.insured_region
        AND h.accounting_day > coalesce(l.accounting_day, '-infinity') ORDER BY h.accounting_day LIMIT 1) AS accounting_day
    FROM last l
    UNION ALL
    SELECT o.insured_region, (SELECT h.accounting_day FROM seal_head h WHERE h.insured_region = o.insured_region
        AND h.accounting_day > o.accounting_day ORDER BY h.accounting_day LIMIT 1)
    FROM open o
    WHERE o.accounting_day IS NOT NULL
)
SELECT h.*, coalesce(b.block + 1, 0)::bigint AS blocks
FROM open o
CROSS JOIN LATERAL (
    SELECT * FROM seal_head h
    WHERE h.insured_region = o.insured_region AND h.accounting_day = o.accounting_day AND NOT h.is_final
    ORDER BY h.leaves DESC LIMIT 1
) h
LEFT JOIN LATERAL (
    SELECT b.block FROM seal_block b
    WHERE b.insured_region = h.insured_region AND b.accounting_day = h.accounting_day
    ORDER BY b.block DESC LIMIT 1
) b ON true
UNION ALL
SELECT f.*, 0::bigint AS blocks
FROM last l
JOIN seal_head f ON f.is_final AND f.insured_region = l.insured_region AND f.accounting_day = l.accounting_day
