-- Writes spans of items as they are now.
INSERT INTO catalogue_item AS c (item_code, region, valid_from, valid_to, class, advance_ratio_billionths,
    ceiling_price_level_1_e6, ceiling_price_level_2_e6, ceiling_price_level_3_e6, amount_name, name, listed_by)
SELECT given.*, $12::text
FROM unnest($1::text[], $2::text[], $3::date[], $4::date[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::text[], $11::text[]) AS given
ON CONFLICT ON CONSTRAINT catalogue_item_pkey DO UPDATE
SET valid_to = excluded.valid_to, class = excluded.class,
    advance_ratio_billionths = excluded.advance_ratio_billionths,
    ceiling_price_level_1_e6 = excluded.ceiling_price_level_1_e6,
    ceiling_price_level_2_e6 = excluded.ceiling_price_level_2_e6,
    ceiling_price_level_3_e6 = excluded.ceiling_price_level_3_e6, amount_name = excluded.amount_name,
    name = excluded.name, listed_by = coalesce(excluded.listed_by, c.listed_by)
