-- Records who looked at whose data: of each of these differences that is of a settlement of ours. $1 statements, $2 their numbers, $3 when,
-- $4 who, $5 what they are, $6 by which door, $7 what for.
INSERT INTO access_record (bucket, person_id, read_at, access_id, caller_name, caller_kind, door, what, settlement_id, purpose)
SELECT s.bucket, s.person_id, $3, hashtextextended(s.settlement_id, d.difference_no), $4, $5, $6, 'settlement', s.settlement_id, $7
FROM unnest($1::bigint[], $2::bigint[]) AS w(statement_key, difference_no)
JOIN difference d ON d.statement_key = w.statement_key AND d.difference_no = w.difference_no
CROSS JOIN LATERAL (
    SELECT s.bucket, s.person_id, s.settlement_id FROM settlement s
    WHERE s.bucket = ('x' || substr(d.our_settlement_id, 2, 2))::bit(8)::integer::smallint
        AND s.settlement_id = d.our_settlement_id OFFSET 0
) s
ON CONFLICT ON CONSTRAINT access_record_pkey DO NOTHING
