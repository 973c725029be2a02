-- A stay ($1 hospital, $2 stay) with its newest discharge, its newest quote, what settled it, and what a request ($3) asked of it.
SELECT s.person_number, s.credential_kind, s.credential_hash, s.scheme, s.care_code, s.admission_date, s.diagnosis_codes,
    d.discharge_date, d.diagnosis_codes AS discharge_diagnosis_codes,
    q.bill_sha256 AS quoted_bill_sha256, q.token,
    EXISTS (SELECT FROM national_request r
        WHERE r.hospital_code = s.hospital_code AND r.reverses_request_id = s.request_id) AS cancelled,
    (SELECT t.settlement_id FROM stay t WHERE t.hospital_code = s.hospital_code AND t.stay_id = s.stay_id AND t.part = 0
        AND NOT t.reversed) AS settlement_id,
    ARRAY(SELECT a.message_sha256 FROM national_settle a
        WHERE a.hospital_code = s.hospital_code AND a.request_id = $3::text ORDER BY a.asked_at) AS asked_message_sha256,
    ARRAY(SELECT a.bill_sha256 FROM national_settle a
        WHERE a.hospital_code = s.hospital_code AND a.request_id = $3 ORDER BY a.asked_at) AS asked_bill_sha256
FROM national_stay s
LEFT JOIN LATERAL (
    SELECT * FROM national_discharge d WHERE d.hospital_code = s.hospital_code AND d.stay_id = s.stay_id
    ORDER BY d.discharged_at DESC LIMIT 1
) d ON true
LEFT JOIN national_quote q ON q.hospital_code = s.hospital_code AND q.stay_id = s.stay_id
WHERE s.hospital_code = $1::text AND s.stay_id = $2::text
