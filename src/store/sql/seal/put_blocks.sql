-- Appends a block of leaves: $1 region, $2 day, $3 block, $4 first leaf, $5 ids, $6 hashes.
INSERT INTO seal_block (insured_region, accounting_day, block, first_leaf, leaf_id, leaf_hashes)
VALUES ($1::text, $2::date, $3::integer, $4::bigint, $5::text[], $6::bytea)
