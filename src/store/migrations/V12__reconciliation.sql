-- Days that take nothing more, statements of the other side, and what came of them.
--
-- Safe beside the previous release for as long as no day is fenced: that one would still write into a fenced day. Adds tables and an
-- index that costs next to nothing, since entries come in the order of their days.

CREATE TABLE accounting_fence (
    day date NOT NULL,
    fenced_at timestamptz NOT NULL DEFAULT now(),
    fenced_by text NOT NULL,
    CONSTRAINT accounting_fence_pkey PRIMARY KEY (day),
    CONSTRAINT accounting_fence_is_sound CHECK (length(fenced_by) BETWEEN 1 AND 200)
);
COMMENT ON TABLE accounting_fence IS
    'History: accounting days that are over. A commit compares the newest of them with its own day, and nothing is written into that '
    'day or any before. A day stands still once every statement that began before its fence has ended.';

-- Entries lie in the order in which they came, and so by their day: a range of pages holds few days. Ranges are as large as that each
-- that fills up is summarized by who comes once a minute to do it: of more than 256 those that come later are refused, and told in the
-- log one by one.
CREATE INDEX settlement_by_day ON settlement USING brin (accounting_day) WITH (pages_per_range = 512, autosummarize = on);

CREATE TABLE statement (
    statement_key bigint NOT NULL,
    content_sha256 bytea NOT NULL,
    scope text NOT NULL,
    sender text NOT NULL,
    from_hospital boolean NOT NULL,
    hospital_code text,
    insured_region text,
    scheme text,
    clearing_type text,
    clearing_agency text,
    payer text,
    refund boolean,
    first_day date NOT NULL,
    last_day date NOT NULL,
    told_rows bigint NOT NULL,
    told_total_fen bigint NOT NULL,
    told_fund_fen bigint NOT NULL,
    told_account_fen bigint NOT NULL,
    file_rows bigint NOT NULL,
    file_good_rows bigint NOT NULL,
    file_total_fen bigint NOT NULL,
    file_fund_fen bigint NOT NULL,
    file_account_fen bigint NOT NULL,
    rows_durable bigint NOT NULL DEFAULT 0,
    rows_bad bigint NOT NULL DEFAULT 0,
    differences bigint NOT NULL DEFAULT 0,
    explained bigint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'receiving',
    received_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    closed_by text,
    closed_although text NOT NULL DEFAULT '',
    CONSTRAINT statement_pkey PRIMARY KEY (statement_key),
    CONSTRAINT statement_content CHECK (octet_length(content_sha256) = 32),
    CONSTRAINT statement_days CHECK (first_day <= last_day),
    CONSTRAINT statement_of_somebody CHECK (hospital_code IS NOT NULL OR insured_region ~ '^[0-9]{6}$'),
    CONSTRAINT statement_scheme CHECK (scheme IN ('resident', 'employee')),
    CONSTRAINT statement_state CHECK (state IN ('receiving', 'received', 'matched', 'closed')),
    -- Whoever closes what has bad rows, or other totals beside it than its own rows', says why.
    CONSTRAINT statement_although CHECK (length(closed_although) <= 200 AND (state <> 'closed' OR closed_although <> ''
        OR (rows_bad = 0 AND (told_rows, told_total_fen, told_fund_fen, told_account_fen)
            = (file_good_rows, file_total_fen, file_fund_fen, file_account_fen)))),
    CONSTRAINT statement_closing CHECK ((state = 'closed') = (closed_at IS NOT NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    -- A day closes once for a scope, also for two who close at the same moment.
    CONSTRAINT statement_closed_once EXCLUDE USING gist (
        int8range(hashtextextended(scope, from_hospital::int), hashtextextended(scope, from_hospital::int), '[]') WITH &&,
        daterange(first_day, last_day, '[]') WITH &&) WHERE (state = 'closed'),
    CONSTRAINT statement_counts CHECK (0 <= rows_bad AND rows_durable BETWEEN 0 AND file_rows AND explained BETWEEN 0 AND differences
        AND file_good_rows BETWEEN 0 AND file_rows),
    CONSTRAINT statement_amounts CHECK (greatest(abs(told_total_fen), abs(told_fund_fen), abs(told_account_fen),
        abs(file_total_fen), abs(file_fund_fen), abs(file_account_fen)) < 4000000000000000000)
);
CREATE INDEX statement_by_scope ON statement (scope, first_day);
COMMENT ON TABLE statement IS
    'What an insurer or a hospital says of a span of days, how far it is taken, and whether it is closed. The key is the beginning of '
    'a hash of sender, scope and contents, so that a file sent again is the same statement. Told are the totals beside the file, '
    'file is what its good rows come to.';

CREATE TABLE statement_file (
    hospital_code text NOT NULL,
    file_number bigint NOT NULL,
    file_name text NOT NULL,
    content bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT statement_file_pkey PRIMARY KEY (hospital_code, file_number)
);
-- A packed file does not shrink.
ALTER TABLE statement_file ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON TABLE statement_file IS
    'History: files that hospitals sent by the national door before what they are for (9101). The number follows from the contents.';

CREATE TABLE statement_row (
    statement_key bigint NOT NULL,
    line bigint NOT NULL,
    settlement_id text NOT NULL,
    stay_id text,
    person_number text,
    refund boolean NOT NULL,
    total_fen bigint NOT NULL,
    fund_fen bigint NOT NULL,
    account_fen bigint NOT NULL,
    CONSTRAINT statement_row_pkey PRIMARY KEY (statement_key, line),
    CONSTRAINT statement_row_amounts CHECK (abs(total_fen) <= 1000000000000 AND abs(fund_fen) <= 1000000000000
        AND abs(account_fen) <= 1000000000000)
);
COMMENT ON TABLE statement_row IS 'The good rows of a statement, as they were sent.';

CREATE TABLE statement_bad_row (
    statement_key bigint NOT NULL,
    line bigint NOT NULL,
    reason text NOT NULL,
    column_name text NOT NULL,
    settlement_id text,
    CONSTRAINT statement_bad_row_pkey PRIMARY KEY (statement_key, line)
);
CREATE INDEX statement_bad_row_settlement ON statement_bad_row (statement_key, settlement_id) WHERE settlement_id IS NOT NULL;
COMMENT ON TABLE statement_bad_row IS
    'The rows of a statement that count for nothing, each by its line, the first so many of them. The settlement is there where its '
    'id could be read for all that.';

CREATE TABLE statement_class (
    statement_key bigint NOT NULL,
    class text NOT NULL,
    our_rows bigint NOT NULL,
    our_total_fen bigint NOT NULL,
    our_fund_fen bigint NOT NULL,
    our_account_fen bigint NOT NULL,
    their_rows bigint NOT NULL,
    their_total_fen bigint NOT NULL,
    their_fund_fen bigint NOT NULL,
    their_account_fen bigint NOT NULL,
    CONSTRAINT statement_class_pkey PRIMARY KEY (statement_key, class),
    CONSTRAINT statement_class_amounts CHECK (0 <= our_rows AND 0 <= their_rows AND greatest(abs(our_total_fen),
        abs(our_fund_fen), abs(our_account_fen), abs(their_total_fen), abs(their_fund_fen), abs(their_account_fen))
        < 4000000000000000000)
);
COMMENT ON TABLE statement_class IS 'History: what both sides say in each class of a statement. The classes make up both sides.';

CREATE TABLE difference (
    statement_key bigint NOT NULL,
    difference_no bigint NOT NULL,
    class text NOT NULL,
    settlement_id text NOT NULL,
    our_settlement_id text,
    stay_id text,
    person_number text,
    request_id text,
    line bigint NOT NULL,
    refund boolean NOT NULL,
    has_ours boolean NOT NULL,
    has_theirs boolean NOT NULL,
    our_day date,
    our_total_fen bigint NOT NULL,
    our_fund_fen bigint NOT NULL,
    our_account_fen bigint NOT NULL,
    their_total_fen bigint NOT NULL,
    their_fund_fen bigint NOT NULL,
    their_account_fen bigint NOT NULL,
    CONSTRAINT difference_pkey PRIMARY KEY (statement_key, difference_no),
    CONSTRAINT difference_class CHECK (class IN ('only_ours', 'only_theirs', 'amounts_differ', 'repeated', 'reversed_on_one_side',
        'other_day')),
    CONSTRAINT difference_amounts CHECK (has_ours OR has_theirs) ,
    CONSTRAINT difference_fen CHECK (greatest(abs(our_total_fen), abs(our_fund_fen), abs(our_account_fen), abs(their_total_fen),
        abs(their_fund_fen), abs(their_account_fen)) <= 1000000000000)
);
-- The same row of the ledger in statements of other days, or theirs where we have none.
CREATE INDEX difference_by_row ON difference ((coalesce(our_settlement_id, settlement_id)));
COMMENT ON TABLE difference IS
    'History: what a statement and the ledger differ in, row by row. has_ours says whether ours counts in this statement''s days; '
    'our_settlement_id may lie on another day. What became of it is in difference_event.';

CREATE TABLE difference_event (
    statement_key bigint NOT NULL,
    difference_no bigint NOT NULL,
    event_no integer NOT NULL,
    event text NOT NULL,
    explanation text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    moved_fen bigint NOT NULL DEFAULT 0,
    with_money boolean NOT NULL DEFAULT false,
    proposed_by text,
    by_name text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT difference_event_pkey PRIMARY KEY (statement_key, difference_no, event_no),
    CONSTRAINT difference_event_event CHECK (event IN ('explained', 'proposed', 'withdrawn', 'settled', 'carried')),
    CONSTRAINT difference_event_reason CHECK (length(reason) <= 200 AND (event NOT IN ('proposed', 'settled', 'carried')
        OR length(reason) BETWEEN 1 AND 200)),
    CONSTRAINT difference_event_amount CHECK (abs(moved_fen) <= 1000000000000),
    -- Where money is in it, whoever agrees is another than who proposed it.
    CONSTRAINT difference_event_four_eyes CHECK (event <> 'settled' OR (moved_fen = 0 AND NOT with_money)
        OR (proposed_by IS NOT NULL AND proposed_by <> by_name))
);
COMMENT ON TABLE difference_event IS
    'History of a difference, in its order: explained, proposed by somebody, settled by another, or carried to a later day. '
    'with_money is what the trigger found, and not what somebody says.';

-- What is told to be proposed was: the newest event of the difference, by that name and of that amount. Money is in a difference where
-- a row stands on one side alone, or the amounts differ, whatever is said to move; and in a proposal, whatever it is of.
CREATE FUNCTION difference_event_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest difference_event;
BEGIN
    SELECT * INTO newest FROM difference_event e WHERE e.statement_key = NEW.statement_key
        AND e.difference_no = NEW.difference_no ORDER BY e.event_no DESC LIMIT 1;
    IF NEW.event_no <> coalesce(newest.event_no, 0) + 1 THEN
        RAISE EXCEPTION 'event % of a difference is out of order', NEW.event_no
            USING ERRCODE = 'check_violation', CONSTRAINT = 'difference_event_order';
    END IF;
    IF newest.event = 'settled' THEN
        RAISE EXCEPTION 'the difference is settled'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'difference_event_settled';
    END IF;
    NEW.with_money := NEW.event = 'settled' AND (NEW.moved_fen <> 0 OR newest.event IS NOT DISTINCT FROM 'proposed'
        OR NOT EXISTS (SELECT FROM difference d WHERE d.statement_key = NEW.statement_key AND d.difference_no = NEW.difference_no
            AND d.has_ours AND d.has_theirs AND (d.our_total_fen, d.our_fund_fen, d.our_account_fen)
                = (d.their_total_fen, d.their_fund_fen, d.their_account_fen)));
    IF NEW.with_money AND (newest.event IS DISTINCT FROM 'proposed'
        OR newest.by_name IS DISTINCT FROM NEW.proposed_by OR newest.moved_fen <> NEW.moved_fen) THEN
        RAISE EXCEPTION 'nobody proposed this settlement of a difference'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'difference_event_proposed';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION difference_event_follows() IS 'Refuses an event that does not follow from the history of its difference.';
CREATE TRIGGER difference_event_follows BEFORE INSERT ON difference_event
    FOR EACH ROW EXECUTE FUNCTION difference_event_follows();

CREATE FUNCTION region_is_within(region text, wider text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT starts_with(region, regexp_replace(wider, '(00)+$', ''))
$$;
COMMENT ON FUNCTION region_is_within(text, text) IS 'Does a region lie in another, or is it that one? Codes nest by pairs of digits.';

-- The statement that is closed for one of these days and for all of this scope, or more. A hospital that names no region is where it
-- stands. A payer's layers are a statement of their own: they are compared with other amounts. So is what a hospital sends: whoever
-- closes a region with its insurer has not closed it with the hospitals.
CREATE FUNCTION statement_closed_over(hospital text, region text, of_scheme text, clearing text, agency text, of_payer text,
    of_refund boolean, from_day date, to_day date, of_hospital boolean) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT c.statement_key FROM statement c
    WHERE c.state = 'closed' AND c.from_hospital = of_hospital AND daterange(c.first_day, c.last_day, '[]') && daterange(from_day, to_day, '[]')
        AND (c.hospital_code IS NULL OR c.hospital_code = hospital)
        AND (c.insured_region IS NULL OR region_is_within(coalesce(region, (SELECT h.region FROM hospital h
            WHERE h.hospital_code = hospital AND h.valid_from <= to_day ORDER BY h.valid_from DESC LIMIT 1)), c.insured_region))
        AND (c.scheme IS NULL OR c.scheme = of_scheme)
        AND (c.clearing_type IS NULL OR c.clearing_type = clearing)
        AND (c.clearing_agency IS NULL OR c.clearing_agency = agency)
        AND c.payer IS NOT DISTINCT FROM of_payer
        AND (c.refund IS NULL OR c.refund = of_refund)
    ORDER BY c.closed_at, c.statement_key LIMIT 1
$$;
COMMENT ON FUNCTION statement_closed_over(text, text, text, text, text, text, boolean, date, date, boolean) IS
    'The closed statement of the same or a wider scope that takes one of these days.';

-- What is closed stands still.
CREATE FUNCTION refuse_closed_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'closed' THEN
        RAISE EXCEPTION 'the statement is closed'
            USING ERRCODE = 'restrict_violation', HINT = 'correct by entries in a later day';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION refuse_closed_statement() IS 'Refuses every change of a statement that is closed.';
CREATE TRIGGER statement_closed BEFORE UPDATE ON statement FOR EACH ROW EXECUTE FUNCTION refuse_closed_statement();

DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['accounting_fence', 'statement_file', 'statement_row', 'statement_bad_row', 'statement_class', 'difference',
        'difference_event'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change()', history || '_append_only', history);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO onestop_service', history);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE ON statement TO onestop_service;
