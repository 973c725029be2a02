-- What persons have used whose standing is in memory, a row for each of those asked for, read at one moment in one statement; with the
-- versions by which whoever asks sees that what they hold still is what is recorded.
--
-- $1 buckets and $2 persons.
SELECT
    head.standing_version, head.ledger_version, head.newest_settlement_id, head.used_key, head.used_fen, stays.*,
    (SELECT version FROM reference_state WHERE only_row) AS reference_version
FROM unnest($1::smallint[], $2::bigint[]) WITH ORDINALITY AS asked(bucket, person_id, place)
LEFT JOIN LATERAL (
    SELECT h.standing_version, h.ledger_version, h.newest_settlement_id, h.used_key, h.used_fen
    FROM person_head h WHERE h.bucket = asked.bucket AND h.person_id = asked.person_id
    OFFSET 0
) head ON true
LEFT JOIN LATERAL (
    SELECT array_agg(s.hospital_code) AS stay_hospital,
        array_agg(s.hospital_level) AS stay_level,
        array_agg(s.stay_id) AS stay_id,
        array_agg(s.part) AS stay_part,
        array_agg(s.care_type) AS stay_care,
        array_agg(s.admission_date) AS stay_admission,
        array_agg(s.discharge_date) AS stay_discharge,
        array_agg(s.insured_region) AS stay_region,
        array_agg(s.scheme) AS stay_scheme,
        array_agg(s.policy_year) AS stay_year,
        array_agg(s.deductible_fen) AS stay_deductible_fen,
        array_agg(s.settlement_id) AS stay_settlement,
        array_agg(s.reversed) AS stay_reversed
    FROM (SELECT * FROM stay WHERE bucket = asked.bucket AND person_id = asked.person_id ORDER BY ledger_version) s
) stays ON true
ORDER BY asked.place
