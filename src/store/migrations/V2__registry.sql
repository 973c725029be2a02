-- Who is who, and what was known of them when.
--
-- Safe beside the previous release: adds tables, touches nothing that exists.
--
-- Every table that carries a person starts its keys with the bucket and the person, so that the same layout can be
-- distributed by the bucket. No foreign keys between tables: a distributed store could not check them.

CREATE TABLE person_head (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    birth_date date,
    name_sealed bytea,
    name_mark bytea,
    standing_version bigint NOT NULL DEFAULT 1,
    ledger_version bigint NOT NULL DEFAULT 1,
    newest_settlement_id text,
    registered_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT person_head_pkey PRIMARY KEY (bucket, person_id),
    CONSTRAINT person_head_bucket CHECK (bucket BETWEEN 0 AND 127),
    CONSTRAINT person_head_person CHECK (0 < person_id),
    CONSTRAINT person_head_versions CHECK (0 < standing_version AND 0 < ledger_version)
) WITH (fillfactor = 80);
COMMENT ON TABLE person_head IS
    'One row a person, made at registration: every commit of a person is a compare-and-set on it, so that also the first '
    'settlement of a year has a row to lock. The name is sealed; its mark is a keyed hash by which a repeat is known.';

CREATE TABLE credential (
    bucket smallint NOT NULL,
    credential_hash bytea NOT NULL,
    kind smallint NOT NULL,
    person_bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    CONSTRAINT credential_pkey PRIMARY KEY (bucket, credential_hash, kind),
    CONSTRAINT credential_bucket CHECK (bucket = (get_byte(credential_hash, 0) & 127)),
    CONSTRAINT credential_hash_length CHECK (octet_length(credential_hash) = 32),
    CONSTRAINT credential_kind CHECK (kind BETWEEN 1 AND 5)
);
CREATE INDEX credential_person ON credential (person_bucket, person_id);
COMMENT ON TABLE credential IS
    'Keyed hashes of what persons show to say who they are. Found before the person is known, so its bucket comes from the '
    'hash; kinds: 1 identity number, 2 person number, 3 card token, 4 passport, 5 newborn of mother.';

CREATE TABLE coverage (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    scheme text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    insured_region text NOT NULL,
    facts text NOT NULL DEFAULT '',
    source text NOT NULL,
    listed_by text,
    CONSTRAINT coverage_pkey PRIMARY KEY (bucket, person_id, scheme, valid_from),
    CONSTRAINT coverage_scheme CHECK (scheme IN ('resident', 'employee')),
    CONSTRAINT coverage_region CHECK (insured_region ~ '^[0-9]{6}$'),
    CONSTRAINT coverage_span CHECK (valid_to IS NULL OR valid_from <= valid_to)
);
CREATE INDEX coverage_of_region ON coverage (insured_region);
COMMENT ON TABLE coverage IS
    'Coverage of a person by a scheme. Spans of one scheme never overlap. Facts are "name=value;name=value"; listed_by names '
    'the last full list that carried the span.';

CREATE TABLE identity (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    code text NOT NULL,
    region text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    source text NOT NULL,
    listed_by text,
    CONSTRAINT identity_pkey PRIMARY KEY (bucket, person_id, code, region, valid_from),
    CONSTRAINT identity_code CHECK (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT identity_region CHECK (region ~ '^[0-9]{6}$'),
    CONSTRAINT identity_span CHECK (valid_to IS NULL OR valid_from <= valid_to)
);
CREATE INDEX identity_of_region ON identity (region);
COMMENT ON TABLE identity IS
    'Aid identities of a person with their validity and who says so. Spans of one code and region never overlap.';

CREATE TABLE registry_change (
    bucket smallint NOT NULL,
    person_id bigint NOT NULL,
    standing_version bigint NOT NULL,
    ordinal integer NOT NULL,
    kind text NOT NULL,
    import_id text NOT NULL,
    before jsonb,
    after jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT registry_change_pkey PRIMARY KEY (bucket, person_id, standing_version, ordinal),
    CONSTRAINT registry_change_kind CHECK (kind IN ('person', 'coverage', 'identity'))
);
COMMENT ON TABLE registry_change IS
    'History: every change of a standing, before and after, and the import that made it. Holds no names and no credentials.';

CREATE TABLE import_run (
    import_id text NOT NULL,
    kind text NOT NULL,
    is_full boolean NOT NULL,
    list_date date NOT NULL,
    source text NOT NULL,
    region text,
    rows_durable bigint NOT NULL DEFAULT 0,
    added bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    ended bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT import_run_pkey PRIMARY KEY (import_id),
    CONSTRAINT import_run_id CHECK (length(import_id) BETWEEN 1 AND 64),
    CONSTRAINT import_run_kind CHECK (kind IN ('person', 'coverage', 'identity', 'hospital', 'catalogue', 'opening')),
    CONSTRAINT import_run_region CHECK (region ~ '^[0-9]{6}$' OR (region IS NULL AND NOT is_full)),
    CONSTRAINT import_run_counts CHECK (rows_durable = added + changed + unchanged + rejected)
);
COMMENT ON TABLE import_run IS
    'How far each import is. Moves in the transaction of each batch, so that a killed import goes on where it was.';

CREATE TRIGGER registry_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registry_change
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE ON person_head, coverage, identity, import_run TO onestop_service;
GRANT SELECT, INSERT ON credential, registry_change TO onestop_service;
