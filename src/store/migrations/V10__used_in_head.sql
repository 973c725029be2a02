-- What a person has used, in the row that every commit of a person goes through: a table and a key less to write with each
-- settlement, and to read before it.
--
-- Not safe beside the previous release, which looks for the table: stop it first. Keeps all that is stored.

ALTER TABLE person_head ADD COLUMN used_key text[] NOT NULL DEFAULT '{}', ADD COLUMN used_fen bigint[] NOT NULL DEFAULT '{}';

-- Keys are region, scheme, policy year (0: a lifetime) and what is counted, in this order and with a space between.
UPDATE person_head h SET used_key = u.keys, used_fen = u.fens
FROM (
    SELECT a.bucket, a.person_id,
        array_agg(concat_ws(' ', a.insured_region, a.scheme, a.policy_year, n.name) ORDER BY concat_ws(' ', a.insured_region,
            a.scheme, a.policy_year, n.name)) AS keys,
        array_agg(n.fen ORDER BY concat_ws(' ', a.insured_region, a.scheme, a.policy_year, n.name)) AS fens
    FROM accumulator a CROSS JOIN LATERAL unnest(a.name, a.amount_fen) AS n(name, fen)
    GROUP BY 1, 2
) u
WHERE h.bucket = u.bucket AND h.person_id = u.person_id;
DROP TABLE accumulator;

ALTER TABLE person_head DROP CONSTRAINT person_head_is_sound,
    ADD CONSTRAINT person_head_is_sound CHECK (bucket BETWEEN 0 AND 127 AND 0 < person_id
        AND 0 < standing_version AND 0 < ledger_version AND cardinality(used_key) = cardinality(used_fen)
        AND array_position(used_key, NULL) IS NULL AND array_position(used_fen, NULL) IS NULL);
-- The row grows and is written with each settlement: room for its next version on its own page.
ALTER TABLE person_head SET (fillfactor = 70);
COMMENT ON TABLE person_head IS
    'One row a person, made at registration: every commit of a person is a compare-and-set on it, so that also the first '
    'settlement of a year has a row to lock. The name is sealed; its mark is a keyed hash by which a repeat is known. used_key and '
    'used_fen are what the person has used, "region scheme year name", year 0 for a lifetime: they follow from what settlements and '
    'opening entries moved, and their rebuild must equal them.';

-- All that a person has used as it comes to be, where whoever decided knows what it was.
ALTER TYPE commit_entry RENAME ATTRIBUTE used_name TO used_key;
COMMENT ON TYPE commit_entry IS 'An entry on its way into settlement, request_key, charge_lines, stay, person_head and outbox.';

-- What somebody used and what moves, added up by key.
CREATE FUNCTION used_after(keys text[], fens bigint[], moved_keys text[], moved_fens bigint[], OUT used_key text[],
    OUT used_fen bigint[]) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(u.key ORDER BY u.key), '{}'), coalesce(array_agg(u.fen ORDER BY u.key), '{}')
    FROM (
        SELECT a.key, sum(a.fen)::bigint AS fen
        FROM (
            SELECT * FROM unnest(keys, fens)
            UNION ALL
            SELECT * FROM unnest(moved_keys, moved_fens)
        ) AS a(key, fen)
        GROUP BY a.key
    ) u
$$;
COMMENT ON FUNCTION used_after(text[], bigint[], text[], bigint[]) IS 'What somebody used and what moves, added up by key.';
