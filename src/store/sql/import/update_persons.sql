-- Changes what is known of persons. The version moves apart from this, once.
UPDATE person_head h
SET birth_date = given.birth_date, name_sealed = coalesce(given.name_sealed, h.name_sealed), name_mark = given.name_mark
FROM unnest($1::smallint[], $2::bigint[], $3::date[], $4::bytea[], $5::bytea[])
    AS given(bucket, person_id, birth_date, name_sealed, name_mark)
WHERE h.bucket = given.bucket AND h.person_id = given.person_id
