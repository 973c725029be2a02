-- Fewer keys to walk and fewer conditions to read with each settlement.
--
-- Not safe beside the previous release, which looks for charge lines by their hash: stop it first. Keeps all that is stored.

-- A settlement is looked for by its id, which carries its bucket and grows with time, so that its key is written at its end. A key
-- that starts with the person is written somewhere in the middle: a walk through pages that nobody has near.
ALTER TABLE settlement DROP CONSTRAINT settlement_pkey;
ALTER TABLE settlement DROP CONSTRAINT settlement_id_of_bucket;
ALTER TABLE settlement ADD CONSTRAINT settlement_pkey PRIMARY KEY (bucket, settlement_id);
-- Made anew so that it is the younger one: on a table of which nothing is known yet both cost the same to the planner, which then
-- takes the younger.
DROP INDEX settlement_reversed_once;
CREATE UNIQUE INDEX settlement_reversed_once ON settlement (bucket, person_id, reverses_settlement_id)
    WHERE reverses_settlement_id IS NOT NULL;

-- Charge lines by the settlement that they are behind, for the same reason. Their hash stands in the settlement's row and record.
CREATE TABLE charge_lines_of_settlement (
    bucket smallint NOT NULL,
    settlement_id text NOT NULL,
    lines bytea NOT NULL
);
-- Lines are written once and seldom read: to compress them would cost more than to write them. Below a page they stay in the row.
ALTER TABLE charge_lines_of_settlement SET (toast_tuple_target = 8160);
ALTER TABLE charge_lines_of_settlement ALTER COLUMN lines SET STORAGE EXTERNAL;
INSERT INTO charge_lines_of_settlement (bucket, settlement_id, lines)
SELECT s.bucket, s.settlement_id, c.lines
FROM settlement s JOIN charge_lines c USING (bucket, person_id, lines_sha256)
WHERE s.reverses_settlement_id IS NULL
ORDER BY s.bucket, s.settlement_id;
DROP TABLE charge_lines;
ALTER TABLE charge_lines_of_settlement RENAME TO charge_lines;
ALTER TABLE charge_lines ADD CONSTRAINT charge_lines_pkey PRIMARY KEY (bucket, settlement_id);
COMMENT ON TABLE charge_lines IS
    'History: the charge lines behind a settlement in canonical bytes; a reversal has none of its own. Their hash is in the settlement.';
CREATE TRIGGER charge_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON charge_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON charge_lines TO onestop_service;

-- Each condition is read from the catalogue anew by each statement that writes the table: one a table is enough.
ALTER TABLE person_head DROP CONSTRAINT person_head_bucket, DROP CONSTRAINT person_head_person,
    DROP CONSTRAINT person_head_versions,
    ADD CONSTRAINT person_head_is_sound CHECK (bucket BETWEEN 0 AND 127 AND 0 < person_id
        AND 0 < standing_version AND 0 < ledger_version);
ALTER TABLE stay DROP CONSTRAINT stay_deductible, DROP CONSTRAINT stay_days,
    ADD CONSTRAINT stay_is_sound CHECK (0 <= deductible_fen AND admission_date <= discharge_date);
ALTER TABLE request_key DROP CONSTRAINT request_key_hospital, DROP CONSTRAINT request_key_request,
    DROP CONSTRAINT request_key_whole,
    ADD CONSTRAINT request_key_is_sound CHECK (length(hospital_code) BETWEEN 1 AND 12
        AND length(request_id) BETWEEN 1 AND 30 AND (bucket IS NULL) = (settlement_id IS NULL));

-- What the accumulators of the policy year come to, where whoever decided knows what they were: nothing where they were nothing.
-- And the settlement that must then be the person's newest: what was decided on one that was still on its way is not to be taken for
-- decided on whatever else came to be of the same version.
ALTER TYPE commit_entry ADD ATTRIBUTE used_name text[], ADD ATTRIBUTE used_fen bigint[],
    ADD ATTRIBUTE after_settlement_id text;
