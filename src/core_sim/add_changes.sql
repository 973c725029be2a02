-- Keeps changes to be told: $1 what each says.
WITH added AS (INSERT INTO sim_change (said) SELECT n FROM unnest($1::bytea[]) AS n RETURNING change_id)
SELECT max(change_id) AS last FROM added
