-- Reverses an admission ($2) of a hospital ($1) by a request ($3) with its body ($4). What is not reversed yet and was seen has a
-- stay ($5); what was never seen is used up by this too, so that it and a late original exclude each other.
--
-- A stay that is settled is left alone. The ids of messages that asked to settle it and did not are used up: one of them may be on its
-- way, and either it or this is refused by the unique key. Each gets a tombstone whose second id nobody ever sends.
WITH settled AS (
    SELECT t.stay_id FROM stay t WHERE t.hospital_code = $1::text AND t.stay_id = $5::text AND NOT t.reversed
), asking AS (
    SELECT DISTINCT a.request_id FROM national_settle a
    WHERE a.hospital_code = $1 AND a.stay_id = $5 AND NOT EXISTS (SELECT FROM settled)
        AND NOT EXISTS (SELECT FROM request_key k WHERE k.hospital_code = $1 AND k.request_id = a.request_id)
), used_key AS (
    INSERT INTO request_key (hospital_code, request_id) SELECT $1, request_id FROM asking ORDER BY request_id
), barred AS (
    INSERT INTO tombstone (hospital_code, original_request_id, reversal_request_id, reason)
    SELECT $1, request_id, 'B' || substr(md5(request_id), 1, 29), '2601 ' || $3::text FROM asking
)
INSERT INTO national_request (hospital_code, request_id, transaction_code, body_sha256, stay_id, reverses_request_id)
SELECT $1, $2::text, '2401', NULL::bytea, NULL::text, NULL::text WHERE $5 IS NULL
UNION ALL
SELECT $1, $3, '2601', $4::bytea, $5, $2 WHERE NOT EXISTS (SELECT FROM settled)
RETURNING request_id
