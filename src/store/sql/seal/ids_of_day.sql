-- The ids of all settlements that bear an accounting day ($1) and region ($2), whatever their ids say of when they were made.
SELECT settlement_id FROM settlement WHERE accounting_day = $1::date AND insured_region = $2::text
