-- What the national JSON door must remember between its calls: who signed in, whose stay it is, what was charged, what was quoted.
--
-- Safe beside the previous release: adds tables that it does not know, touches nothing that exists.
--
-- What a hospital wrote starts its keys with the hospital, like request_key. No foreign keys between tables.

CREATE TABLE national_person (
    person_number text NOT NULL,
    credential_kind smallint NOT NULL,
    credential_hash bytea NOT NULL,
    first_told_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_person_pkey PRIMARY KEY (person_number),
    CONSTRAINT national_person_number CHECK (person_number ~ '^P[0-9A-Z]{19}$'),
    CONSTRAINT national_person_kind CHECK (credential_kind BETWEEN 1 AND 5),
    CONSTRAINT national_person_hash CHECK (octet_length(credential_hash) = 32)
);
COMMENT ON TABLE national_person IS
    'History: the person numbers (psn_no) that were told, each with the keyed hash of what the person showed first. A number is a '
    'keyed hash of the person, so that it is the same for ever and says nothing.';

CREATE TABLE national_sign_in (
    hospital_code text NOT NULL,
    operator_id text NOT NULL,
    on_day date NOT NULL,
    ordinal integer NOT NULL,
    sign_number text NOT NULL,
    signed_in_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_sign_in_pkey PRIMARY KEY (hospital_code, operator_id, on_day, ordinal),
    CONSTRAINT national_sign_in_number UNIQUE (hospital_code, sign_number),
    CONSTRAINT national_sign_in_ids CHECK (length(hospital_code) BETWEEN 1 AND 12 AND length(operator_id) BETWEEN 1 AND 30
        AND length(sign_number) BETWEEN 1 AND 30)
);
COMMENT ON TABLE national_sign_in IS
    'History: who signed in for a day (9001). The next ordinal is given once the one before it has signed out.';

CREATE TABLE national_sign_out (
    hospital_code text NOT NULL,
    sign_number text NOT NULL,
    signed_out_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_sign_out_pkey PRIMARY KEY (hospital_code, sign_number)
);
COMMENT ON TABLE national_sign_out IS 'History: which of them signed out (9002).';

CREATE TABLE national_request (
    hospital_code text NOT NULL,
    request_id text NOT NULL,
    transaction_code text NOT NULL,
    body_sha256 bytea,
    stay_id text,
    reverses_request_id text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_request_pkey PRIMARY KEY (hospital_code, request_id),
    CONSTRAINT national_request_ids CHECK (length(hospital_code) BETWEEN 1 AND 12 AND length(request_id) BETWEEN 1 AND 30),
    CONSTRAINT national_request_hash CHECK (octet_length(body_sha256) = 32),
    CONSTRAINT national_request_not_itself CHECK (reverses_request_id <> request_id)
);
CREATE UNIQUE INDEX national_request_reversed_once ON national_request (hospital_code, reverses_request_id)
    WHERE reverses_request_id IS NOT NULL;
COMMENT ON TABLE national_request IS
    'History: request ids (msgid) that were used up outside the ledger: admissions, discharges, and reversals of admissions. One '
    'without a body was reversed before it was seen, and is refused for ever.';

CREATE TABLE national_stay (
    hospital_code text NOT NULL,
    stay_id text NOT NULL,
    request_id text NOT NULL,
    person_number text NOT NULL,
    credential_kind smallint NOT NULL,
    credential_hash bytea NOT NULL,
    scheme text,
    care_code text NOT NULL,
    admission_date date NOT NULL,
    diagnosis_codes text[] NOT NULL,
    admitted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_stay_pkey PRIMARY KEY (hospital_code, stay_id),
    CONSTRAINT national_stay_kind CHECK (credential_kind BETWEEN 1 AND 5),
    CONSTRAINT national_stay_hash CHECK (octet_length(credential_hash) = 32),
    CONSTRAINT national_stay_scheme CHECK (scheme IN ('resident', 'employee'))
);
COMMENT ON TABLE national_stay IS
    'History: admissions (2401) with whose they are. A stay whose request is reversed in national_request never was.';

CREATE TABLE national_discharge (
    hospital_code text NOT NULL,
    stay_id text NOT NULL,
    request_id text NOT NULL,
    discharge_date date NOT NULL,
    diagnosis_codes text[] NOT NULL,
    discharged_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_discharge_pkey PRIMARY KEY (hospital_code, stay_id, request_id)
);
COMMENT ON TABLE national_discharge IS 'History: discharges (2402). The newest one of a stay counts.';

CREATE TABLE national_fee (
    hospital_code text NOT NULL,
    stay_id text NOT NULL,
    line_id text NOT NULL,
    upload integer NOT NULL,
    request_id text NOT NULL,
    place integer NOT NULL,
    item_code text NOT NULL,
    quantity_e4 bigint NOT NULL,
    unit_price_e6 bigint NOT NULL,
    amount_fen bigint NOT NULL,
    refund_of_line_id text,
    charged_on date NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_fee_pkey PRIMARY KEY (hospital_code, stay_id, line_id, upload),
    CONSTRAINT national_fee_amount CHECK (amount_fen BETWEEN -1000000000000 AND 1000000000000),
    CONSTRAINT national_fee_price CHECK (0 <= unit_price_e6)
);
COMMENT ON TABLE national_fee IS
    'History: charge lines as they were uploaded (2301), in the order of their upload and place in it. The same line may be '
    'uploaded again once it was cancelled.';

CREATE TABLE national_fee_cancelled (
    hospital_code text NOT NULL,
    stay_id text NOT NULL,
    line_id text NOT NULL,
    upload integer NOT NULL,
    request_id text NOT NULL,
    cancelled_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_fee_cancelled_pkey PRIMARY KEY (hospital_code, stay_id, line_id, upload)
);
COMMENT ON TABLE national_fee_cancelled IS 'History: which of them were cancelled (2302).';

CREATE TABLE national_settle (
    hospital_code text NOT NULL,
    request_id text NOT NULL,
    message_sha256 bytea NOT NULL,
    bill_sha256 bytea NOT NULL,
    stay_id text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_settle_pkey PRIMARY KEY (hospital_code, request_id, message_sha256, bill_sha256),
    CONSTRAINT national_settle_hashes CHECK (octet_length(message_sha256) = 32 AND octet_length(bill_sha256) = 32)
);
COMMENT ON TABLE national_settle IS
    'History: which message asked to settle (2304) which bill, written before it is settled: a stay changes, and the same message '
    'must be known again as the one that was answered.';

CREATE TABLE national_quote (
    hospital_code text NOT NULL,
    stay_id text NOT NULL,
    request_id text NOT NULL,
    bill_sha256 bytea NOT NULL,
    token bytea NOT NULL,
    quoted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT national_quote_pkey PRIMARY KEY (hospital_code, stay_id),
    CONSTRAINT national_quote_hash CHECK (octet_length(bill_sha256) = 32)
) WITH (fillfactor = 80);
COMMENT ON TABLE national_quote IS
    'The newest quote of a stay (2303) with the token that binds it. Current state: a quote holds for a while and settles nothing.';

DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['national_person', 'national_sign_in', 'national_sign_out', 'national_request', 'national_stay',
        'national_discharge', 'national_fee', 'national_fee_cancelled', 'national_settle'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change()', history || '_append_only', history);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO onestop_service', history);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON national_quote TO onestop_service;
