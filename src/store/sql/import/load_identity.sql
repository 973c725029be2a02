-- The aid identities of persons: $1 buckets, $2 ids; $3 the import, to know what it listed already.
SELECT i.person_id, i.code, i.region, i.valid_from, i.valid_to, i.listed_by IS NOT DISTINCT FROM $3::text AS listed
FROM identity i
WHERE (i.bucket, i.person_id) IN (SELECT * FROM unnest($1::smallint[], $2::bigint[]))
