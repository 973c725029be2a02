-- Appends signed heads: $1 regions, $2 days, $3 final, $4 leaves, $5 roots, $6 previous, $7 hashes, $8 when, $9 keys, $10 signatures.
INSERT INTO seal_head (insured_region, accounting_day, is_final, leaves, root_sha256, previous_sha256, head_sha256, sealed_at,
    public_key, signature)
SELECT * FROM unnest($1::text[], $2::date[], $3::boolean[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::timestamptz[],
    $9::bytea[], $10::bytea[])
