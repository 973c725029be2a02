-- Appends opening entries, moves what their persons have used by them, and each person's version once.
WITH given AS (
    SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::text[],
        $8::bigint[]) AS given(bucket, person_id, entry_id, insured_region, scheme, policy_year, name, amount_fen)
), written AS (
    INSERT INTO opening_entry (bucket, person_id, entry_id, insured_region, scheme, policy_year, name, amount_fen, source,
        import_id)
    SELECT g.*, $9::text, $10::text FROM given g
)
UPDATE person_head h SET ledger_version = h.ledger_version + 1,
    (used_key, used_fen) = (SELECT u.used_key, u.used_fen FROM used_after(h.used_key, h.used_fen, m.keys, m.fens) u)
FROM (
    SELECT bucket, person_id, array_agg(concat_ws(' ', insured_region, scheme, policy_year, name)) AS keys,
        array_agg(amount_fen) AS fens
    FROM given GROUP BY 1, 2
) m
WHERE h.bucket = m.bucket AND h.person_id = m.person_id
