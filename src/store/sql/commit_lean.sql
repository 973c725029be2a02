-- Writes a group of settlements in one step, as `commit.sql` does, for those who know more: no reversals, stays that the person
-- never had, and what they have used as it comes to be from what it was. Parameters are the same.
--
-- It looks for nothing that its own keys refuse: a request id that is used up, or a stay that is settled already, fails the whole
-- statement, and the group goes by `commit.sql`.
WITH taken AS (
    -- The compare-and-set that everything of a person goes through.
    UPDATE person_head h
    SET ledger_version = h.ledger_version + 1,
        newest_settlement_id = e.settlement_id,
        -- It was worked out from what was used: that is still so, or the person is not taken.
        used_key = e.used_key, used_fen = e.used_fen
    FROM unnest($1::commit_entry[]) WITH ORDINALITY AS e(
        bucket, person_id, settlement_id, hospital_code, request_id, body_sha256, reverses_settlement_id, hospital_level,
        stay_id, stay_part, admission_date, discharge_date, care_type, referral, insured_region, treatment_region, scheme,
        policy_year, settled_at, accounting_day, operator_id, door, reason, total_fen, out_of_catalogue_fen,
        over_limit_fen, advance_self_pay_fen, in_scope_fen, deductible_paid_fen, basic_pool_pay_fen,
        civil_servant_pay_fen, enterprise_supplement_pay_fen, critical_illness_pay_fen, large_amount_pay_fen,
        disabled_soldier_pay_fen, medical_aid_pay_fen, tilted_aid_pay_fen, other_pay_fen, fund_pay_total_fen,
        hospital_borne_fen, patient_pay_fen, account_pay_fen, cash_pay_fen, assumed, package_hash, standing_version,
        ledger_version, record, record_sha256, lines, lines_sha256, payer, books_to, payer_identity, pay_fen, fixed_payer,
        fixed_books_to, fixed_identity, fixed_pay_fen, moved_name, moved_fen, moved_life_name, moved_life_fen,
        identities_used, used_key, used_fen, after_settlement_id, supersedes_settlement_id, state, place
    )
    WHERE h.bucket = e.bucket AND h.person_id = e.person_id
        AND h.standing_version = e.standing_version AND h.ledger_version = e.ledger_version
        AND (e.after_settlement_id IS NULL OR h.newest_settlement_id = e.after_settlement_id)
        AND ($2::bigint IS NULL OR $2 = (SELECT version FROM reference_state WHERE only_row))
        -- A day that is fenced takes nothing more. Looked up once for the whole group.
        AND (SELECT coalesce(max(f.day), '-infinity') FROM accounting_fence f) < e.accounting_day
        AND EXISTS (SELECT FROM rule_package p WHERE p.hash = e.package_hash OFFSET 0)
        -- Superseded only for what the later package covers, and once it is known.
        AND NOT EXISTS (SELECT FROM rule_package later WHERE later.supersedes_hash = e.package_hash
            AND later.known_from <= e.accounting_day AND later.in_force_from <= e.discharge_date
            AND (later.in_force_to IS NULL OR e.discharge_date <= later.in_force_to) OFFSET 0)
    RETURNING e.*
), used_key AS (
    INSERT INTO request_key (hospital_code, request_id, bucket, settlement_id)
    SELECT e.hospital_code, e.request_id, e.bucket, e.settlement_id FROM taken e
), written AS (
    INSERT INTO settlement (
        bucket, person_id, settlement_id, hospital_code, request_id, body_sha256, hospital_level,
        stay_id, stay_part, admission_date, discharge_date, care_type, referral, insured_region, treatment_region, scheme,
        policy_year, settled_at, accounting_day, operator_id, door, reason, total_fen, out_of_catalogue_fen,
        over_limit_fen, advance_self_pay_fen, in_scope_fen, deductible_paid_fen, basic_pool_pay_fen,
        civil_servant_pay_fen, enterprise_supplement_pay_fen, critical_illness_pay_fen, large_amount_pay_fen,
        disabled_soldier_pay_fen, medical_aid_pay_fen, tilted_aid_pay_fen, other_pay_fen, fund_pay_total_fen,
        hospital_borne_fen, patient_pay_fen, account_pay_fen, cash_pay_fen, assumed, package_hash, standing_version,
        ledger_version, record, record_sha256, lines_sha256, payer, books_to, payer_identity, pay_fen, fixed_payer,
        fixed_books_to, fixed_identity, fixed_pay_fen, moved_name, moved_fen, moved_life_name, moved_life_fen,
        identities_used
    )
    SELECT
        e.bucket, e.person_id, e.settlement_id, e.hospital_code, e.request_id, e.body_sha256,
        e.hospital_level, e.stay_id, e.stay_part, e.admission_date, e.discharge_date, e.care_type, e.referral,
        e.insured_region, e.treatment_region, e.scheme, e.policy_year, e.settled_at, e.accounting_day, e.operator_id,
        e.door, e.reason, e.total_fen, e.out_of_catalogue_fen, e.over_limit_fen, e.advance_self_pay_fen, e.in_scope_fen,
        e.deductible_paid_fen, e.basic_pool_pay_fen, e.civil_servant_pay_fen, e.enterprise_supplement_pay_fen,
        e.critical_illness_pay_fen, e.large_amount_pay_fen, e.disabled_soldier_pay_fen, e.medical_aid_pay_fen,
        e.tilted_aid_pay_fen, e.other_pay_fen, e.fund_pay_total_fen, e.hospital_borne_fen, e.patient_pay_fen,
        e.account_pay_fen, e.cash_pay_fen, e.assumed, e.package_hash, e.standing_version, e.ledger_version, e.record,
        e.record_sha256, e.lines_sha256, e.payer, e.books_to, e.payer_identity, e.pay_fen, e.fixed_payer,
        e.fixed_books_to, e.fixed_identity, e.fixed_pay_fen, e.moved_name, e.moved_fen, e.moved_life_name,
        e.moved_life_fen, e.identities_used
    FROM taken e
), charged AS (
    INSERT INTO charge_lines (bucket, settlement_id, lines)
    SELECT e.bucket, e.settlement_id, e.lines FROM taken e
), stayed AS (
    INSERT INTO stay (bucket, person_id, hospital_code, stay_id, part, hospital_level, care_type, admission_date,
        discharge_date, insured_region, scheme, policy_year, deductible_fen, settlement_id, ledger_version, reversed)
    SELECT e.bucket, e.person_id, e.hospital_code, e.stay_id, e.stay_part, e.hospital_level, e.care_type, e.admission_date,
        e.discharge_date, e.insured_region, e.scheme, e.policy_year, e.deductible_paid_fen, e.settlement_id,
        e.ledger_version, false
    FROM taken e
), told AS (
    INSERT INTO outbox (bucket, person_id, settlement_id)
    SELECT e.bucket, e.person_id, e.settlement_id FROM taken e
)
SELECT place FROM taken
