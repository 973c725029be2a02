-- What hospitals of $1 region are owed for $2 to $3, of $4 hospital, $5 insured region or of any, where no statement has these days yet.
SELECT s.hospital_code, s.insured_region, s.scheme, s.clearing_type, max(s.treatment_region) AS treatment_region,
    count(*) FILTER (WHERE s.reverses_settlement_id IS NULL) AS settlements,
    count(*) FILTER (WHERE s.reverses_settlement_id IS NOT NULL) AS reversals,
    count(*) FILTER (WHERE s.state = 'provisional') AS provisional,
    sum(s.total_fen)::bigint AS total_fen, sum(s.cash_pay_fen)::bigint AS cash_fen,
    ARRAY[CASE s.scheme WHEN 'resident' THEN 'basic_resident' ELSE 'basic_employee' END, 'civil_servant', 'enterprise_supplement',
        'critical_illness', 'large_amount', 'disabled_soldier', 'medical_aid', 'tilted_aid', 'backstop', 'charity', 'mutual_aid',
        'other', 'personal_account'] AS fund,
    ARRAY[sum(s.basic_pool_pay_fen), sum(s.civil_servant_pay_fen), sum(s.enterprise_supplement_pay_fen),
        sum(s.critical_illness_pay_fen), sum(s.large_amount_pay_fen), sum(s.disabled_soldier_pay_fen),
        sum(s.medical_aid_pay_fen), sum(s.tilted_aid_pay_fen), coalesce(sum(o.backstop_fen), 0), coalesce(sum(o.charity_fen), 0),
        coalesce(sum(o.mutual_fen), 0), coalesce(sum(o.other_fen), 0), sum(s.account_pay_fen)]::bigint[] AS owed_fen
FROM settlement s
LEFT JOIN LATERAL (
    SELECT sum(p.fen) FILTER (WHERE p.payer = 'backstop') AS backstop_fen,
        sum(p.fen) FILTER (WHERE p.payer = 'charity') AS charity_fen,
        sum(p.fen) FILTER (WHERE p.payer = 'mutual_aid') AS mutual_fen,
        sum(p.fen) FILTER (WHERE p.payer NOT IN ('backstop', 'charity', 'mutual_aid')) AS other_fen
    FROM unnest(s.payer, s.books_to, s.pay_fen) AS p(payer, books_to, fen)
    WHERE p.books_to = 'other'
) o ON s.other_pay_fen <> 0
WHERE region_lies_in(s.treatment_region, $1) AND s.accounting_day BETWEEN $2 AND $3
    AND ($4::text IS NULL OR s.hospital_code = $4) AND ($5::text IS NULL OR region_lies_in(s.insured_region, $5))
    AND NOT EXISTS (SELECT FROM clearing_statement c WHERE c.hospital_code = s.hospital_code
        AND c.insured_region = s.insured_region AND c.scheme = s.scheme AND c.clearing_type = s.clearing_type
        AND c.state <> 'withdrawn' AND c.first_day = $2 AND c.last_day = $3)
GROUP BY s.hospital_code, s.insured_region, s.scheme, s.clearing_type
ORDER BY s.hospital_code, s.insured_region, s.scheme, s.clearing_type
