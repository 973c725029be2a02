-- Notes at $1 what became of deliveries: $2 buckets, $3 persons, $4 settlements, $5 states, $6 when each is due again, $7 codes and
-- $8 references (nothing: as it was), $9 by how many attempts more. In the order of the keys, so that two of us never wait for each
-- other.
UPDATE delivery d
SET state = n.state, next_at = n.next_at, changed_at = $1::timestamptz,
    last_code = coalesce(n.code, d.last_code), reference = coalesce(n.reference, d.reference),
    attempts = d.attempts + n.more
FROM unnest($2::smallint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::integer[])
    AS n(bucket, person_id, settlement_id, state, next_at, code, reference, more)
-- OFFSET 0: each is looked for by its key, also where the plan was made while there were none.
CROSS JOIN LATERAL (
    SELECT k.ctid AS place FROM delivery k
    WHERE k.bucket = n.bucket AND k.person_id = n.person_id AND k.settlement_id = n.settlement_id OFFSET 0
) k
WHERE d.ctid = k.place AND d.state <> 'confirmed'
