-- Remembers that a full list ($4) carries these spans, though nothing of them changed.
UPDATE catalogue_item c SET listed_by = $4::text
FROM unnest($1::text[], $2::text[], $3::date[]) AS given(item_code, region, valid_from)
WHERE c.item_code = given.item_code AND c.region = given.region AND c.valid_from = given.valid_from
