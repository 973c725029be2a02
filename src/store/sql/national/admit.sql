-- Admits: the stay is there if, and only if, its request id was free.
WITH taken AS (
    INSERT INTO national_request (hospital_code, request_id, transaction_code, body_sha256, stay_id)
    VALUES ($1::text, $2::text, '2401', $3::bytea, $4::text)
    ON CONFLICT DO NOTHING
    RETURNING hospital_code
)
INSERT INTO national_stay (hospital_code, stay_id, request_id, person_number, credential_kind, credential_hash, scheme, care_code,
    admission_date, diagnosis_codes)
SELECT hospital_code, $4, $2, $5::text, $6::smallint, $7::bytea, $8::text, $9::text, $10::date, $11::text[] FROM taken
RETURNING stay_id
