-- Ends, on the list's date ($3), the coverage of a region ($2) that a full list ($1) does not carry.
WITH gone AS (
    SELECT c.*, row_number() OVER (PARTITION BY bucket, person_id ORDER BY scheme, valid_from) AS ordinal
    FROM coverage c
    WHERE c.insured_region = $2::text AND c.listed_by IS DISTINCT FROM $1::text AND c.valid_from <= $3::date
        AND (c.valid_to IS NULL OR $3 < c.valid_to)
), moved AS (
    UPDATE person_head h SET standing_version = h.standing_version + 1
    FROM (SELECT DISTINCT bucket, person_id FROM gone) g
    WHERE h.bucket = g.bucket AND h.person_id = g.person_id
    RETURNING h.bucket, h.person_id, h.standing_version
), ended AS (
    UPDATE coverage c SET valid_to = $3
    FROM gone g
    WHERE c.bucket = g.bucket AND c.person_id = g.person_id AND c.scheme = g.scheme AND c.valid_from = g.valid_from
), logged AS (
    INSERT INTO registry_change (bucket, person_id, standing_version, ordinal, kind, import_id, before, after)
    SELECT g.bucket, g.person_id, m.standing_version, g.ordinal, 'coverage', $1,
        jsonb_build_object('scheme', g.scheme, 'valid_from', g.valid_from, 'valid_to', g.valid_to),
        jsonb_build_object('scheme', g.scheme, 'valid_from', g.valid_from, 'valid_to', $3)
    FROM gone g JOIN moved m USING (bucket, person_id)
)
SELECT count(*) AS ended FROM gone
