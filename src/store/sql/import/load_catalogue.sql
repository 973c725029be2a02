-- The spans of items ($1 codes, $2 regions); $3 the import, to know what it listed already.
SELECT c.*, c.listed_by IS NOT DISTINCT FROM $3::text AS listed
FROM catalogue_item c
WHERE (c.item_code, c.region) IN (SELECT * FROM unnest($1::text[], $2::text[]))
