-- Adds charge lines to a stay ($1 hospital, $2 stay, $3 request), and tells which it did, now or before: what this very request added
-- once and somebody cancelled since does not come back when it is sent again. One that is there stays as it is, and is not told.
WITH given AS (
    SELECT * FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::date[])
        WITH ORDINALITY AS g (line_id, item_code, quantity_e4, unit_price_e6, amount_fen, refund_of, charged_on, place)
), before AS (
    SELECT f.line_id FROM given g JOIN national_fee f
        ON f.hospital_code = $1::text AND f.stay_id = $2::text AND f.line_id = g.line_id AND f.request_id = $3::text
), added AS (
    INSERT INTO national_fee (hospital_code, stay_id, line_id, upload, request_id, place, item_code, quantity_e4, unit_price_e6,
        amount_fen, refund_of_line_id, charged_on)
    SELECT $1, $2, g.line_id, coalesce(newest.upload, 0) + 1, $3, g.place::integer, g.item_code, g.quantity_e4,
        g.unit_price_e6, g.amount_fen, g.refund_of, g.charged_on
    FROM given g
    LEFT JOIN LATERAL (
        SELECT f.upload, EXISTS (SELECT FROM national_fee_cancelled c WHERE c.hospital_code = f.hospital_code
            AND c.stay_id = f.stay_id AND c.line_id = f.line_id AND c.upload = f.upload) AS cancelled
        FROM national_fee f WHERE f.hospital_code = $1 AND f.stay_id = $2 AND f.line_id = g.line_id
        ORDER BY f.upload DESC LIMIT 1
    ) newest ON true
    WHERE (newest.upload IS NULL OR newest.cancelled) AND g.line_id NOT IN (SELECT line_id FROM before)
    ON CONFLICT DO NOTHING
    RETURNING line_id
)
SELECT line_id FROM added UNION SELECT line_id FROM before
