-- The whole catalogue, by item and region, span by span.
SELECT item_code, region, valid_from, valid_to, class, advance_ratio_billionths, ceiling_price_level_1_e6,
    ceiling_price_level_2_e6, ceiling_price_level_3_e6, amount_name
FROM catalogue_item
ORDER BY item_code, region, valid_from
LIMIT $1
