-- Ends, on the list's date ($3), the hospitals of a region ($2) that a full list ($1) does not carry.
WITH gone AS (
    SELECT h.*, row_number() OVER (ORDER BY hospital_code, valid_from) AS ordinal
    FROM hospital h
    WHERE h.region = $2::text AND h.listed_by IS DISTINCT FROM $1::text AND h.valid_from <= $3::date
        AND (h.valid_to IS NULL OR $3 < h.valid_to)
), ended AS (
    UPDATE hospital h SET valid_to = $3
    FROM gone g WHERE h.hospital_code = g.hospital_code AND h.valid_from = g.valid_from
), logged AS (
    INSERT INTO reference_change (import_id, rows_durable, ordinal, kind, before, after)
    SELECT $1, 0, g.ordinal, 'hospital',
        jsonb_build_object('hospital_code', g.hospital_code, 'valid_from', g.valid_from, 'valid_to', g.valid_to),
        jsonb_build_object('hospital_code', g.hospital_code, 'valid_from', g.valid_from, 'valid_to', $3)
    FROM gone g
)
SELECT count(*) AS ended FROM gone
