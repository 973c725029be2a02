-- The credentials of persons ($1 buckets, $2 ids) of which each has one only: identity number and person number.
SELECT c.person_id, c.kind, c.credential_hash
FROM credential c
WHERE (c.person_bucket, c.person_id) IN (SELECT * FROM unnest($1::smallint[], $2::bigint[])) AND c.kind IN (1, 2)
