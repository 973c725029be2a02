-- Writes spans of coverage as they are now.
INSERT INTO coverage AS c (bucket, person_id, scheme, valid_from, valid_to, insured_region, facts, source, listed_by)
SELECT given.*, $8::text, $9::text
FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::date[], $5::date[], $6::text[], $7::text[]) AS given
ON CONFLICT ON CONSTRAINT coverage_pkey DO UPDATE
SET valid_to = excluded.valid_to, insured_region = excluded.insured_region, facts = excluded.facts,
    source = excluded.source, listed_by = coalesce(excluded.listed_by, c.listed_by)
