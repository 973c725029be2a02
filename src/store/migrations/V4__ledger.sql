-- The ledger: what was settled and reversed, what was used, and what must never settle.
--
-- Safe beside the previous release: adds tables, touches nothing that exists.

CREATE TABLE settlement (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    settlement_id text NOT NULL,
    hospital_code text NOT NULL,
    request_id text NOT NULL,
    body_sha256 bytea NOT NULL,
    reverses_settlement_id text,
    supersedes_settlement_id text,
    state text NOT NULL DEFAULT 'final',
    hospital_level smallint NOT NULL,
    stay_id text NOT NULL,
    stay_part smallint NOT NULL,
    admission_date date NOT NULL,
    discharge_date date NOT NULL,
    care_type text NOT NULL,
    referral text NOT NULL,
    insured_region text NOT NULL,
    treatment_region text NOT NULL,
    scheme text NOT NULL,
    policy_year smallint NOT NULL,
    clearing_type text NOT NULL DEFAULT '',
    clearing_way text NOT NULL DEFAULT '',
    clearing_agency text NOT NULL DEFAULT '',
    settled_at timestamptz NOT NULL,
    accounting_day date NOT NULL,
    operator_id text,
    door text NOT NULL,
    reason text,
    total_fen bigint NOT NULL,
    out_of_catalogue_fen bigint NOT NULL,
    over_limit_fen bigint NOT NULL,
    advance_self_pay_fen bigint NOT NULL,
    in_scope_fen bigint NOT NULL,
    deductible_paid_fen bigint NOT NULL,
    basic_pool_pay_fen bigint NOT NULL,
    civil_servant_pay_fen bigint NOT NULL,
    enterprise_supplement_pay_fen bigint NOT NULL,
    critical_illness_pay_fen bigint NOT NULL,
    large_amount_pay_fen bigint NOT NULL,
    disabled_soldier_pay_fen bigint NOT NULL,
    medical_aid_pay_fen bigint NOT NULL,
    tilted_aid_pay_fen bigint NOT NULL,
    other_pay_fen bigint NOT NULL,
    fund_pay_total_fen bigint NOT NULL,
    hospital_borne_fen bigint NOT NULL,
    patient_pay_fen bigint NOT NULL,
    account_pay_fen bigint NOT NULL,
    cash_pay_fen bigint NOT NULL,
    payer text[] NOT NULL,
    books_to text[] NOT NULL,
    payer_identity text[] NOT NULL,
    pay_fen bigint[] NOT NULL,
    fixed_payer text[] NOT NULL,
    fixed_books_to text[] NOT NULL,
    fixed_identity text[] NOT NULL,
    fixed_pay_fen bigint[] NOT NULL,
    moved_name text[] NOT NULL,
    moved_fen bigint[] NOT NULL,
    moved_life_name text[] NOT NULL,
    moved_life_fen bigint[] NOT NULL,
    identities_used text[] NOT NULL,
    assumed boolean NOT NULL,
    package_hash bytea NOT NULL,
    standing_version bigint NOT NULL,
    ledger_version bigint NOT NULL,
    record bytea NOT NULL,
    record_sha256 bytea NOT NULL,
    lines_sha256 bytea NOT NULL,
    CONSTRAINT settlement_pkey PRIMARY KEY (bucket, person_id, settlement_id),
    CONSTRAINT settlement_id_of_bucket UNIQUE (bucket, settlement_id)
);

-- What every row must satisfy, as one CHECK on the whole row. Written as conditions of their own they were read from the catalogue
-- anew for each statement, which cost a lone settlement more than all its inserts; a function is compiled once a session. It names
-- the rule that a row breaks as a constraint's name.
CREATE FUNCTION settlement_is_sound(s settlement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
    amounts CONSTANT bigint[] := ARRAY[s.basic_pool_pay_fen, s.civil_servant_pay_fen, s.enterprise_supplement_pay_fen,
        s.critical_illness_pay_fen, s.large_amount_pay_fen, s.disabled_soldier_pay_fen, s.medical_aid_pay_fen,
        s.tilted_aid_pay_fen, s.other_pay_fen, s.hospital_borne_fen, s.account_pay_fen];
BEGIN
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
        AND s.accounting_day = (s.settled_at AT TIME ZONE 'Asia/Shanghai')::date) THEN
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
COMMENT ON FUNCTION settlement_is_sound(settlement) IS 'Does a row balance, and is it well formed? Refuses by the name of what it breaks.';
ALTER TABLE settlement ADD CONSTRAINT settlement_is_sound CHECK (settlement_is_sound(settlement));
-- A record is about 700 bytes and does not shrink.
ALTER TABLE settlement SET (toast_tuple_target = 8160);
ALTER TABLE settlement ALTER COLUMN record SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX settlement_reversed_once ON settlement (bucket, person_id, reverses_settlement_id)
    WHERE reverses_settlement_id IS NOT NULL;
