-- Writes spans of identities as they are now.
INSERT INTO identity AS i (bucket, person_id, code, region, valid_from, valid_to, source, listed_by)
SELECT given.*, $7::text, $8::text
FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::date[], $6::date[]) AS given
ON CONFLICT ON CONSTRAINT identity_pkey DO UPDATE
SET valid_to = excluded.valid_to, source = excluded.source, listed_by = coalesce(excluded.listed_by, i.listed_by)
