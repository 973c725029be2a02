-- The settlements that were made from a moment on ($1, as their ids have it: milliseconds, eleven digits of base 16) and before another
-- one ($2), with what is sealed of them. A walk down the key for each bucket.
SELECT s.*
FROM generate_series(0, 127) AS b(number)
CROSS JOIN LATERAL (
    SELECT settlement_id, insured_region, record, state, supersedes_settlement_id, hospital_level, care_type, referral, clearing_type,
        clearing_way, clearing_agency, accounting_day, door, assumed, operator_id, reason, body_sha256
    FROM settlement s
    WHERE s.bucket = b.number::smallint
        AND s.settlement_id >= 'S' || upper(lpad(to_hex(b.number), 2, '0')) || $1::text
        AND s.settlement_id < 'S' || upper(lpad(to_hex(b.number), 2, '0')) || $2::text
    OFFSET 0
) s
