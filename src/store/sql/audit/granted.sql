-- What settlements granted in $1 regions up to $3, in one pass over their columns: of the month from $2 to $3 (0), of the one before, from $4
-- to $5 (1), of the same one of last year, from $6 to $7 (2), and of all other days before (3), which are not told apart further. At most $8.
SELECT s.period, s.region, s.hospital_code, s.scheme, s.class, s.care, count(*) AS entries,
    count(s.reverses_settlement_id) AS reversals, count(*) FILTER (WHERE s.assumed) AS assumed,
    coalesce(sum(s.granted_fen) FILTER (WHERE s.assumed), 0)::bigint AS assumed_fen, sum(s.total_fen)::bigint AS charged_fen,
    sum(s.granted_fen)::bigint AS granted_total_fen,
    ARRAY[CASE s.scheme WHEN 'resident' THEN 'basic_resident' ELSE 'basic_employee' END, 'civil_servant', 'enterprise_supplement',
        'critical_illness', 'large_amount', 'disabled_soldier', 'medical_aid', 'tilted_aid', 'personal_account'] AS fund,
    ARRAY[sum(s.basic_pool_pay_fen), sum(s.civil_servant_pay_fen), sum(s.enterprise_supplement_pay_fen),
        sum(s.critical_illness_pay_fen), sum(s.large_amount_pay_fen), sum(s.disabled_soldier_pay_fen), sum(s.medical_aid_pay_fen),
        sum(s.tilted_aid_pay_fen), sum(s.account_pay_fen)]::bigint[] AS granted_fen
FROM (
    SELECT p.period, t.insured_region AS region, t.hospital_code, t.scheme,
        CASE WHEN p.period = 3 THEN '' WHEN cardinality(t.identities_used) < 2 THEN coalesce(t.identities_used[1], '')
            -- Of several identities the one that counted for aid.
            ELSE coalesce(nullif(t.payer_identity[array_position(t.books_to, 'medical_aid')], ''),
                nullif(t.payer_identity[array_position(t.books_to, 'tilted_aid')], ''), t.identities_used[1]) END AS class,
        CASE WHEN p.period = 3 THEN '' ELSE t.care_type END AS care, t.reverses_settlement_id, t.assumed, t.total_fen,
        t.fund_pay_total_fen + t.account_pay_fen AS granted_fen, t.basic_pool_pay_fen, t.civil_servant_pay_fen,
        t.enterprise_supplement_pay_fen, t.critical_illness_pay_fen, t.large_amount_pay_fen, t.disabled_soldier_pay_fen,
        t.medical_aid_pay_fen, t.tilted_aid_pay_fen, t.account_pay_fen
    FROM settlement t
    CROSS JOIN LATERAL (SELECT CASE WHEN $2::date <= t.accounting_day THEN 0 WHEN t.accounting_day BETWEEN $4::date AND $5::date THEN 1
        WHEN t.accounting_day BETWEEN $6::date AND $7::date THEN 2 ELSE 3 END AS period) p
    WHERE t.accounting_day <= $3
) s
GROUP BY s.period, s.region, s.hospital_code, s.scheme, s.class, s.care
HAVING $1::text[] IS NULL OR EXISTS (SELECT FROM unnest($1::text[]) AS r(within) WHERE region_lies_in(s.region, r.within))
ORDER BY s.period, s.region, s.hospital_code, s.scheme, s.class, s.care
LIMIT $8::bigint
