-- The ids of all leaves of a day ($1), block by block of all regions.
SELECT leaf_id FROM seal_block WHERE accounting_day = $1::date
