-- Remembers that a full list ($5) carries these spans, though nothing of them changed.
UPDATE coverage c SET listed_by = $5::text
FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::date[]) AS given(bucket, person_id, scheme, valid_from)
WHERE c.bucket = given.bucket AND c.person_id = given.person_id AND c.scheme = given.scheme
    AND c.valid_from = given.valid_from