COMMENT ON TABLE settlement IS
    'History: the balanced journal entry of a settlement or a reversal (every amount negated). Debit the payers'' columns, '
    'credit what the hospital is owed; what the patient pays at the desk is a memo. Its key by request is in request_key; '
    'commit order within a person is the order of ledger_version.';

CREATE TABLE request_key (
    hospital_code text NOT NULL,
    request_id text NOT NULL,
    bucket smallint,
    settlement_id text,
    CONSTRAINT request_key_pkey PRIMARY KEY (hospital_code, request_id),
    CONSTRAINT request_key_hospital CHECK (length(hospital_code) BETWEEN 1 AND 12),
    CONSTRAINT request_key_request CHECK (length(request_id) BETWEEN 1 AND 30),
    CONSTRAINT request_key_whole CHECK ((bucket IS NULL) = (settlement_id IS NULL))
);
COMMENT ON TABLE request_key IS
    'History: every request id that was ever used up, by a settlement, a reversal or (with no settlement) a tombstone. One '
    'unique key for all of them is what makes a tombstone and a late original exclude each other at commit. A distributed '
    'store would key it by bucket and person.';

CREATE TABLE tombstone (
    hospital_code text NOT NULL,
    original_request_id text NOT NULL,
    reversal_request_id text NOT NULL,
    left_at timestamptz NOT NULL DEFAULT now(),
    operator_id text,
    reason text,
    CONSTRAINT tombstone_pkey PRIMARY KEY (hospital_code, original_request_id),
    CONSTRAINT tombstone_reversal UNIQUE (hospital_code, reversal_request_id),
    CONSTRAINT tombstone_two_ids CHECK (original_request_id <> reversal_request_id)
);
COMMENT ON TABLE tombstone IS 'History: request ids that were reversed before they were seen, and will never settle.';

CREATE TABLE charge_lines (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    lines_sha256 bytea NOT NULL,
    lines bytea NOT NULL,
    CONSTRAINT charge_lines_pkey PRIMARY KEY (bucket, person_id, lines_sha256),
    CONSTRAINT charge_lines_hash CHECK (lines_sha256 = sha256(lines))
);
-- Lines are written once and seldom read: to compress them would cost more than to write them. Below a page they stay in the row.
ALTER TABLE charge_lines SET (toast_tuple_target = 8160);
ALTER TABLE charge_lines ALTER COLUMN lines SET STORAGE EXTERNAL;
COMMENT ON TABLE charge_lines IS 'History: the charge lines behind a settlement in canonical bytes, named by their hash.';

