-- Records who looked at whose data: of each difference after one that is of a settlement of ours. $1 statement, $2 after, $3 how many,
-- $4 when, $5 who, $6 what they are, $7 by which door, $8 what for.
INSERT INTO access_record (bucket, person_id, read_at, access_id, caller_name, caller_kind, door, what, settlement_id, purpose)
SELECT s.bucket, s.person_id, $4, hashtextextended(s.settlement_id, d.difference_no), $5, $6, $7, 'settlement', s.settlement_id, $8
FROM (
    SELECT * FROM difference d WHERE d.statement_key = $1 AND $2 < d.difference_no ORDER BY d.difference_no LIMIT $3
) d
CROSS JOIN LATERAL (
    SELECT s.bucket, s.person_id, s.settlement_id FROM settlement s
    WHERE s.bucket = ('x' || substr(d.our_settlement_id, 2, 2))::bit(8)::integer::smallint
        AND s.settlement_id = d.our_settlement_id OFFSET 0
) s
ON CONFLICT ON CONSTRAINT access_record_pkey DO NOTHING
