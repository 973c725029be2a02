-- Which credential key the persons of this database are known by.
--
-- Safe beside the previous release: adds a table that it does not know, touches nothing that exists. The first server of this
-- release writes its own key's fingerprint: until then nobody can say which key was used.

CREATE TABLE credential_key (
    only_row boolean NOT NULL DEFAULT true,
    fingerprint bytea NOT NULL,
    first_served_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT credential_key_pkey PRIMARY KEY (only_row),
    CONSTRAINT credential_key_only_row CHECK (only_row),
    CONSTRAINT credential_key_fingerprint CHECK (octet_length(fingerprint) = 32)
);
COMMENT ON TABLE credential_key IS
    'History: one row, the fingerprint of the key that hashes credentials (a keyed hash of a constant, never the key). A server '
    'with another key would find nobody, and register everybody a second time.';

CREATE TRIGGER credential_key_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credential_key
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON credential_key TO onestop_service;
