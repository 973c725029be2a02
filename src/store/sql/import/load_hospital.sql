-- The spans of hospitals ($1); $2 the import, to know what it listed already.
SELECT h.hospital_code, h.valid_from, h.valid_to, h.region, h.level, h.name,
    h.listed_by IS NOT DISTINCT FROM $2::text AS listed
FROM hospital h WHERE h.hospital_code = ANY ($1::text[])
