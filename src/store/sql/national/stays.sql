-- Stays, a row for each of those asked for, with their newest discharge, their newest quote, what settled them, what a request asked of
-- them and, where wanted, their charge lines that are not cancelled, in the order of their upload. One that is not there is all nulls.
--
-- $1 hospitals, $2 stays, $3 requests, $4 how many charge lines at most.
SELECT s.*, d.*, q.*, t.*, a.*, lines.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    WITH ORDINALITY AS asked(hospital_code, stay_id, request_id, lines_max, place)
LEFT JOIN LATERAL (
    SELECT s.person_number, s.credential_kind, s.credential_hash, s.scheme, s.care_code, s.admission_date, s.diagnosis_codes,
        EXISTS (SELECT FROM national_request r
            WHERE r.hospital_code = s.hospital_code AND r.reverses_request_id = s.request_id) AS cancelled
    FROM national_stay s WHERE s.hospital_code = asked.hospital_code AND s.stay_id = asked.stay_id
    OFFSET 0
) s ON true
LEFT JOIN LATERAL (
    SELECT d.discharge_date, d.diagnosis_codes AS discharge_diagnosis_codes
    FROM national_discharge d WHERE d.hospital_code = asked.hospital_code AND d.stay_id = asked.stay_id
    ORDER BY d.discharged_at DESC LIMIT 1
) d ON true
LEFT JOIN LATERAL (
    SELECT q.bill_sha256 AS quoted_bill_sha256, q.token
    FROM national_quote q WHERE q.hospital_code = asked.hospital_code AND q.stay_id = asked.stay_id
    OFFSET 0
) q ON true
LEFT JOIN LATERAL (
    SELECT t.settlement_id FROM stay t
    WHERE t.hospital_code = asked.hospital_code AND t.stay_id = asked.stay_id AND t.part = 0 AND NOT t.reversed
    LIMIT 1
) t ON true
LEFT JOIN LATERAL (
    SELECT array_agg(a.message_sha256) AS asked_message_sha256, array_agg(a.bill_sha256) AS asked_bill_sha256
    FROM (SELECT * FROM national_settle a
        WHERE a.hospital_code = asked.hospital_code AND a.request_id = asked.request_id ORDER BY a.asked_at) a
) a ON true
LEFT JOIN LATERAL (
    SELECT array_agg(f.line_id) AS line_id, array_agg(f.item_code) AS item_code, array_agg(f.quantity_e4) AS quantity_e4,
        array_agg(f.unit_price_e6) AS unit_price_e6, array_agg(f.amount_fen) AS amount_fen,
        array_agg(f.refund_of_line_id) AS refund_of_line_id, array_agg(f.charged_on) AS charged_on
    FROM (SELECT * FROM national_fee f
        WHERE 0 < asked.lines_max AND f.hospital_code = asked.hospital_code AND f.stay_id = asked.stay_id
            AND NOT EXISTS (SELECT FROM national_fee_cancelled c
                WHERE c.hospital_code = f.hospital_code AND c.stay_id = f.stay_id
                    AND c.line_id = f.line_id AND c.upload = f.upload)
        ORDER BY f.uploaded_at, f.request_id, f.place
        LIMIT asked.lines_max) f
) lines ON true
ORDER BY asked.place
