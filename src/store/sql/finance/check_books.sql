-- Every place where the books contradict themselves; none is good. What of, and where it is about money what is told and what follows.
WITH summed AS (
    SELECT l.source, l.entry_id, l.accounting_day, l.region, l.fund, l.hospital_code, sum(l.amount_fen) AS sum_fen
    FROM ledger_line l
    GROUP BY l.source, l.entry_id, l.accounting_day, l.region, l.fund, l.hospital_code
), step AS (
    SELECT e.*, lag(e.state) OVER (PARTITION BY e.statement_id ORDER BY e.event_no) AS before
    FROM clearing_event e
), history AS (
    SELECT e.statement_id, count(*) AS steps, max(e.event_no) AS last_no,
        count(*) FILTER (WHERE e.state = 'in_file') AS sent, count(*) FILTER (WHERE e.before = 'in_file') AS answered,
        max(e.by_name) FILTER (WHERE e.state = 'approved_once') AS first_by,
        max(e.by_name) FILTER (WHERE e.state = 'approved' AND e.before = 'approved_once') AS second_by
    FROM step e
    GROUP BY e.statement_id
), payment AS (
    SELECT l.statement_id, count(*) AS sent, count(k.file_id) AS answered
    FROM payment_line l LEFT JOIN payment_confirmation k USING (file_id, line_no)
    GROUP BY l.statement_id
)
SELECT 'unbalanced' AS what, format('%s %s %s %s', s.source, s.entry_id, s.region, s.fund) AS detail, s.sum_fen::bigint AS told_fen,
    0::bigint AS follows_fen
FROM summed s WHERE s.sum_fen <> 0
UNION ALL
SELECT 'posting', p.posting_id, NULL, NULL FROM posting p WHERE p.record_sha256 <> sha256(p.record)
UNION ALL
SELECT 'posting_day', format('%s %s', p.posting_id, p.accounting_day), NULL, NULL
FROM posting p WHERE (p.posted_at AT TIME ZONE 'Asia/Shanghai')::date < p.accounting_day
UNION ALL
SELECT 'posting_proposal', p.posting_id, NULL, NULL
FROM posting p
WHERE p.kind NOT IN ('clearing', 'payment') AND NOT EXISTS (SELECT FROM posting_proposal q
    WHERE q.posting_id = p.posting_id AND q.state = 'posted' AND q.made_by = p.made_by AND q.decided_by = p.approved_by)
UNION ALL
SELECT 'overlap', format('%s %s', a.statement_id, b.statement_id), NULL, NULL
FROM clearing_statement a JOIN clearing_statement b USING (hospital_code, insured_region, scheme, clearing_type)
WHERE a.statement_id < b.statement_id AND a.state <> 'withdrawn' AND b.state <> 'withdrawn' AND a.first_day <= b.last_day
    AND b.first_day <= a.last_day
UNION ALL
SELECT 'statement', c.statement_id, told.sum_fen::bigint, coalesce(held.sum_fen, 0)::bigint
FROM clearing_statement c
CROSS JOIN LATERAL (SELECT coalesce(sum(fen), 0) AS sum_fen FROM unnest(c.owed_fen) AS o(fen)) told
CROSS JOIN LATERAL (SELECT sum(s.fund_pay_total_fen + s.account_pay_fen) AS sum_fen FROM settlement s
    WHERE s.hospital_code = c.hospital_code AND s.insured_region = c.insured_region AND s.scheme = c.scheme
        AND s.clearing_type = c.clearing_type AND s.accounting_day BETWEEN c.first_day AND c.last_day) held
WHERE c.state <> 'withdrawn' AND told.sum_fen <> coalesce(held.sum_fen, 0)
UNION ALL
SELECT 'paid', c.statement_id, told.sum_fen::bigint, coalesce(held.sum_fen, 0)::bigint
FROM clearing_statement c
CROSS JOIN LATERAL (SELECT coalesce(sum(fen), 0) AS sum_fen FROM unnest(c.paid_fen) AS o(fen)) told
CROSS JOIN LATERAL (SELECT sum(k.paid_fen) AS sum_fen FROM payment_line l JOIN payment_confirmation k USING (file_id, line_no)
    WHERE l.statement_id = c.statement_id) held
