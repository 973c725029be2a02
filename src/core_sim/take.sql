-- Takes entries once each, and books each $7 times: $1 hospitals, $2 request ids, $3 settlements, $4 hashes, $5 persons, $6 amounts.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[]) WITH ORDINALITY
        AS g(hospital_code, request_id, settlement_id, record_sha256, person_number, fund_pay_total_fen, place)
), taken AS (
    INSERT INTO sim_taken (hospital_code, request_id, settlement_id, record_sha256)
    SELECT g.hospital_code, g.request_id, g.settlement_id, g.record_sha256 FROM given g ORDER BY g.place
    ON CONFLICT DO NOTHING
    RETURNING hospital_code, request_id
), booked AS (
    INSERT INTO sim_booking (hospital_code, request_id, settlement_id, person_number, fund_pay_total_fen)
    SELECT g.hospital_code, g.request_id, g.settlement_id, g.person_number, g.fund_pay_total_fen
    FROM given g JOIN taken t USING (hospital_code, request_id) CROSS JOIN generate_series(1, $7::integer)
    ORDER BY g.place
)
SELECT t.request_id IS NOT NULL AS is_new FROM given g LEFT JOIN taken t USING (hospital_code, request_id) ORDER BY g.place
