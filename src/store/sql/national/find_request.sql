-- What used up a request id ($2) of a hospital ($1), and what reversed it.
SELECT r.transaction_code, r.body_sha256, r.stay_id, r.reverses_request_id,
    (SELECT undone.request_id FROM national_request undone
        WHERE undone.hospital_code = r.hospital_code AND undone.reverses_request_id = r.request_id) AS reversed_by
FROM national_request r
WHERE r.hospital_code = $1::text AND r.request_id = $2::text
