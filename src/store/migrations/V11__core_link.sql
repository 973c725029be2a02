-- What was settled, on its way to the insurance core.
--
-- Not safe beside the previous release, which writes entries without the new fields: stop it first. Keeps all that is stored.

-- The outbox becomes a queue: a row that was moved into `delivery` is taken out in the same statement. A cursor over rows that stay
-- was looked at and given up: without a key a row may be written anywhere where there is room, also before the cursor (pages are added
-- many at a time, and what was rolled back is written over), so a cursor by place may skip one; a cursor by transaction needs a key.
-- What is read and taken out in one statement can neither be skipped nor taken twice, whatever commits late.
DROP TRIGGER outbox_append_only ON outbox;
GRANT DELETE ON outbox TO onestop_service;
-- Most rows are dead: it is kept small.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
COMMENT ON TABLE outbox IS
    'Queue: what must be told to others, written in the same statement as the settlement itself, and taken out by the statement that '
    'moves it into delivery. It is looked up by nobody, so it has no key: one index less on the path of a settlement.';

CREATE TABLE delivery (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    settlement_id text NOT NULL,
    ledger_version bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    last_code text,
    reference text,
    CONSTRAINT delivery_pkey PRIMARY KEY (bucket, person_id, settlement_id),
    CONSTRAINT delivery_is_sound CHECK (state IN ('waiting', 'sent', 'unknown', 'confirmed', 'refused', 'held')
        AND 0 <= attempts AND length(last_code) <= 64 AND length(reference) <= 64)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
-- What is open of a person, in order.
CREATE INDEX delivery_open ON delivery (bucket, person_id, ledger_version) WHERE state <> 'confirmed';
-- What may be sent next.
CREATE INDEX delivery_due ON delivery (next_at) WHERE state IN ('waiting', 'unknown');
-- What somebody must look at.
CREATE INDEX delivery_refused ON delivery (changed_at) WHERE state = 'refused';
CREATE INDEX delivery_booked_twice ON delivery (changed_at) WHERE last_code = 'CORE_BOOKED_TWICE';
COMMENT ON TABLE delivery IS
    'How far a settlement or reversal has come on its way to the insurance core: waiting; sent, and the answer is still to come; unknown, '
    'so that the core is asked before it is sent again; confirmed; refused, where somebody must look (the dead letters); held behind a '
    'refused one of the same person. Current state.';
GRANT SELECT, INSERT, UPDATE ON delivery TO onestop_service;

-- What takes another's place and what is still to be trued up: only the careful statement writes them.
ALTER TYPE commit_entry ADD ATTRIBUTE supersedes_settlement_id text, ADD ATTRIBUTE state text;

CREATE TABLE trueup (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    settlement_id text NOT NULL,
    ledger_version bigint NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    next_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL,
    last_code text,
    CONSTRAINT trueup_pkey PRIMARY KEY (bucket, person_id, settlement_id),
    CONSTRAINT trueup_is_sound CHECK (state IN ('pending', 'confirmed', 'corrected', 'reversed', 'stuck')
        AND 0 <= attempts AND length(last_code) <= 64)
);
CREATE INDEX trueup_due ON trueup (next_at) WHERE state = 'pending';
CREATE INDEX trueup_stuck ON trueup (changed_at) WHERE state = 'stuck';
COMMENT ON TABLE trueup IS
    'Settlements that our own rules decided because the core did not answer: pending; confirmed, where the core says the same; corrected, '
    'by a reversal and a new settlement; reversed before that by the hospital; stuck, where somebody must look. Current state.';
GRANT SELECT, INSERT, UPDATE ON trueup TO onestop_service;

CREATE TABLE trueup_correction (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    settlement_id text NOT NULL,
    reversal_settlement_id text NOT NULL,
    new_settlement_id text NOT NULL,
    because_of_settlement_id text NOT NULL,
    hospital_code text NOT NULL,
    patient_collect_fen bigint NOT NULL,
    fund_more_fen bigint NOT NULL,
    corrected_at timestamptz NOT NULL,
    CONSTRAINT trueup_correction_pkey PRIMARY KEY (bucket, person_id, settlement_id),
    CONSTRAINT trueup_correction_amounts CHECK (patient_collect_fen BETWEEN -1000000000000 AND 1000000000000
        AND fund_more_fen BETWEEN -1000000000000 AND 1000000000000)
);
CREATE INDEX trueup_correction_of_hospital ON trueup_correction (hospital_code, corrected_at);
COMMENT ON TABLE trueup_correction IS
    'History: settlements that a true-up took back and settled anew, the provisional one itself and later ones that depended on it, with '
    'what the hospital has still to collect from the patient (below zero: to pay back) and what the funds owe it more (below zero: less).';
CREATE TRIGGER trueup_correction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trueup_correction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON trueup_correction TO onestop_service;

CREATE TABLE core_feed (
    only_row boolean NOT NULL DEFAULT true,
    cursor text NOT NULL DEFAULT '',
    told bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    changed_at timestamptz,
    CONSTRAINT core_feed_pkey PRIMARY KEY (only_row),
    CONSTRAINT core_feed_is_sound CHECK (only_row AND length(cursor) <= 200 AND 0 <= rejected AND rejected <= told)
);
INSERT INTO core_feed DEFAULT VALUES;
COMMENT ON TABLE core_feed IS
    'One row: from where on the insurance core is asked for changes of persons and their standing, and how many came. Current state.';
GRANT SELECT, UPDATE ON core_feed TO onestop_service;

CREATE TABLE core_feed_reject (
    cursor text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    field text NOT NULL,
    rejected_at timestamptz NOT NULL,
    CONSTRAINT core_feed_reject_pkey PRIMARY KEY (cursor),
    CONSTRAINT core_feed_reject_is_sound CHECK (length(cursor) <= 200 AND length(kind) <= 16 AND length(reason) <= 64
        AND length(field) <= 64)
);
COMMENT ON TABLE core_feed_reject IS
    'History: changes told by the insurance core that could not be taken, by their cursor, with why. What they said is not kept.';
CREATE TRIGGER core_feed_reject_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON core_feed_reject
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON core_feed_reject TO onestop_service;
