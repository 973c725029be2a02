-- Every place where the books contradict themselves; none is good.
WITH summed AS (
    SELECT l.source, l.entry_id, l.accounting_day, l.region, l.fund, l.hospital_code, sum(l.amount_fen) AS sum_fen
    FROM ledger_line l
    GROUP BY l.source, l.entry_id, l.accounting_day, l.region, l.fund, l.hospital_code
)
SELECT 'unbalanced' AS what, format('%s %s: %s %s comes to %s', s.source, s.entry_id, s.region, s.fund, s.sum_fen) AS detail
FROM summed s WHERE s.sum_fen <> 0
UNION ALL
SELECT 'posting', format('the record of %s is not what was hashed', p.posting_id) FROM posting p WHERE p.record_sha256 <> sha256(p.record)
UNION ALL
SELECT 'posting_day', format('%s of %s was posted at %s', p.posting_id, p.accounting_day, p.posted_at)
FROM posting p WHERE (p.posted_at AT TIME ZONE 'Asia/Shanghai')::date < p.accounting_day
UNION ALL
SELECT 'overlap', format('%s and %s have the same days', a.statement_id, b.statement_id)
FROM clearing_statement a JOIN clearing_statement b USING (hospital_code, insured_region, scheme, clearing_type)
WHERE a.statement_id < b.statement_id AND a.state <> 'withdrawn' AND b.state <> 'withdrawn' AND a.first_day <= b.last_day
    AND b.first_day <= a.last_day
UNION ALL
SELECT 'statement', format('%s owes %s, its settlements come to %s', c.statement_id, told.sum_fen, coalesce(held.sum_fen, 0))
FROM clearing_statement c
CROSS JOIN LATERAL (SELECT coalesce(sum(fen), 0) AS sum_fen FROM unnest(c.owed_fen) AS o(fen)) told
CROSS JOIN LATERAL (SELECT sum(s.fund_pay_total_fen + s.account_pay_fen) AS sum_fen FROM settlement s
    WHERE s.hospital_code = c.hospital_code AND s.insured_region = c.insured_region AND s.scheme = c.scheme
        AND s.clearing_type = c.clearing_type AND s.accounting_day BETWEEN c.first_day AND c.last_day) held
WHERE c.state <> 'withdrawn' AND told.sum_fen <> coalesce(held.sum_fen, 0)
UNION ALL
SELECT 'paid', format('%s is paid %s, its confirmations come to %s', c.statement_id, told.sum_fen, coalesce(held.sum_fen, 0))
FROM clearing_statement c
CROSS JOIN LATERAL (SELECT coalesce(sum(fen), 0) AS sum_fen FROM unnest(c.paid_fen) AS o(fen)) told
CROSS JOIN LATERAL (SELECT sum(k.paid_fen) AS sum_fen FROM payment_line l JOIN payment_confirmation k USING (file_id, line_no)
    WHERE l.statement_id = c.statement_id) held
WHERE told.sum_fen <> coalesce(held.sum_fen, 0)
UNION ALL
SELECT 'payment', format('payment %s of file %s is confirmed and not posted', k.line_no, k.file_id)
FROM payment_confirmation k LEFT JOIN posting p USING (posting_id)
WHERE k.posting_id IS NOT NULL AND p.posting_id IS NULL
