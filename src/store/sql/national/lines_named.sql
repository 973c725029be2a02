-- The charge lines of a stay ($1 hospital, $2 stay) that are named ($3) and not cancelled, as one row.
SELECT array_agg(f.line_id) AS line_id, array_agg(f.item_code) AS item_code, array_agg(f.quantity_e4) AS quantity_e4,
    array_agg(f.unit_price_e6) AS unit_price_e6, array_agg(f.amount_fen) AS amount_fen,
    array_agg(f.refund_of_line_id) AS refund_of_line_id, array_agg(f.charged_on) AS charged_on
FROM national_fee f
WHERE f.hospital_code = $1::text AND f.stay_id = $2::text AND f.line_id = ANY ($3::text[])
    AND NOT EXISTS (SELECT FROM national_fee_cancelled c WHERE c.hospital_code = f.hospital_code AND c.stay_id = f.stay_id
        AND c.line_id = f.line_id AND c.upload = f.upload)
