-- The charge lines of a stay ($1 hospital, $2 stay) that are not cancelled, in the order of their upload; of those named ($3) only,
-- where any are.
SELECT f.line_id, f.item_code, f.quantity_e4, f.unit_price_e6, f.amount_fen, f.refund_of_line_id, f.charged_on
FROM national_fee f
WHERE f.hospital_code = $1::text AND f.stay_id = $2::text AND ($3::text[] IS NULL OR f.line_id = ANY ($3))
    AND NOT EXISTS (SELECT FROM national_fee_cancelled c WHERE c.hospital_code = f.hospital_code AND c.stay_id = f.stay_id
        AND c.line_id = f.line_id AND c.upload = f.upload)
ORDER BY f.uploaded_at, f.request_id, f.place
LIMIT $4
