-- Moves what lies in the outbox into delivery: at most $2 rows, from the place $1 on; due at $3. Tells how many, and the last place.
WITH found AS MATERIALIZED (
    SELECT o.ctid AS place FROM outbox o WHERE $1::text::tid <= o.ctid LIMIT $2
), taken AS (
    DELETE FROM outbox o WHERE o.ctid = ANY (ARRAY(SELECT f.place FROM found f))
    RETURNING o.bucket, o.person_id, o.settlement_id, o.created_at
), moved AS (
    INSERT INTO delivery (bucket, person_id, settlement_id, ledger_version, recorded_at, next_at, changed_at)
    SELECT t.bucket, t.person_id, t.settlement_id, s.ledger_version, t.created_at, $3::timestamptz, $3::timestamptz
    FROM taken t
    -- OFFSET 0: by its key, also where the plan was made while there were none.
    CROSS JOIN LATERAL (
        SELECT s.ledger_version FROM settlement s
        WHERE s.bucket = t.bucket AND s.settlement_id = t.settlement_id OFFSET 0
    ) s
    ON CONFLICT ON CONSTRAINT delivery_pkey DO NOTHING
)
SELECT count(*) AS moved, max(f.place)::text AS last_place FROM found f
