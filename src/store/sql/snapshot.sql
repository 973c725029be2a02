-- Everything that decisions may look at, a row for each of those asked for, read at one moment in one statement.
--
-- $1 bucket of the credential, $2 its hash, $3 its kind, $4 hospital, $5 request id or null, $6 stay, $7 its part,
-- $8 discharge date, each a list; $9 item codes and $10 the day of each, for all of those asked for: none where whoever asks holds
-- the catalogue of `reference_version`.
SELECT
    head.person_id, head.birth_date, head.standing_version, head.ledger_version, head.newest_settlement_id,
    coverage.*, identity.*, head.used_key, head.used_fen, stays.*, hospital.*, catalogue.*, earlier.*, tombstone.*, same_stay.*,
    (SELECT version FROM reference_state WHERE only_row) AS reference_version
FROM unnest($1::smallint[], $2::bytea[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::date[])
    WITH ORDINALITY AS asked(bucket, credential_hash, kind, hospital_code, request_id, stay_id, part, discharge_date, place)
LEFT JOIN LATERAL (
    SELECT h.bucket, h.person_id, h.birth_date, h.standing_version, h.ledger_version, h.newest_settlement_id, h.used_key, h.used_fen
    FROM (SELECT * FROM credential c WHERE c.bucket = asked.bucket AND c.credential_hash = asked.credential_hash
        AND c.kind = asked.kind OFFSET 0) c
    JOIN person_head h ON h.bucket = c.person_bucket AND h.person_id = c.person_id
    OFFSET 0
) head ON true
LEFT JOIN LATERAL (
    SELECT array_agg(c.scheme) AS coverage_scheme,
        array_agg(c.insured_region) AS coverage_region,
        array_agg(c.valid_from) AS coverage_from,
        array_agg(c.valid_to) AS coverage_to,
        array_agg(c.facts) AS coverage_facts
    FROM (SELECT * FROM coverage WHERE bucket = head.bucket AND person_id = head.person_id ORDER BY scheme, valid_from) c
) coverage ON true
LEFT JOIN LATERAL (
    SELECT array_agg(i.code) AS identity_code,
        array_agg(i.region) AS identity_region,
        array_agg(i.valid_from) AS identity_from,
        array_agg(i.valid_to) AS identity_to,
        array_agg(i.source) AS identity_source
    FROM (SELECT * FROM identity WHERE bucket = head.bucket AND person_id = head.person_id
        ORDER BY code, region, valid_from) i
) identity ON true
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
    FROM (SELECT * FROM stay WHERE bucket = head.bucket AND person_id = head.person_id ORDER BY ledger_version) s
) stays ON true
LEFT JOIN LATERAL (
    SELECT h.region AS hospital_region, h.level AS hospital_level, h.valid_from AS hospital_from, h.valid_to AS hospital_to
    FROM hospital h
    WHERE h.hospital_code = asked.hospital_code AND h.valid_from <= asked.discharge_date
        AND (h.valid_to IS NULL OR asked.discharge_date <= h.valid_to)
    ORDER BY h.valid_from DESC
    LIMIT 1
) hospital ON true
LEFT JOIN LATERAL (
    SELECT array_agg(entry.valid_from) AS item_from,
        array_agg(entry.valid_to) AS item_to,
        array_agg(entry.class) AS item_class,
        array_agg(entry.advance_ratio_billionths) AS item_ratio,
        array_agg(entry.ceiling_e6) AS item_ceiling_e6,
        array_agg(entry.amount_name) AS item_amount_name
    FROM unnest($9::text[], $10::date[]) WITH ORDINALITY AS line(item_code, charged_on, ord)
    LEFT JOIN LATERAL (
        SELECT c.valid_from, c.valid_to, c.class, c.advance_ratio_billionths, c.amount_name,
            CASE hospital.hospital_level WHEN 1 THEN c.ceiling_price_level_1_e6 WHEN 2 THEN c.ceiling_price_level_2_e6
                ELSE c.ceiling_price_level_3_e6 END AS ceiling_e6
        FROM unnest(ARRAY[hospital.hospital_region, left(hospital.hospital_region, 4) || '00',
            left(hospital.hospital_region, 2) || '0000', '000000']) WITH ORDINALITY AS wide(region, breadth)
        JOIN catalogue_item c ON c.item_code = line.item_code AND c.region = wide.region
        WHERE c.valid_from <= line.charged_on AND (c.valid_to IS NULL OR line.charged_on <= c.valid_to)
        -- The narrowest region wins; in one region spans do not overlap.
        ORDER BY wide.breadth
        LIMIT 1
    ) entry ON true
) catalogue ON true
LEFT JOIN LATERAL (
    SELECT k.request_id AS earlier_request, s.settlement_id AS earlier_settlement, s.person_id AS earlier_person,
        s.body_sha256 AS earlier_body, s.reverses_settlement_id AS earlier_reverses,
        (SELECT r.settlement_id FROM settlement r WHERE r.bucket = s.bucket AND r.person_id = s.person_id
            AND r.reverses_settlement_id = s.settlement_id) AS earlier_reversed_by
    FROM (SELECT * FROM request_key k
        WHERE k.hospital_code = asked.hospital_code AND k.request_id = asked.request_id OFFSET 0) k
    LEFT JOIN LATERAL (
        -- OFFSET 0: looked for by its key; the plan is made while there are none, and would walk through all of them.
        SELECT * FROM settlement s WHERE s.bucket = k.bucket AND s.settlement_id = k.settlement_id OFFSET 0
    ) s ON true
) earlier ON true
LEFT JOIN LATERAL (
    SELECT t.original_request_id AS tombstone_original, t.reversal_request_id AS tombstone_reversal,
        t.left_at AS tombstone_left_at
    FROM tombstone t
    WHERE earlier.earlier_request IS NOT NULL AND earlier.earlier_settlement IS NULL
        AND t.hospital_code = asked.hospital_code
        AND (t.original_request_id = asked.request_id OR t.reversal_request_id = asked.request_id)
    LIMIT 1
) tombstone ON true
LEFT JOIN LATERAL (
    SELECT s.settlement_id AS same_stay_settlement, s.person_id AS same_stay_person
    FROM stay s
    WHERE s.hospital_code = asked.hospital_code AND s.stay_id = asked.stay_id AND s.part = asked.part AND NOT s.reversed
    OFFSET 0
) same_stay ON true
ORDER BY asked.place
