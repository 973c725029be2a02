-- Writes a group of entries in one step: all of an entry, or nothing of it. Returns the places of those that were written.
--
-- $1 the entries, each of another person, in the order of their persons, so that two groups never wait for each other in a
-- circle. $2 the version of the catalogue that they rest on, where they rest on one held in memory. What moved since the snapshot, or is taken already, leaves its entry out and the others in; `why_not.sql` says why. Only
-- what is taken at this very moment by somebody else fails the whole statement, by the name of the unique key.
--
-- The plan is made once, often while the tables are empty. OFFSET 0 keeps the planner from reading all of a table into a hash
-- instead of looking for the one row; nothing here may cost more as history grows, nor joins the group with itself.
WITH taken AS (
    -- The compare-and-set that everything of a person goes through. A reversal needs no current package.
    UPDATE person_head h
    SET ledger_version = h.ledger_version + 1,
        newest_settlement_id = CASE WHEN e.reverses_settlement_id IS NULL THEN e.settlement_id ELSE (
            -- By the person's own stays: no key leads from a person to what is newest among the settlements.
            SELECT s.settlement_id
            FROM (SELECT * FROM stay WHERE bucket = e.bucket AND person_id = e.person_id OFFSET 0) s
            WHERE NOT s.reversed AND s.settlement_id <> e.reverses_settlement_id
            ORDER BY s.ledger_version DESC
            LIMIT 1
        ) END,
        (used_key, used_fen) = (SELECT u.used_key, u.used_fen FROM used_after(h.used_key, h.used_fen,
            ARRAY(SELECT concat_ws(' ', e.insured_region, e.scheme, e.policy_year, n) FROM unnest(e.moved_name) AS n)
                || ARRAY(SELECT concat_ws(' ', e.insured_region, e.scheme, 0, n) FROM unnest(e.moved_life_name) AS n),
            e.moved_fen || e.moved_life_fen) u)
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
        AND NOT EXISTS (SELECT FROM request_key k
            WHERE k.hospital_code = e.hospital_code AND k.request_id = e.request_id OFFSET 0)
        AND CASE WHEN e.reverses_settlement_id IS NULL THEN
            EXISTS (SELECT FROM rule_package p WHERE p.hash = e.package_hash OFFSET 0)
            -- Superseded only for what the later package covers, and once it is known. What takes the place of another settlement
            -- goes by the rules of that one.
            AND (e.supersedes_settlement_id IS NOT NULL
                OR NOT EXISTS (SELECT FROM rule_package later WHERE later.supersedes_hash = e.package_hash
                    AND later.known_from <= e.accounting_day AND later.in_force_from <= e.discharge_date
                    AND (later.in_force_to IS NULL OR e.discharge_date <= later.in_force_to) OFFSET 0))
            AND NOT EXISTS (SELECT FROM stay s WHERE s.hospital_code = e.hospital_code AND s.stay_id = e.stay_id
                AND s.part = e.stay_part AND NOT s.reversed OFFSET 0)
        ELSE
            -- Only what was settled, of this person, and is in force, can be reversed.
            EXISTS (SELECT FROM settlement s WHERE s.bucket = e.bucket AND s.person_id = e.person_id
                AND s.settlement_id = e.reverses_settlement_id AND s.reverses_settlement_id IS NULL OFFSET 0)
            AND NOT EXISTS (SELECT FROM settlement r WHERE r.bucket = e.bucket AND r.person_id = e.person_id
                AND r.reverses_settlement_id = e.reverses_settlement_id OFFSET 0)
        END
    RETURNING e.*
), used_key AS (
    INSERT INTO request_key (hospital_code, request_id, bucket, settlement_id)
    SELECT e.hospital_code, e.request_id, e.bucket, e.settlement_id FROM taken e
), written AS (
    INSERT INTO settlement (
        bucket, person_id, settlement_id, hospital_code, request_id, body_sha256, reverses_settlement_id, hospital_level,
        stay_id, stay_part, admission_date, discharge_date, care_type, referral, insured_region, treatment_region, scheme,
        policy_year, settled_at, accounting_day, operator_id, door, reason, total_fen, out_of_catalogue_fen,
        over_limit_fen, advance_self_pay_fen, in_scope_fen, deductible_paid_fen, basic_pool_pay_fen,
        civil_servant_pay_fen, enterprise_supplement_pay_fen, critical_illness_pay_fen, large_amount_pay_fen,
        disabled_soldier_pay_fen, medical_aid_pay_fen, tilted_aid_pay_fen, other_pay_fen, fund_pay_total_fen,
        hospital_borne_fen, patient_pay_fen, account_pay_fen, cash_pay_fen, assumed, package_hash, standing_version,
        ledger_version, record, record_sha256, lines_sha256, payer, books_to, payer_identity, pay_fen, fixed_payer,
        fixed_books_to, fixed_identity, fixed_pay_fen, moved_name, moved_fen, moved_life_name, moved_life_fen,
        identities_used, supersedes_settlement_id, state
    )
    SELECT
        e.bucket, e.person_id, e.settlement_id, e.hospital_code, e.request_id, e.body_sha256, e.reverses_settlement_id,
        e.hospital_level, e.stay_id, e.stay_part, e.admission_date, e.discharge_date, e.care_type, e.referral,
        e.insured_region, e.treatment_region, e.scheme, e.policy_year, e.settled_at, e.accounting_day, e.operator_id,
        e.door, e.reason, e.total_fen, e.out_of_catalogue_fen, e.over_limit_fen, e.advance_self_pay_fen, e.in_scope_fen,
        e.deductible_paid_fen, e.basic_pool_pay_fen, e.civil_servant_pay_fen, e.enterprise_supplement_pay_fen,
        e.critical_illness_pay_fen, e.large_amount_pay_fen, e.disabled_soldier_pay_fen, e.medical_aid_pay_fen,
        e.tilted_aid_pay_fen, e.other_pay_fen, e.fund_pay_total_fen, e.hospital_borne_fen, e.patient_pay_fen,
        e.account_pay_fen, e.cash_pay_fen, e.assumed, e.package_hash, e.standing_version, e.ledger_version, e.record,
        e.record_sha256, e.lines_sha256, e.payer, e.books_to, e.payer_identity, e.pay_fen, e.fixed_payer,
        e.fixed_books_to, e.fixed_identity, e.fixed_pay_fen, e.moved_name, e.moved_fen, e.moved_life_name,
        e.moved_life_fen, e.identities_used, e.supersedes_settlement_id, e.state
    FROM taken e
), charged AS (
    -- A reversal's lines are those of its settlement.
    INSERT INTO charge_lines (bucket, settlement_id, lines)
    SELECT e.bucket, e.settlement_id, e.lines FROM taken e WHERE e.reverses_settlement_id IS NULL
), stayed AS (
    -- A reversal proposes the row that is there, reversed: so the key leads to it, and never a walk through all stays.
    INSERT INTO stay AS s (bucket, person_id, hospital_code, stay_id, part, hospital_level, care_type, admission_date,
        discharge_date, insured_region, scheme, policy_year, deductible_fen, settlement_id, ledger_version, reversed)
    SELECT e.bucket, e.person_id, e.hospital_code, e.stay_id, e.stay_part, e.hospital_level, e.care_type, e.admission_date,
        e.discharge_date, e.insured_region, e.scheme, e.policy_year, abs(e.deductible_paid_fen),
        coalesce(e.reverses_settlement_id, e.settlement_id), e.ledger_version, e.reverses_settlement_id IS NOT NULL
    FROM taken e
    ON CONFLICT ON CONSTRAINT stay_pkey DO UPDATE
    SET hospital_level = excluded.hospital_level, care_type = excluded.care_type,
        admission_date = excluded.admission_date, discharge_date = excluded.discharge_date,
        insured_region = excluded.insured_region, scheme = excluded.scheme, policy_year = excluded.policy_year,
        deductible_fen = excluded.deductible_fen, settlement_id = excluded.settlement_id,
        ledger_version = CASE WHEN excluded.reversed THEN s.ledger_version ELSE excluded.ledger_version END,
        reversed = excluded.reversed
    WHERE NOT excluded.reversed OR s.settlement_id = excluded.settlement_id
), provisional AS (
    INSERT INTO trueup (bucket, person_id, settlement_id, ledger_version, next_at, changed_at)
    SELECT e.bucket, e.person_id, e.settlement_id, e.ledger_version, e.settled_at, e.settled_at
    FROM taken e WHERE e.state = 'provisional'
), told AS (
    INSERT INTO outbox (bucket, person_id, settlement_id)
    SELECT e.bucket, e.person_id, e.settlement_id FROM taken e
)
SELECT place FROM taken
