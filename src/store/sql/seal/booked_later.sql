-- The settlements of an accounting day ($1) that were made before it, since their own day was closed already.
SELECT settlement_id
FROM settlement
WHERE accounting_day = $1::date AND accounting_day > (settled_at AT TIME ZONE 'Asia/Shanghai')::date
