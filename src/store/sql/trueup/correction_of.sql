-- How a settlement was corrected: $1 bucket, $2 person, $3 settlement.
SELECT k.bucket, k.person_id, k.settlement_id, k.reversal_settlement_id, k.new_settlement_id, k.because_of_settlement_id,
    k.hospital_code, k.patient_collect_fen, k.fund_more_fen, k.corrected_at, s.stay_id, s.discharge_date
FROM trueup_correction k
CROSS JOIN LATERAL (
    SELECT s.stay_id, s.discharge_date FROM settlement s
    WHERE s.bucket = k.bucket AND s.settlement_id = k.settlement_id OFFSET 0
) s
WHERE k.bucket = $1::smallint AND k.person_id = $2::bigint AND k.settlement_id = $3::text
