-- Records what was corrected at $1, of one person ($2 bucket, $3 person): $4 settlements, $5 their reversals, $6 what took their
-- place, $7 because of which, $8 hospitals, $9 what is to be collected from the patient, $10 what the funds owe more.
INSERT INTO trueup_correction (bucket, person_id, settlement_id, reversal_settlement_id, new_settlement_id,
    because_of_settlement_id, hospital_code, patient_collect_fen, fund_more_fen, corrected_at)
SELECT $2::smallint, $3::bigint, n.*, $1::timestamptz
FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[]) AS n
