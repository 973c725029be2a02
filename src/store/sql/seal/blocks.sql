-- The leaves of a region's ($1) day ($2), whole blocks from one on ($3), up to about so many leaves ($4).
SELECT block, first_leaf, leaf_id, leaf_hashes
FROM seal_block
WHERE insured_region = $1::text AND accounting_day = $2::date AND block >= $3::integer
    AND first_leaf < $4::bigint + (SELECT b.first_leaf FROM seal_block b
        WHERE b.insured_region = $1::text AND b.accounting_day = $2::date AND b.block >= $3::integer ORDER BY b.block LIMIT 1)
ORDER BY block
