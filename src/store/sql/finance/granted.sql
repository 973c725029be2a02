-- What settlements of $1 to $2 granted by fund and insured region, what of it from $3 to $4, and what banks paid hospitals in those days.
-- The same as sums over ledger_line, without making lines of each settlement first: it is read at every look at budgets.
WITH s AS (
    SELECT s.insured_region AS region, s.scheme, s.accounting_day BETWEEN $3 AND $4 AS lately,
        sum(s.basic_pool_pay_fen) AS basic, sum(s.civil_servant_pay_fen) AS civil_servant,
        sum(s.enterprise_supplement_pay_fen) AS enterprise_supplement, sum(s.critical_illness_pay_fen) AS critical_illness,
        sum(s.large_amount_pay_fen) AS large_amount, sum(s.disabled_soldier_pay_fen) AS disabled_soldier,
        sum(s.medical_aid_pay_fen) AS medical_aid, sum(s.tilted_aid_pay_fen) AS tilted_aid, sum(s.account_pay_fen) AS account
    FROM settlement s
    WHERE s.accounting_day BETWEEN $1 AND $2
    GROUP BY 1, 2, 3
), l AS (
    SELECT s.region, f.fund, s.lately, f.fen, 0 AS paid
    FROM s CROSS JOIN LATERAL (VALUES (CASE s.scheme WHEN 'resident' THEN 'basic_resident' ELSE 'basic_employee' END, s.basic),
        ('civil_servant', s.civil_servant), ('enterprise_supplement', s.enterprise_supplement),
        ('critical_illness', s.critical_illness), ('large_amount', s.large_amount), ('disabled_soldier', s.disabled_soldier),
        ('medical_aid', s.medical_aid), ('tilted_aid', s.tilted_aid), ('personal_account', s.account)) AS f(fund, fen)
    UNION ALL
    SELECT s.insured_region, CASE WHEN p.payer IN ('backstop', 'charity', 'mutual_aid') THEN p.payer ELSE 'other' END,
        s.accounting_day BETWEEN $3 AND $4, p.fen, 0
    FROM settlement s CROSS JOIN LATERAL unnest(s.payer, s.books_to, s.pay_fen) AS p(payer, books_to, fen)
    WHERE s.other_pay_fen <> 0 AND p.books_to = 'other' AND s.accounting_day BETWEEN $1 AND $2
    UNION ALL
    SELECT s.insured_region, CASE p.books_to
            WHEN 'basic_pool' THEN CASE s.scheme WHEN 'resident' THEN 'basic_resident' ELSE 'basic_employee' END
            WHEN 'other' THEN CASE WHEN p.payer IN ('backstop', 'charity', 'mutual_aid') THEN p.payer ELSE 'other' END
            ELSE p.books_to END,
        s.accounting_day BETWEEN $3 AND $4, p.fen, 0
    FROM settlement s CROSS JOIN LATERAL unnest(s.fixed_payer, s.fixed_books_to, s.fixed_pay_fen) AS p(payer, books_to, fen)
    WHERE s.fixed_pay_fen <> '{}' AND s.accounting_day BETWEEN $1 AND $2
    UNION ALL
    SELECT u.region, u.fund, false, 0, u.fen
    FROM posting p CROSS JOIN LATERAL unnest(p.account, p.fund, p.region, p.amount_fen) AS u(account, fund, region, fen)
    WHERE p.kind IN ('payment', 'core_clearing', 'underwriter_payment') AND u.account = 'hospital_payable'
        AND p.accounting_day BETWEEN $1 AND $2
)
SELECT l.fund, l.region, sum(l.fen)::bigint AS granted_fen, coalesce(sum(l.fen) FILTER (WHERE l.lately), 0)::bigint AS lately_fen,
    sum(l.paid)::bigint AS paid_fen
FROM l
GROUP BY l.fund, l.region
