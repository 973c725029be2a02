-- The books of the money that moves after a settlement: postings, clearing statements, payments, budgets.
--
-- Safe beside the previous release: adds tables, functions and views, touches nothing that exists.

-- === Regions and days ===

CREATE FUNCTION region_lies_in(region text, whole text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN whole = '000000' OR region = whole
        OR (right(whole, 4) = '0000' AND left(region, 2) = left(whole, 2))
        OR (right(whole, 2) = '00' AND right(whole, 4) <> '0000' AND left(region, 4) = left(whole, 4));
COMMENT ON FUNCTION region_lies_in(text, text) IS 'Is a region another one, or within it? As the program has it.';

CREATE FUNCTION pool_of(region text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN left(region, 2) IN ('11', '12', '31', '50') THEN left(region, 2) || '0000' ELSE left(region, 4) || '00' END;
COMMENT ON FUNCTION pool_of(text) IS 'The region whose agency pools the money of this one. As the program has it.';

-- The one place that knows how a day is closed. Nothing is posted into a closed day, and statements are made of closed days alone.
CREATE FUNCTION closed_through() RETURNS date LANGUAGE sql STABLE RETURN (SELECT max(f.day) FROM accounting_fence f);
COMMENT ON FUNCTION closed_through() IS 'The newest day that takes no new entries; none where no day is closed.';

-- === Postings ===

CREATE TABLE posting (
    posting_id text NOT NULL,
    kind text NOT NULL,
    accounting_day date NOT NULL,
    account text[] NOT NULL,
    fund text[] NOT NULL,
    region text[] NOT NULL,
    counterparty text[] NOT NULL,
    amount_fen bigint[] NOT NULL,
    hospital_code text,
    budget_year smallint,
    reference text NOT NULL,
    reason text NOT NULL,
    made_by text NOT NULL,
    approved_by text NOT NULL,
    posted_at timestamptz NOT NULL,
    record bytea NOT NULL,
    record_sha256 bytea NOT NULL,
    CONSTRAINT posting_pkey PRIMARY KEY (posting_id)
);
CREATE INDEX posting_by_day ON posting (accounting_day, posting_id);
CREATE INDEX posting_by_hospital ON posting (hospital_code, accounting_day) WHERE hospital_code IS NOT NULL;
COMMENT ON TABLE posting IS
    'History: money that moved after a settlement. One row is a whole balanced entry, as a settlement is: above zero a debit, below zero '
    'a credit. So an unbalanced one can not be written by anybody in any order of statements, and nothing is to be summed at commit. The '
    'record is its canonical bytes.';

-- What every posting must satisfy, the first broken rule by name. A function is compiled once a session.
CREATE FUNCTION posting_is_sound(p posting) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
    lines CONSTANT integer := cardinality(p.amount_fen);
BEGIN
    IF NOT (lines BETWEEN 2 AND 64 AND cardinality(p.account) = lines AND cardinality(p.fund) = lines
        AND cardinality(p.region) = lines AND cardinality(p.counterparty) = lines
        AND array_position(p.account, NULL) IS NULL AND array_position(p.fund, NULL) IS NULL
        AND array_position(p.region, NULL) IS NULL AND array_position(p.counterparty, NULL) IS NULL
        AND array_position(p.amount_fen, NULL) IS NULL) THEN
        broken := 'posting_lines';
    ELSIF NOT (p.kind IN ('appropriation', 'advance', 'advance_return', 'clearing', 'payment', 'deposit_release', 'deposit_kept',
            'refund', 'write_off', 'underwriter_claim', 'underwriter_payment', 'region_settlement', 'core_clearing', 'correction')
        AND p.account <@ ARRAY['treasury', 'fund_pool', 'hospital_payable', 'patient_payable', 'deposit_withheld',
            'hospital_advance', 'core_clearing', 'region_clearing', 'underwriter', 'write_off']
        AND p.fund <@ ARRAY['basic_resident', 'basic_employee', 'civil_servant', 'enterprise_supplement', 'critical_illness',
            'large_amount', 'disabled_soldier', 'medical_aid', 'tilted_aid', 'backstop', 'charity', 'mutual_aid', 'other',
            'personal_account']
        AND NOT EXISTS (SELECT FROM unnest(p.region) AS r(region) WHERE r.region !~ '^[0-9]{6}$')) THEN
        broken := 'posting_words';
    ELSIF EXISTS (SELECT FROM unnest(p.amount_fen) AS l(fen) WHERE l.fen = 0 OR l.fen NOT BETWEEN -1000000000000000 AND 1000000000000000)
    THEN
        broken := 'posting_amounts';
    -- Money of one fund or region is never moved into another's.
    ELSIF EXISTS (SELECT FROM unnest(p.region, p.fund, p.amount_fen) AS l(region, fund, fen)
        GROUP BY l.region, l.fund HAVING sum(l.fen) <> 0) THEN
        broken := 'posting_balanced';
    ELSIF p.made_by = p.approved_by OR length(p.made_by) NOT BETWEEN 1 AND 200 OR length(p.approved_by) NOT BETWEEN 1 AND 200 THEN
        broken := 'posting_four_eyes';
    ELSIF (p.kind = 'appropriation' AND p.budget_year IS NULL) OR p.budget_year NOT BETWEEN 2000 AND 2999 THEN
        broken := 'posting_year';
    ELSIF length(p.reason) NOT BETWEEN 1 AND 200 OR 60 < length(p.reference) OR length(p.posting_id) NOT BETWEEN 1 AND 30 THEN
        broken := 'posting_texts';
    ELSIF p.record_sha256 <> sha256(p.record) THEN
        broken := 'posting_record';
    ELSE
        RETURN true;
    END IF;
    RAISE EXCEPTION 'posting % breaks %', p.posting_id, broken
        USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = 'posting';
END
$$;
COMMENT ON FUNCTION posting_is_sound(posting) IS 'Does a posting balance, is it well formed, and did two agree? Refuses by the name of what it breaks.';
ALTER TABLE posting ADD CONSTRAINT posting_is_sound CHECK (posting_is_sound(posting));

-- On which day a posting may be: not ahead, and not on one that is closed. It takes the lock on the ledger by which whoever closes a day
-- knows the writers to wait for, before it looks.
CREATE FUNCTION posting_on_an_open_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE settlement IN ROW EXCLUSIVE MODE;
    IF (now() AT TIME ZONE 'Asia/Shanghai')::date < NEW.accounting_day THEN
        RAISE EXCEPTION 'posting % is dated ahead', NEW.posting_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_not_ahead', TABLE = 'posting';
    END IF;
    IF NEW.accounting_day <= closed_through() THEN
        RAISE EXCEPTION 'posting % is on a day that is closed', NEW.posting_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_day_open', TABLE = 'posting';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION posting_on_an_open_day() IS 'Refuses postings that are dated ahead or into a closed day, whoever writes them.';
CREATE TRIGGER posting_on_an_open_day BEFORE INSERT ON posting FOR EACH ROW EXECUTE FUNCTION posting_on_an_open_day();

CREATE TABLE posting_proposal (
    proposal_id text NOT NULL,
    draft bytea NOT NULL,
    region text[] NOT NULL,
    hospital_code text,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open',
    decided_by text,
    decided_at timestamptz,
    posting_id text,
    CONSTRAINT posting_proposal_pkey PRIMARY KEY (proposal_id),
    CONSTRAINT posting_proposal_is_sound CHECK (state IN ('open', 'posted', 'withdrawn') AND length(made_by) BETWEEN 1 AND 200
        AND (state = 'open') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)
        AND (state = 'posted') = (posting_id IS NOT NULL)),
    CONSTRAINT posting_proposal_four_eyes CHECK (state <> 'posted' OR decided_by <> made_by)
);
CREATE INDEX posting_proposal_open ON posting_proposal (made_at) WHERE state = 'open';
COMMENT ON TABLE posting_proposal IS
    'What somebody wants posted: open until another agrees or it is taken back. Then it stands still.';

-- === Clearing ===

CREATE TABLE clearing_terms (
    region text NOT NULL,
    said_at timestamptz NOT NULL,
    deposit_ratio_billionths bigint NOT NULL,
    due_workdays smallint NOT NULL,
    source text NOT NULL,
    said_by text NOT NULL,
    CONSTRAINT clearing_terms_pkey PRIMARY KEY (region, said_at),
    CONSTRAINT clearing_terms_is_sound CHECK (region ~ '^[0-9]{6}$' AND deposit_ratio_billionths BETWEEN 0 AND 200000000
        AND due_workdays BETWEEN 1 AND 250 AND length(source) BETWEEN 1 AND 200 AND length(said_by) BETWEEN 1 AND 200)
);
COMMENT ON TABLE clearing_terms IS
    'History: what a region withholds and when it pays, with its source; the newest of the narrowest region counts. Without a row the '
    'terms are assumed.';

CREATE TABLE clearing_statement (
    statement_id text NOT NULL,
    hospital_code text NOT NULL,
    insured_region text NOT NULL,
    treatment_region text NOT NULL,
    scheme text NOT NULL,
    clearing_type text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    settlements bigint NOT NULL,
    reversals bigint NOT NULL,
    provisional bigint NOT NULL,
    total_fen bigint NOT NULL,
    cash_fen bigint NOT NULL,
    fund text[] NOT NULL,
    owed_fen bigint[] NOT NULL,
    carried_fen bigint[] NOT NULL,
    withheld_fen bigint[] NOT NULL,
    offset_fen bigint[] NOT NULL,
    paid_fen bigint[] NOT NULL,
    deposit_ratio_billionths bigint NOT NULL,
    terms_assumed boolean NOT NULL,
    due_day date NOT NULL,
    due_assumed boolean NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'made',
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    first_approver text,
    second_approver text,
    reason text NOT NULL DEFAULT '',
    CONSTRAINT clearing_statement_pkey PRIMARY KEY (statement_id),
    CONSTRAINT clearing_statement_four_eyes CHECK (second_approver IS NULL OR (first_approver IS NOT NULL
        AND second_approver <> first_approver)),
    CONSTRAINT clearing_statement_approved CHECK (CASE state WHEN 'made' THEN first_approver IS NULL
        WHEN 'approved_once' THEN first_approver IS NOT NULL AND second_approver IS NULL
        WHEN 'withdrawn' THEN second_approver IS NULL AND reason <> ''
        ELSE second_approver IS NOT NULL END),
    CONSTRAINT clearing_statement_words CHECK (state IN ('made', 'approved_once', 'approved', 'in_file', 'paid', 'withdrawn')
        AND scheme IN ('resident', 'employee') AND insured_region ~ '^[0-9]{6}$' AND treatment_region ~ '^[0-9]{6}$'
        AND length(hospital_code) BETWEEN 1 AND 12 AND length(statement_id) BETWEEN 1 AND 30 AND length(reason) <= 200
        AND length(made_by) BETWEEN 1 AND 200 AND length(changed_by) BETWEEN 1 AND 200),
    CONSTRAINT clearing_statement_days CHECK (first_day <= last_day AND last_day <= due_day),
    CONSTRAINT clearing_statement_counts CHECK (0 <= settlements AND 0 <= reversals AND 0 <= provisional),
    CONSTRAINT clearing_statement_amounts CHECK (abs(total_fen) < 4000000000000000000 AND abs(cash_fen) < 4000000000000000000
        AND cardinality(fund) = cardinality(owed_fen) AND cardinality(fund) = cardinality(carried_fen)
        AND cardinality(fund) = cardinality(withheld_fen) AND cardinality(fund) = cardinality(offset_fen)
        AND cardinality(fund) = cardinality(paid_fen) AND array_position(owed_fen, NULL) IS NULL
        AND 0 <= ALL (withheld_fen) AND 0 <= ALL (offset_fen) AND 0 <= ALL (paid_fen) AND 0 >= ALL (carried_fen))
);
CREATE INDEX clearing_statement_of_hospital ON clearing_statement (hospital_code, insured_region, last_day);
CREATE INDEX clearing_statement_unpaid ON clearing_statement (due_day) WHERE state NOT IN ('paid', 'withdrawn');
COMMENT ON TABLE clearing_statement IS
    'What a hospital is owed for the settlements of some closed days, of one insured region, scheme and clearing type. What it says never '
    'changes; its state does, step by step, each of which is in clearing_event. A settlement is in the one statement of its key whose days '
    'hold its day: no two overlap, and nothing more comes into a closed day.';

CREATE TABLE clearing_event (
    statement_id text NOT NULL,
    event_no integer NOT NULL,
    state text NOT NULL,
    paid_fen bigint[] NOT NULL,
    by_name text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT clearing_event_pkey PRIMARY KEY (statement_id, event_no),
    CONSTRAINT clearing_event_is_sound CHECK (0 < event_no AND 0 <= ALL (paid_fen))
);
COMMENT ON TABLE clearing_event IS 'History: every step of every statement, who took it and when. Written by the statement itself.';

CREATE FUNCTION clearing_statement_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'made' OR 0 < ANY (NEW.paid_fen) THEN
        RAISE EXCEPTION 'statement % does not begin as made', NEW.statement_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'clearing_statement_step';
    END IF;
    IF closed_through() IS NULL OR closed_through() < NEW.last_day THEN
        RAISE EXCEPTION 'statement % is of a day that is not closed', NEW.statement_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'clearing_statement_days_closed';
    END IF;
    -- One at a time for each key, so that the next one sees this one.
    PERFORM pg_advisory_xact_lock(7230113, hashtext(concat_ws(' ', NEW.hospital_code, NEW.insured_region, NEW.scheme,
        NEW.clearing_type)));
    IF EXISTS (SELECT FROM clearing_statement s WHERE s.hospital_code = NEW.hospital_code
        AND s.insured_region = NEW.insured_region AND s.scheme = NEW.scheme AND s.clearing_type = NEW.clearing_type
        AND s.state <> 'withdrawn' AND s.first_day <= NEW.last_day AND NEW.first_day <= s.last_day) THEN
        RAISE EXCEPTION 'statement % overlaps another', NEW.statement_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'clearing_statement_overlaps';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION clearing_statement_begins() IS 'Refuses a statement of a day that is open, or that another has already.';
CREATE TRIGGER clearing_statement_begins BEFORE INSERT ON clearing_statement
    FOR EACH ROW EXECUTE FUNCTION clearing_statement_begins();

-- A state follows from the one before, and nothing else ever changes.
CREATE FUNCTION clearing_statement_steps() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moving CONSTANT text[] := ARRAY['state', 'changed_by', 'changed_at', 'first_approver', 'second_approver', 'reason', 'paid_fen'];
BEGIN
    IF to_jsonb(OLD) - moving <> to_jsonb(NEW) - moving THEN
        RAISE EXCEPTION 'what statement % says does not change', OLD.statement_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'clearing_statement_says', HINT = 'withdraw it and make it anew';
    END IF;
    IF NOT (OLD.state, NEW.state) IN (('made', 'approved_once'), ('made', 'withdrawn'), ('approved_once', 'approved'),
            ('approved_once', 'withdrawn'), ('approved', 'in_file'), ('approved', 'paid'), ('in_file', 'approved'), ('in_file', 'paid'))
        OR (OLD.first_approver IS NOT NULL AND OLD.first_approver IS DISTINCT FROM NEW.first_approver)
        OR (OLD.second_approver IS NOT NULL AND OLD.second_approver IS DISTINCT FROM NEW.second_approver)
        OR (OLD.paid_fen <> NEW.paid_fen AND OLD.state <> 'in_file') THEN
        RAISE EXCEPTION 'statement % does not go from % to %', OLD.statement_id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'clearing_statement_step';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION clearing_statement_steps() IS 'Refuses steps that a statement does not take, and any change of what it says.';
CREATE TRIGGER clearing_statement_steps BEFORE UPDATE ON clearing_statement
    FOR EACH ROW EXECUTE FUNCTION clearing_statement_steps();

CREATE FUNCTION clearing_statement_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO clearing_event (statement_id, event_no, state, paid_fen, by_name, at)
    SELECT NEW.statement_id, 1 + count(*), NEW.state, NEW.paid_fen, NEW.changed_by, NEW.changed_at
    FROM clearing_event e WHERE e.statement_id = NEW.statement_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION clearing_statement_told() IS 'Records each step of a statement.';
CREATE TRIGGER clearing_statement_told AFTER INSERT OR UPDATE ON clearing_statement
    FOR EACH ROW EXECUTE FUNCTION clearing_statement_told();

CREATE FUNCTION refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is kept: % is refused', tg_table_name, lower(tg_op) USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION refuse_removal() IS 'Refuses that anything is removed where states may change.';

-- === Payments ===

CREATE TABLE hospital_account (
    hospital_code text NOT NULL,
    account_no integer NOT NULL,
    bank_code text NOT NULL,
    account_sealed bytea NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    confirmed_by text,
    confirmed_at timestamptz,
    account_mark bytea NOT NULL,
    CONSTRAINT hospital_account_pkey PRIMARY KEY (hospital_code, account_no),
    CONSTRAINT hospital_account_is_sound CHECK (length(hospital_code) BETWEEN 1 AND 12 AND 0 < account_no
        AND bank_code ~ '^[0-9A-Z]{2,14}$' AND length(set_by) BETWEEN 1 AND 200 AND (confirmed_by IS NULL) = (confirmed_at IS NULL)
        AND octet_length(account_mark) = 32),
    CONSTRAINT hospital_account_four_eyes CHECK (confirmed_by <> set_by)
);
COMMENT ON TABLE hospital_account IS
    'Bank accounts of hospitals; the number is sealed, and its mark is a keyed hash of it. The newest that a second person confirmed is '
    'paid to.';
CREATE INDEX hospital_account_by_mark ON hospital_account (account_mark);
CREATE FUNCTION hospital_account_confirmed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The sealed number may be sealed anew under another key.
    IF to_jsonb(OLD) - ARRAY['confirmed_by', 'confirmed_at', 'account_sealed']
            <> to_jsonb(NEW) - ARRAY['confirmed_by', 'confirmed_at', 'account_sealed']
        OR (OLD.confirmed_by IS NOT NULL AND OLD.confirmed_by IS DISTINCT FROM NEW.confirmed_by) THEN
        RAISE EXCEPTION 'an account of a hospital does not change' USING ERRCODE = 'restrict_violation', HINT = 'add another';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION hospital_account_confirmed() IS 'An account is confirmed once, and else never changes.';
CREATE TRIGGER hospital_account_confirmed BEFORE UPDATE ON hospital_account
    FOR EACH ROW EXECUTE FUNCTION hospital_account_confirmed();

CREATE TABLE hospital_account_event (
    hospital_code text NOT NULL,
    account_no integer NOT NULL,
    event_no integer NOT NULL,
    event text NOT NULL,
    bank_code text NOT NULL,
    account_mark bytea NOT NULL,
    by_name text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT hospital_account_event_pkey PRIMARY KEY (hospital_code, account_no, event_no),
    CONSTRAINT hospital_account_event_is_sound CHECK ((event_no, event) IN ((1, 'set'), (2, 'confirmed')))
);
COMMENT ON TABLE hospital_account_event IS
    'History: who set an account of a hospital, who confirmed it, and which number it was. Written by the account itself.';
CREATE FUNCTION hospital_account_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO hospital_account_event (hospital_code, account_no, event_no, event, bank_code, account_mark, by_name, at)
        VALUES (NEW.hospital_code, NEW.account_no, 1, 'set', NEW.bank_code, NEW.account_mark, NEW.set_by, NEW.set_at);
    ELSIF OLD.confirmed_by IS NULL AND NEW.confirmed_by IS NOT NULL THEN
        INSERT INTO hospital_account_event (hospital_code, account_no, event_no, event, bank_code, account_mark, by_name, at)
        VALUES (NEW.hospital_code, NEW.account_no, 2, 'confirmed', NEW.bank_code, NEW.account_mark, NEW.confirmed_by, NEW.confirmed_at);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION hospital_account_told() IS 'Records who set and who confirmed an account.';
CREATE TRIGGER hospital_account_told AFTER INSERT OR UPDATE ON hospital_account
    FOR EACH ROW EXECUTE FUNCTION hospital_account_told();

CREATE TABLE payment_file (
    file_id text NOT NULL,
    paying_region text NOT NULL,
    bank_code text NOT NULL,
    lines integer NOT NULL,
    total_fen bigint NOT NULL,
    content_sha256 bytea NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    CONSTRAINT payment_file_pkey PRIMARY KEY (file_id),
    CONSTRAINT payment_file_is_sound CHECK (paying_region ~ '^[0-9]{6}$' AND bank_code ~ '^[0-9A-Z]{2,14}$' AND 0 < lines
        AND 0 < total_fen AND octet_length(content_sha256) = 32 AND length(made_by) BETWEEN 1 AND 200)
);
COMMENT ON TABLE payment_file IS 'History: files of payments that went to a bank, with their control totals and the hash of their contents.';

CREATE TABLE payment_line (
    file_id text NOT NULL,
    line_no integer NOT NULL,
    statement_id text NOT NULL,
    hospital_code text NOT NULL,
    account_no integer NOT NULL,
    fund text[] NOT NULL,
    rest_fen bigint[] NOT NULL,
    pay_fen bigint NOT NULL,
    CONSTRAINT payment_line_pkey PRIMARY KEY (file_id, line_no),
    CONSTRAINT payment_line_is_sound CHECK (0 < line_no AND 0 < pay_fen AND cardinality(fund) = cardinality(rest_fen)
        AND 0 < ALL (rest_fen))
);
CREATE INDEX payment_line_of_statement ON payment_line (statement_id);
COMMENT ON TABLE payment_line IS 'History: a payment of a file, by the funds that it is of.';

CREATE TABLE payment_confirmation (
    file_id text NOT NULL,
    line_no integer NOT NULL,
    bank_code text NOT NULL,
    outcome text NOT NULL,
    paid_fen bigint NOT NULL,
    bank_reference text NOT NULL,
    paid_on date NOT NULL,
    posting_id text,
    content_sha256 bytea NOT NULL,
    confirmed_by text NOT NULL,
    confirmed_at timestamptz NOT NULL,
    CONSTRAINT payment_confirmation_pkey PRIMARY KEY (file_id, line_no),
    CONSTRAINT payment_confirmation_reference UNIQUE (bank_code, bank_reference),
    CONSTRAINT payment_confirmation_is_sound CHECK (outcome IN ('paid', 'partial', 'failed') AND 0 <= paid_fen
        AND (outcome = 'failed') = (paid_fen = 0) AND (paid_fen = 0) = (posting_id IS NULL)
        AND length(bank_reference) BETWEEN 1 AND 60 AND octet_length(content_sha256) = 32 AND length(confirmed_by) BETWEEN 1 AND 200)
);
COMMENT ON TABLE payment_confirmation IS
    'History: what a bank said of a payment, once for each. A payment that failed or was made in part is in a later file again.';

CREATE FUNCTION payment_confirmation_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    file payment_file;
    line payment_line;
BEGIN
    SELECT * INTO file FROM payment_file f WHERE f.file_id = NEW.file_id;
    SELECT * INTO line FROM payment_line l WHERE l.file_id = NEW.file_id AND l.line_no = NEW.line_no;
    IF line.file_id IS NULL OR file.file_id IS NULL THEN
        RAISE EXCEPTION 'there is no such payment' USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_unknown';
    END IF;
    IF file.bank_code <> NEW.bank_code THEN
        RAISE EXCEPTION 'the payment went to another bank' USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_of_another_bank';
    END IF;
    IF (NEW.outcome = 'paid' AND NEW.paid_fen <> line.pay_fen) OR (NEW.outcome = 'partial' AND line.pay_fen <= NEW.paid_fen) THEN
        RAISE EXCEPTION 'the amount is not that of the payment' USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_amount';
    END IF;
    IF NEW.paid_on NOT BETWEEN (file.made_at AT TIME ZONE 'Asia/Shanghai')::date AND (now() AT TIME ZONE 'Asia/Shanghai')::date THEN
        RAISE EXCEPTION 'the bank paid before the file was made, or ahead' USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_day';
    END IF;
    IF file.made_by = NEW.confirmed_by THEN
        RAISE EXCEPTION 'who made the file does not confirm it' USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_four_eyes';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION payment_confirmation_fits() IS 'Refuses what a bank says of a payment that is not there, went elsewhere, or was of another amount or day; and who sent it.';
CREATE TRIGGER payment_confirmation_fits BEFORE INSERT ON payment_confirmation
    FOR EACH ROW EXECUTE FUNCTION payment_confirmation_fits();

-- === Budgets ===

CREATE TABLE budget_rule (
    fund text NOT NULL,
    region text NOT NULL,
    said_at timestamptz NOT NULL,
    when_dry text NOT NULL,
    source text NOT NULL,
    said_by text NOT NULL,
    CONSTRAINT budget_rule_pkey PRIMARY KEY (fund, region, said_at),
    CONSTRAINT budget_rule_is_sound CHECK (region ~ '^[0-9]{6}$' AND when_dry IN ('settle_and_flag', 'settle', 'decline')
        AND length(source) BETWEEN 1 AND 200 AND length(said_by) BETWEEN 1 AND 200)
);
COMMENT ON TABLE budget_rule IS
    'History: what a desk gets when a fund of a region has not enough left; the newest counts. Without a row: settle_and_flag.';

-- === Everything as lines ===

-- The one place that says what a settlement is in the books. What funds and accounts pay is owed to the hospital; a benefit beside the bill
-- to the patient. At the desk: what the patient paid and the hospital waived is what the hospital got of the total by no fund. So the sum
-- is nothing exactly where the layers and the desk make up the total.
CREATE VIEW ledger_line AS
SELECT 'settlement'::text AS source, s.settlement_id AS entry_id, s.accounting_day, l.account, p.fund, s.insured_region AS region,
    l.counterparty, s.hospital_code, s.scheme, l.amount_fen
FROM settlement s
CROSS JOIN LATERAL (VALUES
    (CASE s.scheme WHEN 'resident' THEN 'basic_resident' ELSE 'basic_employee' END, s.basic_pool_pay_fen),
    ('civil_servant', s.civil_servant_pay_fen), ('enterprise_supplement', s.enterprise_supplement_pay_fen),
    ('critical_illness', s.critical_illness_pay_fen), ('large_amount', s.large_amount_pay_fen),
    ('disabled_soldier', s.disabled_soldier_pay_fen), ('medical_aid', s.medical_aid_pay_fen),
    ('tilted_aid', s.tilted_aid_pay_fen), ('personal_account', s.account_pay_fen)) AS p(fund, fen)
CROSS JOIN LATERAL (VALUES ('fund_pool', '', p.fen), ('hospital_payable', s.hospital_code, -p.fen)) AS l(account, counterparty, amount_fen)
WHERE p.fen <> 0
UNION ALL
SELECT 'settlement', s.settlement_id, s.accounting_day, l.account,
    CASE WHEN p.payer IN ('backstop', 'charity', 'mutual_aid') THEN p.payer ELSE 'other' END, s.insured_region, l.counterparty,
    s.hospital_code, s.scheme, l.amount_fen
FROM settlement s
CROSS JOIN LATERAL unnest(s.payer, s.books_to, s.pay_fen) AS p(payer, books_to, fen)
CROSS JOIN LATERAL (VALUES ('fund_pool', '', p.fen), ('hospital_payable', s.hospital_code, -p.fen)) AS l(account, counterparty, amount_fen)
WHERE s.other_pay_fen <> 0 AND p.books_to = 'other' AND p.fen <> 0
UNION ALL
SELECT 'settlement', s.settlement_id, s.accounting_day, l.account,
    CASE p.books_to WHEN 'basic_pool' THEN CASE s.scheme WHEN 'resident' THEN 'basic_resident' ELSE 'basic_employee' END
        WHEN 'other' THEN CASE WHEN p.payer IN ('backstop', 'charity', 'mutual_aid') THEN p.payer ELSE 'other' END
        ELSE p.books_to END, s.insured_region, '', s.hospital_code, s.scheme, l.amount_fen
FROM settlement s
CROSS JOIN LATERAL unnest(s.fixed_payer, s.fixed_books_to, s.fixed_pay_fen) AS p(payer, books_to, fen)
CROSS JOIN LATERAL (VALUES ('fund_pool', p.fen), ('patient_payable', -p.fen)) AS l(account, amount_fen)
WHERE s.fixed_pay_fen <> '{}' AND p.fen <> 0
UNION ALL
SELECT 'settlement', s.settlement_id, s.accounting_day, l.account, '', s.insured_region, l.counterparty, s.hospital_code, s.scheme,
    l.amount_fen
FROM settlement s
CROSS JOIN LATERAL (VALUES ('patient_desk', '', s.cash_pay_fen), ('hospital_borne', s.hospital_code, s.hospital_borne_fen),
    ('hospital_desk', s.hospital_code, s.fund_pay_total_fen + s.account_pay_fen - s.total_fen)) AS l(account, counterparty, amount_fen)
WHERE l.amount_fen <> 0
UNION ALL
SELECT 'posting', p.posting_id, p.accounting_day, l.account, l.fund, l.region, l.counterparty, coalesce(p.hospital_code, ''), '',
    l.amount_fen
FROM posting p
CROSS JOIN LATERAL unnest(p.account, p.fund, p.region, p.counterparty, p.amount_fen) AS l(account, fund, region, counterparty, amount_fen);
COMMENT ON VIEW ledger_line IS
    'Every line of the books, of settlements and of postings: above zero a debit, below zero a credit. The sum over any entry, day, '
    'region, hospital or fund is nothing.';

DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['posting', 'clearing_terms', 'clearing_event', 'payment_file', 'payment_line',
        'payment_confirmation', 'hospital_account_event', 'budget_rule'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change()', history || '_append_only', history);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO onestop_service', history);
    END LOOP;
    FOREACH history IN ARRAY ARRAY['posting_proposal', 'clearing_statement', 'hospital_account'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_removal()', history || '_kept', history);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO onestop_service', history);
    END LOOP;
END
$$;
-- A proposal that was decided stands still.
CREATE FUNCTION posting_proposal_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' OR (OLD.draft, OLD.made_by, OLD.made_at, OLD.region) IS DISTINCT FROM
        (NEW.draft, NEW.made_by, NEW.made_at, NEW.region) THEN
        RAISE EXCEPTION 'the proposal was decided' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'posting_proposal_decided';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION posting_proposal_decided() IS 'A proposal is decided once, as it was made.';
CREATE TRIGGER posting_proposal_decided BEFORE UPDATE ON posting_proposal FOR EACH ROW EXECUTE FUNCTION posting_proposal_decided();
GRANT UPDATE (state, decided_by, decided_at, posting_id) ON posting_proposal TO onestop_service;
GRANT UPDATE (state, changed_by, changed_at, first_approver, second_approver, reason, paid_fen) ON clearing_statement TO onestop_service;
GRANT UPDATE (confirmed_by, confirmed_at, account_sealed) ON hospital_account TO onestop_service;
GRANT SELECT ON ledger_line TO onestop_service;
