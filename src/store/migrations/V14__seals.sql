-- Seals: the leaves of each region's day, in the order in which they were sealed, and the signed heads over them.
--
-- Safe beside the previous release: adds tables and an index that it does not know, touches nothing that exists.

CREATE TABLE seal_block (
    insured_region text NOT NULL,
    accounting_day date NOT NULL,
    block integer NOT NULL,
    first_leaf bigint NOT NULL,
    leaf_id text[] NOT NULL,
    leaf_hashes bytea NOT NULL,
    CONSTRAINT seal_block_pkey PRIMARY KEY (insured_region, accounting_day, block),
    CONSTRAINT seal_block_is_sound CHECK (insured_region ~ '^[0-9]{6}$' AND 0 <= block AND 0 <= first_leaf
        AND 0 < cardinality(leaf_id) AND octet_length(leaf_hashes) = 32 * cardinality(leaf_id))
);
-- What is read at the end of a day is the leaves of all regions.
CREATE INDEX seal_block_of_day ON seal_block (accounting_day);
-- Hashes do not shrink, and to compress ids would cost more than to write them.
ALTER TABLE seal_block ALTER COLUMN leaf_id SET STORAGE EXTERNAL, ALTER COLUMN leaf_hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE seal_block IS
    'History: some leaves of the tree of a region''s day, one after the other. A leaf id is "s" and the id of a settlement, "p" and '
    'the id of a posting and the region whose lines it is of, or "r" and person, standing version and ordinal of a change of the '
    'registry; its hash is over that row.';

CREATE TABLE seal_head (
    insured_region text NOT NULL,
    accounting_day date NOT NULL,
    is_final boolean NOT NULL,
    leaves bigint NOT NULL,
    root_sha256 bytea NOT NULL,
    previous_sha256 bytea NOT NULL,
    head_sha256 bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT seal_head_pkey PRIMARY KEY (insured_region, accounting_day, is_final, leaves),
    CONSTRAINT seal_head_is_sound CHECK (insured_region ~ '^[0-9]{6}$' AND 0 <= leaves AND octet_length(root_sha256) = 32
        AND octet_length(previous_sha256) = 32 AND octet_length(head_sha256) = 32 AND octet_length(public_key) = 32
        AND octet_length(signature) = 64)
);
CREATE UNIQUE INDEX seal_head_once_final ON seal_head (insured_region, accounting_day) WHERE is_final;
COMMENT ON TABLE seal_head IS
    'History: what was signed of the tree of a region''s day: each time that it grew, chained within the day, and once the day is over, '
    'chained from day to day. A region has a final head for each day since its first one, also where nothing happened.';

CREATE TABLE seal_cursor (
    what text NOT NULL,
    read_to timestamptz NOT NULL,
    CONSTRAINT seal_cursor_pkey PRIMARY KEY (what),
    CONSTRAINT seal_cursor_is_sound CHECK (what IN ('settlement', 'registry_change', 'posting'))
) WITH (fillfactor = 50);
COMMENT ON TABLE seal_cursor IS
    'How far the rows of a table are sealed, by when they were made. Current state. What comes later than it should is found at the end '
    'of its day.';
INSERT INTO seal_cursor (what, read_to) VALUES ('settlement', '2000-01-01T00:00:00Z'), ('registry_change', '2000-01-01T00:00:00Z'),
    ('posting', '2000-01-01T00:00:00Z');

-- Changes lie in the order in which they came: a range of pages holds few days.
CREATE INDEX registry_change_by_time ON registry_change USING brin (changed_at) WITH (pages_per_range = 512, autosummarize = on);

-- Those alone that were booked later than they were made: hardly ever one, and looked for by nothing but their day.
CREATE INDEX settlement_booked_later ON settlement (accounting_day)
    WHERE accounting_day > (settled_at AT TIME ZONE 'Asia/Shanghai')::date;

CREATE TRIGGER seal_block_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal_block
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_head_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON seal_block, seal_head TO onestop_service;
GRANT SELECT, UPDATE ON seal_cursor TO onestop_service;
