-- Ends, on the list's date ($3), the items of a region ($2) that a full list ($1) does not carry.
WITH gone AS (
    SELECT c.*, row_number() OVER (ORDER BY item_code, valid_from) AS ordinal
    FROM catalogue_item c
    WHERE c.region = $2::text AND c.listed_by IS DISTINCT FROM $1::text AND c.valid_from <= $3::date
        AND (c.valid_to IS NULL OR $3 < c.valid_to)
), ended AS (
    UPDATE catalogue_item c SET valid_to = $3
    FROM gone g WHERE c.item_code = g.item_code AND c.region = g.region AND c.valid_from = g.valid_from
), logged AS (
    INSERT INTO reference_change (import_id, rows_durable, ordinal, kind, before, after)
    SELECT $1, 0, g.ordinal, 'catalogue',
        jsonb_build_object('item_code', g.item_code, 'region', g.region, 'valid_from', g.valid_from, 'valid_to', g.valid_to),
        jsonb_build_object('item_code', g.item_code, 'region', g.region, 'valid_from', g.valid_from, 'valid_to', $3)
    FROM gone g
)
SELECT count(*) AS ended FROM gone
