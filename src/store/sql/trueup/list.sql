-- What was corrected, of $1 hospital or all, from $2 on, behind $4 settlement of that moment, the oldest first, at most $3.
SELECT k.bucket, k.person_id, k.settlement_id, k.reversal_settlement_id, k.new_settlement_id, k.because_of_settlement_id,
    k.hospital_code, k.patient_collect_fen, k.fund_more_fen, k.corrected_at, s.stay_id, s.discharge_date
FROM trueup_correction k
CROSS JOIN LATERAL (
    SELECT s.stay_id, s.discharge_date FROM settlement s
    WHERE s.bucket = k.bucket AND s.settlement_id = k.settlement_id OFFSET 0
) s
WHERE ($1::text IS NULL OR k.hospital_code = $1) AND ($2::timestamptz, $4::text) < (k.corrected_at, k.settlement_id)
ORDER BY k.corrected_at, k.settlement_id LIMIT $3
