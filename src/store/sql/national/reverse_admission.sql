-- Reverses an admission ($2) of a hospital ($1) by a request ($3) with its body ($4). What is not reversed yet and was seen has a
-- stay ($5); what was never seen is used up by this too, so that it and a late original exclude each other.
INSERT INTO national_request (hospital_code, request_id, transaction_code, body_sha256, stay_id, reverses_request_id)
SELECT $1::text, $2::text, '2401', NULL::bytea, NULL::text, NULL::text WHERE $5::text IS NULL
UNION ALL
SELECT $1, $3::text, '2601', $4::bytea, $5, $2
