-- What other payers paid and what was granted beside bills in $1 regions up to $3, by payer, in the groups of granted.sql: few entries have
-- either, and only those are taken apart. At most 14 times $8, as there are funds.
SELECT s.period, s.region, s.hospital_code, s.scheme, s.class, s.care, s.fund, sum(s.granted_fen)::bigint AS granted_fen,
    sum(s.benefit_fen)::bigint AS benefit_fen
FROM (
    SELECT p.period, t.insured_region AS region, t.hospital_code, t.scheme,
        CASE WHEN p.period = 3 THEN '' WHEN cardinality(t.identities_used) < 2 THEN coalesce(t.identities_used[1], '')
            ELSE coalesce(nullif(t.payer_identity[array_position(t.books_to, 'medical_aid')], ''),
                nullif(t.payer_identity[array_position(t.books_to, 'tilted_aid')], ''), t.identities_used[1]) END AS class,
        CASE WHEN p.period = 3 THEN '' ELSE t.care_type END AS care,
        CASE l.books_to WHEN 'basic_pool' THEN CASE t.scheme WHEN 'resident' THEN 'basic_resident' ELSE 'basic_employee' END
            WHEN 'other' THEN CASE WHEN l.payer IN ('backstop', 'charity', 'mutual_aid') THEN l.payer ELSE 'other' END
            ELSE l.books_to END AS fund,
        CASE WHEN l.beside THEN 0 ELSE l.fen END AS granted_fen, CASE WHEN l.beside THEN l.fen ELSE 0 END AS benefit_fen
    FROM settlement t
    CROSS JOIN LATERAL (SELECT CASE WHEN $2::date <= t.accounting_day THEN 0 WHEN t.accounting_day BETWEEN $4::date AND $5::date THEN 1
        WHEN t.accounting_day BETWEEN $6::date AND $7::date THEN 2 ELSE 3 END AS period) p
    CROSS JOIN LATERAL (
        SELECT false AS beside, u.payer, u.books_to, u.fen FROM unnest(t.payer, t.books_to, t.pay_fen) AS u(payer, books_to, fen)
        WHERE u.books_to = 'other'
        UNION ALL
        SELECT true, u.payer, u.books_to, u.fen FROM unnest(t.fixed_payer, t.fixed_books_to, t.fixed_pay_fen) AS u(payer, books_to, fen)
    ) l
    WHERE t.accounting_day <= $3 AND (t.other_pay_fen <> 0 OR t.fixed_pay_fen <> '{}')
) s
GROUP BY s.period, s.region, s.hospital_code, s.scheme, s.class, s.care, s.fund
HAVING $1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(within) WHERE region_lies_in(s.region, r.within))
ORDER BY s.period, s.region, s.hospital_code, s.scheme, s.class, s.care, s.fund
LIMIT 14 * $8::bigint
