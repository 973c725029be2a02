-- Appends changes of hospitals or items: $1 import, $2 rows durable, $3 kind, $4 before, $5 after.
INSERT INTO reference_change (import_id, rows_durable, ordinal, kind, before, after)
SELECT $1::text, $2::bigint, given.place, $3::text, given.before::jsonb, given.after::jsonb
FROM unnest($4::text[], $5::text[]) WITH ORDINALITY AS given(before, after, place)
