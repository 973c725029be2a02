-- Notes which messages asked to settle which bills of which stays, before they are settled: not where the stay's admission was
-- reversed, and tells of each whether that is so. Such a message's id is barred by whoever reverses the admission later.
--
-- $1 hospitals, $2 requests, $3 hashes of the messages, $4 of the bills, $5 stays.
WITH asked AS MATERIALIZED (
    SELECT a.*, coalesce((
        SELECT EXISTS (SELECT FROM national_request r
            WHERE r.hospital_code = s.hospital_code AND r.reverses_request_id = s.request_id)
        FROM national_stay s WHERE s.hospital_code = a.hospital_code AND s.stay_id = a.stay_id
    ), false) AS cancelled
    FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[])
        WITH ORDINALITY AS a(hospital_code, request_id, message_sha256, bill_sha256, stay_id, place)
), noted AS (
    INSERT INTO national_settle (hospital_code, request_id, message_sha256, bill_sha256, stay_id)
    SELECT hospital_code, request_id, message_sha256, bill_sha256, stay_id FROM asked WHERE NOT cancelled
    ON CONFLICT DO NOTHING
)
SELECT cancelled FROM asked ORDER BY place