CREATE TABLE stay (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    hospital_code text NOT NULL,
    stay_id text NOT NULL,
    part smallint NOT NULL,
    hospital_level smallint NOT NULL,
    care_type text NOT NULL,
    admission_date date NOT NULL,
    discharge_date date NOT NULL,
    insured_region text NOT NULL,
    scheme text NOT NULL,
    policy_year smallint NOT NULL,
    deductible_fen bigint NOT NULL,
    settlement_id text NOT NULL,
    ledger_version bigint NOT NULL,
    reversed boolean NOT NULL DEFAULT false,
    CONSTRAINT stay_pkey PRIMARY KEY (bucket, person_id, hospital_code, stay_id, part),
    CONSTRAINT stay_deductible CHECK (0 <= deductible_fen),
    CONSTRAINT stay_days CHECK (admission_date <= discharge_date)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX stay_settled_once ON stay (hospital_code, stay_id, part) WHERE NOT reversed;
COMMENT ON TABLE stay IS
    'The stays of a person that were settled, and by what. A stay is settled once, whoever it is billed to; a reversed one '
    'may be settled again. Current state: it follows from the settlements.';

CREATE TABLE accumulator (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    insured_region text NOT NULL,
    scheme text NOT NULL,
    policy_year smallint NOT NULL,
    name text[] NOT NULL,
    amount_fen bigint[] NOT NULL,
    CONSTRAINT accumulator_pkey PRIMARY KEY (bucket, person_id, insured_region, scheme, policy_year),
    CONSTRAINT accumulator_pairs CHECK (cardinality(name) = cardinality(amount_fen) AND array_position(name, NULL) IS NULL
        AND array_position(amount_fen, NULL) IS NULL)
) WITH (fillfactor = 80);
COMMENT ON TABLE accumulator IS
    'What a person has used, by span (policy year 0: a lifetime). Current state: it follows from what settlements and opening '
    'entries moved, and its rebuild must equal it.';

CREATE TABLE opening_entry (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    entry_id text NOT NULL,
    insured_region text NOT NULL,
    scheme text NOT NULL,
    policy_year smallint NOT NULL,
    name text NOT NULL,
    amount_fen bigint NOT NULL,
    source text NOT NULL,
    import_id text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT opening_entry_pkey PRIMARY KEY (bucket, person_id, entry_id),
    CONSTRAINT opening_entry_id CHECK (length(entry_id) BETWEEN 1 AND 64),
    CONSTRAINT opening_entry_amount CHECK (amount_fen BETWEEN -1000000000000 AND 1000000000000),
    CONSTRAINT opening_entry_scheme CHECK (scheme IN ('resident', 'employee')),
    CONSTRAINT opening_entry_region CHECK (insured_region ~ '^[0-9]{6}$')
);
CREATE UNIQUE INDEX opening_entry_once ON opening_entry (entry_id);
COMMENT ON TABLE opening_entry IS
    'History: what a person had used before we began, or uses elsewhere, with its source. Corrected by further entries.';

CREATE TABLE outbox (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    settlement_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE outbox IS
    'History: what must be told to others, written in the same statement as the settlement itself. It is read in the order in '
    'which it was written and looked up by nobody, so it has no key: one index less on the path of a settlement.';

-- What a commit takes: an entry of the ledger with its lines, as one value, so that a group of them is one parameter.
CREATE TYPE commit_entry AS (
    bucket smallint, person_id bigint, settlement_id text, hospital_code text, request_id text, body_sha256 bytea,
    reverses_settlement_id text, hospital_level smallint, stay_id text, stay_part smallint, admission_date date,
    discharge_date date, care_type text, referral text, insured_region text, treatment_region text, scheme text,
    policy_year smallint, settled_at timestamptz, accounting_day date, operator_id text, door text, reason text,
    total_fen bigint, out_of_catalogue_fen bigint, over_limit_fen bigint, advance_self_pay_fen bigint,
    in_scope_fen bigint, deductible_paid_fen bigint, basic_pool_pay_fen bigint, civil_servant_pay_fen bigint,
    enterprise_supplement_pay_fen bigint, critical_illness_pay_fen bigint, large_amount_pay_fen bigint,
    disabled_soldier_pay_fen bigint, medical_aid_pay_fen bigint, tilted_aid_pay_fen bigint, other_pay_fen bigint,
    fund_pay_total_fen bigint, hospital_borne_fen bigint, patient_pay_fen bigint, account_pay_fen bigint,
    cash_pay_fen bigint, assumed boolean, package_hash bytea, standing_version bigint, ledger_version bigint,
    record bytea, record_sha256 bytea, lines bytea, lines_sha256 bytea, payer text[], books_to text[],
    payer_identity text[], pay_fen bigint[], fixed_payer text[], fixed_books_to text[], fixed_identity text[],
    fixed_pay_fen bigint[], moved_name text[], moved_fen bigint[], moved_life_name text[], moved_life_fen bigint[],
    identities_used text[]
);
COMMENT ON TYPE commit_entry IS 'An entry on its way into settlement, request_key, charge_lines, stay, accumulator and outbox.';

DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['settlement', 'request_key', 'tombstone', 'charge_lines', 'opening_entry', 'outbox'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change()', history || '_append_only', history);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO onestop_service', history);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON stay, accumulator TO onestop_service;
