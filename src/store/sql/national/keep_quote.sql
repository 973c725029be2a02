-- Keeps the newest quote of a stay.
INSERT INTO national_quote (hospital_code, stay_id, request_id, bill_sha256, token)
VALUES ($1::text, $2::text, $3::text, $4::bytea, $5::bytea)
ON CONFLICT (hospital_code, stay_id) DO UPDATE
SET request_id = excluded.request_id, bill_sha256 = excluded.bill_sha256, token = excluded.token, quoted_at = now()
