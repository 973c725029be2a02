-- How many of these charge lines are in a stay ($1 hospital, $2 stay) as they are given, or were brought so by this very request ($3),
-- whoever cancelled them since. LIMIT and OFFSET: each is looked for by its key, also where the plan was made while there were none.
SELECT count(*) AS count
FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::date[])
    AS g (line_id, item_code, quantity_e4, unit_price_e6, amount_fen, refund_of, charged_on)
CROSS JOIN LATERAL (
    SELECT f.upload FROM national_fee f
    LEFT JOIN LATERAL (
        SELECT c.upload FROM national_fee_cancelled c WHERE c.hospital_code = f.hospital_code AND c.stay_id = f.stay_id
            AND c.line_id = f.line_id AND c.upload = f.upload OFFSET 0
    ) cancelled ON true
    WHERE f.hospital_code = $1::text AND f.stay_id = $2::text AND f.line_id = g.line_id AND f.item_code = g.item_code
        AND f.quantity_e4 = g.quantity_e4 AND f.unit_price_e6 = g.unit_price_e6 AND f.amount_fen = g.amount_fen
        AND f.refund_of_line_id IS NOT DISTINCT FROM g.refund_of AND f.charged_on = g.charged_on
        AND (f.request_id = $3::text OR cancelled.upload IS NULL)
    LIMIT 1
) found
