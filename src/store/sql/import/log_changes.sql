-- Moves the standing of each person once, however much of it changed, and appends each change under the new version:
-- $1 buckets, $2 persons, $3 kind, $4 import, $5 before, $6 after.
WITH change AS (
    SELECT given.*, row_number() OVER (PARTITION BY bucket, person_id ORDER BY given.place) AS ordinal
    FROM unnest($1::smallint[], $2::bigint[], $5::text[], $6::text[]) WITH ORDINALITY
        AS given(bucket, person_id, before, after, place)
), moved AS (
    UPDATE person_head h SET standing_version = h.standing_version + 1
    FROM (SELECT DISTINCT bucket, person_id FROM change) c
    WHERE h.bucket = c.bucket AND h.person_id = c.person_id
    RETURNING h.bucket, h.person_id, h.standing_version
)
INSERT INTO registry_change (bucket, person_id, standing_version, ordinal, kind, import_id, before, after)
SELECT c.bucket, c.person_id, m.standing_version, c.ordinal, $3::text, $4::text, c.before::jsonb, c.after::jsonb
FROM change c JOIN moved m USING (bucket, person_id)