WHERE told.sum_fen <> coalesce(held.sum_fen, 0)
UNION ALL
SELECT 'payment', format('%s %s', k.file_id, k.line_no), NULL, NULL
FROM payment_confirmation k LEFT JOIN posting p USING (posting_id)
WHERE k.posting_id IS NOT NULL AND p.posting_id IS NULL
UNION ALL
SELECT 'payment_day', format('%s %s %s', k.file_id, k.line_no, k.paid_on), NULL, NULL
FROM payment_confirmation k JOIN payment_file f USING (file_id)
WHERE k.paid_on NOT BETWEEN (f.made_at AT TIME ZONE 'Asia/Shanghai')::date AND (k.confirmed_at AT TIME ZONE 'Asia/Shanghai')::date
UNION ALL
-- Four eyes, wherever two must agree.
SELECT 'four_eyes', w.of, NULL, NULL
FROM (
    SELECT c.statement_id AS of, c.first_approver AS one, c.second_approver AS other FROM clearing_statement c
    UNION ALL
    SELECT p.posting_id, p.made_by, p.approved_by FROM posting p
    UNION ALL
    SELECT q.proposal_id, q.made_by, q.decided_by FROM posting_proposal q WHERE q.state = 'posted'
    UNION ALL
    SELECT format('%s %s', h.hospital_code, h.account_no), h.set_by, h.confirmed_by FROM hospital_account h
    UNION ALL
    SELECT format('%s %s', k.file_id, k.line_no), f.made_by, k.confirmed_by FROM payment_confirmation k JOIN payment_file f USING (file_id)
) w
WHERE w.one = w.other
UNION ALL
-- Where a statement stands follows from its steps.
SELECT 'step_missing', coalesce(c.statement_id, h.statement_id), NULL, NULL
FROM clearing_statement c FULL JOIN history h USING (statement_id)
WHERE c.statement_id IS NULL OR h.statement_id IS NULL OR h.steps <> h.last_no
UNION ALL
SELECT 'step_state', format('%s %s', c.statement_id, c.state), NULL, NULL
FROM clearing_statement c JOIN history h USING (statement_id) JOIN clearing_event e ON e.statement_id = c.statement_id AND e.event_no = h.last_no
WHERE (c.state, c.paid_fen, c.changed_by, c.changed_at) IS DISTINCT FROM (e.state, e.paid_fen, e.by_name, e.at)
UNION ALL
SELECT 'step_order', format('%s %s', s.statement_id, s.event_no), NULL, NULL
FROM step s JOIN clearing_statement c USING (statement_id)
WHERE CASE WHEN s.before IS NULL THEN (s.state, s.by_name, s.at) IS DISTINCT FROM ('made', c.made_by, c.made_at)
    ELSE (s.before, s.state) NOT IN (('made', 'approved_once'), ('made', 'withdrawn'), ('approved_once', 'approved'),
        ('approved_once', 'withdrawn'), ('approved', 'in_file'), ('approved', 'paid'), ('in_file', 'approved'), ('in_file', 'paid')) END
UNION ALL
SELECT 'step_approver', c.statement_id, NULL, NULL
FROM clearing_statement c JOIN history h USING (statement_id)
WHERE (c.first_approver, c.second_approver) IS DISTINCT FROM (h.first_by, h.second_by)
UNION ALL
SELECT 'step_payment', h.statement_id, NULL, NULL
FROM history h LEFT JOIN payment p USING (statement_id)
WHERE (h.sent, h.answered) IS DISTINCT FROM (coalesce(p.sent, 0), coalesce(p.answered, 0))
UNION ALL
-- An account in force is the one that was set and confirmed.
SELECT 'account', format('%s %s', coalesce(h.hospital_code, s.hospital_code), coalesce(h.account_no, s.account_no)), NULL, NULL
FROM hospital_account h
FULL JOIN (SELECT * FROM hospital_account_event e WHERE e.event = 'set') s USING (hospital_code, account_no)
LEFT JOIN hospital_account_event c ON c.hospital_code = h.hospital_code AND c.account_no = h.account_no AND c.event = 'confirmed'
WHERE (h.bank_code, h.account_mark, h.set_by, h.set_at) IS DISTINCT FROM (s.bank_code, s.account_mark, s.by_name, s.at)
    OR (h.confirmed_by, h.confirmed_at) IS DISTINCT FROM (c.by_name, c.at)
    OR (c.event_no IS NOT NULL AND (c.bank_code, c.account_mark) IS DISTINCT FROM (h.bank_code, h.account_mark))
UNION ALL
SELECT 'account', format('%s %s %s %s', l.file_id, l.line_no, l.hospital_code, l.account_no), NULL, NULL
FROM payment_line l LEFT JOIN hospital_account h USING (hospital_code, account_no)
WHERE h.account_no IS NULL
