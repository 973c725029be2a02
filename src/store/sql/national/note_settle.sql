-- Notes which message ($3) asked to settle which bill ($4), before it is settled.
INSERT INTO national_settle (hospital_code, request_id, message_sha256, bill_sha256, stay_id)
VALUES ($1::text, $2::text, $3::bytea, $4::bytea, $5::text)
ON CONFLICT DO NOTHING
