-- Appends opening entries, moves the accumulators by them, and each person's version once.
WITH given AS (
    SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::text[],
        $8::bigint[]) AS given(bucket, person_id, entry_id, insured_region, scheme, policy_year, name, amount_fen)
), written AS (
    INSERT INTO opening_entry (bucket, person_id, entry_id, insured_region, scheme, policy_year, name, amount_fen, source,
        import_id)
    SELECT g.*, $9::text, $10::text FROM given g
), moved AS (
    UPDATE person_head h SET ledger_version = h.ledger_version + 1
    FROM (SELECT DISTINCT bucket, person_id FROM given) g
    WHERE h.bucket = g.bucket AND h.person_id = g.person_id
)
INSERT INTO accumulator AS a (bucket, person_id, insured_region, scheme, policy_year, name, amount_fen)
SELECT m.bucket, m.person_id, m.insured_region, m.scheme, m.policy_year, array_agg(m.name ORDER BY m.name),
    array_agg(m.fen ORDER BY m.name)
FROM (
    SELECT bucket, person_id, insured_region, scheme, policy_year, name, sum(amount_fen)::bigint AS fen
    FROM given GROUP BY 1, 2, 3, 4, 5, 6
) m
GROUP BY 1, 2, 3, 4, 5
ON CONFLICT ON CONSTRAINT accumulator_pkey DO UPDATE
SET (name, amount_fen) = (
    SELECT array_agg(both_of.name ORDER BY both_of.name), array_agg(both_of.fen ORDER BY both_of.name)
    FROM (
        SELECT u.name, sum(u.fen)::bigint AS fen
        FROM (
            SELECT * FROM unnest(a.name, a.amount_fen)
            UNION ALL
            SELECT * FROM unnest(excluded.name, excluded.amount_fen)
        ) AS u(name, fen)
        GROUP BY u.name
    ) both_of
)
