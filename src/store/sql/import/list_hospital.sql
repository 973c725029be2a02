-- Remembers that a full list ($3) carries these spans, though nothing of them changed.
UPDATE hospital h SET listed_by = $3::text
FROM unnest($1::text[], $2::date[]) AS given(hospital_code, valid_from)
WHERE h.hospital_code = given.hospital_code AND h.valid_from = given.valid_from
