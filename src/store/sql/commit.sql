-- Writes entries in one step: all of an entry, or nothing of it.
--
-- Takes columns of many entries, one array each, though today a call passes one. Layers, fixed benefits, what accumulators
-- move by and identities come flat, and each entry names the slice that is its own. What a unique key refuses fails the
-- statement by the constraint's name; what moved since the snapshot comes back as a word, an entry a row.
--
-- The plan is made once, often while the tables are empty. OFFSET 0 keeps the planner from reading all of a table into a hash
-- instead of looking for the one row; nothing here may cost more as history grows.
WITH entry AS (
    SELECT given.*,
        ($60::text[])[given.layers_from:given.layers_to] AS payer,
        ($61::text[])[given.layers_from:given.layers_to] AS books_to,
        ($62::text[])[given.layers_from:given.layers_to] AS payer_identity,
        ($63::bigint[])[given.layers_from:given.layers_to] AS pay_fen,
        ($64::text[])[given.fixed_from:given.fixed_to] AS fixed_payer,
        ($65::text[])[given.fixed_from:given.fixed_to] AS fixed_books_to,
        ($66::text[])[given.fixed_from:given.fixed_to] AS fixed_identity,
        ($67::bigint[])[given.fixed_from:given.fixed_to] AS fixed_pay_fen,
        ($68::smallint[])[given.moved_from:given.moved_to] AS moved_year,
        ($69::text[])[given.moved_from:given.moved_to] AS moved_name,
        ($70::bigint[])[given.moved_from:given.moved_to] AS moved_fen,
        ($71::text[])[given.identities_from:given.identities_to] AS identities_used
    FROM unnest(
            $1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[],
            $8::smallint[], $9::text[], $10::smallint[], $11::date[], $12::date[], $13::text[], $14::text[],
            $15::text[], $16::text[], $17::text[], $18::smallint[], $19::timestamptz[], $20::date[], $21::text[],
            $22::text[], $23::text[], $24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[],
            $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[], $33::bigint[], $34::bigint[], $35::bigint[],
            $36::bigint[], $37::bigint[], $38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[], $42::bigint[],
            $43::bigint[], $44::boolean[], $45::bytea[], $46::bigint[], $47::bigint[], $48::bytea[], $49::bytea[],
            $50::bytea[], $51::bytea[], $52::integer[], $53::integer[], $54::integer[], $55::integer[],
            $56::integer[], $57::integer[], $58::integer[], $59::integer[]
    ) WITH ORDINALITY AS given(
            bucket, person_id, settlement_id, hospital_code, request_id, body_sha256, reverses_settlement_id,
            hospital_level, stay_id, stay_part, admission_date, discharge_date, care_type, referral, insured_region,
            treatment_region, scheme, policy_year, settled_at, accounting_day, operator_id, door, reason, total_fen,
            out_of_catalogue_fen, over_limit_fen, advance_self_pay_fen, in_scope_fen, deductible_paid_fen,
            basic_pool_pay_fen, civil_servant_pay_fen, enterprise_supplement_pay_fen, critical_illness_pay_fen,
            large_amount_pay_fen, disabled_soldier_pay_fen, medical_aid_pay_fen, tilted_aid_pay_fen, other_pay_fen,
            fund_pay_total_fen, hospital_borne_fen, patient_pay_fen, account_pay_fen, cash_pay_fen, assumed,
            package_hash, standing_version, ledger_version, record, record_sha256, lines, lines_sha256, layers_from,
            layers_to, fixed_from, fixed_to, moved_from, moved_to, identities_from, identities_to, ord
    )
), head AS (
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
        ) END
    FROM entry e
    WHERE h.bucket = e.bucket AND h.person_id = e.person_id
        AND h.standing_version = e.standing_version AND h.ledger_version = e.ledger_version
        AND CASE WHEN e.reverses_settlement_id IS NULL THEN
            EXISTS (SELECT FROM rule_package p WHERE p.hash = e.package_hash OFFSET 0)
            -- Superseded only for what the later package covers, and once it is known.
            AND NOT EXISTS (SELECT FROM rule_package later WHERE later.supersedes_hash = e.package_hash
                AND later.known_from <= e.accounting_day AND later.in_force_from <= e.discharge_date
                AND (later.in_force_to IS NULL OR e.discharge_date <= later.in_force_to) OFFSET 0)
            AND NOT EXISTS (SELECT FROM stay s WHERE s.bucket = e.bucket AND s.person_id = e.person_id
                AND s.hospital_code = e.hospital_code AND s.stay_id = e.stay_id AND s.part = e.stay_part AND NOT s.reversed
                OFFSET 0)
        ELSE
            -- Only what was settled, of this person, can be reversed.
            EXISTS (SELECT FROM settlement s WHERE s.bucket = e.bucket AND s.person_id = e.person_id
                AND s.settlement_id = e.reverses_settlement_id AND s.reverses_settlement_id IS NULL OFFSET 0)
        END
    RETURNING h.bucket, h.person_id, h.ledger_version - 1 AS ledger_version
), taken AS (
    SELECT e.* FROM entry e JOIN head USING (bucket, person_id, ledger_version)
), used_key AS (
    INSERT INTO request_key (hospital_code, request_id, bucket, settlement_id)
    SELECT e.hospital_code, e.request_id, e.bucket, e.settlement_id FROM taken e
), written AS (
    INSERT INTO settlement (
        bucket, person_id, settlement_id, hospital_code, request_id, body_sha256, reverses_settlement_id,
        hospital_level, stay_id, stay_part, admission_date, discharge_date, care_type, referral, insured_region,
        treatment_region, scheme, policy_year, settled_at, accounting_day, operator_id, door, reason, total_fen,
        out_of_catalogue_fen, over_limit_fen, advance_self_pay_fen, in_scope_fen, deductible_paid_fen,
        basic_pool_pay_fen, civil_servant_pay_fen, enterprise_supplement_pay_fen, critical_illness_pay_fen,
        large_amount_pay_fen, disabled_soldier_pay_fen, medical_aid_pay_fen, tilted_aid_pay_fen, other_pay_fen,
        fund_pay_total_fen, hospital_borne_fen, patient_pay_fen, account_pay_fen, cash_pay_fen, assumed,
        package_hash, standing_version, ledger_version, record, record_sha256, lines_sha256, payer, books_to,
        payer_identity, pay_fen, fixed_payer, fixed_books_to, fixed_identity, fixed_pay_fen, moved_year, moved_name,
        moved_fen, identities_used
    )
    SELECT
        e.bucket, e.person_id, e.settlement_id, e.hospital_code, e.request_id, e.body_sha256,
        e.reverses_settlement_id, e.hospital_level, e.stay_id, e.stay_part, e.admission_date, e.discharge_date,
        e.care_type, e.referral, e.insured_region, e.treatment_region, e.scheme, e.policy_year, e.settled_at,
        e.accounting_day, e.operator_id, e.door, e.reason, e.total_fen, e.out_of_catalogue_fen, e.over_limit_fen,
        e.advance_self_pay_fen, e.in_scope_fen, e.deductible_paid_fen, e.basic_pool_pay_fen, e.civil_servant_pay_fen,
        e.enterprise_supplement_pay_fen, e.critical_illness_pay_fen, e.large_amount_pay_fen,
        e.disabled_soldier_pay_fen, e.medical_aid_pay_fen, e.tilted_aid_pay_fen, e.other_pay_fen,
        e.fund_pay_total_fen, e.hospital_borne_fen, e.patient_pay_fen, e.account_pay_fen, e.cash_pay_fen, e.assumed,
        e.package_hash, e.standing_version, e.ledger_version, e.record, e.record_sha256, e.lines_sha256, e.payer,
        e.books_to, e.payer_identity, e.pay_fen, e.fixed_payer, e.fixed_books_to, e.fixed_identity, e.fixed_pay_fen,
        e.moved_year, e.moved_name, e.moved_fen, e.identities_used
    FROM taken e
), charged AS (
    -- A reversal's lines are those of its settlement, and are there.
    INSERT INTO charge_lines (bucket, person_id, lines_sha256, lines)
    SELECT e.bucket, e.person_id, e.lines_sha256, e.lines FROM taken e WHERE e.reverses_settlement_id IS NULL
    ON CONFLICT ON CONSTRAINT charge_lines_pkey DO NOTHING
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
), used AS (
    INSERT INTO accumulator AS a (bucket, person_id, insured_region, scheme, policy_year, name, amount_fen)
    SELECT e.bucket, e.person_id, e.insured_region, e.scheme, m.year, array_agg(m.name), array_agg(m.fen)
    FROM taken e
    CROSS JOIN LATERAL (
        SELECT u.year, u.name, sum(u.fen)::bigint AS fen
        FROM unnest(e.moved_year, e.moved_name, e.moved_fen) AS u(year, name, fen)
        GROUP BY u.year, u.name
        ORDER BY u.year, u.name
    ) m
    GROUP BY e.bucket, e.person_id, e.insured_region, e.scheme, m.year
    ON CONFLICT ON CONSTRAINT accumulator_pkey DO UPDATE
    SET (name, amount_fen) = (
        SELECT array_agg(both_of.name ORDER BY both_of.name), array_agg(both_of.fen ORDER BY both_of.name)
        FROM (
            SELECT u.name, sum(u.fen)::bigint AS fen
            FROM (
                SELECT * FROM unnest(a.name, a.amount_fen)
                UNION ALL
                SELECT * FROM unnest(excluded.name, excluded.amount_fen)
            ) AS u(name, fen)
            GROUP BY u.name
        ) both_of
    )
), told AS (
    INSERT INTO outbox (bucket, person_id, settlement_id)
    SELECT e.bucket, e.person_id, e.settlement_id FROM taken e
)
-- What this reads is the state before: where nothing of it moved, an entry lost a race that was won in this very moment.
SELECT CASE
    WHEN head.person_id IS NOT NULL THEN 'committed'
    WHEN h.person_id IS NULL THEN 'unregistered'
    WHEN h.standing_version <> e.standing_version THEN 'standing'
    WHEN h.ledger_version <> e.ledger_version THEN 'accumulators'
    WHEN e.reverses_settlement_id IS NULL AND (NOT EXISTS (SELECT FROM rule_package p WHERE p.hash = e.package_hash OFFSET 0)
        OR EXISTS (SELECT FROM rule_package later WHERE later.supersedes_hash = e.package_hash
            AND later.known_from <= e.accounting_day AND later.in_force_from <= e.discharge_date
            AND (later.in_force_to IS NULL OR e.discharge_date <= later.in_force_to) OFFSET 0)) THEN 'package'
    WHEN e.reverses_settlement_id IS NULL AND EXISTS (SELECT FROM stay s WHERE s.bucket = e.bucket
        AND s.person_id = e.person_id AND s.hospital_code = e.hospital_code AND s.stay_id = e.stay_id
        AND s.part = e.stay_part AND NOT s.reversed OFFSET 0) THEN 'stay'
    WHEN e.reverses_settlement_id IS NOT NULL AND NOT EXISTS (SELECT FROM settlement s WHERE s.bucket = e.bucket
        AND s.person_id = e.person_id AND s.settlement_id = e.reverses_settlement_id
        AND s.reverses_settlement_id IS NULL OFFSET 0) THEN 'unknown'
    ELSE 'raced'
END AS outcome
FROM entry e
LEFT JOIN head USING (bucket, person_id, ledger_version)
LEFT JOIN person_head h ON h.bucket = e.bucket AND h.person_id = e.person_id
ORDER BY e.ord
