-- The coverage of persons: $1 buckets, $2 ids; $3 the import, to know what it listed already.
SELECT c.person_id, c.scheme, c.valid_from, c.valid_to, c.insured_region, c.facts,
    c.listed_by IS NOT DISTINCT FROM $3::text AS listed
FROM coverage c
WHERE (c.bucket, c.person_id) IN (SELECT * FROM unnest($1::smallint[], $2::bigint[]))
