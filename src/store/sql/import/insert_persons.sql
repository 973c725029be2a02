-- Registers persons: their one row, which every later commit of theirs goes through.
INSERT INTO person_head (bucket, person_id, birth_date, name_sealed, name_mark)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::date[], $4::bytea[], $5::bytea[])
