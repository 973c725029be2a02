-- Hospitals, the catalogue and the rule packages: small tables that every bucket reads.
--
-- Safe beside the previous release: adds tables, touches nothing that exists.

CREATE TABLE hospital (
    hospital_code text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    region text NOT NULL,
    level smallint NOT NULL,
    name text NOT NULL,
    listed_by text,
    CONSTRAINT hospital_pkey PRIMARY KEY (hospital_code, valid_from),
    CONSTRAINT hospital_code CHECK (length(hospital_code) BETWEEN 1 AND 12),
    CONSTRAINT hospital_region CHECK (region ~ '^[0-9]{6}$'),
    CONSTRAINT hospital_level CHECK (level BETWEEN 1 AND 3),
    CONSTRAINT hospital_span CHECK (valid_to IS NULL OR valid_from <= valid_to)
);
COMMENT ON TABLE hospital IS
    'Hospitals with their treatment region and level (1 primary and below, 2 secondary, 3 tertiary), span by span.';

CREATE TABLE catalogue_item (
    item_code text NOT NULL,
    region text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    class text NOT NULL,
    advance_ratio_billionths bigint,
    ceiling_price_level_1_e6 bigint,
    ceiling_price_level_2_e6 bigint,
    ceiling_price_level_3_e6 bigint,
    amount_name text,
    name text NOT NULL,
    listed_by text,
    CONSTRAINT catalogue_item_pkey PRIMARY KEY (item_code, region, valid_from),
    CONSTRAINT catalogue_item_code CHECK (length(item_code) BETWEEN 1 AND 50),
    CONSTRAINT catalogue_item_region CHECK (region ~ '^[0-9]{6}$'),
    CONSTRAINT catalogue_item_class CHECK (class IN ('A', 'B', 'C')),
    CONSTRAINT catalogue_item_ratio CHECK (advance_ratio_billionths BETWEEN 0 AND 1000000000),
    CONSTRAINT catalogue_item_ceilings CHECK (0 <= ceiling_price_level_1_e6 AND 0 <= ceiling_price_level_2_e6
        AND 0 <= ceiling_price_level_3_e6),
    CONSTRAINT catalogue_item_span CHECK (valid_to IS NULL OR valid_from <= valid_to)
);
COMMENT ON TABLE catalogue_item IS
    'What an item counts as in a treatment region (six digits, a prefecture, a province, or 000000 for everywhere; the '
    'narrowest wins), span by span. Prices in millionths of a yuan, the ratio in billionths.';

CREATE TABLE reference_state (
    only_row boolean NOT NULL DEFAULT true,
    version bigint NOT NULL,
    CONSTRAINT reference_state_pkey PRIMARY KEY (only_row),
    CONSTRAINT reference_state_only_row CHECK (only_row)
);
COMMENT ON TABLE reference_state IS
    'One row: grows with each change of a hospital or an item, whoever makes it, so that whoever holds them in memory knows when '
    'they no longer are what is recorded.';
INSERT INTO reference_state (version) VALUES (1);

CREATE FUNCTION reference_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE reference_state SET version = version + 1;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION reference_moved() IS 'Tells that a hospital or an item changed.';
CREATE TRIGGER hospital_moved AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hospital
    FOR EACH STATEMENT EXECUTE FUNCTION reference_moved();
CREATE TRIGGER catalogue_item_moved AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalogue_item
    FOR EACH STATEMENT EXECUTE FUNCTION reference_moved();

CREATE TABLE reference_change (
    import_id text NOT NULL,
    rows_durable bigint NOT NULL,
    ordinal integer NOT NULL,
    kind text NOT NULL,
    before jsonb,
    after jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT reference_change_pkey PRIMARY KEY (import_id, rows_durable, ordinal),
    CONSTRAINT reference_change_kind CHECK (kind IN ('hospital', 'catalogue'))
);
COMMENT ON TABLE reference_change IS
    'History: every change of a hospital or catalogue item, before and after, and the import and batch that made it.';

CREATE TABLE rule_package (
    hash bytea NOT NULL,
    package_id text NOT NULL,
    insured_region text NOT NULL,
    scheme text NOT NULL,
    in_force_from date NOT NULL,
    in_force_to date,
    known_from date NOT NULL,
    supersedes_hash bytea,
    canonical bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT rule_package_pkey PRIMARY KEY (hash),
    CONSTRAINT rule_package_superseded_once UNIQUE (supersedes_hash),
    CONSTRAINT rule_package_supersedes_known FOREIGN KEY (supersedes_hash) REFERENCES rule_package (hash),
    CONSTRAINT rule_package_hash CHECK (hash = sha256('onestop-rule-package-v1\000'::bytea || canonical)),
    CONSTRAINT rule_package_region CHECK (insured_region ~ '^[0-9]{6}$'),
    CONSTRAINT rule_package_scheme CHECK (scheme IN ('resident', 'employee')),
    CONSTRAINT rule_package_span CHECK (in_force_to IS NULL OR in_force_from <= in_force_to),
    CONSTRAINT rule_package_not_itself CHECK (supersedes_hash <> hash)
);
CREATE UNIQUE INDEX rule_package_one_root ON rule_package (package_id) WHERE supersedes_hash IS NULL;
COMMENT ON TABLE rule_package IS
    'History: every rule package that was ever in force, in its canonical bytes. Current while no row supersedes it.';

CREATE TRIGGER reference_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reference_change
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rule_package_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rule_package
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE ON hospital, catalogue_item TO onestop_service;
GRANT SELECT, UPDATE ON reference_state TO onestop_service;
GRANT SELECT, INSERT ON reference_change, rule_package TO onestop_service;
