-- Keeps a person's number with what they showed, where it was not told before.
INSERT INTO national_person (person_number, credential_kind, credential_hash)
VALUES ($1::text, $2::smallint, $3::bytea)
ON CONFLICT DO NOTHING
