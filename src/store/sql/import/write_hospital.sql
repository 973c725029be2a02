-- Writes spans of hospitals as they are now.
INSERT INTO hospital AS h (hospital_code, valid_from, valid_to, region, level, name, listed_by)
SELECT given.*, $7::text
FROM unnest($1::text[], $2::date[], $3::date[], $4::text[], $5::smallint[], $6::text[]) AS given
ON CONFLICT ON CONSTRAINT hospital_pkey DO UPDATE
SET valid_to = excluded.valid_to, region = excluded.region, level = excluded.level, name = excluded.name,
    listed_by = coalesce(excluded.listed_by, h.listed_by)
