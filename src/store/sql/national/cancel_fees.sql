-- Cancels charge lines of a stay ($1 hospital, $2 stay, $3 request): those named ($4), or all. Tells which. The same request again
-- cancels nothing: what was uploaded since is not its.
INSERT INTO national_fee_cancelled (hospital_code, stay_id, line_id, upload, request_id)
SELECT f.hospital_code, f.stay_id, f.line_id, f.upload, $3::text
FROM national_fee f
WHERE f.hospital_code = $1::text AND f.stay_id = $2::text AND ($4::text[] IS NULL OR f.line_id = ANY ($4))
    AND NOT EXISTS (SELECT FROM national_fee_cancelled c WHERE c.hospital_code = f.hospital_code AND c.stay_id = f.stay_id
        AND c.line_id = f.line_id AND c.upload = f.upload)
    AND NOT EXISTS (SELECT FROM national_fee_cancelled d WHERE d.hospital_code = $1 AND d.stay_id = $2 AND d.request_id = $3)
ON CONFLICT DO NOTHING
RETURNING line_id
