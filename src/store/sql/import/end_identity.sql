-- Ends, on the list's date ($3), the identities of a region ($2) that a full list ($1) does not carry.
WITH gone AS (
    SELECT i.*, row_number() OVER (PARTITION BY bucket, person_id ORDER BY code, valid_from) AS ordinal
    FROM identity i
    WHERE i.region = $2::text AND i.listed_by IS DISTINCT FROM $1::text AND i.valid_from <= $3::date
        AND (i.valid_to IS NULL OR $3 < i.valid_to)
), moved AS (
    UPDATE person_head h SET standing_version = h.standing_version + 1
    FROM (SELECT DISTINCT bucket, person_id FROM gone) g
    WHERE h.bucket = g.bucket AND h.person_id = g.person_id
    RETURNING h.bucket, h.person_id, h.standing_version
), ended AS (
    UPDATE identity i SET valid_to = $3
    FROM gone g
    WHERE i.bucket = g.bucket AND i.person_id = g.person_id AND i.code = g.code AND i.region = g.region
        AND i.valid_from = g.valid_from
), logged AS (
    INSERT INTO registry_change (bucket, person_id, standing_version, ordinal, kind, import_id, before, after)
    SELECT g.bucket, g.person_id, m.standing_version, g.ordinal, 'identity', $1,
        jsonb_build_object('code', g.code, 'region', g.region, 'valid_from', g.valid_from, 'valid_to', g.valid_to),
        jsonb_build_object('code', g.code, 'region', g.region, 'valid_from', g.valid_from, 'valid_to', $3)
    FROM gone g JOIN moved m USING (bucket, person_id)
)
SELECT count(*) AS ended FROM gone
