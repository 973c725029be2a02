-- Discharges: it counts if, and only if, its request id was free.
WITH taken AS (
    INSERT INTO national_request (hospital_code, request_id, transaction_code, body_sha256, stay_id)
    VALUES ($1::text, $2::text, '2402', $3::bytea, $4::text)
    ON CONFLICT DO NOTHING
    RETURNING hospital_code
)
INSERT INTO national_discharge (hospital_code, stay_id, request_id, discharge_date, diagnosis_codes)
SELECT hospital_code, $4, $2, $5::date, $6::text[] FROM taken
RETURNING stay_id
