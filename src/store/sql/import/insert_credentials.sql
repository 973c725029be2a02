-- Lets further credentials point to persons.
INSERT INTO credential (bucket, credential_hash, kind, person_bucket, person_id)
SELECT * FROM unnest($1::smallint[], $2::bytea[], $3::smallint[], $4::smallint[], $5::bigint[])
