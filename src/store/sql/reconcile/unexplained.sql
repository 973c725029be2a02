-- The next differences that nobody looked at, with what explains them. $1 statement, $2 after this one, $3 how many.
SELECT d.difference_no, d.class, d.refund, d.has_theirs, d.their_total_fen, d.their_fund_fen, d.their_account_fen,
    s.record, s.package_hash, s.settled_at, 
    EXISTS (SELECT FROM trueup t WHERE t.bucket = s.bucket AND t.person_id = s.person_id AND t.settlement_id = s.settlement_id
        AND t.state IN ('pending', 'stuck') OFFSET 0) AS provisional, s.insured_region, s.scheme,
    EXISTS (SELECT FROM settlement r WHERE r.bucket = s.bucket AND r.person_id = s.person_id
        AND r.reverses_settlement_id = s.settlement_id OFFSET 0) AS reversed,
    EXISTS (SELECT FROM registry_change c WHERE c.bucket = s.bucket AND c.person_id = s.person_id AND c.kind = 'identity'
        AND s.settled_at < c.changed_at OFFSET 0) AS identities_changed,
    i.codes, i.regions, i.froms, i.tos, b.line AS bad_line
FROM (
    SELECT d.* FROM difference d WHERE d.statement_key = $1 AND $2 < d.difference_no ORDER BY d.difference_no LIMIT $3
) d
LEFT JOIN LATERAL (
    -- Of a reversal, what it undoes.
    SELECT s.* FROM settlement own
    JOIN LATERAL (
        SELECT * FROM settlement s WHERE s.bucket = own.bucket
            AND s.settlement_id = coalesce(own.reverses_settlement_id, own.settlement_id) OFFSET 0
    ) s ON true
    WHERE own.bucket = ('x' || substr(d.our_settlement_id, 2, 2))::bit(8)::integer::smallint
        AND own.settlement_id = d.our_settlement_id OFFSET 0
) s ON true
LEFT JOIN LATERAL (
    SELECT array_agg(i.code) AS codes, array_agg(i.region) AS regions, array_agg(i.valid_from) AS froms, array_agg(i.valid_to) AS tos
    FROM identity i WHERE i.bucket = s.bucket AND i.person_id = s.person_id OFFSET 0
) i ON true
LEFT JOIN LATERAL (
    -- Of what we alone have: where they have it, in a row that counts for nothing.
    SELECT min(b.line) AS line FROM statement_bad_row b
    WHERE d.has_ours AND NOT d.has_theirs AND b.statement_key = d.statement_key AND b.settlement_id = d.settlement_id
) b ON true
ORDER BY d.difference_no
