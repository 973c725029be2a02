-- Remembers that a full list ($6) carries these spans, though nothing of them changed.
UPDATE identity i SET listed_by = $6::text
FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::date[])
    AS given(bucket, person_id, code, region, valid_from)
WHERE i.bucket = given.bucket AND i.person_id = given.person_id AND i.code = given.code AND i.region = given.region
    AND i.valid_from = given.valid_from
