-- Whose credentials these are: $1 buckets, $2 hashes, $3 kinds.
SELECT DISTINCT c.credential_hash, c.kind, c.person_id
FROM unnest($1::smallint[], $2::bytea[], $3::smallint[]) AS wanted(bucket, credential_hash, kind)
JOIN credential c USING (bucket, credential_hash, kind)
