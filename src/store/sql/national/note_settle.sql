-- Notes which message ($3) asked to settle which bill ($4) of a stay ($5), before it is settled: not where its admission was reversed,
-- and tells whether that is so. Such a message's id is barred by whoever reverses the admission later.
WITH cancelled AS (
    SELECT s.stay_id FROM national_stay s
    JOIN national_request r ON r.hospital_code = s.hospital_code AND r.reverses_request_id = s.request_id
    WHERE s.hospital_code = $1::text AND s.stay_id = $5::text
), noted AS (
    INSERT INTO national_settle (hospital_code, request_id, message_sha256, bill_sha256, stay_id)
    SELECT $1, $2::text, $3::bytea, $4::bytea, $5 WHERE NOT EXISTS (SELECT FROM cancelled)
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM cancelled
