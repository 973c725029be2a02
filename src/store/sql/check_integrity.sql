-- Every place where state differs from history, or history from itself; none is good.
WITH rebuilt AS (
    SELECT m.bucket, m.person_id, concat_ws(' ', m.insured_region, m.scheme, m.policy_year, m.name) AS key,
        sum(m.fen)::bigint AS fen
    FROM (
        SELECT s.bucket, s.person_id, s.insured_region, s.scheme, u.policy_year, u.name, u.fen
        FROM settlement s
        CROSS JOIN LATERAL (
            SELECT s.policy_year, y.name, y.fen FROM unnest(s.moved_name, s.moved_fen) AS y(name, fen)
            UNION ALL
            SELECT 0::smallint, l.name, l.fen FROM unnest(s.moved_life_name, s.moved_life_fen) AS l(name, fen)
        ) AS u
        UNION ALL
        SELECT o.bucket, o.person_id, o.insured_region, o.scheme, o.policy_year, o.name, o.amount_fen FROM opening_entry o
    ) m
    GROUP BY 1, 2, 3
), kept AS (
    SELECT h.bucket, h.person_id, u.key, u.fen
    FROM person_head h
    CROSS JOIN LATERAL unnest(h.used_key, h.used_fen) AS u(key, fen)
), in_force AS (
    SELECT s.*
    FROM settlement s
    WHERE s.reverses_settlement_id IS NULL AND NOT EXISTS (SELECT FROM settlement r WHERE r.bucket = s.bucket
        AND r.person_id = s.person_id AND r.reverses_settlement_id = s.settlement_id)
), newest AS (
    SELECT DISTINCT ON (bucket, person_id) bucket, person_id, settlement_id
    FROM in_force
    ORDER BY bucket, person_id, ledger_version DESC
)
SELECT 'accumulator' AS what, person_id, key AS detail, coalesce(kept.fen, 0) AS told_fen, coalesce(rebuilt.fen, 0) AS follows_fen
FROM rebuilt FULL JOIN kept USING (bucket, person_id, key)
WHERE rebuilt.fen IS DISTINCT FROM kept.fen
UNION ALL
SELECT 'newest', h.person_id, format('%s %s', coalesce(h.newest_settlement_id, '-'), coalesce(n.settlement_id, '-')), NULL, NULL
FROM person_head h LEFT JOIN newest n USING (bucket, person_id)
WHERE h.newest_settlement_id IS DISTINCT FROM n.settlement_id
UNION ALL
SELECT 'stay', s.person_id, format('%s %s %s %s', s.hospital_code, s.stay_id, s.part, s.settlement_id), NULL, NULL
FROM stay s LEFT JOIN in_force f USING (bucket, person_id, settlement_id)
WHERE (f.settlement_id IS NOT NULL) = s.reversed
UNION ALL
SELECT 'unstayed', f.person_id, f.settlement_id, NULL, NULL
FROM in_force f LEFT JOIN stay s USING (bucket, person_id, settlement_id)
WHERE s.settlement_id IS NULL
UNION ALL
SELECT 'reversal', r.person_id, format('%s %s', r.settlement_id, r.reverses_settlement_id), NULL, NULL
FROM settlement r LEFT JOIN settlement s ON s.bucket = r.bucket AND s.person_id = r.person_id
    AND s.settlement_id = r.reverses_settlement_id
WHERE r.reverses_settlement_id IS NOT NULL AND (
    s.settlement_id IS NULL
    OR (s.total_fen, s.out_of_catalogue_fen, s.over_limit_fen, s.advance_self_pay_fen, s.in_scope_fen,
        s.deductible_paid_fen, s.fund_pay_total_fen, s.patient_pay_fen, s.cash_pay_fen, s.insured_region, s.scheme,
        s.hospital_code, s.stay_id, s.stay_part)
    IS DISTINCT FROM (-r.total_fen, -r.out_of_catalogue_fen, -r.over_limit_fen, -r.advance_self_pay_fen, -r.in_scope_fen,
        -r.deductible_paid_fen, -r.fund_pay_total_fen, -r.patient_pay_fen, -r.cash_pay_fen, r.insured_region, r.scheme,
        r.hospital_code, r.stay_id, r.stay_part)
    OR s.payer <> r.payer OR s.books_to <> r.books_to
    OR s.pay_fen <> ARRAY(SELECT -u.fen FROM unnest(r.pay_fen) WITH ORDINALITY AS u(fen, ord) ORDER BY u.ord)
    OR s.fixed_pay_fen <> ARRAY(SELECT -u.fen FROM unnest(r.fixed_pay_fen) WITH ORDINALITY AS u(fen, ord) ORDER BY u.ord)
    OR s.moved_name <> r.moved_name OR s.moved_life_name <> r.moved_life_name
    OR s.moved_fen <> ARRAY(SELECT -u.fen FROM unnest(r.moved_fen) WITH ORDINALITY AS u(fen, ord) ORDER BY u.ord)
    OR s.moved_life_fen <> ARRAY(SELECT -u.fen FROM unnest(r.moved_life_fen) WITH ORDINALITY AS u(fen, ord) ORDER BY u.ord))
UNION ALL
SELECT 'record', s.person_id, s.settlement_id, NULL, NULL
FROM settlement s WHERE s.record_sha256 <> sha256(s.record)
UNION ALL
SELECT 'lines', s.person_id, s.settlement_id, NULL, NULL
FROM settlement s LEFT JOIN charge_lines c
    ON c.bucket = s.bucket AND c.settlement_id = coalesce(s.reverses_settlement_id, s.settlement_id)
WHERE s.lines_sha256 IS DISTINCT FROM sha256(c.lines)
UNION ALL
SELECT 'outbox', s.person_id, s.settlement_id, NULL, NULL
FROM settlement s LEFT JOIN (
    SELECT bucket, person_id, settlement_id FROM outbox UNION ALL SELECT bucket, person_id, settlement_id FROM delivery
) o USING (bucket, person_id, settlement_id)
WHERE o.settlement_id IS NULL
UNION ALL
SELECT 'request', s.person_id, s.settlement_id, NULL, NULL
FROM settlement s LEFT JOIN request_key k ON k.hospital_code = s.hospital_code AND k.request_id = s.request_id
WHERE k.settlement_id IS DISTINCT FROM s.settlement_id
