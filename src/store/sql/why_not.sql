-- Why an entry was not written, in the order in which reasons count. What this reads is the state after: where nothing of it
-- stands against the entry, it lost a race.
--
-- $1 bucket, $2 person, $3 standing version, $4 ledger version, $5 hospital, $6 request id, $7 stay, $8 its part, $9 package,
-- $10 accounting day, $11 discharge date, $12 the settlement that it reverses, or null.
SELECT CASE
    WHEN h.person_id IS NULL THEN 'unregistered'
    WHEN h.standing_version <> $3::bigint THEN 'standing'
    WHEN EXISTS (SELECT FROM tombstone t WHERE t.hospital_code = $5::text
        AND (t.original_request_id = $6::text OR t.reversal_request_id = $6) OFFSET 0)
        THEN 'tombstone'
    WHEN EXISTS (SELECT FROM request_key k WHERE k.hospital_code = $5 AND k.request_id = $6 OFFSET 0) THEN 'request'
    WHEN $12::text IS NOT NULL AND EXISTS (SELECT FROM settlement r WHERE r.bucket = $1::smallint AND r.person_id = $2::bigint
        AND r.reverses_settlement_id = $12 OFFSET 0) THEN 'reversed'
    WHEN h.ledger_version <> $4::bigint THEN 'accumulators'
    WHEN $10::date <= (SELECT max(f.day) FROM accounting_fence f) THEN 'day'
    WHEN $12 IS NOT NULL THEN CASE WHEN EXISTS (SELECT FROM settlement s WHERE s.bucket = $1 AND s.person_id = $2
        AND s.settlement_id = $12 AND s.reverses_settlement_id IS NULL OFFSET 0) THEN 'raced' ELSE 'unknown' END
    WHEN NOT EXISTS (SELECT FROM rule_package p WHERE p.hash = $9::bytea OFFSET 0)
        OR EXISTS (SELECT FROM rule_package later WHERE later.supersedes_hash = $9
            AND later.known_from <= $10::date AND later.in_force_from <= $11::date
            AND (later.in_force_to IS NULL OR $11 <= later.in_force_to) OFFSET 0) THEN 'package'
    WHEN EXISTS (SELECT FROM stay s WHERE s.hospital_code = $5 AND s.stay_id = $7::text AND s.part = $8::smallint
        AND NOT s.reversed OFFSET 0) THEN 'stay'
    ELSE 'raced'
END AS why
FROM (SELECT 1) AS always
LEFT JOIN LATERAL (
    SELECT * FROM person_head h WHERE h.bucket = $1 AND h.person_id = $2 OFFSET 0
) h ON true
