-- Sees that a settlement's row is sound at a third of the cost. What is sound does not change. Safe beside the previous release.

CREATE OR REPLACE FUNCTION settlement_is_sound(s settlement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
    layers CONSTANT integer := cardinality(s.pay_fen);
    known CONSTANT text[] := ARRAY['basic_pool', 'civil_servant', 'enterprise_supplement', 'critical_illness', 'large_amount',
        'disabled_soldier', 'medical_aid', 'tilted_aid', 'other', 'hospital', 'account'];
    amounts CONSTANT bigint[] := ARRAY[s.basic_pool_pay_fen, s.civil_servant_pay_fen, s.enterprise_supplement_pay_fen,
        s.critical_illness_pay_fen, s.large_amount_pay_fen, s.disabled_soldier_pay_fen, s.medical_aid_pay_fen,
        s.tilted_aid_pay_fen, s.other_pay_fen, s.hospital_borne_fen, s.account_pay_fen];
BEGIN
    -- Nearly every row is sound: seen by one expression, where each condition of its own costs as much again to begin with. Layers are
    -- booked if each gives its own column all that it has, and the columns have no more.
    IF s.bucket BETWEEN 0 AND 127 AND length(s.settlement_id) = 30
        AND substr(s.settlement_id, 2, 2) = lpad(upper(to_hex(s.bucket::integer)), 2, '0')
        AND octet_length(s.body_sha256) = 32 AND octet_length(s.record_sha256) = 32
        AND octet_length(s.lines_sha256) = 32 AND octet_length(s.package_hash) = 32
        AND s.state IN ('final', 'provisional') AND s.scheme IN ('resident', 'employee') AND s.door IN ('grpc', 'national')
        AND s.care_type IN ('inpatient', 'outpatient', 'outpatient_chronic')
        AND s.referral IN ('none', 'filed', 'unfiled', 'emergency', 'long_term')
        AND s.insured_region ~ '^[0-9]{6}$' AND s.treatment_region ~ '^[0-9]{6}$'
        AND s.admission_date <= s.discharge_date
        AND s.accounting_day >= (s.settled_at AT TIME ZONE 'Asia/Shanghai')::date
        AND s.reverses_settlement_id IS NULL
        AND cardinality(s.payer) = layers AND cardinality(s.books_to) = layers AND cardinality(s.payer_identity) = layers
        AND cardinality(s.fixed_payer) = cardinality(s.fixed_pay_fen)
        AND cardinality(s.fixed_books_to) = cardinality(s.fixed_pay_fen)
        AND cardinality(s.fixed_identity) = cardinality(s.fixed_pay_fen)
        AND cardinality(s.moved_name) = cardinality(s.moved_fen)
        AND cardinality(s.moved_life_name) = cardinality(s.moved_life_fen)
        AND array_position(s.fixed_pay_fen, NULL) IS NULL AND array_position(s.moved_fen, NULL) IS NULL
        AND array_position(s.moved_life_fen, NULL) IS NULL
        AND s.total_fen = s.out_of_catalogue_fen + s.over_limit_fen + s.advance_self_pay_fen + s.in_scope_fen
        AND s.patient_pay_fen = s.account_pay_fen + s.cash_pay_fen
        AND s.fund_pay_total_fen = s.basic_pool_pay_fen + s.civil_servant_pay_fen + s.enterprise_supplement_pay_fen
            + s.critical_illness_pay_fen + s.large_amount_pay_fen + s.disabled_soldier_pay_fen + s.medical_aid_pay_fen
            + s.tilted_aid_pay_fen + s.other_pay_fen
        AND s.total_fen = s.fund_pay_total_fen + s.patient_pay_fen + s.hospital_borne_fen
        AND s.total_fen <= 1000000000000 AND 0 <= least(s.out_of_catalogue_fen, s.over_limit_fen, s.advance_self_pay_fen,
            s.in_scope_fen, s.deductible_paid_fen, s.cash_pay_fen) AND 0 <= ALL (amounts)
        AND layers <= 5 AND s.fund_pay_total_fen + s.hospital_borne_fen + s.account_pay_fen = coalesce(s.pay_fen[1], 0)
            + coalesce(s.pay_fen[2], 0) + coalesce(s.pay_fen[3], 0) + coalesce(s.pay_fen[4], 0) + coalesce(s.pay_fen[5], 0)
        AND (layers < 1 OR amounts[array_position(known, s.books_to[1])] = s.pay_fen[1])
        AND (layers < 2 OR amounts[array_position(known, s.books_to[2])] = s.pay_fen[2]
            AND array_position(s.books_to, s.books_to[2]) = 2)
        AND (layers < 3 OR amounts[array_position(known, s.books_to[3])] = s.pay_fen[3]
            AND array_position(s.books_to, s.books_to[3]) = 3)
        AND (layers < 4 OR amounts[array_position(known, s.books_to[4])] = s.pay_fen[4]
            AND array_position(s.books_to, s.books_to[4]) = 4)
        AND (layers < 5 OR amounts[array_position(known, s.books_to[5])] = s.pay_fen[5]
            AND array_position(s.books_to, s.books_to[5]) = 5) THEN
        RETURN true;
    END IF;
    -- Or which rule is broken, one after the other.
    IF NOT (s.bucket BETWEEN 0 AND 127 AND length(s.settlement_id) = 30
        AND substr(s.settlement_id, 2, 2) = lpad(upper(to_hex(s.bucket::integer)), 2, '0')) THEN
        broken := 'settlement_id';
    ELSIF NOT (octet_length(s.body_sha256) = 32 AND octet_length(s.record_sha256) = 32
        AND octet_length(s.lines_sha256) = 32 AND octet_length(s.package_hash) = 32) THEN
        broken := 'settlement_hashes';
    ELSIF NOT s.state IN ('final', 'provisional') THEN
        broken := 'settlement_state';
    ELSIF NOT (s.scheme IN ('resident', 'employee') AND s.door IN ('grpc', 'national')
        AND s.care_type IN ('inpatient', 'outpatient', 'outpatient_chronic')
        AND s.referral IN ('none', 'filed', 'unfiled', 'emergency', 'long_term')) THEN
        broken := 'settlement_words';
    ELSIF NOT (s.insured_region ~ '^[0-9]{6}$' AND s.treatment_region ~ '^[0-9]{6}$') THEN
        broken := 'settlement_regions';
    ELSIF NOT (s.admission_date <= s.discharge_date
        AND s.accounting_day >= (s.settled_at AT TIME ZONE 'Asia/Shanghai')::date) THEN
        broken := 'settlement_days';
    ELSIF s.reverses_settlement_id = s.settlement_id THEN
        broken := 'settlement_not_itself';
    ELSIF NOT (cardinality(s.payer) = cardinality(s.pay_fen) AND cardinality(s.books_to) = cardinality(s.pay_fen)
        AND cardinality(s.payer_identity) = cardinality(s.pay_fen)
        AND cardinality(s.fixed_payer) = cardinality(s.fixed_pay_fen)
        AND cardinality(s.fixed_books_to) = cardinality(s.fixed_pay_fen)
        AND cardinality(s.fixed_identity) = cardinality(s.fixed_pay_fen)
        AND cardinality(s.moved_name) = cardinality(s.moved_fen)
        AND cardinality(s.moved_life_name) = cardinality(s.moved_life_fen)
        AND array_position(s.fixed_pay_fen, NULL) IS NULL AND array_position(s.moved_fen, NULL) IS NULL
        AND array_position(s.moved_life_fen, NULL) IS NULL) THEN
        broken := 'settlement_arrays_match';
    ELSIF s.total_fen <> s.out_of_catalogue_fen + s.over_limit_fen + s.advance_self_pay_fen + s.in_scope_fen THEN
        broken := 'settlement_charges_add_up';
    ELSIF s.patient_pay_fen <> s.account_pay_fen + s.cash_pay_fen THEN
        broken := 'settlement_patient_adds_up';
    ELSIF s.fund_pay_total_fen <> s.basic_pool_pay_fen + s.civil_servant_pay_fen + s.enterprise_supplement_pay_fen
        + s.critical_illness_pay_fen + s.large_amount_pay_fen + s.disabled_soldier_pay_fen + s.medical_aid_pay_fen
        + s.tilted_aid_pay_fen + s.other_pay_fen THEN
        broken := 'settlement_funds_add_up';
    -- The package's own layers are what the national columns say, so a new payer is no migration.
    ELSIF booked_fen(s.books_to, s.pay_fen) <> amounts THEN
        broken := 'settlement_layers_are_booked';
    ELSIF s.total_fen <> s.fund_pay_total_fen + s.patient_pay_fen + s.hospital_borne_fen THEN
        broken := 'settlement_shares_add_up';
    -- Nothing below zero; in a reversal, nothing above. An amount above ten billion yuan does not fit.
    ELSIF s.reverses_settlement_id IS NULL AND NOT (s.total_fen <= 1000000000000 AND 0 <= least(s.out_of_catalogue_fen,
        s.over_limit_fen, s.advance_self_pay_fen, s.in_scope_fen, s.deductible_paid_fen, s.cash_pay_fen)
        AND 0 <= ALL (amounts)) THEN
        broken := 'settlement_signs';
    ELSIF s.reverses_settlement_id IS NOT NULL AND NOT (-1000000000000 <= s.total_fen
        AND greatest(s.out_of_catalogue_fen, s.over_limit_fen, s.advance_self_pay_fen, s.in_scope_fen,
            s.deductible_paid_fen, s.cash_pay_fen) <= 0
        AND 0 >= ALL (amounts)) THEN
        broken := 'settlement_signs';
    ELSE
        RETURN true;
    END IF;
    RAISE EXCEPTION 'settlement % breaks %', s.settlement_id, broken
        USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = 'settlement';
END
$$;
