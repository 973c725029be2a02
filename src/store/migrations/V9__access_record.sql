-- Who looked at whose data, when, by which door, and for what.
--
-- Safe beside the previous release: adds a table, touches nothing that exists.

CREATE TABLE access_record (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    read_at timestamptz NOT NULL,
    access_id bigint NOT NULL,
    caller_name text NOT NULL,
    caller_kind text NOT NULL,
    door text NOT NULL,
    what text NOT NULL,
    settlement_id text,
    purpose text,
    CONSTRAINT access_record_pkey PRIMARY KEY (bucket, person_id, read_at, access_id),
    CONSTRAINT access_record_is_sound CHECK (bucket BETWEEN 0 AND 127 AND 0 < person_id
        AND what IN ('standing', 'settlement', 'quote', 'decline', 'charges', 'name', 'accesses')
        AND purpose ~ '^[a-z][a-z_-]{0,39}$')
);
COMMENT ON TABLE access_record IS
    'History: each time that a person''s data was read, by whom and for what; a settlement or reversal is its own record. The access '
    'id tells two of one moment apart, and makes writing one again harmless. Holds nothing of who a person is.';

CREATE TRIGGER access_record_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON access_record TO onestop_service;
