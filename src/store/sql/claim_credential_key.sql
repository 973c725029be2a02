-- Records the fingerprint of the credential key, where none is recorded yet.
INSERT INTO credential_key (fingerprint) VALUES ($1)
ON CONFLICT ON CONSTRAINT credential_key_pkey DO NOTHING
